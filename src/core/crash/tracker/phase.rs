//! The phases of a unit between two observations, and the run that they are about.

use super::{Activity, Evidence, Waited};
use crate::core::crash::observation::{InvocationId, Observation};

/// What goes on in a unit.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// No observation yet.
    Unseen,
    /// No run goes on.
    Idle {
        last: Option<InvocationId>,
        restarts: u32,
    },
    /// A run goes on.
    Alive(Run),
    /// A run is being shut down.
    Ending { run: Run, evidence: Evidence },
    /// A run is over, and its doubtful job may still be a stop.
    Doubtful { run: Run, last: Observation },
}

/// One run, as far as it was seen.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) invocation: InvocationId,
    /// `NRestarts` of this run, for the count of missed runs.
    pub(super) restarts: u32,
    /// The job it began under.
    pub(super) start_job: Option<u32>,
    /// The job under which it was seen reloading.
    pub(super) reload_job: Option<u32>,
    /// The latest job that may have requested its end, while its work went on.
    pub(super) request: Option<u32>,
    /// A job of unknown kind that was first seen when the unit was stopping already: a stop, or a
    /// start that waits for the end.
    pub(super) doubtful: Option<u32>,
    pub(super) waited: Waited,
    pub(super) activity: Activity,
    /// True if its end was reported before it was over.
    pub(super) foretold: bool,
}

impl Phase {
    /// Returns the run that goes on although its end was reported.
    pub(super) fn foretold(&self) -> Option<&Run> {
        match self {
            Self::Ending { run, .. } if run.foretold => Some(run),
            Self::Unseen
            | Self::Idle { .. }
            | Self::Alive(_)
            | Self::Ending { .. }
            | Self::Doubtful { .. } => None,
        }
    }

    /// Returns the number of runs between the latest one known and the one shown now.
    pub(super) fn runs_missed_before(&self, now: &Observation) -> u32 {
        let before = match self {
            Self::Unseen | Self::Idle { last: None, .. } => return 0,
            Self::Idle {
                last: Some(id),
                restarts,
            } => (id, *restarts),
            Self::Alive(run) | Self::Ending { run, .. } | Self::Doubtful { run, .. } => {
                (&run.invocation, run.restarts)
            }
        };
        if now.invocation.as_ref().is_none_or(|id| id == before.0) {
            return 0;
        }
        now.restarts.saturating_sub(before.1).saturating_sub(1)
    }
}

impl Run {
    /// Returns the phase of a unit after this run.
    pub(super) fn idle(self) -> Phase {
        Phase::Idle {
            last: Some(self.invocation),
            restarts: self.restarts,
        }
    }

    /// Returns true if the observation is one of this run.
    pub(super) fn is_shown_by(&self, now: &Observation) -> bool {
        now.invocation.as_ref() == Some(&self.invocation)
    }
}
