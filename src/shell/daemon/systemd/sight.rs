//! Events on the bus, in the terms of the main loop.

use super::question::{JobAt, Question, UnitAt};
use crate::core::crash::observation::{InvocationId, Observation, Stage};
use crate::core::crash::tracker::JobKind;
use crate::core::crash::verdict::{FailedControl, Nature};

/// An event on the bus that concerns the main loop.
#[derive(Debug)]
pub(in crate::shell::daemon) enum Sight {
    /// The connection is up and subscribed; the state of all units is unknown.
    Connected,
    /// The connection is lost, or could not be made, with the reason.
    Lost(String),
    /// Sights were dropped.
    Overflow,
    /// PID 1 executed itself anew and has forgotten its subscribers.
    ManagerReplaced,
    /// `Reloading(true)`.
    ReloadBegins,
    /// `Reloading(false)`.
    ReloadEnds,
    /// A watched unit changed.
    Changed(String, Box<Observation>, UnitState),
    /// systemd has unloaded a watched unit.
    Removed(String),
    /// A job for a watched unit or a stack's was queued.
    JobQueued(JobAt),
    /// A job of a stack's unit came to its end, with this result.
    JobDone(JobAt, String),
    /// A stack's unit changed, or it was asked about.
    StackChanged(String, StackSeen),
    /// The service that restarts a stack has news.
    Restarter,
    /// The reply to [`Question::Units`]: the loaded units that are watched.
    Listed(Vec<UnitAt>),
    /// The reply to [`Question::Find`]: the name asked for, and the unit under its own name.
    Found(String, UnitAt),
    /// The reply to [`Question::Describe`].
    Described(String, Box<Description>),
    /// The reply to [`Question::JobType`].
    JobKnown(JobAt, JobKind),
    /// The answer is an error or unreadable: mostly the subject of the question is gone.
    Unanswered(Question),
}

/// The state of a stack's unit; a target has no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell::daemon) struct StackSeen {
    pub(in crate::shell::daemon) is_up: bool,
    pub(in crate::shell::daemon) run: Option<InvocationId>,
    pub(in crate::shell::daemon) job: Option<u32>,
    /// Time at which it last left `active`, in microseconds since the epoch.
    pub(in crate::shell::daemon) left_active: u64,
    /// The units that it requires; `None`: not known, as in a signal.
    pub(in crate::shell::daemon) requires: Option<Vec<String>>,
}

impl StackSeen {
    /// Returns the same for a service that is watched itself.
    pub(in crate::shell::daemon) fn of(observation: &Observation) -> Self {
        let Observation {
            stage,
            invocation,
            job,
            left_active,
            ..
        } = observation;
        Self {
            is_up: matches!(stage, Stage::Running | Stage::Exited | Stage::Reloading),
            run: invocation.clone(),
            job: *job,
            left_active: *left_active,
            requires: None,
        }
    }
}

/// A unit's state in systemd's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell::daemon) struct UnitState {
    /// `ActiveState`.
    pub(in crate::shell::daemon) active: String,
    /// `SubState`.
    pub(in crate::shell::daemon) sub: String,
}

impl UnitState {
    /// Returns true if a run goes on or begins, not if it only waits. While `ExecCondition=` runs
    /// the start may still be refused.
    pub(in crate::shell::daemon) fn is_a_start(&self) -> bool {
        let stage = Stage::of(&self.active, &self.sub);
        matches!(
            stage,
            Stage::Starting | Stage::Running | Stage::Exited | Stage::Reloading
        ) && self.sub != "condition"
    }
}

/// The full state of one unit.
#[derive(Debug)]
pub(in crate::shell::daemon) struct Description {
    pub(in crate::shell::daemon) observation: Observation,
    pub(in crate::shell::daemon) state: UnitState,
    pub(in crate::shell::daemon) nature: Nature,
    /// The control process that failed and had the main process stopped, or else the latest that
    /// failed.
    pub(in crate::shell::daemon) failed_control: Option<FailedControl>,
}
