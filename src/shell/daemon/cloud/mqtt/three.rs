//! MQTT 3.1.1, which knows neither properties nor reasons.

use super::super::failure::Failure;
use super::super::letter::Letter;
use super::{CONNECT_TIMEOUT, Greeting, KEEP_ALIVE, PACKET_IDS, Progress};
use rumqttc::mqttbytes::Error;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Outgoing, Packet,
    QoS, StateError, TlsConfiguration, Transport,
};

/// What rumqttc takes in at most, which is more than any acknowledgement, and gives out, which is more than MQTT knows.
const PACKET_SIZES: (usize, usize) = (10 << 10, 256 << 20);

pub(super) fn options(greeting: Greeting) -> MqttOptions {
    let mut options = MqttOptions::new(greeting.client_id, greeting.host, greeting.port);
    options.set_keep_alive(KEEP_ALIVE).set_clean_session(true).set_inflight(PACKET_IDS);
    options.set_max_packet_size(PACKET_SIZES.0, PACKET_SIZES.1);
    if let Some((username, password)) = greeting.login {
        options.set_credentials(username, password);
    }
    if let Some(tls) = greeting.tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
    }
    options
}

/// Bounds the time that connecting may take.
pub(super) fn bound(events: &mut EventLoop) {
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_TIMEOUT);
    events.set_network_options(network);
}

pub(super) fn publish(client: &AsyncClient, letter: Letter<'_>) -> bool {
    client.try_publish(letter.topic, QoS::AtLeastOnce, false, letter.payload).is_ok()
}

pub(super) fn progress(event: &Event) -> Progress {
    match event {
        Event::Incoming(Packet::ConnAck(_)) => Progress::Connected(None),
        Event::Incoming(Packet::PubAck(ack)) => Progress::Acknowledged(ack.pkid),
        Event::Outgoing(Outgoing::Publish(packet)) => Progress::Numbered(*packet),
        Event::Incoming(_) | Event::Outgoing(_) => Progress::Quiet,
    }
}

pub(super) fn failure(error: &ConnectionError) -> Failure {
    match error {
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Failure::NoAnswer,
        ConnectionError::Io(error) => Failure::of_io(error),
        ConnectionError::Tls(error) => Failure::of_handshake(error),
        ConnectionError::ConnectionRefused(code) => refusal(*code),
        ConnectionError::NotConnAck(_) => Failure::Garbage("it is no answer to the greeting".to_owned()),
        ConnectionError::MqttState(error) => broken(error),
        ConnectionError::RequestsDone => Failure::Network(error.to_string()),
    }
}

fn broken(error: &StateError) -> Failure {
    match error {
        StateError::Io(error) | StateError::Deserialization(Error::Io(error)) => Failure::of_io(error),
        StateError::ConnectionAborted => Failure::HungUp,
        StateError::AwaitPingResp | StateError::CollisionTimeout => Failure::NoAnswer,
        other => Failure::Garbage(other.to_string()),
    }
}

fn refusal(code: ConnectReturnCode) -> Failure {
    match code {
        ConnectReturnCode::BadUserNamePassword => Failure::Login,
        ConnectReturnCode::NotAuthorized => Failure::NotAuthorized,
        ConnectReturnCode::RefusedProtocolVersion => Failure::Version,
        ConnectReturnCode::BadClientId => Failure::Refused("the client id is not valid (check ClientId=)".to_owned()),
        ConnectReturnCode::ServiceUnavailable => Failure::Refused("it is not available".to_owned()),
        ConnectReturnCode::Success => Failure::Garbage("it refuses us and says that it does not".to_owned()),
    }
}
