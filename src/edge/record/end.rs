//! The end of a run and its consequences.

use crate::core::crash::observation::InvocationId;
use crate::core::crash::reason::TimeLimits;
use crate::core::recovery::account::Died;
use serde::{Deserialize, Serialize};

/// The end of a run, as systemd reports it to `ExecStopPost=` (systemd.exec(5), `$SERVICE_RESULT`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// True if a stop or restart was requested.
    pub asked: bool,
    /// True if the end was neither requested nor a death: a oneshot that has done its work, or
    /// `ExecCondition=` that refused the start.
    #[serde(default)]
    pub finished: bool,
    /// `$SERVICE_RESULT`: `success`, `exit-code`, `signal`, `core-dump`, `watchdog`, `timeout`, `oom-kill` …
    pub result: String,
    /// `$EXIT_CODE`: `exited`, `killed`, `dumped`; empty if the main process never ran. If a line
    /// failed and no main process did, this and the following fields are those of the line.
    pub code: String,
    /// `$EXIT_STATUS`: a number, or a signal's name without `SIG`.
    pub status: String,
    /// Id of the process, if PID 1 still knew it.
    pub pid: Option<u32>,
    /// End of the process, in milliseconds since the epoch.
    pub at: u64,
    /// The same by the boot's clock; `None` if it is not known, and in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_boot: Option<u64>,
    /// True if this death exceeded the death limit.
    pub limit_reached: bool,
    /// Action of the death limit; `None`: the limit was not reached, or systemd restarts the unit
    /// all the same.
    #[serde(default)]
    pub given_up: Option<GivenUp>,
    /// Exceeded time limit, if the result is a time-out.
    #[serde(default)]
    pub timed_out: Option<TimedOut>,
    /// The unit that has taken this one down with it, if the end was a requested stop and there was
    /// one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pulled_by: Option<String>,
    /// True if systemd was about to restart the unit by itself; `None` in records of older
    /// versions.
    #[serde(default)]
    pub restart_follows: Option<bool>,
    /// The step whose failure ended the start, `step 1 of [OnDeath] failed: Execute`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

impl End {
    /// Where it stands among the ends of a boot, whatever the wall clock said.
    #[must_use]
    pub fn in_order(&self) -> (Option<u64>, u64) {
        (self.since_boot, self.at)
    }

    /// Returns the death that a recovery began with, of this run; `limits` are the time limits to
    /// name in its reason.
    #[must_use]
    pub fn died(&self, invocation: &str, limits: &TimeLimits) -> Option<Died> {
        Some(Died {
            invocation: InvocationId::parse(invocation)?,
            reason: self.cause(limits).to_string(),
            at: self.at,
        })
    }
}

#[cfg(test)]
impl End {
    /// Makes a death by SIGKILL; tests change single fields.
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
            step: None,
        }
    }
}

/// Action of the death limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GivenUp {
    /// The unit stays down; also if a reboot was refused.
    Exclude,
    /// The ward's stack is restarted.
    RestartStack,
    /// The host reboots.
    Reboot,
}

/// A time limit of systemd.
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
