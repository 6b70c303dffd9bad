//! A broker that floods: the connection ends, at a bounded cost.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of connections that a test waits for; they take 3 s.
const CONNECTIONS: usize = 3;
/// Answers that accept the connection: MQTT 5 and 3.1.1.
const LET_IN: &[u8] = &[0x20, 3, 0, 0, 0];
const LET_IN_3: &[u8] = &[0x20, 2, 0, 0];

/// The effects of a flood.
struct Outcome {
    lines: Vec<String>,
    /// Number of changes of the status.
    changes: usize,
    /// Times of the connections since the start.
    connections: Vec<Duration>,
    /// Approximate number of bytes that the publisher took from the broker.
    taken: usize,
}

/// Behaviour of a broker on each connection.
#[derive(Clone, Copy)]
struct Behaviour {
    let_in: &'static [u8],
    /// An acknowledgement of a report, by its right id, comes first or not.
    first: First,
    /// Bytes that are sent again and again.
    flood: &'static [u8],
}

#[derive(Clone, Copy, PartialEq)]
enum First {
    Nothing,
    Acknowledgement,
}

/// Serves one connection.
async fn serve(mut stream: TcpStream, behaviour: Behaviour, taken: &AtomicUsize) -> Option<()> {
    packet(&mut stream).await?;
    stream.write_all(behaviour.let_in).await.ok()?;
    if behaviour.first == First::Acknowledgement {
        let [high, low] = number(&packet(&mut stream).await?);
        stream.write_all(&[0x40, 2, high, low]).await.ok()?;
    }
    if behaviour.flood.is_empty() {
        let _ = stream.read_u8().await;
        return None;
    }
    let flood = behaviour.flood.repeat(4_096 / behaviour.flood.len());
    loop {
        stream.write_all(&flood).await.ok()?;
        taken.fetch_add(flood.len(), Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

/// Lets the publisher deliver reports to such a broker until it begins the last of [`CONNECTIONS`].
async fn deliver(behaviour: Behaviour) -> Outcome {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut cloud = with_a_hundred_reports(&listener).await;
    let (begun, taken) = (Instant::now(), AtomicUsize::new(0));
    let (mut connections, mut changes) = (Vec::new(), 0);
    let broker = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.push(begun.elapsed());
            if connections.len() == CONNECTIONS {
                return;
            }
            serve(stream, behaviour, &taken).await;
        }
    };
    let watch = async {
        while cloud.status.changed().await.is_ok() {
            changes += 1;
        }
    };
    let news = async { while cloud.news.recv().await.is_some() {} };
    let all = async {
        tokio::select! {
            () = broker => {}
            _ = async { tokio::join!(watch, news) } => {}
        }
    };
    timeout(BOUND, all)
        .await
        .expect("a flood ends each connection");
    let lines = lines.0.lock().unwrap().clone();
    Outcome {
        lines,
        changes,
        connections,
        taken: taken.into_inner(),
    }
}

/// Asserts that the cost of a flood is bounded, and that it is logged in these words.
async fn check(behaviour: Behaviour, words: &str) {
    let Outcome {
        lines,
        changes,
        connections,
        taken,
    } = deliver(behaviour).await;
    let about = format!(
        "{:x?}: {lines:?}, {changes} changes, {connections:?}, {taken} bytes",
        behaviour.flood
    );
    // One for the connection, perhaps one more after it has worked, and one for its loss.
    assert!(lines.len() <= 3, "{about}");
    assert_eq!(
        lines.iter().filter(|line| line.contains(words)).count(),
        1,
        "{words}: {about}"
    );
    // Connecting, connected, a report sent, not connected: for each connection.
    assert!(changes <= 5 * connections.len(), "{about}");
    // After the first at least 1 s, after the second 1 to 2 s.
    for pair in connections.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_secs(1), "{about}");
    }
    // No more than the kernel's buffers on both sides: the rest finds the connection closed.
    assert!(taken <= connections.len() * (8 << 20), "{about}");
}

const MESSAGE: &str = "it sends messages without end, and we subscribe to none";
const ANSWERS_NOTHING: &str = "it sends a packet that answers nothing";

#[tokio::test]
async fn a_second_greeting_ends_the_connection() {
    let words = "it answers our greeting more than once";
    check(
        Behaviour {
            let_in: LET_IN,
            first: First::Nothing,
            flood: LET_IN,
        },
        words,
    )
    .await;
}

#[tokio::test]
async fn messages_without_end_end_the_connection() {
    for flood in [
        &[0x30, 5, 0, 1, b'a', 0, b'x'][..],
        &[0x32, 7, 0, 1, b'a', 0, 1, 0, b'x'],
    ] {
        check(
            Behaviour {
                let_in: LET_IN,
                first: First::Nothing,
                flood,
            },
            MESSAGE,
        )
        .await;
    }
}

