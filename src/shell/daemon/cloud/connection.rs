//! One connection to a broker: rumqttc's client and event loop, together from birth to death.

use super::endpoint::Endpoint;
use super::outbox::{IN_FLIGHT, Outgoing};
use crate::core::config::settings::Security;
use rumqttc::Outgoing as Sent;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, Packet, PubAck, PubAckReason, PublishProperties};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use std::fs;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How often the broker is pinged when nothing else is said.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long connecting may take, seconds.
const CONNECT_TIMEOUT: u64 = 10;
/// Packet ids rumqttc counts through. Far above [`IN_FLIGHT`], so that an id is free again when its turn comes, and far
/// below its default, for which it sets aside some 13 MB.
const PACKET_IDS: u16 = 256;
/// What a packet has beside topic, payload and report id: headers and properties, generously.
const PACKET_OVERHEAD: usize = 128;
/// Events that may wait to be looked at. When full, the event loop pauses; nobody else waits for it.
const EVENTS: usize = 64;

/// What came of a connection.
pub(super) enum Progress {
    /// The broker let us in.
    Connected,
    /// The oldest report handed over and not yet numbered has this packet id.
    Numbered(u16),
    /// The broker has it.
    Acknowledged(u16),
    /// The broker will never take it, and why.
    Refused(u16, String),
    /// Nothing of interest.
    Quiet,
    /// The connection cannot be used any more.
    Failed(Failure),
}

/// Why there is no connection, in words for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// `PasswordFile=` cannot be read.
    #[error("failed to read the password file: {0}")]
    Password(String),
    /// `mqtts://`.
    #[error("mqtts:// is not supported by this version")]
    Tls,
    /// The broker's own word.
    #[error("the broker refuses us: {0}")]
    Refused(String),
    /// The broker takes no reports from us.
    #[error("the broker refuses our reports: {0}")]
    Unauthorized(String),
    /// No answer.
    #[error("the broker did not answer in time")]
    Timeout,
    /// Anything else.
    #[error("{0}")]
    Network(String),
}

/// The two halves of rumqttc, the event loop in a task of its own because its `poll` must not be
/// dropped half-way.
pub(super) struct Connection {
    client: AsyncClient,
    events: mpsc::Receiver<Result<Event, ConnectionError>>,
    task: JoinHandle<()>,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Connecting,
    /// … with the largest packet the broker takes, if it said so.
    Up(Option<u32>),
}

impl Connection {
    /// Begins to connect.
    pub(super) fn open(endpoint: &Endpoint) -> Result<Self, Failure> {
        let (client, event_loop) = AsyncClient::new(options(endpoint)?, IN_FLIGHT);
        let (sender, events) = mpsc::channel(EVENTS);
        Ok(Self { client, events, task: tokio::spawn(poll(event_loop, sender)), state: State::Connecting })
    }

    /// Whether the broker has let us in.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Waits for the next thing to happen.
    pub(super) async fn progress(&mut self) -> Progress {
        match self.events.recv().await {
            Some(Ok(Event::Incoming(Packet::ConnAck(ack)))) => {
                self.state = State::Up(ack.properties.and_then(|properties| properties.max_packet_size));
                Progress::Connected
            }
            Some(Ok(Event::Incoming(Packet::PubAck(ack)))) => acknowledgement(&ack),
            Some(Ok(Event::Outgoing(Sent::Publish(packet)))) => Progress::Numbered(packet),
            Some(Ok(Event::Incoming(_) | Event::Outgoing(_))) => Progress::Quiet,
            Some(Err(error)) => Progress::Failed(failure(&error)),
            None => Progress::Failed(Failure::Network("the connection was closed".to_owned())),
        }
    }

    /// Whether the broker takes a report of this size. rumqttc would end the connection over one it does not.
    pub(super) fn takes(&self, report: &Outgoing) -> bool {
        let size = report.topic.len() + report.payload.len() + report.id.len() + PACKET_OVERHEAD;
        match self.state {
            State::Up(Some(largest)) => u32::try_from(size).is_ok_and(|size| size <= largest),
            State::Up(None) | State::Connecting => true,
        }
    }

