//! From the bytes of a connection to what they say, packet by packet. Pure, but for the buffer.

use super::super::dialect::Version;
use super::super::failure::Failure;
use super::conversation::{Conversation, Packet};
use super::frame::{self, Kind};
use super::{five, three};
use bytes::BytesMut;
use tokio::time::Instant;

/// What was read and not understood yet: less than the largest packet and one read.
#[derive(Debug)]
pub(super) struct Inbox {
    version: Version,
    pub(super) buffer: BytesMut,
}

impl Inbox {
    /// An empty one.
    pub(super) fn new(version: Version) -> Self {
        Self { version, buffer: BytesMut::new() }
    }

    /// The next packet; `None`: there is none as a whole.
    ///
    /// # Errors
    ///
    /// It is of a kind that may not come now, which its first byte tells, or it cannot be read.
    pub(super) fn next(&mut self, conversation: &Conversation) -> Result<Option<Packet>, Failure> {
        let Some(kind) = frame::kind(&self.buffer) else { return Ok(None) };
        conversation.expect(kind)?;
        let Some(packet) = frame::take(&mut self.buffer)? else { return Ok(None) };
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

/// Takes these bytes as a broker's, with three reports and a ping on their way, until they are no broker's any more. For
/// fuzz targets: what a connection does, without one.
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
