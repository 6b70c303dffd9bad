//! Full restarts of a stack: the request ([`request`]) and the right to make it ([`permission`],
//! [`program`]), the answers to callers ([`reception`]) and the number of callers at a time
//! ([`places`]), the result ([`outcome`], [`watch`]), and its wording in reports.
//!
//! A full restart has an id of its own, 32 hexadecimal digits like an InvocationID; the id of one
//! that was made by hand is the InvocationID of the run of the stack's unit that it ended.

pub mod outcome;
pub mod permission;
pub mod places;
pub mod program;
pub mod reception;
pub mod request;
pub mod watch;

use serde::{Deserialize, Serialize};

/// Result of a full restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartOutcome {
    /// All members are up again.
    Restarted,
    /// Some are not, or nothing was restarted at all.
    Failed,
}

impl RestartOutcome {
    /// Returns the word for it, in JSON and on the bus.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Restarted => "restarted",
            Self::Failed => "failed",
        }
    }
}

/// Returns the reason of a report: `OpenSync restarted by cm2_trigger_restart_managers`.
#[must_use]
pub fn restarted(name: &str, caller: &str) -> String {
    format!("{name} restarted by {caller}")
}

/// Returns the reason of the further report on a failed restart.
#[must_use]
pub fn failed(name: &str, caller: &str, why: &str) -> String {
    format!("{name} restart by {caller} failed: {why}")
}

/// Returns the reason of the further report on a restart that succeeded with problems.
#[must_use]
pub fn troubled(name: &str, caller: &str, trouble: &str) -> String {
    format!("{name} restarted by {caller}, but {trouble}")
}

/// The caller in reports on a full restart that was requested with systemctl.
pub const BY_HAND: &str = "systemctl";