    /// Hands one report to the event loop. There is always room: no more than [`IN_FLIGHT`] are handed over.
    pub(super) fn publish(&self, report: &Outgoing) -> Result<(), Failure> {
        let properties = PublishProperties {
            user_properties: vec![("report-id".to_owned(), report.id.clone())],
            content_type: Some("application/json".to_owned()),
            ..PublishProperties::default()
        };
        self.client
            .try_publish_with_properties(
                report.topic.clone(),
                QoS::AtLeastOnce,
                false,
                report.payload.clone(),
                properties,
            )
            .map_err(|_| Failure::Network(format!("failed to publish on {:?}", report.topic)))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn poll(mut event_loop: EventLoop, events: mpsc::Sender<Result<Event, ConnectionError>>) {
    loop {
        let event = event_loop.poll().await;
        let over = event.is_err();
        if events.send(event).await.is_err() || over {
            return;
        }
    }
}

fn options(endpoint: &Endpoint) -> Result<MqttOptions, Failure> {
    match endpoint.security {
        Security::Plain => {}
        Security::Tls => return Err(Failure::Tls),
    }
    let host = if endpoint.host.contains(':') { format!("[{}]", endpoint.host) } else { endpoint.host.clone() };
    let mut options = MqttOptions::new(endpoint.client_id.clone(), host, endpoint.port);
    options.set_keep_alive(KEEP_ALIVE).set_clean_start(true).set_connection_timeout(CONNECT_TIMEOUT);
    options.set_outgoing_inflight_upper_limit(PACKET_IDS);
    if let Some(username) = &endpoint.username {
        let password = match &endpoint.password_file {
            None => String::new(),
            Some(file) => fs::read_to_string(file)
                .map_err(|error| Failure::Password(format!("{}: {error}", file.display())))?
                .trim_end_matches(['\n', '\r'])
                .to_owned(),
        };
        options.set_credentials(username.clone(), password);
    }
    Ok(options)
}

/// Refusals that lie in the report itself cost the report; the others may pass, and are waited out.
fn acknowledgement(ack: &PubAck) -> Progress {
    let why = || format!("{:?}", ack.reason);
    match ack.reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Progress::Acknowledged(ack.pkid),
        PubAckReason::TopicNameInvalid | PubAckReason::PayloadFormatInvalid => Progress::Refused(ack.pkid, why()),
        PubAckReason::NotAuthorized
        | PubAckReason::QuotaExceeded
        | PubAckReason::UnspecifiedError
        | PubAckReason::ImplementationSpecificError
        | PubAckReason::PacketIdentifierInUse => Progress::Failed(Failure::Unauthorized(why())),
    }
}

fn failure(error: &ConnectionError) -> Failure {
    match error {
        ConnectionError::Timeout(_) => Failure::Timeout,
        ConnectionError::Io(error) => Failure::Network(error.to_string()),
        ConnectionError::ConnectionRefused(code) => Failure::Refused(refusal(*code)),
        ConnectionError::MqttState(StateError::Io(error)) => Failure::Network(error.to_string()),
        ConnectionError::MqttState(StateError::AwaitPingResp) => Failure::Timeout,
        ConnectionError::MqttState(state) => Failure::Network(state.to_string()),
        other => Failure::Network(other.to_string()),
    }
}

fn refusal(code: ConnectReturnCode) -> String {
    match code {
        ConnectReturnCode::BadUserNamePassword => "bad user name or password".to_owned(),
        ConnectReturnCode::NotAuthorized => "not authorized".to_owned(),
        ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion => {
            "it does not speak MQTT 5".to_owned()
        }
        ConnectReturnCode::BadClientId | ConnectReturnCode::ClientIdentifierNotValid => {
            "the client id is not valid".to_owned()
        }
        ConnectReturnCode::ServerBusy
        | ConnectReturnCode::ServiceUnavailable
        | ConnectReturnCode::ServerUnavailable => "it is not available".to_owned(),
        other => format!("{other:?}"),
    }
}
