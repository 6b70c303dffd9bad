//! One state of a unit as systemd shows it, reduced to the properties that tell how a run went.
//!
//! PID 1 announces a change as two signals in sequence: first the Service interface's properties,
//! then the Unit interface's, each complete. Together they are one [`Observation`]; a reply to
//! `GetAll` gives the same. It uses only properties that are in every such signal, so that it is
//! always complete.

use std::fmt;
use std::time::Duration;

/// Identifier of one run of a unit: 128 bits, new for each start. The key of every crash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvocationId(String);

impl InvocationId {
    /// Parses the 32 hexadecimal digits that systemd prints; a unit that never ran has none or
    /// zeroes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let ran = text.bytes().any(|byte| byte != b'0');
        (digits && ran).then(|| Self(text.to_ascii_lowercase()))
    }

    /// Reads D-Bus' 16 bytes; a unit that never ran has none or zeroes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 16 || bytes.iter().all(|byte| *byte == 0) {
            return None;
        }
        Some(Self(
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }

    /// Returns the 32 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Stage of a unit, from `ActiveState` and `SubState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// `activating`, except its auto-restart states.
    Starting,
    /// `active`, with the meaning that the service's type gives it.
    Running,
    /// `active/exited`: the processes are gone and the unit stays up as configured.
    Exited,
    /// `reloading` and `refreshing`.
    Reloading,
    /// `deactivating`.
    Stopping,
    /// Ended, and systemd has decided to restart it: `auto-restart`, 257's
    /// `…-before-auto-restart` and `auto-restart-queued`.
    Restarting,
    /// Ended: `inactive`, `failed`, `maintenance`.
    Ended,
}

impl Stage {
    /// Reads the two properties. An unknown state counts as running: it is none of those in which a
    /// run is over.
    #[must_use]
    pub fn of(active_state: &str, sub_state: &str) -> Self {
        match (active_state, sub_state) {
            (_, sub) if sub.contains("auto-restart") => Self::Restarting,
            ("activating", _) => Self::Starting,
            ("active", "exited") => Self::Exited,
            ("reloading" | "refreshing", _) => Self::Reloading,
            ("deactivating", _) => Self::Stopping,
            ("inactive" | "failed" | "maintenance", _) => Self::Ended,
            _ => Self::Running,
        }
    }
}

/// The property `Result`, also `$SERVICE_RESULT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceResult {
    /// No failure so far, or none at all.
    Success,
    /// A process exited with a status that is not a success.
    ExitCode,
    /// A process was killed by a signal.
    Signal,
    /// A process was killed by a signal and dumped core.
    CoreDump,
    /// No keep-alive in time.
    Watchdog,
    /// Starting, stopping or the whole run took too long.
    Timeout,
    /// The kernel or systemd-oomd killed it for its memory.
    OomKill,
    /// The start limit refused a start; from 262 on.
    StartLimitHit,
    /// `ExecCondition=` was not met: skipped, not failed.
    ExecCondition,
    /// Any other, `protocol` and `resources` among them.
    Other(String),
}

impl ServiceResult {
    /// Parses systemd's word.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "success" => Self::Success,
            "exit-code" => Self::ExitCode,
            "signal" => Self::Signal,
            "core-dump" => Self::CoreDump,
            "watchdog" => Self::Watchdog,
            "timeout" => Self::Timeout,
            "oom-kill" => Self::OomKill,
            "start-limit-hit" => Self::StartLimitHit,
            "exec-condition" => Self::ExecCondition,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Returns systemd's word.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Success => "success",
            Self::ExitCode => "exit-code",
            Self::Signal => "signal",
            Self::CoreDump => "core-dump",
            Self::Watchdog => "watchdog",
            Self::Timeout => "timeout",
            Self::OomKill => "oom-kill",
            Self::StartLimitHit => "start-limit-hit",
            Self::ExecCondition => "exec-condition",
            Self::Other(word) => word,
        }
    }
}

