//! From bytes to the packets that a broker may send, each whole and no larger than need be.

use super::super::failure::Failure;
use bytes::BytesMut;

/// The largest packet that is taken from a broker, in bytes without its header: more than any acknowledgement, which may
/// carry a reason and properties.
pub(super) const LARGEST: usize = 10 << 10;
/// A length has at most so many bytes (MQTT 5, 1.5.5).
const LENGTH_BYTES: usize = 4;

/// The packets, as far as their first byte tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ConnAck,
    Publish,
    PubAck,
    PingResp,
    Disconnect,
    /// One that only clients send, that answers what we never ask, or that does not exist.
    Other,
}

/// The kind of the packet that begins here; `None`: there is not a byte of it.
pub(super) fn kind(bytes: &[u8]) -> Option<Kind> {
    Some(match bytes.first()? >> 4 {
        2 => Kind::ConnAck,
        3 => Kind::Publish,
        4 => Kind::PubAck,
        13 => Kind::PingResp,
        14 => Kind::Disconnect,
        _ => Kind::Other,
    })
}

/// Takes the first packet out of the buffer, header included; `None`: it is not there as a whole.
///
/// # Errors
///
/// Its length is no length, or more than [`LARGEST`].
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
        check(&[0x20, 0x80, 0x80, 0x80, 0x80], Err("a packet has no length"));
    }
}
