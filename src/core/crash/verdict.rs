//! The judgement on the end of a run: a crash, a death or a request.
//!
//! There are two witnesses: the tracker's evidence from D-Bus, and for a ward the run record that
//! `unitward-step` writes in `ExecStopPost=`, before systemd signals the end. The record is
//! authoritative if it exists, and of a plain crash it would say nothing else: it knows exactly if
//! the end was requested, and was taken while the run was the current one.

use super::exit_status::signal_number;
use super::observation::{Observation, ProcessEnd, ServiceResult};
use super::reason::{Cause, TimeLimits};
use super::tracker::{Activity, Ended, Evidence, Waited};

/// Judgement on the end of a run.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not requested, and a failure for systemd.
    Crash,
    /// Not requested, and clean: the service ended by itself with success.
    Death,
    /// Requested, or the unit's work was done (a oneshot's success, an `ExecCondition=` that was
    /// not met).
    Requested,
}

/// The end according to a run record or to the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Testimony {
    /// Origin of the end: by itself, or by a stop or restart job.
    pub evidence: Evidence,
    /// `$SERVICE_RESULT`.
    pub result: ServiceResult,
    /// `$EXIT_CODE` and `$EXIT_STATUS`, or the end of the line that failed if no main process did;
    /// `None`: none ran.
    pub process: Option<ProcessEnd>,
    /// That process's id.
    pub pid: Option<u32>,
    /// Time of its end, in milliseconds since the epoch.
    pub at: u64,
    /// Phase in which a time limit was reached, if the result is a time-out and the witness knows.
    pub waited: Option<Waited>,
}

/// A run's end, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The judgement.
    pub verdict: Verdict,
    /// The cause.
    pub cause: Cause,
    /// The process that died.
    pub pid: Option<u32>,
    /// End of that process, if one ran.
    pub process: Option<ProcessEnd>,
    /// Time of the death, in milliseconds since the epoch; `None`: not seen.
    pub at: Option<u64>,
}

/// Facts about a unit that do not change with its runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nature {
    /// `Type=`; while unknown, a run that was never active counts as that of a oneshot.
    pub kind: Option<Kind>,
    /// Its time limits.
    pub limits: TimeLimits,
}

/// Meaning of `Type=` for an end with success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `Type=oneshot`: ends when its work is done.
    Oneshot,
    /// Any other: is meant to stay.
    Lasting,
}

/// Parses the end of a process from `$EXIT_CODE` (`exited`, `killed`, `dumped`) and `$EXIT_STATUS`.
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
    /// Its end.
    pub end: ProcessEnd,
    /// Time of its end, in microseconds since the epoch.
    pub at: u64,
}

/// Judges the end of a run. `control` is needed only if [`needs_control`] returns true.
#[must_use]
pub fn judge(
    ended: &Ended,
    testimony: Option<&Testimony>,
    nature: &Nature,
    control: Option<FailedControl>,
) -> Death {
    let seen = ended.last.as_ref();
    let result = testimony
        .map(|end| &end.result)
        .or(seen.map(|last| &last.result));
    let evidence = testimony.map_or(ended.evidence, |end| end.evidence);
    let process = testimony
        .and_then(|end| end.process)
        .or(seen.and_then(|last| last.main.end));
    let main_pid = testimony
        .and_then(|end| end.pid)
        .or(seen.map(|last| last.main.pid))
        .filter(|pid| *pid != 0);
    let at = seen.map(|last| last.main.ended_at.unwrap_or(last.changed_at) / 1000);
    let unharmed = is_unharmed(process);
    let control =
        control.filter(|failed| unharmed || (testimony.is_none() && came_first(failed, ended)));
    let waited = testimony.and_then(|end| end.waited).unwrap_or(ended.waited);
    let cause = result.map_or(Cause::Unknown, |result| {
        Cause::new(
            result,
            control.map(|failed| failed.end).or(process),
            waited,
            &nature.limits,
        )
    });
    Death {
        verdict: verdict(result, evidence, nature, ended.activity),
        cause,
        pid: control.map(|failed| failed.pid).or(main_pid),
        process: control.map(|failed| failed.end).or(process),
        at: testimony.map(|end| end.at).or(at),
    }
}

/// Returns true if a control process failed before the main process ended: systemd stops a service
/// whose start fails.
fn came_first(control: &FailedControl, ended: &Ended) -> bool {
    let main_ended = ended.last.as_ref().and_then(|last| last.main.ended_at);
    was_starting(ended) && main_ended.is_some_and(|at| control.at <= at)
}

/// Returns true if the run ended before it was up.
fn was_starting(ended: &Ended) -> bool {
    let was_up = ended
        .last
        .as_ref()
        .is_some_and(Observation::died_before_a_stop);
    ended.activity == Activity::NotSeen && ended.waited == Waited::Start && !was_up
}

/// Returns true if a control process is, or may be, the cause: systemd calls the run failed by exit
/// or signal, but no main process failed, or it may have been stopped because a line of the start
/// failed. A run record has told the two apart.
#[must_use]
pub fn needs_control(ended: &Ended, testimony: Option<&Testimony>) -> bool {
    let result = testimony
        .map(|end| &end.result)
        .or(ended.last.as_ref().map(|last| &last.result));
    let process = testimony
        .and_then(|end| end.process)
        .or(ended.last.as_ref().and_then(|last| last.main.end));
    let is_open = testimony.is_none() && was_starting(ended);
    result.is_some_and(|result| is_by_process(result) && (is_open || is_unharmed(process)))
}

/// Returns true if systemd calls a run failed by exit or signal although its main process has no
/// failure.
#[must_use]
pub fn no_main_process_failed(result: &ServiceResult, main: Option<ProcessEnd>) -> bool {
    is_by_process(result) && is_unharmed(main)
}

fn is_by_process(result: &ServiceResult) -> bool {
    matches!(
        result,
        ServiceResult::ExitCode | ServiceResult::Signal | ServiceResult::CoreDump
    )
}

fn is_unharmed(main: Option<ProcessEnd>) -> bool {
    main.is_none_or(|end| end == ProcessEnd::Exited(0))
}

fn verdict(
    result: Option<&ServiceResult>,
    evidence: Evidence,
    nature: &Nature,
    activity: Activity,
) -> Verdict {
    let oneshot = match nature.kind {
        Some(Kind::Oneshot) => true,
        Some(Kind::Lasting) => false,
        None => activity == Activity::NotSeen,
    };
    match (evidence, result) {
        (Evidence::Asked, _)
        | (_, Some(ServiceResult::ExecCondition | ServiceResult::StartLimitHit)) => {
            Verdict::Requested
        }
        (Evidence::Unasked, Some(ServiceResult::Success)) if oneshot => Verdict::Requested,
        (Evidence::Unasked, Some(ServiceResult::Success)) => Verdict::Death,
        (Evidence::Unasked, _) => Verdict::Crash,
    }
}
