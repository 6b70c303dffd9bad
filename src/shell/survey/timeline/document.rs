//! The document itself. Its keys are described in unitward(1) and checked by a fixture: they never
//! change, keys may be added.
//!
//! Times with `Ms` in their names are milliseconds since the death, or since the beginning of the
//! full restart.

use serde::{Deserialize, Serialize};

/// The whole answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Document {
    /// Beginning of the period that was requested, in milliseconds since the epoch; `None`: a
    /// single item was requested.
    pub(in crate::shell) since: Option<u64>,
    /// Time of the answer, in milliseconds since the epoch.
    pub(in crate::shell) now: u64,
    /// The recoveries, oldest first.
    pub(in crate::shell) recoveries: Vec<Recovery>,
    /// The full restarts of stacks, oldest first.
    pub(in crate::shell) full_restarts: Vec<FullRestart>,
}

/// One recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Recovery {
    /// The ward.
    pub(in crate::shell) ward: String,
    /// Its unit.
    pub(in crate::shell) unit: String,
    /// Run whose death began it.
    pub(in crate::shell) invocation: String,
    /// Time of that death, in milliseconds since the epoch.
    pub(in crate::shell) timestamp: u64,
    /// Reason of that death; `None`: not known.
    pub(in crate::shell) reason: Option<String>,
    /// The outcome's word, or `under-way`.
    pub(in crate::shell) outcome: String,
    /// Number of automatic restarts so far.
    pub(in crate::shell) restarts: u64,
    /// Time at which the main process ran again.
    pub(in crate::shell) downtime_ms: Option<u64>,
    /// Time at which the last step was done.
    pub(in crate::shell) recovery_ms: Option<u64>,
    /// Time at which it was over, in whatever way; `None`: it is not over.
    pub(in crate::shell) end_ms: Option<u64>,
    /// Time at which the main process ran again, also after a recovery that did not bring it back;
    /// if it does not run yet, the time of the answer; if a request ended the recovery, that end.
    /// `None`: not known.
    #[serde(default)]
    pub(in crate::shell) down_ms: Option<u64>,
    /// True if the main process does not run yet; false also if that is not known, and if a request
    /// ended the recovery.
    #[serde(default)]
    pub(in crate::shell) is_down: bool,
    /// Extent of the times that are known.
    pub(in crate::shell) times: Times,
    /// Number of attempts that are left out between the first and the last ones.
    pub(in crate::shell) attempts_left_out: usize,
    /// The automatic restarts, oldest first.
    pub(in crate::shell) attempts: Vec<Attempt>,
    /// ID of the full restart that the death led to.
    pub(in crate::shell) led_to: Option<String>,
}

/// Extent of the times of a recovery that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::shell) enum Times {
    /// All times are known.
    Known,
    /// Only the duration of each step is known, not its beginning or its attempt: an older version
    /// stored it.
    DurationsOnly,
}

/// One automatic restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Attempt {
    /// Time at which systemd began it.
    pub(in crate::shell) begin_ms: Option<u64>,
    /// Time before it at which the unit was down, and systemd began to wait for `RestartSec=`.
    #[serde(default)]
    pub(in crate::shell) down_ms: Option<u64>,
    /// Duration of the back-off, which follows its beginning, in milliseconds.
    pub(in crate::shell) backoff_ms: u64,
    /// Its steps, in the order of execution.
    pub(in crate::shell) steps: Vec<Step>,
    /// Time at which the main process was started; only of an attempt that came up or is under way.
    pub(in crate::shell) main_ms: Option<u64>,
    /// Time at which it was up, steps included.
    pub(in crate::shell) up_ms: Option<u64>,
    /// Time at which it failed.
    pub(in crate::shell) failed_ms: Option<u64>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Step {
    /// The condition's id, `OnDeath`.
    pub(in crate::shell) condition: String,
    /// Its keyword, `Execute`.
    pub(in crate::shell) step: String,
    /// Its argument.
    pub(in crate::shell) argument: String,
    /// `ok` or `failed`.
    pub(in crate::shell) result: String,
    /// Time at which it began.
    pub(in crate::shell) begin_ms: Option<u64>,
    /// Duration, in milliseconds.
    pub(in crate::shell) ms: u64,
}

/// One full restart of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct FullRestart {
    /// Name of the stack, which is the stem of its file.
    pub(in crate::shell) stack: String,
    /// Its name in reports.
    pub(in crate::shell) name: String,
    /// Its unit.
    pub(in crate::shell) unit: String,
    /// The restart's ID.
    pub(in crate::shell) invocation: String,
    /// Time of its beginning, in milliseconds since the epoch.
    pub(in crate::shell) timestamp: u64,
    /// The caller who asked for it.
    pub(in crate::shell) caller: String,
    /// Run whose death led to it.
    pub(in crate::shell) cause: Option<String>,
    /// `restarted` or `failed`; `None`: it is under way, or its end is not known.
    pub(in crate::shell) outcome: Option<String>,
    /// Description of the problem, if there was one.
    pub(in crate::shell) trouble: Option<String>,
    /// Time at which it was over; `None`: it is not over, or its end is not known.
    pub(in crate::shell) end_ms: Option<u64>,
    /// Its members, as far as this boot's run records have them.
    pub(in crate::shell) members: Vec<Member>,
}

/// Course of a full restart for one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Member {
    /// The ward.
    pub(in crate::shell) ward: String,
    /// Its unit.
    pub(in crate::shell) unit: String,
    /// Time at which its process ended.
    pub(in crate::shell) down_ms: Option<u64>,
    /// Time at which its start began.
    pub(in crate::shell) begin_ms: Option<u64>,
    /// Time at which it was up, steps included.
    pub(in crate::shell) up_ms: Option<u64>,
}

impl Document {
    /// Returns the document as one line of JSON.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always have a JSON form")
    }
}
