//! The state machine of one connection: the packets that may come, and their effects.
//!
//! Pure: it gets the packets of both ends, and checks that the broker's answer ours.

use super::super::failure::{Failure, Violation};
use super::frame::Kind;
use super::{Progress, Terms};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Upper bound of messages that are accepted within [`WINDOW`], and dropped. We subscribe to
/// nothing, but a broker may subscribe its clients by itself.
const MESSAGES: u32 = 60;
/// Length of the window in which messages are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// The state of a connection.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    stage: Stage,
    /// Packet ids of the reports in flight.
    in_flight: BTreeSet<u16>,
    /// The latest packet id.
    latest: u16,
    ping: Ping,
    messages: Messages,
}

#[derive(Debug, Default, Clone, Copy)]
enum Stage {
    /// The broker has not answered yet.
    #[default]
    Greeting,
    /// The broker has accepted the connection, with this limit of reports in flight.
    In { at_once: usize },
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Ping {
    #[default]
    None,
    /// A ping is not answered yet.
    Sent,
}

/// The messages of the window that is open.
#[derive(Debug, Default, Clone, Copy)]
struct Messages {
    count: u32,
    /// Time at which the window was opened; `None`: none was.
    since: Option<Instant>,
}

/// A packet of the broker, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    LetIn(Terms),
    /// The answer to the report of this packet id.
    Answer(u16, Progress),
    Pong,
    /// A message, with its packet id if it is to be acknowledged.
    Message(Option<u16>),
}

impl Conversation {
    /// Checks that a packet of this kind may come now.
    ///
    /// # Errors
    ///
    /// It may not.
    pub(super) fn expect(&self, kind: Kind) -> Result<(), Failure> {
        match (self.stage, kind) {
            (Stage::Greeting, Kind::ConnAck) => Ok(()),
            (Stage::Greeting, _) => Err(Failure::Garbage("it is no answer to the greeting")),
            (Stage::In { .. }, Kind::ConnAck) => Err(Failure::Violation(Violation::SecondGreeting)),
            (Stage::In { .. }, Kind::PublishExactlyOnce) => {
                Err(Failure::Violation(Violation::ExactlyOnce))
            }
            (Stage::In { .. }, Kind::PubAck) if self.in_flight.is_empty() => {
                Err(Failure::Violation(Violation::Acknowledgement))
            }
            (Stage::In { .. }, Kind::PingResp) if self.ping == Ping::None => {
                Err(Failure::Violation(Violation::Pong))
            }
            (Stage::In { .. }, Kind::Other) => Err(Failure::Violation(Violation::Packet)),
            (
                Stage::In { .. },
                Kind::Publish | Kind::PubAck | Kind::PingResp | Kind::Disconnect,
            ) => Ok(()),
        }
    }

    /// Takes in an expected packet and returns its progress; `None`: it has none outside of this
    /// connection.
    ///
    /// # Errors
    ///
    /// The packet answers nothing that we sent, is one message too many, or sets limits that leave
    /// no room.
    pub(super) fn hear(
        &mut self,
        packet: Packet,
        now: Instant,
    ) -> Result<Option<Progress>, Failure> {
        match packet {
            Packet::LetIn(terms) => {
                // MQTT 5, 3.2.2.3.3 and 3.2.2.3.6: neither may be 0.
                if terms.at_once == Some(0) || terms.largest == Some(0) {
                    return Err(Failure::Violation(Violation::Terms));
                }
                self.stage = Stage::In {
                    at_once: terms.at_once.map_or(usize::MAX, usize::from),
                };
                Ok(Some(Progress::Connected(terms.largest)))
            }
            Packet::Answer(packet, progress) if self.in_flight.remove(&packet) => {
                Ok(Some(progress))
            }
            Packet::Answer(..) => Err(Failure::Violation(Violation::Acknowledgement)),
            Packet::Pong => {
                self.ping = Ping::None;
                Ok(None)
            }
            Packet::Message(_) => self.messages.count(now).map(|()| None),
        }
    }

    /// Returns true if one more report may be in flight.
    pub(super) fn has_room(&self) -> bool {
        match self.stage {
            Stage::Greeting => false,
            Stage::In { at_once } => self.in_flight.len() < at_once,
        }
    }

    /// Returns the packet id of one more report in flight. There are never as many of those as ids.
    pub(super) fn number(&mut self) -> u16 {
        loop {
            self.latest = self.latest.checked_add(1).unwrap_or(1);
            if self.in_flight.insert(self.latest) {
                return self.latest;
            }
        }
    }