#[tokio::test]
async fn a_message_that_is_larger_than_any_that_is_taken_ends_the_connection() {
    let flood = &[0x30, 0xff, 0xff, 0xff, 0x7f];
    check(
        Behaviour {
            let_in: LET_IN,
            first: First::Nothing,
            flood,
        },
        "larger than any that is due",
    )
    .await;
}

#[tokio::test]
async fn a_message_of_another_quality_ends_the_connection() {
    check(
        Behaviour {
            let_in: LET_IN,
            first: First::Nothing,
            flood: &[0x3f, 0xff, 0xff, 0xff, 0x7f],
        },
        "a message of QoS 2",
    )
    .await;
}

#[tokio::test]
async fn answers_to_pings_that_were_not_sent_end_the_connection() {
    let words = "it answers a ping that was not sent";
    check(
        Behaviour {
            let_in: LET_IN,
            first: First::Nothing,
            flood: &[0xd0, 0],
        },
        words,
    )
    .await;
}

#[tokio::test]
async fn acknowledgements_of_what_was_not_sent_end_the_connection() {
    let words = "it acknowledges what was not sent";
    check(
        Behaviour {
            let_in: LET_IN,
            first: First::Nothing,
            flood: &[0x40, 2, 0x7f, 0xff],
        },
        words,
    )
    .await;
}

#[tokio::test]
async fn answers_to_what_we_never_ask_end_the_connection() {
    // SUBACK, PUBREC, AUTH; the tests of `conversation` have the others.
    for first in [0x90, 0x50, 0xf0] {
        let flood: &'static [u8] = Box::leak(Box::new([first, 4, 0, 1, 0, 0]));
        check(
            Behaviour {
                let_in: LET_IN,
                first: First::Nothing,
                flood,
            },
            ANSWERS_NOTHING,
        )
        .await;
    }
}

#[tokio::test]
async fn packets_that_end_before_their_properties_do_end_the_connection() {
    // rumqttc's own event loop swallows them, one for each time it reads, and keeps the rest.
    check(
        Behaviour {
            let_in: LET_IN,
            first: First::Nothing,
            flood: &[0xe0, 2, 0, 0x80],
        },
        "a packet is malformed",
    )
    .await;
}

#[tokio::test]
async fn a_flood_after_a_right_answer_does_not_make_the_broker_a_good_one() {
    check(
        Behaviour {
            let_in: LET_IN,
            first: First::Acknowledgement,
            flood: LET_IN,
        },
        "more than once",
    )
    .await;
    check(
        Behaviour {
            let_in: LET_IN,
            first: First::Acknowledgement,
            flood: &[0xd0, 0],
        },
        "a ping that was not sent",
    )
    .await;
}

#[tokio::test]
async fn limits_that_leave_no_room_are_not_believed() {
    for let_in in [
        &[0x20, 6, 0, 0, 3, 0x21, 0, 0][..],
        &[0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 0],
    ] {
        let outcome = deliver(Behaviour {
            let_in,
            first: First::Nothing,
            flood: &[],
        })
        .await;
        assert!(outcome.connections.len() >= 2, "{:?}", outcome.lines);
        assert_eq!(outcome.lines.len(), 1, "{:?}", outcome.lines);
        assert!(
            outcome.lines[0].contains("its limits leave no room"),
            "{:?}",
            outcome.lines
        );
    }
}

/// A broker of MQTT 3.1.1 that floods; it refuses MQTT 5 by the CONNACK of 3.1.1.
#[tokio::test]
async fn a_flood_in_the_older_version_ends_the_connection_too() {
    for (flood, words) in [
        (LET_IN_3, "it answers our greeting more than once"),
        (&[0x30, 4, 0, 1, b'a', b'x'], MESSAGE),
        (&[0xe0, 0], ANSWERS_NOTHING),
    ] {
        let lines = Lines::default();
        let _guard = tracing::subscriber::set_default(lines.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cloud = connect_to_cloud();
        let endpoint = endpoint(listener.local_addr().unwrap().port());
        cloud
            .commands
            .send(Command::Connect(Some(Box::new(endpoint))))
            .await
            .unwrap();
        let mut count = 0;
        let broker = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                count += 1;
                if count == CONNECTIONS {
                    return;
                }
                let greeting = packet(&mut stream).await.unwrap();
                if greeting[7] == 5 {
                    stream.write_all(&[0x20, 2, 0, 1]).await.unwrap();
                    continue;
                }
                if stream.write_all(LET_IN_3).await.is_ok() {
                    let flood = flood.repeat(1_000);
                    while stream.write_all(&flood).await.is_ok() {}
                }
            }
        };
        timeout(BOUND, broker)
            .await
            .expect("a flood ends the connection");
        let lines = lines.0.lock().unwrap().clone();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].ends_with("speaking MQTT 3.1.1.") && lines[1].contains(words),
            "{lines:?}"
        );
    }
}
