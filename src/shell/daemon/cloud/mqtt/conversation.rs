//! What may be said on one connection, and what follows from it.
//!
//! Pure: it is told what the broker sends and what we send, and says whether the former answers the latter.

use super::super::failure::{Failure, Violation};
use super::frame::Kind;
use super::{Progress, Terms};
use std::collections::BTreeSet;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    stage: Stage,
    /// Packet ids of the reports on their way.
    in_flight: BTreeSet<u16>,
    /// The latest packet id.
    latest: u16,
    ping: Ping,
}

#[derive(Debug, Default, Clone, Copy)]
enum Stage {
    /// The broker has not answered yet.
    #[default]
    Greeting,
    /// It has let us in, for so many reports on their way.
    In { at_once: usize },
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Ping {
    #[default]
    None,
    /// One is not answered yet.
    Sent,
}

/// A packet of the broker, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    LetIn(Terms),
    /// The answer to the report of this packet id.
    Answer(u16, Progress),
    Pong,
}

impl Conversation {
    /// Whether a packet of this kind may come now.
    ///
    /// # Errors
    ///
    /// It may not.
    pub(super) fn expect(&self, kind: Kind) -> Result<(), Failure> {
        match (self.stage, kind) {
            (Stage::Greeting, Kind::ConnAck) => Ok(()),
            (Stage::Greeting, _) => Err(Failure::Garbage("it is no answer to the greeting")),
            (Stage::In { .. }, Kind::ConnAck) => Err(Failure::Violation(Violation::SecondGreeting)),
            (Stage::In { .. }, Kind::Publish) => Err(Failure::Violation(Violation::Message)),
            (Stage::In { .. }, Kind::PubAck) if self.in_flight.is_empty() => {
                Err(Failure::Violation(Violation::Acknowledgement))
            }
            (Stage::In { .. }, Kind::PingResp) if self.ping == Ping::None => Err(Failure::Violation(Violation::Pong)),
            (Stage::In { .. }, Kind::Other) => Err(Failure::Violation(Violation::Packet)),
            (Stage::In { .. }, Kind::PubAck | Kind::PingResp | Kind::Disconnect) => Ok(()),
        }
    }

    /// What follows from a packet that was expected; `None`: nothing that anybody else needs to know.
    ///
    /// # Errors
    ///
    /// It answers nothing that was said, or sets limits that leave no room.
    pub(super) fn hear(&mut self, heard: Heard) -> Result<Option<Progress>, Failure> {
        match heard {
            Heard::LetIn(terms) => {
                // MQTT 5, 3.2.2.3.3 and 3.2.2.3.6: neither may be 0.
                if terms.at_once == Some(0) || terms.largest == Some(0) {
                    return Err(Failure::Violation(Violation::Terms));
                }
                self.stage = Stage::In { at_once: terms.at_once.map_or(usize::MAX, usize::from) };
                Ok(Some(Progress::Connected(terms.largest)))
            }
            Heard::Answer(packet, progress) if self.in_flight.remove(&packet) => Ok(Some(progress)),
            Heard::Answer(..) => Err(Failure::Violation(Violation::Acknowledgement)),
            Heard::Pong => {
                self.ping = Ping::None;
                Ok(None)
            }
        }
    }

    /// Whether one more report may be on its way.
    pub(super) fn has_room(&self) -> bool {
        match self.stage {
            Stage::Greeting => false,
            Stage::In { at_once } => self.in_flight.len() < at_once,
        }
    }

    /// The packet id of one more report on its way. There are never as many of those as ids.
    pub(super) fn number(&mut self) -> u16 {
        loop {
            self.latest = self.latest.checked_add(1).unwrap_or(1);
            if self.in_flight.insert(self.latest) {
                return self.latest;
            }
        }
    }

    /// A ping is sent.
    ///
    /// # Errors
    ///
    /// The one before was not answered.
    pub(super) fn ping(&mut self) -> Result<(), Failure> {
        match self.ping {
            Ping::Sent => Err(Failure::NoAnswer),
            Ping::None => {
                self.ping = Ping::Sent;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 6] =
        [Kind::ConnAck, Kind::Publish, Kind::PubAck, Kind::PingResp, Kind::Disconnect, Kind::Other];

    fn let_in() -> Conversation {
        let mut conversation = Conversation::default();
        conversation.hear(Heard::LetIn(Terms::default())).unwrap();
        conversation
    }

    fn acknowledge(packet: u16) -> Heard {
        Heard::Answer(packet, Progress::Acknowledged(packet))
    }

    /// Which of [`KINDS`] may come.
    fn check(conversation: &Conversation, expect: &[Kind]) {
        let fine: Vec<_> = KINDS.into_iter().filter(|kind| conversation.expect(*kind).is_ok()).collect();
        assert_eq!(fine, expect, "{conversation:?}");
    }

    #[test]
    fn only_what_was_asked_for_may_come() {
        check(&Conversation::default(), &[Kind::ConnAck]);
        let mut conversation = let_in();
        check(&conversation, &[Kind::Disconnect]);
        conversation.ping().unwrap();
        check(&conversation, &[Kind::PingResp, Kind::Disconnect]);
        assert_eq!(conversation.hear(Heard::Pong), Ok(None));
        check(&conversation, &[Kind::Disconnect]);
        let packet = conversation.number();
        check(&conversation, &[Kind::PubAck, Kind::Disconnect]);
        assert_eq!(conversation.hear(acknowledge(packet)), Ok(Some(Progress::Acknowledged(packet))));
        check(&conversation, &[Kind::Disconnect]);
    }

    #[test]
    fn an_acknowledgement_counts_once_and_only_for_what_is_on_its_way() {
        let mut conversation = let_in();
        let (first, second) = (conversation.number(), conversation.number());
        assert_ne!(first, second);
        conversation.hear(acknowledge(second)).unwrap();
        for packet in [second, 7, 0] {
            let failure = conversation.hear(acknowledge(packet)).expect_err("it is not on its way");
            assert_eq!(failure, Failure::Violation(Violation::Acknowledgement), "{packet}");
        }
        conversation.hear(acknowledge(first)).unwrap();
    }

    #[test]
    fn a_ping_without_an_answer_is_the_last_one() {
        let mut conversation = let_in();
        conversation.ping().unwrap();
        assert_eq!(conversation.ping(), Err(Failure::NoAnswer));
    }

    #[test]
    fn limits_are_kept_and_those_without_room_are_refused() {
        let mut conversation = Conversation::default();
        assert!(!conversation.has_room());
        conversation.hear(Heard::LetIn(Terms { at_once: Some(2), ..Terms::default() })).unwrap();
        conversation.number();
        assert!(conversation.has_room());
        conversation.number();
        assert!(!conversation.has_room());
        for terms in [Terms { at_once: Some(0), ..Terms::default() }, Terms { largest: Some(0), ..Terms::default() }] {
            let failure = Conversation::default().hear(Heard::LetIn(terms));
            assert_eq!(failure, Err(Failure::Violation(Violation::Terms)));
        }
    }

    #[test]
    fn packet_ids_begin_anew_and_pass_over_those_on_their_way() {
        let mut conversation = let_in();
        assert_eq!(conversation.number(), 1);
        for _ in 1..u16::MAX {
            let packet = conversation.number();
            conversation.hear(acknowledge(packet)).unwrap();
        }
        assert_eq!(conversation.number(), 2);
    }
}
