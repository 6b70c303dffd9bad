//! The state of one watched unit, and its ends that wait for their run records.

use crate::core::crash::observation::{InvocationId, Observation};
use crate::core::crash::tracker::{Ended, Tracker};
use crate::core::crash::verdict::Nature;
use std::time::Duration;

/// One watched unit.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) tracker: Tracker,
    pub(super) nature: Nature,
    pub(super) acquaintance: Acquaintance,
    pub(super) standing: Standing,
    /// True if it is down without a job that would start it.
    pub(super) is_down: bool,
    /// Ends whose run record is awaited.
    pub(super) ended: Vec<Ended>,
    /// The end that was reported before its run was over.
    pub(super) foretold: Option<Ended>,
    /// The latest run that was seen up; its record was read, unless it was up when the unit was
    /// met.
    pub(super) up: Option<InvocationId>,
    /// The run of the unit when it was met, if its start was over by then.
    pub(super) met: Option<InvocationId>,
}

/// Says if a unit's nature is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acquaintance {
    /// Not known, or may have changed.
    Stranger,
    /// Known, or being asked for.
    Known,
}

/// The latest state of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not seen yet.
    Unseen,
    /// A run goes on.
    AtWork,
    /// No run goes on; the latest one, if there was any.
    AtRest(Option<InvocationId>),
}

impl Unit {
    /// Returns the state of a unit that is met for the first time; ends before `since` are not
    /// reported.
    pub(super) fn new(since: Duration) -> Self {
        Self {
            tracker: Tracker::new(since),
            nature: Nature::default(),
            acquaintance: Acquaintance::Stranger,
            standing: Standing::Unseen,
            is_down: false,
            ended: Vec::new(),
            foretold: None,
            up: None,
            met: None,
        }
    }

    /// Returns true if it may be forgotten when systemd unloads it.
    pub(super) fn is_idle(&self) -> bool {
        self.standing != Standing::AtWork && self.ended.is_empty()
    }
}

impl Standing {
    /// Returns the state that an observation shows.
    pub(super) fn of(observation: &Observation) -> Self {
        if observation.is_over() {
            Self::AtRest(observation.invocation.clone())
        } else {
            Self::AtWork
        }
    }
}
