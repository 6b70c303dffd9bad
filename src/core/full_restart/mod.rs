//! Full restarts of a stack: how one is asked for ([`request`]) and by whom ([`permission`], [`program`]), who is answered what
//! ([`reception`]) and how many at a time ([`places`]), how it went ([`outcome`], [`watch`]), and what reports say of it.
//!
//! A full restart is known by an id of its own, 32 hexadecimal digits as an InvocationID has; one that somebody made by
//! hand has the InvocationID of the run of the stack's unit that it ended.

pub mod outcome;
pub mod permission;
pub mod places;
pub mod program;
pub mod reception;
pub mod request;
pub mod watch;

use serde::{Deserialize, Serialize};

/// Whether a full restart came to what was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartOutcome {
    /// All members are back.
    Restarted,
    /// Not all of them are, or nothing was restarted at all.
    Failed,
}

impl RestartOutcome {
    /// The word for it, in JSON and on the bus.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Restarted => "restarted",
            Self::Failed => "failed",
        }
    }
}

/// The reason of a report: `OpenSync restarted by cm2_trigger_restart_managers`.
#[must_use]
pub fn restarted(name: &str, caller: &str) -> String {
    format!("{name} restarted by {caller}")
}

/// The reason of the report that follows when the restart came to nothing.
#[must_use]
pub fn failed(name: &str, caller: &str, why: &str) -> String {
    format!("{name} restart by {caller} failed: {why}")
}

/// The reason of the report that follows when all came back, but not as it should.
#[must_use]
pub fn troubled(name: &str, caller: &str, trouble: &str) -> String {
    format!("{name} restarted by {caller}, but {trouble}")
}

/// The caller of a full restart that was asked for with systemctl.
pub const BY_HAND: &str = "systemctl";
