//! Data on the end of a run and on the jobs of a unit.

use crate::core::crash::observation::{InvocationId, Observation};

/// Effect of a job on the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// `stop`, `restart`, `try-restart`.
    Stop,
    /// `start`, `reload`, `verify-active` and anything else that leaves a running unit running.
    Other,
}

/// Origin of a run's end, according to D-Bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// A stop or restart job, or the shutdown.
    Asked,
    /// It ended by itself.
    Unasked,
}

/// Phase of a run in which a time limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// `TimeoutStartSec=`.
    Start,
    /// `RuntimeMaxSec=`.
    Run,
    /// `TimeoutStopSec=`.
    Stop,
}

/// The end of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The run.
    pub invocation: InvocationId,
    /// Origin of the end.
    pub evidence: Evidence,
    /// Phase of the run, for a result that is a time-out.
    pub waited: Waited,
    /// State `active` reached or not: a oneshot without `RemainAfterExit=` never reaches it.
    pub activity: Activity,
    /// The last observation of the run; `None`: its end was not seen.
    pub last: Option<Observation>,
}

/// Visible activity of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It was `active` or `reloading` once.
    Seen,
    /// It was not.
    NotSeen,
}

/// Results of one observation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Ends of runs, oldest first. A plain crash is reported before the run is over.
    pub ended: Vec<Ended>,
    /// The run that is over by now, if its end was reported earlier.
    pub over: Option<InvocationId>,
    /// Runs of which not even the id was seen.
    pub missed: u32,
}
