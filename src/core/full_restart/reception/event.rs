//! What reaches the reception, and what it makes the restarter do.

use crate::core::full_restart::request::{Answer, AnswerWhen};

/// Number of a caller's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerId(pub u64);

/// Relation of a caller to the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A process of the stack's own.
    Member,
    /// A member in a run that has begun since systemd was told to restart, known to be under way or
    /// not.
    NewMember,
    /// A process of root's that is no member.
    Outsider,
}

/// An event. `W` is a request without the time of its answer.
#[derive(Debug)]
pub enum Event<W> {
    /// A caller with permission has connected.
    Arrived(CallerId, Standing),
    /// … and has made its request.
    Asked(CallerId, AnswerWhen, W),
    /// … or has made none, or has lost its place.
    Left(CallerId),
    /// A caller without permission has connected.
    Refused,
    /// The restart is inhibited: the inhibit file exists.
    Inhibited(String),
    /// systemd has accepted the restart, or the restart script has succeeded.
    Begun,
    /// All units have been started, as far as they start; now they must stay up.
    Started,
    /// The restart script has failed, but its effects are not over.
    Failed(Answer),
    /// The restart is over.
    Over(Answer),
    /// Time has passed.
    Tick,
}

/// An action for the restarter.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<W> {
    /// Restart the stack, unless it is inhibited.
    Restart(W),
    /// Record one more caller of the restart under way.
    Join(W),
    /// Stop watching the units: the next restart waits.
    Hurry,
    /// Answer and close the connection.
    Answer(CallerId, Answer),
    /// End the program.
    Leave,
}
