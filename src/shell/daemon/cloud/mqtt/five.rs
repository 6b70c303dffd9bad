//! The packets of MQTT 5.

use super::super::failure::Failure;
use super::super::letter::Letter;
use super::conversation::Packet;
use super::{CONTENT_TYPE, Greeting, KEEP_ALIVE, Outgoing, Progress, Terms, frame};
use bytes::BytesMut;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, Connect, ConnectProperties, ConnectReturnCode, DisconnectReasonCode, Login,
    Packet as RawPacket, PubAck, PubAckReason, Publish, PublishProperties,
};
use rumqttc::v5::mqttbytes::{Error, QoS};
use std::time::Duration;

/// `Packet too large` (MQTT 5, 2.4). rumqttc does not know it as the reason of a PUBACK, and
/// reports a connect code.
const PACKET_TOO_LARGE: u8 = 0x95;
/// The first byte of a DISCONNECT. Its reason and its properties may be left out (MQTT 5, 3.14.2.1
/// and 3.14.2.2.1).
const DISCONNECT: u8 = 0xe0;
/// Answer of an MQTT 3.1.1 broker to a CONNECT in MQTT 5: its own CONNACK, `unacceptable protocol
/// version`.
const OTHER_VERSION: [u8; 4] = [0x20, 2, 0, 1];

/// Encodes the CONNECT packet.
pub(super) fn connect(greeting: Greeting) -> Result<BytesMut, Failure> {
    let properties = ConnectProperties {
        session_expiry_interval: None,
        receive_maximum: None,
        max_packet_size: u32::try_from(frame::LARGEST).ok(),
        topic_alias_max: None,
        request_response_info: None,
        request_problem_info: None,
        user_properties: Vec::new(),
        authentication_method: None,
        authentication_data: None,
    };
    let connect = Connect {
        keep_alive: u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX),
        client_id: greeting.client_id,
        clean_start: true,
        properties: Some(properties),
    };
    let login = greeting
        .login
        .map(|(name, password)| Login::new(name, password));
    encode(&RawPacket::Connect(connect, None, login), None)
}

/// Encodes a report with this packet id, for a broker that takes packets of at most `largest`
/// bytes.
pub(super) fn publish(
    post: Outgoing,
    number: u16,
    largest: Option<u32>,
) -> Result<BytesMut, Failure> {
    let Outgoing { topic, id, payload } = post;
    let mut packet = Publish::new(topic, QoS::AtLeastOnce, payload, Some(properties(&id)));
    packet.pkid = number;
    encode(&RawPacket::Publish(packet), largest)
}

/// Returns the size of a report's packet without the payload, in bytes.
pub(super) fn overhead(letter: Letter<'_>) -> usize {
    let payload = letter.payload.to_vec();
    let mut packet = Publish::new(
        letter.topic,
        QoS::AtLeastOnce,
        payload,
        Some(properties(letter.id)),
    );
    packet.pkid = 1;
    packet.size() - letter.payload.len()
}

fn properties(id: &str) -> PublishProperties {
    PublishProperties {
        user_properties: vec![("report-id".to_owned(), id.to_owned())],
        content_type: Some(CONTENT_TYPE.to_owned()),
        ..PublishProperties::default()
    }
}

fn encode(packet: &RawPacket, largest: Option<u32>) -> Result<BytesMut, Failure> {
    let mut bytes = BytesMut::with_capacity(packet.size());
    match packet.write(&mut bytes, largest) {
        Ok(_) => Ok(bytes),
        Err(Error::OutgoingPacketTooLarge { .. }) => Err(Failure::Oversized),
        Err(error) => Err(Failure::Network(format!(
            "failed to encode a packet: {error}"
        ))),
    }
}

/// Decodes one whole packet of the broker.
pub(super) fn read(mut packet: BytesMut) -> Result<Packet, Failure> {
    if packet[..] == OTHER_VERSION {
        return Err(Failure::Version);
    }
    match packet[..] {
        [DISCONNECT, 0] => return Err(farewell(DisconnectReasonCode::NormalDisconnection)),
        // rumqttc misses the length of the properties, which may be left out where there are none.
        [DISCONNECT, 1, reason] => packet = BytesMut::from(&[DISCONNECT, 2, reason, 0][..]),
        _ => {}
    }
    match RawPacket::read(&mut packet, None) {
        Ok(RawPacket::ConnAck(ack)) => let_in(&ack),
        Ok(RawPacket::PubAck(ack)) => acknowledgement(&ack),
        Ok(RawPacket::Disconnect(goodbye)) => Err(farewell(goodbye.reason_code)),
        Err(
            Error::InvalidReason(PACKET_TOO_LARGE)
            | Error::InvalidConnectReturnCode(PACKET_TOO_LARGE),
        ) => Err(Failure::Oversized),
        Ok(_) | Err(_) => Err(Failure::MALFORMED),
    }
}

fn let_in(ack: &ConnAck) -> Result<Packet, Failure> {
    if ack.code != ConnectReturnCode::Success {
        return Err(refusal(ack.code));
    }
    let terms = ack.properties.as_ref().map(|properties| Terms {
        largest: properties.max_packet_size,
        at_once: properties.receive_max,
        keep_alive: properties
            .server_keep_alive
            .map(|seconds| Duration::from_secs(seconds.into())),
    });
    Ok(Packet::LetIn(terms.unwrap_or_default()))
}

