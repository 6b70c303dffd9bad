//! Whether the end of a run was a crash, a death or what somebody asked for.
//!
//! Two witnesses: the tracker's evidence from D-Bus, and for a ward the run record that
//! `unitward-step` writes in `ExecStopPost=`, before systemd signals the end. The record is
//! authoritative where it exists, and of a plain crash it would say nothing else: it is exact on who asked, and was taken while the run was the current one.

use super::exit_status::signal_number;
use super::observation::{Observation, ProcessEnd, ServiceResult};
use super::reason::{Cause, TimeLimits};
use super::tracker::{Activity, Ended, Evidence, Waited};

/// What the end of a run was.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Unasked, and systemd calls it a failure.
    Crash,
    /// Unasked, and clean: the service ended by itself with success.
    Death,
    /// Somebody asked for it, or the unit's work was done (a oneshot's success, an
    /// `ExecCondition=` that said no).
    Requested,
}

/// The end as a run record tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testimony {
    /// Whether a stop or restart was asked for.
    pub evidence: Evidence,
    /// `$SERVICE_RESULT`.
    pub result: ServiceResult,
    /// `$EXIT_CODE` and `$EXIT_STATUS`, or how the line ended that failed where no main process did; `None`: none ran.
    pub process: Option<ProcessEnd>,
    /// That process's id.
    pub pid: Option<u32>,
    /// When it ended, milliseconds since the epoch.
    pub at: u64,
    /// In which phase a time limit struck, where the result is a time-out and the witness knows.
    pub waited: Option<Waited>,
}

/// A run's end, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// What it was.
    pub verdict: Verdict,
    /// Why.
    pub cause: Cause,
    /// The process that died.
    pub pid: Option<u32>,
    /// How it ended, where it ever ran.
    pub process: Option<ProcessEnd>,
    /// When, milliseconds since the epoch; `None`: not seen.
    pub at: Option<u64>,
}

/// Facts about a unit that do not change with its runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nature {
    /// `Type=`; until it is known a oneshot is recognised by never becoming active.
    pub kind: Option<Kind>,
    /// Its time limits.
    pub limits: TimeLimits,
}

/// What `Type=` means for an end with success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `Type=oneshot`: ends when its work is done.
    Oneshot,
    /// Any other: is meant to stay.
    Lasting,
}

/// How a process ended from `$EXIT_CODE` (`exited`, `killed`, `dumped`) and `$EXIT_STATUS`.
#[must_use]
pub fn process_end(code: &str, status: &str) -> Option<ProcessEnd> {
    match code {
        "exited" => status.parse().ok().map(ProcessEnd::Exited),
        "killed" => signal_number(status).map(ProcessEnd::Killed),
        "dumped" => signal_number(status).map(ProcessEnd::Dumped),
        _ => None,
    }
}

/// A control process (`ExecStartPre=`, `ExecStartPost=` …) that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedControl {
    /// Its id.
    pub pid: u32,
    /// How it ended.
    pub end: ProcessEnd,
    /// When, microseconds since the epoch.
    pub at: u64,
}

/// Judges the end of a run. `control` is asked for only where [`needs_control`] says so.
#[must_use]
pub fn judge(ended: &Ended, testimony: Option<&Testimony>, about: (&Nature, Option<FailedControl>)) -> Death {
    let (nature, control) = about;
    let seen = ended.last.as_ref();
    let result = testimony.map(|end| &end.result).or(seen.map(|last| &last.result));
    let evidence = testimony.map_or(ended.evidence, |end| end.evidence);
    let process = testimony.and_then(|end| end.process).or(seen.and_then(|last| last.main.end));
    let main_pid = testimony.and_then(|end| end.pid).or(seen.map(|last| last.main.pid)).filter(|pid| *pid != 0);
    let at = seen.map(|last| last.main.ended_at.unwrap_or(last.changed_at) / 1000);
    let unharmed = is_unharmed(process);
    let control = control.filter(|failed| unharmed || (testimony.is_none() && came_first(failed, ended)));
    let waited = testimony.and_then(|end| end.waited).unwrap_or(ended.waited);
    let cause = result.map_or(Cause::Unknown, |result| {
        Cause::new(result, control.map(|failed| failed.end).or(process), (waited, &nature.limits))
    });
    Death {
        verdict: verdict(result, evidence, (nature, ended.activity)),
        cause,
        pid: control.map(|failed| failed.pid).or(main_pid),
        process: control.map(|failed| failed.end).or(process),
        at: testimony.map(|end| end.at).or(at),
    }
}

/// Whether a control process failed before the main process ended: systemd stops a service whose start fails.
fn came_first(control: &FailedControl, ended: &Ended) -> bool {
    let main_ended = ended.last.as_ref().and_then(|last| last.main.ended_at);
    was_starting(ended) && main_ended.is_some_and(|at| control.at <= at)
}

/// Whether the run ended before it was up.
fn was_starting(ended: &Ended) -> bool {
    let was_up = ended.last.as_ref().is_some_and(Observation::died_before_a_stop);
    ended.activity == Activity::NotSeen && ended.waited == Waited::Start && !was_up
}

/// Whether the cause is, or may be, with a control process: systemd calls the run failed by exit or signal, but no main
/// process failed, or it may have been stopped because a line of the start failed. A run record has told the two apart.
#[must_use]
pub fn needs_control(ended: &Ended, testimony: Option<&Testimony>) -> bool {
    let result = testimony.map(|end| &end.result).or(ended.last.as_ref().map(|last| &last.result));
    let process = testimony.and_then(|end| end.process).or(ended.last.as_ref().and_then(|last| last.main.end));
    let is_open = testimony.is_none() && was_starting(ended);
    result.is_some_and(|result| is_by_process(result) && (is_open || is_unharmed(process)))
}

/// Whether systemd calls a run failed by exit or signal whose main process ended like this.
#[must_use]
pub fn no_main_process_failed(result: &ServiceResult, main: Option<ProcessEnd>) -> bool {
    is_by_process(result) && is_unharmed(main)
}

fn is_by_process(result: &ServiceResult) -> bool {
    matches!(result, ServiceResult::ExitCode | ServiceResult::Signal | ServiceResult::CoreDump)
}

fn is_unharmed(main: Option<ProcessEnd>) -> bool {
    main.is_none_or(|end| end == ProcessEnd::Exited(0))
}

fn verdict(result: Option<&ServiceResult>, evidence: Evidence, about: (&Nature, Activity)) -> Verdict {
    let (nature, activity) = about;
    let oneshot = match nature.kind {
        Some(Kind::Oneshot) => true,
        Some(Kind::Lasting) => false,
        None => activity == Activity::NotSeen,
    };
    match (evidence, result) {
        (Evidence::Asked, _) | (_, Some(ServiceResult::ExecCondition | ServiceResult::StartLimitHit)) => {
            Verdict::Requested
        }
        (Evidence::Unasked, Some(ServiceResult::Success)) if oneshot => Verdict::Requested,
        (Evidence::Unasked, Some(ServiceResult::Success)) => Verdict::Death,
        (Evidence::Unasked, _) => Verdict::Crash,
    }
}
