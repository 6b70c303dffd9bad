//! MQTT 5.

use super::super::failure::Failure;
use super::super::letter::Letter;
use super::{CONNECT_TIMEOUT, CONTENT_TYPE, Greeting, KEEP_ALIVE, PACKET_IDS, Progress};
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, DisconnectReasonCode, Packet, PubAck, PubAckReason, Publish, PublishProperties,
};
use rumqttc::v5::mqttbytes::{Error, QoS};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, MqttOptions, StateError};
use rumqttc::{Outgoing, TlsConfiguration, Transport};

/// `Packet too large` (MQTT 5, 2.4). rumqttc does not know that a PUBACK may say it, and speaks of a connect code.
const PACKET_TOO_LARGE: u8 = 0x95;

pub(super) fn options(greeting: Greeting) -> MqttOptions {
    let mut options = MqttOptions::new(greeting.client_id, greeting.host, greeting.port);
    options.set_keep_alive(KEEP_ALIVE).set_clean_start(true).set_connection_timeout(CONNECT_TIMEOUT);
    options.set_outgoing_inflight_upper_limit(PACKET_IDS);
    if let Some((username, password)) = greeting.login {
        options.set_credentials(username, password);
    }
    if let Some(tls) = greeting.tls {
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(tls)));
    }
    options
}

/// A broker may say that it wants no pings by a time of 0, which rumqttc takes for always. We ping it nevertheless.
pub(super) fn keep_alive(options: &mut MqttOptions) {
    if options.keep_alive().is_zero() {
        options.set_keep_alive(KEEP_ALIVE);
    }
}

pub(super) fn publish(client: &AsyncClient, letter: Letter<'_>) -> bool {
    let Letter { topic, payload, .. } = letter;
    client.try_publish_with_properties(topic, QoS::AtLeastOnce, false, payload.to_vec(), properties(letter)).is_ok()
}

pub(super) fn overhead(letter: Letter<'_>) -> usize {
    let mut packet = Publish::new(letter.topic, QoS::AtLeastOnce, letter.payload.to_vec(), Some(properties(letter)));
    packet.pkid = 1;
    packet.size() - letter.payload.len()
}

fn properties(letter: Letter<'_>) -> PublishProperties {
    PublishProperties {
        user_properties: vec![("report-id".to_owned(), letter.id.to_owned())],
        content_type: Some(CONTENT_TYPE.to_owned()),
        ..PublishProperties::default()
    }
}

pub(super) fn progress(event: &Event) -> Progress {
    match event {
        Event::Incoming(Packet::ConnAck(ack)) => {
            Progress::Connected(ack.properties.as_ref().and_then(|properties| properties.max_packet_size))
        }
        Event::Incoming(Packet::PubAck(ack)) => acknowledgement(ack),
        Event::Outgoing(Outgoing::Publish(packet)) => Progress::Numbered(*packet),
        Event::Incoming(_) | Event::Outgoing(_) => Progress::Quiet,
    }
}

/// Refusals that lie in the report itself cost the report. A topic that is not allowed concerns the reports on it; whatever
/// else may pass is waited out.
fn acknowledgement(ack: &PubAck) -> Progress {
    let why = || format!("{:?}", ack.reason);
    match ack.reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Progress::Acknowledged(ack.pkid),
        PubAckReason::TopicNameInvalid | PubAckReason::PayloadFormatInvalid => Progress::Refused(ack.pkid, why()),
        PubAckReason::NotAuthorized => Progress::Declined(ack.pkid, "not authorized".to_owned()),
        PubAckReason::QuotaExceeded
        | PubAckReason::UnspecifiedError
        | PubAckReason::ImplementationSpecificError
        | PubAckReason::PacketIdentifierInUse => Progress::Failed(Failure::Unauthorized(why())),
    }
}

pub(super) fn failure(error: &ConnectionError) -> Failure {
    match error {
        ConnectionError::Timeout(_) => Failure::NoAnswer,
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
        StateError::OutgoingPacketTooLarge { .. }
        | StateError::Deserialization(
            Error::InvalidReason(PACKET_TOO_LARGE)
            | Error::InvalidConnectReturnCode(PACKET_TOO_LARGE)
            | Error::OutgoingPacketTooLarge { .. },
        ) => Failure::Oversized,
        StateError::Deserialization(error) => Failure::Garbage(error.to_string()),
        StateError::ServerDisconnect { reason_code, .. } => goodbye(*reason_code),
        other => Failure::Garbage(other.to_string()),
    }
}

fn refusal(code: ConnectReturnCode) -> Failure {
    match code {
        ConnectReturnCode::BadUserNamePassword => Failure::Login,
        ConnectReturnCode::NotAuthorized => Failure::NotAuthorized,
        ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion => Failure::Version,
        ConnectReturnCode::BadClientId | ConnectReturnCode::ClientIdentifierNotValid => {
            Failure::Refused("the client id is not valid (check ClientId=)".to_owned())
        }
        ConnectReturnCode::ServerBusy
        | ConnectReturnCode::ServiceUnavailable
        | ConnectReturnCode::ServerUnavailable => Failure::Refused("it is not available".to_owned()),
        other => Failure::Refused(format!("{other:?}")),
    }
}

fn goodbye(reason: DisconnectReasonCode) -> Failure {
    match reason {
        DisconnectReasonCode::PacketTooLarge => Failure::Oversized,
        DisconnectReasonCode::NotAuthorized => Failure::Unauthorized(format!("{reason:?}")),
        DisconnectReasonCode::SessionTakenOver => {
            Failure::Refused("another client with the same client id took our place (check ClientId=)".to_owned())
        }
        DisconnectReasonCode::ServerShuttingDown => Failure::Refused("it is shutting down".to_owned()),
        DisconnectReasonCode::UnspecifiedError
        | DisconnectReasonCode::MalformedPacket
        | DisconnectReasonCode::ProtocolError
        | DisconnectReasonCode::ImplementationSpecificError => Failure::HungUp,
        other => Failure::Refused(format!("{other:?}")),
    }
}
