//! The callers: those that have not made their request yet, and those that wait for the answer.

use super::{CallerId, PATIENCE, Standing};
use crate::core::full_restart::request::{Answer, AnswerWhen};
use std::time::Duration;

/// A caller that has not made its request yet.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) arrival: Arrival,
    pub(super) standing: Standing,
}

/// Time of a caller's arrival.
#[derive(Debug, Clone)]
pub(super) enum Arrival {
    /// While no restart was under way, or too late to join one.
    Apart,
    /// While this restart was under way.
    During,
    /// During a restart that is over by now.
    Before(Answer),
}

/// A caller that has made its request and waits for the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) caller: CallerId,
    pub(super) when: AnswerWhen,
    /// Time at which it is answered in any case; `None`: it waits for the end.
    pub(super) until: Option<Duration>,
}

impl Waiting {
    /// Begins the wait of a caller that makes its request at `now`.
    pub(super) fn new(caller: CallerId, when: AnswerWhen, now: Duration) -> Self {
        Self {
            caller,
            when,
            until: (when == AnswerWhen::Begun).then_some(now + PATIENCE),
        }
    }

    /// Returns true if it must be answered now.
    pub(super) fn is_late(&self, now: Duration) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}
