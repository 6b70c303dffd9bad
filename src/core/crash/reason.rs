//! The cause of a run's end, and its wording in a report.

use super::exit_status::{signal_text, systemd_name};
use super::observation::{ProcessEnd, ServiceResult};
use super::tracker::Waited;
use std::fmt;
use std::time::Duration;

/// Cause of a run's end. `Display` gives the report's `reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// `SIG 11 (Segmentation fault)`, `EXIT 3`, `EXIT 203 (EXEC)`.
    Process(ProcessEnd),
    /// `Watchdog timeout (30s)`.
    Watchdog(Option<Duration>),
    /// `Start timeout (90s)`, `Stop timeout (90s)`, `Runtime timeout (1h)`.
    Timeout(Waited, Option<Duration>),
    /// `Out of memory`.
    OutOfMemory,
    /// `Start failed (resources)`: systemd's own word, if no process has a result.
    Failed(String),
    /// `<NA>`: the end was not seen.
    Unknown,
}

/// A unit's time limits, for the number in brackets. `None`: unknown, or no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeLimits {
    /// `WatchdogUSec`.
    pub watchdog: Option<Duration>,
    /// `TimeoutStartUSec`.
    pub start: Option<Duration>,
    /// `RuntimeMaxUSec`.
    pub run: Option<Duration>,
    /// `TimeoutStopUSec`.
    pub stop: Option<Duration>,
}

impl Cause {
    /// Combines systemd's result, the end of the process and the phase of a time limit.
    #[must_use]
    pub fn new(
        result: &ServiceResult,
        process: Option<ProcessEnd>,
        waited: Waited,
        limits: &TimeLimits,
    ) -> Self {
        match result {
            ServiceResult::Watchdog => Self::Watchdog(limits.watchdog),
            ServiceResult::Timeout => Self::Timeout(waited, limits.of(waited)),
            ServiceResult::OomKill => Self::OutOfMemory,
            ServiceResult::Success
            | ServiceResult::ExitCode
            | ServiceResult::Signal
            | ServiceResult::CoreDump
            | ServiceResult::StartLimitHit
            | ServiceResult::ExecCondition
            | ServiceResult::Other(_) => match (process, result) {
                (Some(end), _) => Self::Process(end),
                (None, ServiceResult::Other(word)) => Self::Failed(word.clone()),
                // The journal does not record the status of a clean exit.
                (None, ServiceResult::Success) => Self::Process(ProcessEnd::Exited(0)),
                (None, _) => Self::Unknown,
            },
        }
    }
}

impl TimeLimits {
    fn of(&self, waited: Waited) -> Option<Duration> {
        match waited {
            Waited::Start => self.start,
            Waited::Run => self.run,
            Waited::Stop => self.stop,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(ProcessEnd::Exited(status)) => match systemd_name(*status) {
                Some(name) => write!(out, "EXIT {status} ({name})"),
                None => write!(out, "EXIT {status}"),
            },
            Self::Process(ProcessEnd::Killed(signal) | ProcessEnd::Dumped(signal)) => {
                write!(out, "SIG {signal} ({})", signal_text(*signal))
            }
            Self::Watchdog(limit) => write!(out, "Watchdog timeout{}", Bracketed(*limit)),
            Self::Timeout(waited, limit) => {
                let what = match waited {
                    Waited::Start => "Start",
                    Waited::Run => "Runtime",
                    Waited::Stop => "Stop",
                };
                write!(out, "{what} timeout{}", Bracketed(*limit))
            }
            Self::OutOfMemory => out.write_str("Out of memory"),
            Self::Failed(word) => write!(out, "Start failed ({word})"),
            Self::Unknown => out.write_str(super::report::UNKNOWN),
        }
    }
}

/// Returns the reason of a report that stands for `more` others in `interval`.
#[must_use]
pub fn summed_up(reason: &str, more: u32, interval: Duration) -> String {
    format!("{reason}, {more} more in {} s", interval.as_secs_f64())
}

/// A time in brackets, ` (90s)`: whole seconds if possible, else milliseconds.
struct Bracketed(Option<Duration>);

impl fmt::Display for Bracketed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(span) if span.subsec_nanos() == 0 => write!(out, " ({}s)", span.as_secs()),
            Some(span) => write!(out, " ({}ms)", span.as_millis()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(result: &str, process: Option<ProcessEnd>, waited: Waited, expect: &str) {
        let limits = TimeLimits {
            watchdog: Some(Duration::from_secs(30)),
            start: Some(Duration::from_secs(90)),
            run: None,
            stop: Some(Duration::from_millis(1500)),
        };
        let cause = Cause::new(&ServiceResult::parse(result), process, waited, &limits);
        assert_eq!(cause.to_string(), expect, "{result} {process:?} {waited:?}");
    }

    #[test]
    fn every_cause_has_its_words() {
        let run = Waited::Run;
        check("signal", Some(ProcessEnd::Killed(9)), run, "SIG 9 (Killed)");
        check(
            "core-dump",
            Some(ProcessEnd::Dumped(11)),
            run,
            "SIG 11 (Segmentation fault)",
        );
        check("exit-code", Some(ProcessEnd::Exited(3)), run, "EXIT 3");
        check(
            "exit-code",
            Some(ProcessEnd::Exited(203)),
            run,
            "EXIT 203 (EXEC)",
        );
        check("exit-code", Some(ProcessEnd::Exited(255)), run, "EXIT 255");
        check("success", Some(ProcessEnd::Exited(0)), run, "EXIT 0");
        check(
            "watchdog",
            Some(ProcessEnd::Dumped(6)),
            run,
            "Watchdog timeout (30s)",
        );
        check(
            "timeout",
            Some(ProcessEnd::Killed(15)),
            Waited::Start,
            "Start timeout (90s)",
        );
        check(
            "timeout",
            Some(ProcessEnd::Killed(9)),
            Waited::Stop,
            "Stop timeout (1500ms)",
        );
        check(
            "timeout",
            Some(ProcessEnd::Killed(15)),
            run,
            "Runtime timeout",
        );
        check(
            "oom-kill",
            Some(ProcessEnd::Killed(9)),
            run,
            "Out of memory",
        );
        check("protocol", Some(ProcessEnd::Exited(0)), run, "EXIT 0");
        check("success", None, run, "EXIT 0");
        check("resources", None, run, "Start failed (resources)");
        check("exit-code", None, run, "<NA>");
    }

    #[test]
    fn summing_up_names_number_and_time() {
        assert_eq!(
            summed_up("EXIT 3", 412, Duration::from_secs(60)),
            "EXIT 3, 412 more in 60 s"
        );
        assert_eq!(
            summed_up("EXIT 3", 1, Duration::from_millis(500)),
            "EXIT 3, 1 more in 0.5 s"
        );
    }
}
