//! One watched unit: what was seen of it, and what of its ends is still being asked for.

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
    /// Whether it is down, and nothing is about to start it.
    pub(super) is_down: bool,
    /// Ends of which the run record is being read.
    pub(super) ended: Vec<Ended>,
    /// The end that was told before its run was over.
    pub(super) foretold: Option<Ended>,
    /// The run whose record was read last because it is up after a restart.
    pub(super) up: Option<InvocationId>,
    /// The run it was in when it was met, if that had begun before.
    pub(super) met: Option<InvocationId>,
}

/// Whether a unit's nature is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acquaintance {
    /// It is not, or may have changed.
    Stranger,
    /// It is, or is being asked for.
    Known,
}

/// What was seen of a unit last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Unseen,
    /// A run goes on.
    AtWork,
    /// None does; the latest one, if there was any.
    AtRest(Option<InvocationId>),
}

impl Unit {
    /// A unit that is met for the first time; ends of before `since` are not told.
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

    /// Whether it may be forgotten when systemd lets go of it.
    pub(super) fn is_idle(&self) -> bool {
        self.standing != Standing::AtWork && self.ended.is_empty()
    }
}

impl Standing {
    /// What an observation shows.
    pub(super) fn of(observation: &Observation) -> Self {
        if observation.is_over() { Self::AtRest(observation.invocation.clone()) } else { Self::AtWork }
    }
}
