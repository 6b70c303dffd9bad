//! Decodes the bytes of a connection, packet by packet. Pure, but for the buffer.

use super::super::dialect::Version;
use super::super::failure::Failure;
use super::conversation::{Conversation, Packet};
use super::frame::{self, Kind};
use super::{five, three};
use bytes::BytesMut;
use tokio::time::Instant;

/// The bytes that were read and not decoded yet: less than the largest packet and one read.
#[derive(Debug)]
pub(super) struct Inbox {
    version: Version,
    pub(super) buffer: BytesMut,
}

impl Inbox {
    /// Returns an empty buffer.
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            buffer: BytesMut::new(),
        }
    }

    /// Takes the next packet; `None`: it is incomplete.
    ///
    /// # Errors
    ///
    /// It is of a kind that may not come now, which its first byte shows, or it cannot be decoded.
    pub(super) fn next(&mut self, conversation: &Conversation) -> Result<Option<Packet>, Failure> {
        let Some(kind) = frame::kind(&self.buffer) else {
            return Ok(None);
        };
        conversation.expect(kind)?;
        let Some(packet) = frame::take(&mut self.buffer)? else {
            return Ok(None);
        };
        match (kind, self.version) {
            (Kind::PingResp, _) if packet.len() == 2 => Ok(Packet::Pong),
            (Kind::PingResp, _) => Err(Failure::MALFORMED),
            (Kind::Publish, _) => frame::message_id(&packet).map(Packet::Message),
            (_, Version::Five) => five::read(packet),
            (_, Version::Three) => three::read(packet),
        }
        .map(Some)
    }
}

/// Processes bytes as if a broker had sent them, with three reports and a ping in flight, up to the
/// first failure. For fuzz targets: the work of a connection, without one.
pub(super) fn digest(version: Version, bytes: &[u8]) -> Result<(), Failure> {
    let (mut inbox, mut conversation) = (Inbox::new(version), Conversation::default());
    inbox.buffer.extend_from_slice(bytes);
    let now = Instant::now();
    while let Some(packet) = inbox.next(&conversation)? {
        let begins = matches!(packet, Packet::LetIn(_));
        conversation.hear(packet, now)?;
        if begins {
            conversation.ping()?;
            for _ in 0..3 {
                conversation.number();
            }
        }
    }
    Ok(())
}
