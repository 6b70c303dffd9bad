//! The packets of MQTT 3.1.1, which has neither properties nor reasons.

use super::super::failure::{Failure, Violation};
use super::conversation::Packet;
use super::{Greeting, KEEP_ALIVE, Outgoing, Progress, Terms};
use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Packet as RawPacket, Publish};

/// Encodes the CONNECT packet.
pub(super) fn connect(greeting: Greeting) -> Result<BytesMut, Failure> {
    let mut connect = Connect::new(greeting.client_id);
    connect.keep_alive = u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX);
    if let Some((name, password)) = greeting.login {
        connect.set_login(name, password);
    }
    encode(&RawPacket::Connect(connect))
}

/// Encodes a report with this packet id.
pub(super) fn publish(post: Outgoing, number: u16) -> Result<BytesMut, Failure> {
    let mut packet = Publish::new(post.topic, QoS::AtLeastOnce, post.payload);
    packet.pkid = number;
    encode(&RawPacket::Publish(packet))
}

fn encode(packet: &RawPacket) -> Result<BytesMut, Failure> {
    let mut bytes = BytesMut::with_capacity(packet.size());
    let written = packet.write(&mut bytes, usize::MAX);
    written.map_err(|error| Failure::Network(format!("failed to encode a packet: {error}")))?;
    Ok(bytes)
}

/// Decodes one whole packet of the broker.
pub(super) fn read(mut packet: BytesMut) -> Result<Packet, Failure> {
    match RawPacket::read(&mut packet, usize::MAX) {
        Ok(RawPacket::ConnAck(ack)) if ack.code == ConnectReturnCode::Success => {
            Ok(Packet::LetIn(Terms::default()))
        }
        Ok(RawPacket::ConnAck(ack)) => Err(refusal(ack.code)),
        Ok(RawPacket::PubAck(ack)) => {
            Ok(Packet::Answer(ack.pkid, Progress::Acknowledged(ack.pkid)))
        }
        // Only a client may send it.
        Ok(RawPacket::Disconnect) => Err(Failure::Violation(Violation::Packet)),
        Ok(_) | Err(_) => Err(Failure::MALFORMED),
    }
}

fn refusal(code: ConnectReturnCode) -> Failure {
    match code {
        ConnectReturnCode::BadUserNamePassword => Failure::Login,
        ConnectReturnCode::NotAuthorized => Failure::NotAuthorized,
        ConnectReturnCode::RefusedProtocolVersion => Failure::Version,
        ConnectReturnCode::BadClientId => {
            Failure::Refused("the client id is not valid (check ClientId=)".to_owned())
        }
        ConnectReturnCode::ServiceUnavailable => Failure::Refused("it is not available".to_owned()),
        ConnectReturnCode::Success => Failure::MALFORMED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: Result<Packet, Failure>) {
        assert_eq!(read(BytesMut::from(bytes)), expect, "{bytes:?}");
    }

    #[test]
    fn the_few_packets_of_a_broker_are_read() {
        check(&[0x20, 2, 0, 0], Ok(Packet::LetIn(Terms::default())));
        check(&[0x20, 2, 0, 1], Err(Failure::Version));
        check(&[0x20, 2, 0, 5], Err(Failure::NotAuthorized));
        check(&[0x20, 2, 0, 6], Err(Failure::MALFORMED));
        check(
            &[0x40, 2, 1, 2],
            Ok(Packet::Answer(258, Progress::Acknowledged(258))),
        );
        check(&[0xe0, 0], Err(Failure::Violation(Violation::Packet)));
        check(&[0x40, 1, 0], Err(Failure::MALFORMED));
    }
}
