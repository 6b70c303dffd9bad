//! Splits bytes into the packets that a broker may send, each whole and of bounded size.

use super::super::failure::Failure;
use bytes::BytesMut;

/// Largest packet that is accepted from a broker, in bytes without its header: more than any
/// acknowledgement, which may carry a reason and properties.
pub(super) const LARGEST: usize = 10 << 10;
/// Largest number of bytes of a length (MQTT 5, 1.5.5).
const LENGTH_BYTES: usize = 4;
/// The bits of QoS 1 and 2 in the first byte of a PUBLISH (MQTT 5, 3.3.1.2).
const QOS_1: u8 = 0b0010;
const QOS_2: u8 = 0b0100;

/// The kind of a packet, as its first byte shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ConnAck,
    /// A message of QoS 0 or 1.
    Publish,
    /// A message of QoS 2, which needs two answers, or of QoS 3, which does not exist.
    PublishExactlyOnce,
    PubAck,
    PingResp,
    Disconnect,
    /// A packet that only clients send, that answers one we never send, or that does not exist.
    Other,
}

/// Returns the kind of the packet that begins here; `None`: there are no bytes.
pub(super) fn kind(bytes: &[u8]) -> Option<Kind> {
    let first = bytes.first()?;
    Some(match first >> 4 {
        2 => Kind::ConnAck,
        3 if first & QOS_2 == 0 => Kind::Publish,
        3 => Kind::PublishExactlyOnce,
        4 => Kind::PubAck,
        13 => Kind::PingResp,
        14 => Kind::Disconnect,
        _ => Kind::Other,
    })
}

/// Takes the first packet out of the buffer, header included; `None`: it is incomplete.
///
/// # Errors
///
/// Its length is malformed, or more than [`LARGEST`].
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<BytesMut>, Failure> {
    let mut length = 0;
    for (at, byte) in buffer.iter().skip(1).take(LENGTH_BYTES).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if length > LARGEST {
            return Err(Failure::Garbage("a packet is larger than any that is due"));
        }
        if byte & 0x80 == 0 {
            let whole = 2 + at + length;
            return Ok((buffer.len() >= whole).then(|| buffer.split_to(whole)));
        }
    }
    if buffer.len() > LENGTH_BYTES {
        return Err(Failure::Garbage("a packet has no length"));
    }
    Ok(None)
}

/// Returns the packet id of a whole PUBLISH of QoS 0 or 1; `None`: it needs no acknowledgement. The
/// rest of it is not used.
///
/// # Errors
///
/// It ends before its packet id does, or that is 0.
pub(super) fn message_id(packet: &[u8]) -> Result<Option<u16>, Failure> {
    let first = packet.first().copied().unwrap_or_default();
    let length = packet
        .iter()
        .skip(1)
        .take_while(|byte| **byte & 0x80 != 0)
        .count()
        + 1;
    let topic = packet.get(1 + length..).ok_or(Failure::MALFORMED)?;
    let rest = topic
        .get(2 + usize::from(word(topic)?)..)
        .ok_or(Failure::MALFORMED)?;
    if first & QOS_1 == 0 {
        return Ok(None);
    }
    let id = word(rest)?;
    if id == 0 {
        Err(Failure::MALFORMED)
    } else {
        Ok(Some(id))
    }
}

/// Returns the number in the first two bytes.
fn word(bytes: &[u8]) -> Result<u16, Failure> {
    bytes
        .first_chunk()
        .map(|word| u16::from_be_bytes(*word))
        .ok_or(Failure::MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: Result<Option<usize>, &'static str>) {
        let mut buffer = BytesMut::from(bytes);
        let taken = take(&mut buffer).map(|taken| taken.map(|frame| frame.len()));
        assert_eq!(taken, expect.map_err(Failure::Garbage), "{bytes:?}");
    }

    #[test]
    fn a_packet_is_taken_as_a_whole_or_not_at_all() {
        check(&[], Ok(None));
        check(&[0x40], Ok(None));
        check(&[0x40, 2, 0], Ok(None));
        check(&[0x40, 2, 0, 1], Ok(Some(4)));
        check(&[0x40, 2, 0, 1, 0x40], Ok(Some(4)));
        check(&[0xd0, 0], Ok(Some(2)));
        check(&[0x20, 0x80], Ok(None));
    }

    #[test]
    fn a_packet_that_is_too_large_is_refused_before_it_is_there() {
        let large = "a packet is larger than any that is due";
        check(&[0x20, 0x80, 0x50], Ok(None));
        check(&[0x20, 0x81, 0x50], Err(large));
        check(&[0x20, 0xff, 0xff, 0xff, 0x7f], Err(large));
        check(
            &[0x20, 0x80, 0x80, 0x80, 0x80],
            Err("a packet has no length"),
        );
    }

    #[test]
    fn messages_are_told_by_their_quality_of_service() {
        for (first, expect) in [
            (0x30, Kind::Publish),
            (0x31, Kind::Publish),
            (0x3b, Kind::Publish),
            (0x34, Kind::PublishExactlyOnce),
            (0x36, Kind::PublishExactlyOnce),
        ] {
            assert_eq!(kind(&[first]), Some(expect), "{first:x}");
        }
    }

    #[test]
    fn only_a_message_that_is_to_be_acknowledged_has_an_id() {
        for (packet, expect) in [
            (&[0x30, 4, 0, 1, b'a', b'x'][..], Ok(None)),
            (&[0x30, 3, 0, 1, b'a'], Ok(None)),
            (&[0x32, 5, 0, 1, b'a', 1, 2], Ok(Some(258))),
            (
                &[0x32, 0x80 | 7, 0, 0, 1, b'a', 1, 2, b'x', b'y'],
                Ok(Some(258)),
            ),
            (&[0x32, 5, 0, 1, b'a', 0, 0], Err(Failure::MALFORMED)),
            (&[0x32, 4, 0, 1, b'a', 1], Err(Failure::MALFORMED)),
            (&[0x30, 3, 0, 2, b'a'], Err(Failure::MALFORMED)),
            (&[0x30, 1, 0], Err(Failure::MALFORMED)),
            (&[0x30, 0], Err(Failure::MALFORMED)),
        ] {
            assert_eq!(message_id(packet), expect, "{packet:x?}");
        }
    }
}