/// Decodes a PUBACK. Refusals that lie in the report itself drop the report. A topic that is not
/// allowed concerns the reports on it; other refusals may pass, and end the connection.
fn acknowledgement(ack: &PubAck) -> Result<Packet, Failure> {
    let progress = match ack.reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => {
            Progress::Acknowledged(ack.pkid)
        }
        PubAckReason::TopicNameInvalid | PubAckReason::PayloadFormatInvalid => {
            Progress::Refused(ack.pkid, format!("{:?}", ack.reason))
        }
        PubAckReason::NotAuthorized => Progress::Declined(ack.pkid, "not authorized".to_owned()),
        PubAckReason::QuotaExceeded
        | PubAckReason::UnspecifiedError
        | PubAckReason::ImplementationSpecificError
        | PubAckReason::PacketIdentifierInUse => {
            return Err(Failure::Unauthorized(format!("{:?}", ack.reason)));
        }
    };
    Ok(Packet::Answer(ack.pkid, progress))
}

fn refusal(code: ConnectReturnCode) -> Failure {
    match code {
        ConnectReturnCode::BadUserNamePassword => Failure::Login,
        ConnectReturnCode::NotAuthorized => Failure::NotAuthorized,
        ConnectReturnCode::RefusedProtocolVersion
        | ConnectReturnCode::UnsupportedProtocolVersion => Failure::Version,
        ConnectReturnCode::BadClientId | ConnectReturnCode::ClientIdentifierNotValid => {
            Failure::Refused("the client id is not valid (check ClientId=)".to_owned())
        }
        ConnectReturnCode::ServerBusy
        | ConnectReturnCode::ServiceUnavailable
        | ConnectReturnCode::ServerUnavailable => {
            Failure::Refused("it is not available".to_owned())
        }
        other => Failure::Refused(format!("{other:?}")),
    }
}

fn farewell(reason: DisconnectReasonCode) -> Failure {
    match reason {
        DisconnectReasonCode::PacketTooLarge => Failure::Oversized,
        DisconnectReasonCode::NotAuthorized => Failure::Unauthorized(format!("{reason:?}")),
        DisconnectReasonCode::SessionTakenOver => Failure::Refused(
            "another client with the same client id took our place (check ClientId=)".to_owned(),
        ),
        DisconnectReasonCode::ServerShuttingDown => {
            Failure::Refused("it is shutting down".to_owned())
        }
        DisconnectReasonCode::NormalDisconnection
        | DisconnectReasonCode::UnspecifiedError
        | DisconnectReasonCode::MalformedPacket
        | DisconnectReasonCode::ProtocolError
        | DisconnectReasonCode::ImplementationSpecificError => Failure::HungUp,
        other => Failure::Refused(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: Result<Packet, Failure>) {
        assert_eq!(read(BytesMut::from(bytes)), expect, "{bytes:?}");
    }

    #[test]
    fn a_broker_of_another_version_is_understood() {
        check(&[0x20, 2, 0, 1], Err(Failure::Version));
        check(&[0x20, 3, 0, 0x84, 0], Err(Failure::Version));
        check(&[0x20, 2, 0, 0], Err(Failure::MALFORMED));
    }

    #[test]
    fn the_limits_of_a_broker_are_read() {
        let terms = Terms {
            largest: Some(256),
            at_once: Some(3),
            keep_alive: Some(Duration::from_secs(5)),
        };
        let packet = [0x20, 14, 0, 0, 11, 0x27, 0, 0, 1, 0, 0x21, 0, 3, 0x13, 0, 5];
        check(&packet, Ok(Packet::LetIn(terms)));
        check(&[0x20, 3, 0, 0, 0], Ok(Packet::LetIn(Terms::default())));
    }

    #[test]
    fn what_ends_before_its_properties_do_is_malformed() {
        check(&[0x40, 4, 0, 1, 0, 0x80], Err(Failure::MALFORMED));
        check(&[0x20, 3, 0, 0, 0x80], Err(Failure::MALFORMED));
        check(&[0xe0, 2, 0, 0x80], Err(Failure::MALFORMED));
        check(&[0x40, 0], Err(Failure::MALFORMED));
    }

    #[test]
    fn reasons_of_acknowledgements_are_told_apart() {
        check(
            &[0x40, 2, 0, 7],
            Ok(Packet::Answer(7, Progress::Acknowledged(7))),
        );
        check(
            &[0x40, 3, 0, 7, 0x10],
            Ok(Packet::Answer(7, Progress::Acknowledged(7))),
        );
        check(
            &[0x40, 3, 0, 7, 0x90],
            Ok(Packet::Answer(
                7,
                Progress::Refused(7, "TopicNameInvalid".to_owned()),
            )),
        );
        check(
            &[0x40, 3, 0, 7, 0x87],
            Ok(Packet::Answer(
                7,
                Progress::Declined(7, "not authorized".to_owned()),
            )),
        );
        check(&[0x40, 3, 0, 7, 0x95], Err(Failure::Oversized));
    }

    #[test]
    fn a_broker_that_hangs_up_may_say_why_and_leave_out_the_rest() {
        let taken_over = "another client with the same client id took our place (check ClientId=)";
        for (bytes, expect) in [
            (&[0xe0, 0][..], Failure::HungUp),
            (&[0xe0, 1, 0x8e], Failure::Refused(taken_over.to_owned())),
            (&[0xe0, 2, 0x8e, 0], Failure::Refused(taken_over.to_owned())),
            (&[0xe0, 1, 0x95], Failure::Oversized),
            (&[0xe0, 2, 0x95, 0], Failure::Oversized),
            (
                &[0xe0, 1, 0x8b],
                Failure::Refused("it is shutting down".to_owned()),
            ),
            // No reason has this number, and no DISCONNECT these flags.
            (&[0xe0, 1, 0x7f], Failure::MALFORMED),
            (&[0xe1, 0], Failure::MALFORMED),
        ] {
            assert!(expect == Failure::MALFORMED || !expect.is_misconduct());
            check(bytes, Err(expect));
        }
    }
}
