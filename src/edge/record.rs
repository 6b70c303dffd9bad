//! The run record: one file for each run of a ward, from its start to its end.
//!
//! `unitward-step` writes it to `/run/unitward/wards/WARD/runs/INVOCATION.json`: `begin` creates
//! it, every step adds its result, `stopped` adds the end. If the run ended without a request it is
//! the death record. The daemon reads it as the second witness beside D-Bus.
//!
//! Invariants: a file is replaced whole (temporary name, rename), never edited in place; only root
//! writes, all users may read; a ward keeps its last [`RUNS_KEPT`] records, and its [`Totals`] keep
//! the counts of older ones.

mod contents;
mod current;
mod end;
mod planned;
mod present;
mod secure;
mod state;
mod told;
mod totals;
mod turn;

pub use end::{End, GivenUp, TimedOut};
pub use planned::Planned;
pub use present::Present;
pub use state::{WardState, all, wards};
pub use totals::{Fired, StepTotals, Totals};
pub use turn::Turn;

use serde::{Deserialize, Serialize};

/// Directory of the state of all wards. A tmpfs: the records are of this boot.
pub const STATE_DIRECTORY: &str = "/run/unitward/wards";

/// Number of records kept for each ward: bounds the memory that a flapping ward can fill while no
/// daemon reads.
pub const RUNS_KEPT: usize = 64;

/// Status of a step that SIGKILL ended, as shells number it. A running step is recorded with it
/// until it ends.
pub const KILLED: i32 = 128 + 9;

/// One run of a ward's unit, identified by its InvocationID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The ward's name.
    pub ward: String,
    /// The unit that ran.
    pub unit: String,
    /// 32 hexadecimal digits, systemd's InvocationID.
    pub invocation: String,
    /// Reason of the start.
    pub start: StartKind,
    /// Restarts in a row, this one included, since the ward was last healthy; 0 for a first start.
    pub restarts: u32,
    /// Time at which its first line ran, in milliseconds since the epoch; `None` in records of
    /// older versions.
    #[serde(default)]
    pub begun: Option<u64>,
    /// The same by the boot's clock, which cannot be set: in milliseconds since boot, time asleep
    /// included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_since_boot: Option<u64>,
    /// Time at which the unit was down before this start, according to systemd: from then on it
    /// waited for its restart. In milliseconds since the epoch; `None` for a first start, and in
    /// records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<u64>,
    /// The same by the boot's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_since_boot: Option<u64>,
    /// Back-off that this start waits, in milliseconds; `None` if it does not wait, and in records
    /// of older versions.
    #[serde(default)]
    pub backoff_ms: Option<u64>,
    /// The run whose death this start answers; `None` for a first start, and if that death was not
    /// recorded.
    #[serde(default)]
    pub follows: Option<String>,
    /// The run after whose death systemd was about to restart the unit when this start was
    /// requested instead, which has ended that recovery; otherwise `None`, also in records of older
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaks_off: Option<String>,
    /// Conditions with `Once=` that have fired in an earlier run and so do not fire in this one.
    pub spent: Vec<String>,
    /// The steps that were ahead when this restart began, in lines behind its first; none in records of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned: Vec<Planned>,
    /// What the steps did, in the order they ran.
    pub results: Vec<StepResult>,
    /// Time at which the run was up, its steps included; `None` until then.
    #[serde(default)]
    pub up: Option<Up>,
    /// End of the run; `None` while it goes on.
    pub end: Option<End>,
}

impl RunRecord {
    /// Makes the record of a run of which only the start is known.
    #[must_use]
    pub fn new(ward: &str, unit: &str, invocation: &str, start: StartKind) -> Self {
        Self {
            ward: ward.to_owned(),
            unit: unit.to_owned(),
            invocation: invocation.to_owned(),
            start,
            restarts: 0,
            begun: None,
            begun_since_boot: None,
            down: None,
            down_since_boot: None,
            backoff_ms: None,
            follows: None,
            breaks_off: None,
            spent: Vec::new(),
            planned: Vec::new(),
            results: Vec::new(),
            up: None,
            end: None,
        }
    }

    /// Whether it was begun after this end of another run of the boot, by the boot's clock where both have noted it.
    pub(super) fn has_begun_after(&self, end: &End) -> bool {
        match (self.begun_since_boot, end.since_boot) {
            (Some(begun), Some(ended)) => begun > ended,
            _ => self.begun.is_some_and(|begun| begun > end.at),
        }
    }

    /// The step that was noted last, if it runs yet or was killed.
    #[must_use]
    pub fn unended(&self) -> Option<&StepResult> {
        self.results.last().filter(|last| last.status == KILLED)
    }
}

/// Reason of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartKind {
    /// A user or the boot requested it.
    First,
    /// systemd restarted the unit after a clean end without a request.
    AfterDeath,
    /// systemd restarted the unit after a crash.
    AfterAbnormalDeath,
    /// Not a run of the ward's unit but of a condition's own service.
    Condition,
}

/// Times at which a run was up, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Up {
    /// Start of its main process.
    pub main: u64,
    /// End of the last step of the start.
    pub at: u64,
    /// The same by the boot's clock; `None` in records of older versions, and if read from the
    /// journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_boot: Option<UpSinceBoot>,
}

/// Times at which a run was up, in milliseconds since boot, time asleep included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpSinceBoot {
    /// Start of its main process.
    pub main: u64,
    /// End of the last step of the start.
    pub at: u64,
}

/// Result of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// The condition's id, `OnDeath`.
    pub condition: String,
    /// Position of the step in the condition: `2`, or `2.1` for the first `Else…` step of step 2.
    pub step: String,
    /// The step's keyword, `Execute`.
    pub action: String,
    /// The step's argument as written in the ward.
    pub argument: String,
    /// Success or failure.
    pub outcome: Outcome,
    /// Exit status of the step's line; 128 + n for signal n.
    pub status: i32,
    /// End of the step, in milliseconds since the epoch.
    pub at: u64,
    /// Duration of the step, in milliseconds.
    pub ms: u64,
}

/// Outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The step succeeded.
    Ok,
    /// The step failed.
    Failed,
}

#[cfg(test)]
mod tests;