/// End of a process: `ExecMainCode` with `ExecMainStatus`, or `$EXIT_CODE` with `$EXIT_STATUS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessEnd {
    /// `CLD_EXITED` (1) with the exit status.
    Exited(i32),
    /// `CLD_KILLED` (2) with the signal's number.
    Killed(i32),
    /// `CLD_DUMPED` (3) with the signal's number.
    Dumped(i32),
}

impl ProcessEnd {
    /// Reads the two numbers of waitid(2); other codes mean that it has not ended.
    #[must_use]
    pub const fn from_wait(code: i32, status: i32) -> Option<Self> {
        match code {
            1 => Some(Self::Exited(status)),
            2 => Some(Self::Killed(status)),
            3 => Some(Self::Dumped(status)),
            _ => None,
        }
    }
}

/// The main process: `ExecMainPID` and the related properties. All of them are reset when a run
/// begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MainProcess {
    /// Its id, also after its end; 0: none was started in this run.
    pub pid: u32,
    /// Time of its start, in microseconds since the epoch.
    pub started_at: Option<u64>,
    /// Time of its start, in microseconds of the monotonic clock; 0: it was not started.
    pub started: u64,
    /// Its end.
    pub end: Option<ProcessEnd>,
    /// Time of its end, in microseconds since the epoch.
    pub ended_at: Option<u64>,
}

/// State of one unit at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Stage of the unit.
    pub stage: Stage,
    /// The latest run; `None`: it never ran.
    pub invocation: Option<InvocationId>,
    /// The job that is queued or running for it.
    pub job: Option<u32>,
    /// Result of the latest run so far.
    pub result: ServiceResult,
    /// The process that lives: the main process or a control process (`ExecStartPre=`,
    /// `ExecStopPost=` …).
    pub life: Life,
    /// The latest run's main process.
    pub main: MainProcess,
    /// `NRestarts`.
    pub restarts: u32,
    /// Time at which the unit last became `active`, in microseconds of the monotonic clock; 0:
    /// never.
    pub entered_active: u64,
    /// Time at which the unit last left `active`, in microseconds since the epoch; 0: never.
    pub left_active: u64,
    /// Time of the last change of state, in microseconds since the epoch.
    pub changed_at: u64,
    /// Time of the last change of state by the monotonic clock, since boot.
    pub changed: Duration,
}

/// The process of a unit that systemd tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// `MainPID` is not 0.
    Main,
    /// Only `ControlPID` is not 0.
    Control,
    /// Neither.
    None,
}

impl Observation {
    /// Returns true if this moment belongs to a run that is over.
    ///
    /// The first observation of a new run still carries the final state of the previous one
    /// (`failed`, `auto-restart-queued`), because systemd sends pending signals before it changes a
    /// state; by then it has forked the first process and reset `Result`.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self.stage {
            Stage::Starting
            | Stage::Running
            | Stage::Exited
            | Stage::Reloading
            | Stage::Stopping => false,
            Stage::Restarting | Stage::Ended => {
                self.life == Life::None || self.result != ServiceResult::Success
            }
        }
    }

    /// Returns true if the unit left `active` because its main process had ended, before any stop
    /// had begun. A unit that stays up without its process leaves `active` later.
    #[must_use]
    pub fn died_before_a_stop(&self) -> bool {
        const AT_ONCE: u64 = 1_000_000;
        self.main.ended_at.is_some_and(|died| {
            0 < died && died <= self.left_active && self.left_active - died < AT_ONCE
        })
    }

    /// Returns true if the main process has failed by itself and the run is only being shut down:
    /// it left `active` because of that, and the unit has no job.
    #[must_use]
    pub fn has_crashed(&self) -> bool {
        use ServiceResult::{CoreDump, ExitCode, Signal};
        let failed = self
            .main
            .end
            .is_some_and(|end| end != ProcessEnd::Exited(0))
            && matches!(self.result, ExitCode | Signal | CoreDump);
        failed
            && self.stage == Stage::Stopping
            && self.job.is_none()
            && self.life != Life::Main
            && self.died_before_a_stop()
    }

    /// Returns true if the run's own work goes on: its main process lives, was not started yet, or
    /// has left the unit up on purpose.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        self.life == Life::Main || self.main.end.is_none() || self.stage == Stage::Exited
    }
}