    /// Notes that a ping is sent.
    ///
    /// # Errors
    ///
    /// The previous ping was not answered.
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

impl Messages {
    fn count(&mut self, now: Instant) -> Result<(), Failure> {
        if self
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= WINDOW)
        {
            *self = Self {
                count: 0,
                since: Some(now),
            };
        }
        self.count += 1;
        if self.count > MESSAGES {
            Err(Failure::Violation(Violation::Message))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 7] = [
        Kind::ConnAck,
        Kind::Publish,
        Kind::PublishExactlyOnce,
        Kind::PubAck,
        Kind::PingResp,
        Kind::Disconnect,
        Kind::Other,
    ];

    fn let_in() -> Conversation {
        let mut conversation = Conversation::default();
        conversation
            .hear(Packet::LetIn(Terms::default()), Instant::now())
            .unwrap();
        conversation
    }

    fn acknowledge(packet: u16) -> Packet {
        Packet::Answer(packet, Progress::Acknowledged(packet))
    }

    /// Checks that of [`KINDS`] exactly these may come.
    fn check(conversation: &Conversation, expect: &[Kind]) {
        let fine: Vec<_> = KINDS
            .into_iter()
            .filter(|kind| conversation.expect(*kind).is_ok())
            .collect();
        assert_eq!(fine, expect, "{conversation:?}");
    }

    #[test]
    fn only_what_was_asked_for_and_messages_may_come() {
        check(&Conversation::default(), &[Kind::ConnAck]);
        let mut conversation = let_in();
        check(&conversation, &[Kind::Publish, Kind::Disconnect]);
        conversation.ping().unwrap();
        check(
            &conversation,
            &[Kind::Publish, Kind::PingResp, Kind::Disconnect],
        );
        assert_eq!(conversation.hear(Packet::Pong, Instant::now()), Ok(None));
        check(&conversation, &[Kind::Publish, Kind::Disconnect]);
        let packet = conversation.number();
        check(
            &conversation,
            &[Kind::Publish, Kind::PubAck, Kind::Disconnect],
        );
        assert_eq!(
            conversation.hear(acknowledge(packet), Instant::now()),
            Ok(Some(Progress::Acknowledged(packet)))
        );
        check(&conversation, &[Kind::Publish, Kind::Disconnect]);
    }

    #[test]
    fn an_acknowledgement_counts_once_and_only_for_what_is_on_its_way() {
        let mut conversation = let_in();
        let (first, second) = (conversation.number(), conversation.number());
        assert_ne!(first, second);
        conversation
            .hear(acknowledge(second), Instant::now())
            .unwrap();
        for packet in [second, 7, 0] {
            let failure = conversation
                .hear(acknowledge(packet), Instant::now())
                .expect_err("it is not on its way");
            assert_eq!(
                failure,
                Failure::Violation(Violation::Acknowledgement),
                "{packet}"
            );
        }
        conversation
            .hear(acknowledge(first), Instant::now())
            .unwrap();
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
        conversation
            .hear(
                Packet::LetIn(Terms {
                    at_once: Some(2),
                    ..Terms::default()
                }),
                Instant::now(),
            )
            .unwrap();
        conversation.number();
        assert!(conversation.has_room());
        conversation.number();
        assert!(!conversation.has_room());
        for terms in [
            Terms {
                at_once: Some(0),
                ..Terms::default()
            },
            Terms {
                largest: Some(0),
                ..Terms::default()
            },
        ] {
            let failure = Conversation::default().hear(Packet::LetIn(terms), Instant::now());
            assert_eq!(failure, Err(Failure::Violation(Violation::Terms)));
        }
    }

    #[test]
    fn packet_ids_begin_anew_and_pass_over_those_on_their_way() {
        let mut conversation = let_in();
        assert_eq!(conversation.number(), 1);
        for _ in 1..u16::MAX {
            let packet = conversation.number();
            conversation
                .hear(acknowledge(packet), Instant::now())
                .unwrap();
        }
        assert_eq!(conversation.number(), 2);
    }

    #[test]
    fn messages_are_taken_up_to_a_number_a_minute() {
        let (mut conversation, start) = (let_in(), Instant::now());
        let end = start + WINDOW;
        for at in [start, end] {
            for _ in 0..MESSAGES {
                assert_eq!(conversation.hear(Packet::Message(None), at), Ok(None));
            }
        }
        let failure = conversation.hear(
            Packet::Message(Some(1)),
            end + WINDOW - Duration::from_millis(1),
        );
        assert_eq!(failure, Err(Failure::Violation(Violation::Message)));
    }
}
