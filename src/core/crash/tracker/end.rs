//! What is told of the end of a run, and what is known of a unit's jobs.

use crate::core::crash::observation::{InvocationId, Observation};

/// What a job on the unit does, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// `stop`, `restart`, `try-restart`.
    Stop,
    /// `start`, `reload`, `verify-active` and anything else that leaves a running unit running.
    Other,
}

/// What D-Bus tells about who ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// A stop or restart job, or the shutdown.
    Asked,
    /// It ended by itself.
    Unasked,
}

/// In which phase of a run a time limit struck.
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
    /// Which run.
    pub invocation: InvocationId,
    /// Who ended it.
    pub evidence: Evidence,
    /// In which phase, should the result be a time-out.
    pub waited: Waited,
    /// Whether it ever became active: a oneshot without `RemainAfterExit=` never does.
    pub activity: Activity,
    /// The last moment of the run; `None`: it was not seen.
    pub last: Option<Observation>,
}

/// Whether a run was seen active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It was `active` or `reloading` once.
    Seen,
    /// It was not.
    NotSeen,
}

/// What one observation gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Ends of runs, oldest first. Of a plain crash it is told before the run is over.
    pub ended: Vec<Ended>,
    /// The run that is over by now, and whose end was told before it was.
    pub over: Option<InvocationId>,
    /// Runs of which not even the id was seen.
    pub missed: u32,
}
