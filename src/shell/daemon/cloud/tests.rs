//! Tests of the whole publisher against small brokers.

mod floods;

use super::*;
use crate::core::config::settings::{Broker, Mqtt, Security};
use crate::core::crash::observation::InvocationId;
use crate::edge::history::entry::{Channel, Key};
use crate::shell::daemon::identity::Identity;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// Time limit of a test, on a busy machine.
const BOUND: Duration = Duration::from_secs(90);

/// Keeps the texts of all log events of the thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("unitward")
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn endpoint(port: u16) -> Endpoint {
    let broker = Broker {
        security: Security::Plain,
        host: "127.0.0.1".into(),
        port,
    };
    let na = || "n".to_owned();
    let identity = Identity {
        node_id: na(),
        location_id: na(),
        firmware_version: na(),
        model: na(),
        client_id: na(),
    };
    Endpoint::new(
        &Mqtt {
            broker: Some(broker),
            ..Mqtt::default()
        },
        &identity,
    )
    .unwrap()
}

fn report(seq: u64) -> StoredReport {
    let invocation = InvocationId::parse(&format!("{seq:032x}")).unwrap();
    let death = Key {
        boot: String::new(),
        unit: "web.service".into(),
        invocation,
    };
    let (id, payload) = (seq.to_string(), b"{}".to_vec());
    StoredReport {
        seq,
        id,
        lane: "web".into(),
        channel: Channel::Recovery,
        death,
        payload,
    }
}

/// Reads one packet of the client with a length of one or two bytes.
async fn packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let kind = stream.read_u8().await.ok()?;
    let mut length = usize::from(stream.read_u8().await.ok()?);
    if length & 0x80 != 0 {
        length = (length & 0x7f) | usize::from(stream.read_u8().await.ok()?) << 7;
    }
    let mut packet = vec![0; length];
    stream.read_exact(&mut packet).await.ok()?;
    packet.insert(0, kind);
    Some(packet)
}

/// Returns the packet id of a report.
fn number(publish: &[u8]) -> [u8; 2] {
    let topic = usize::from(publish[1]) << 8 | usize::from(publish[2]);
    [publish[3 + topic], publish[4 + topic]]
}

/// Serves one connection as a real broker does: at most three reports in flight, and a ping each
/// second.
async fn behave(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    packet(&mut stream).await.unwrap();
    stream
        .write_all(&[0x20, 9, 0, 0, 6, 0x21, 0, 3, 0x13, 0, 1])
        .await
        .unwrap();
    let (mut pings, mut sent_to_us, mut acknowledged) = (0, 0_u8, 0_u8);
    while let Some(packet) = packet(&mut stream).await {
        let [high, low] = if packet[0] >> 4 == 3 {
            number(&packet)
        } else {
            [0, 0]
        };
        match packet[0] >> 4 {
            3 => {
                stream.write_all(&[0x40, 2, high, low]).await.unwrap();
                if sent_to_us < 30 {
                    sent_to_us += 1;
                    stream
                        .write_all(&[0x32, 7, 0, 1, b'a', 3, sent_to_us, 0, b'x'])
                        .await
                        .unwrap();
                }
            }
            4 => {
                acknowledged += 1;
                assert_eq!(packet[1..], [3, acknowledged], "each once and in its turn");
            }
            12 => {
                pings += 1;
                stream.write_all(&[0xd0, 0]).await.unwrap();
                if pings == 3 {
                    assert_eq!(acknowledged, 30);
                    return;
                }
            }
            other => panic!("{other}"),
        }
    }
}

/// A publisher that was told to connect to this broker and has a hundred reports to deliver.
async fn with_a_hundred_reports(broker: &TcpListener) -> Cloud {
    let cloud = connect_to_cloud();
    let endpoint = endpoint(broker.local_addr().unwrap().port());
    cloud
        .commands
        .send(Command::Connect(Some(Box::new(endpoint))))
        .await
        .unwrap();
    for seq in 1..=100 {
        cloud
            .commands
            .send(Command::Publish(Box::new(report(seq))))
            .await
            .unwrap();
    }
    cloud
}

/// A real broker accepts, acknowledges, answers pings, and may subscribe its clients by itself.
#[tokio::test]
async fn a_broker_that_behaves_is_told_of_once_and_gets_every_report() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut cloud = with_a_hundred_reports(&listener).await;
    let mut sent = 0;
    let news = async {
        while let Some(news) = cloud.news.recv().await {
            sent += usize::from(matches!(news, News::Sent(_)));
        }
    };
    tokio::select! {
        () = behave(&listener) => {}
        () = news => {}
        () = sleep(BOUND) => panic!("the broker is not pinged"),
    }
    assert_eq!(sent, 100);
    let lines = lines.0.lock().unwrap().clone();
    assert_eq!(lines.len(), 1, "{lines:?}");
}
