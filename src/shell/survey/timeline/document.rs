//! The document itself. Its keys are described in unitward(1) and kept by a fixture: they never change, keys may be added.
//!
//! Times with `Ms` in their names count from the death, or from the beginning of the full restart.

use serde::{Deserialize, Serialize};

/// The whole answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Document {
    /// Since when all were asked for, milliseconds since the epoch; `None`: one was asked for.
    pub(in crate::shell) since: Option<u64>,
    /// When this was answered, likewise.
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
    /// The run whose death began it.
    pub(in crate::shell) invocation: String,
    /// When that was, milliseconds since the epoch.
    pub(in crate::shell) timestamp: u64,
    /// Why it died; `None`: not known.
    pub(in crate::shell) reason: Option<String>,
    /// The outcome's word, or `under-way`.
    pub(in crate::shell) outcome: String,
    /// Automatic restarts so far.
    pub(in crate::shell) restarts: u64,
    /// Until the main process ran again.
    pub(in crate::shell) downtime_ms: Option<u64>,
    /// Until the last step was done.
    pub(in crate::shell) recovery_ms: Option<u64>,
    /// Until it was over, in whatever way; `None`: it is not.
    pub(in crate::shell) end_ms: Option<u64>,
    /// Until the main process ran again, also after a recovery that did not bring it back; where it has not, until now. `None`: not
    /// known.
    #[serde(default)]
    pub(in crate::shell) down_ms: Option<u64>,
    /// Whether it has not.
    #[serde(default)]
    pub(in crate::shell) is_down: bool,
    /// Which times are known.
    pub(in crate::shell) times: Times,
    /// Attempts that are left out between the first and the last ones.
    pub(in crate::shell) attempts_left_out: usize,
    /// The automatic restarts, oldest first.
    pub(in crate::shell) attempts: Vec<Attempt>,
    /// The full restart that the death led to.
    pub(in crate::shell) led_to: Option<String>,
}

/// Which times of a recovery are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::shell) enum Times {
    /// All.
    Known,
    /// How long each step took, but not when it ran, nor which attempt it belongs to: an older version stored it.
    DurationsOnly,
}

/// One automatic restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Attempt {
    /// When systemd began it.
    pub(in crate::shell) begin_ms: Option<u64>,
    /// When the unit was down before it, and systemd began to wait for `RestartSec=`.
    #[serde(default)]
    pub(in crate::shell) down_ms: Option<u64>,
    /// How long it then waited.
    pub(in crate::shell) backoff_ms: u64,
    /// Its steps, in the order they ran.
    pub(in crate::shell) steps: Vec<Step>,
    /// When the main process was started; only of an attempt that came up.
    pub(in crate::shell) main_ms: Option<u64>,
    /// When it was up, steps included.
    pub(in crate::shell) up_ms: Option<u64>,
    /// When it failed.
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
    /// When it began.
    pub(in crate::shell) begin_ms: Option<u64>,
    /// How long it took.
    pub(in crate::shell) ms: u64,
}

/// One full restart of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct FullRestart {
    /// The stack, as its file is called.
    pub(in crate::shell) stack: String,
    /// What reports call it.
    pub(in crate::shell) name: String,
    /// Its unit.
    pub(in crate::shell) unit: String,
    /// The restart's ID.
    pub(in crate::shell) invocation: String,
    /// When it began, milliseconds since the epoch.
    pub(in crate::shell) timestamp: u64,
    /// Who asked for it.
    pub(in crate::shell) caller: String,
    /// The run whose death led to it.
    pub(in crate::shell) cause: Option<String>,
    /// `restarted` or `failed`; `None`: it is under way, or nobody lived to tell.
    pub(in crate::shell) outcome: Option<String>,
    /// What went wrong.
    pub(in crate::shell) trouble: Option<String>,
    /// Until it was over.
    pub(in crate::shell) end_ms: Option<u64>,
    /// Its members, as far as this boot's run records tell of them.
    pub(in crate::shell) members: Vec<Member>,
}

/// What a full restart did to one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Member {
    /// The ward.
    pub(in crate::shell) ward: String,
    /// Its unit.
    pub(in crate::shell) unit: String,
    /// When its process ended.
    pub(in crate::shell) down_ms: Option<u64>,
    /// When its start began.
    pub(in crate::shell) begin_ms: Option<u64>,
    /// When it was up, steps included.
    pub(in crate::shell) up_ms: Option<u64>,
}

impl Document {
    /// The JSON text, one line.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always have a JSON form")
    }
}
