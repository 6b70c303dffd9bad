//! How a run ended, and what its end led to.

use serde::{Deserialize, Serialize};

/// How a run ended, as systemd told `ExecStopPost=` (systemd.exec(5), `$SERVICE_RESULT`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Whether a stop or restart was asked for.
    pub asked: bool,
    /// Not asked for, but no death either: a oneshot that has done its work, or `ExecCondition=` that said no.
    #[serde(default)]
    pub finished: bool,
    /// `$SERVICE_RESULT`: `success`, `exit-code`, `signal`, `core-dump`, `watchdog`, `timeout`, `oom-kill` …
    pub result: String,
    /// `$EXIT_CODE`: `exited`, `killed`, `dumped`; empty when the main process never ran. Where a line failed and no main process
    /// did, this and what follows are the line's.
    pub code: String,
    /// `$EXIT_STATUS`: a number, or a signal's name without `SIG`.
    pub status: String,
    /// The process's id, where PID 1 still knew it.
    pub pid: Option<u32>,
    /// When the process ended, milliseconds since the epoch.
    pub at: u64,
    /// The same by the boot's clock; `None` where that is not known, and in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_boot: Option<u64>,
    /// Whether this death went over the death limit.
    pub limit_reached: bool,
    /// What the death limit led to; `None`: it was not reached, or systemd restarts the unit all the same.
    #[serde(default)]
    pub given_up: Option<GivenUp>,
    /// Which time limit struck, where the result is a time-out.
    #[serde(default)]
    pub timed_out: Option<TimedOut>,
    /// The unit that has taken this one down with it, where the end was asked for and one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulled_by: Option<String>,
    /// Whether systemd was about to restart the unit by itself; `None` in records of older versions.
    #[serde(default)]
    pub restart_follows: Option<bool>,
}

impl End {
    /// Where it stands among the ends of a boot, whatever the wall clock said.
    pub(super) fn in_order(&self) -> (Option<u64>, u64) {
        (self.since_boot, self.at)
    }
}

#[cfg(test)]
impl End {
    /// A death by SIGKILL; tests say what is different.
    pub(crate) fn killed(at: u64) -> Self {
        let (result, code, status) = ("signal".into(), "killed".into(), "KILL".into());
        Self {
            asked: false,
            finished: false,
            result,
            code,
            status,
            pid: None,
            at,
            since_boot: None,
            limit_reached: false,
            given_up: None,
            timed_out: None,
            pulled_by: None,
            restart_follows: Some(true),
        }
    }
}

/// What the death limit led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GivenUp {
    /// The unit stays down; also where a reboot was refused.
    Exclude,
    /// The ward's stack is restarted.
    RestartStack,
    /// The host reboots.
    Reboot,
}

/// A time limit of systemd's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimedOut {
    /// `TimeoutStartSec=`.
    Start,
    /// `RuntimeMaxSec=`.
    Run,
    /// `TimeoutStopSec=`.
    Stop,
}
