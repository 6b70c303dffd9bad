//! Conversion of stored or recorded recoveries and full restarts into parts of the document.

use super::document::{Attempt, FullRestart, Recovery, Step, Times};
use crate::core::crash::report::UNKNOWN;
use crate::core::recovery::account::{self, Account, StepDone, StepOutcome};
use crate::core::recovery::course::{AttemptTimes, Attempts};
use crate::edge::full_restart::record::RestartRecord;
use crate::edge::history::read::{Told, ToldRestart};
use serde::Deserialize;

/// Content of the stored record besides its outcome. Fields that cannot be read are not known.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record {
    restarts: u64,
    downtime_ms: Option<u64>,
    recovery_ms: Option<u64>,
    steps: Vec<RecordedStep>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RecordedStep {
    condition: String,
    step: String,
    argument: String,
    result: String,
    ms: u64,
}

/// Returns the recovery from this death, if it is stored.
pub(super) fn stored(told: &Told) -> Option<Recovery> {
    let (death, stored) = (&told.death, told.recovery.as_ref()?);
    let record: Record = serde_json::from_str(&stored.record).unwrap_or_default();
    let kept = stored
        .course
        .as_deref()
        .and_then(Attempts::read)
        .filter(|course| fits(course, &record));
    let (times, left_out, attempts) = match &kept {
        Some(course) => (
            Times::Known,
            course.left_out.attempts,
            timed(course, &record, death.at),
        ),
        None => (Times::DurationsOnly, 0, untimed(&record)),
    };
    Some(Recovery {
        ward: stored.ward.clone(),
        unit: death.key.unit.clone(),
        invocation: death.key.invocation.to_string(),
        timestamp: death.at,
        reason: Some(death.reason.clone()).filter(|reason| reason != UNKNOWN),
        outcome: stored.outcome.clone(),
        restarts: record.restarts,
        downtime_ms: record.downtime_ms,
        recovery_ms: record.recovery_ms,
        end_ms: Some(stored.at.saturating_sub(death.at)),
        down_ms: record.downtime_ms,
        is_down: false,
        times,
        attempts_left_out: left_out,
        attempts,
        led_to: told.led_to.as_ref().map(ToString::to_string),
    })
}

/// Returns true if the times belong to the record's steps.
fn fits(course: &Attempts, record: &Record) -> bool {
    let timed = step_count(&course.first) + step_count(&course.last);
    timed + course.left_out.steps == record.steps.len()
}

/// Returns the number of steps of these attempts.
fn step_count(attempts: &[AttemptTimes]) -> usize {
    attempts.iter().map(|attempt| attempt.steps.len()).sum()
}

fn timed(course: &Attempts, record: &Record, died: u64) -> Vec<Attempt> {
    let mut steps = record.steps.iter();
    let mut attempts = Vec::new();
    for times in &course.first {
        attempts.push(timed_attempt(times, &mut steps, died));
    }
    steps.by_ref().take(course.left_out.steps).for_each(drop);
    for times in &course.last {
        attempts.push(timed_attempt(times, &mut steps, died));
    }
    attempts
}

/// Returns an attempt with these times; its steps are the next ones of the record.
fn timed_attempt<'a>(
    times: &AttemptTimes,
    steps: &mut impl Iterator<Item = &'a RecordedStep>,
    died: u64,
) -> Attempt {
    let own = times.steps.iter().zip(steps.take(times.steps.len()));
    Attempt {
        begin_ms: times.begun.map(|at| at.saturating_sub(died)),
        down_ms: times.down.and_then(|at| at.checked_sub(died)),
        backoff_ms: times.backoff_ms,
        steps: own
            .map(|(at, step)| step.at(Some(at.saturating_sub(died))))
            .collect(),
        main_ms: times.main.map(|at| at.saturating_sub(died)),
        up_ms: times.up.map(|at| at.saturating_sub(died)),
        failed_ms: times.failed.map(|at| at.saturating_sub(died)),
    }
}

/// Returns all that is known without times: the steps, as if one attempt had executed them.
fn untimed(record: &Record) -> Vec<Attempt> {
    let steps: Vec<_> = record.steps.iter().map(|step| step.at(None)).collect();
    let attempt = Attempt {
        steps,
        main_ms: record.downtime_ms,
        up_ms: record.recovery_ms,
        ..Attempt::default()
    };
    if record.restarts == 0 {
        Vec::new()
    } else {
        vec![attempt]
    }
}

impl RecordedStep {
    /// Converts the step for the document, with its end, in milliseconds since the death.
    fn at(&self, ended: Option<u64>) -> Step {
        Step {
            condition: self.condition.clone(),
            step: self.step.clone(),
            argument: self.argument.clone(),
            result: self.result.clone(),
            begin_ms: ended.map(|at| at.saturating_sub(self.ms)),
            ms: self.ms,
        }
    }
}

/// Progress of a recovery that is not stored.
pub(super) enum Progress {
    /// It goes on.
    UnderWay,
    /// It ended at this time, in milliseconds since the epoch.
    Over(u64),
}

/// Returns a recovery, from the run records.
pub(super) fn recorded(
    account: &Account,
    attempts: &[account::Attempt],
    unit: &str,
    progress: Progress,
) -> Recovery {
    let died = account.timestamp;
    let (outcome, end_ms) = match progress {
        Progress::UnderWay => ("under-way", None),
        Progress::Over(at) => (account.outcome.word(), Some(at.saturating_sub(died))),
    };
    Recovery {
        ward: account.ward.clone(),
        unit: unit.to_owned(),
        invocation: account.invocation.to_string(),
        timestamp: died,
        reason: Some(account.reason.clone()).filter(|reason| reason != UNKNOWN),
        outcome: outcome.to_owned(),
        restarts: account.restarts.into(),
        downtime_ms: account.downtime_ms.filter(|_| end_ms.is_some()),
        recovery_ms: account.recovery_ms.filter(|_| end_ms.is_some()),
        end_ms,
        down_ms: account.downtime_ms.filter(|_| end_ms.is_some()),
        is_down: false,
        times: Times::Known,
        attempts_left_out: 0,
        attempts: attempts
            .iter()
            .map(|attempt| attempt_of(attempt, died))
            .collect(),
        led_to: None,
    }
}

fn attempt_of(attempt: &account::Attempt, died: u64) -> Attempt {
    Attempt {
        begin_ms: attempt.begun.map(|at| at.saturating_sub(died)),
        down_ms: attempt.down.and_then(|at| at.checked_sub(died)),
        backoff_ms: attempt.backoff_ms,
        steps: attempt
            .steps
            .iter()
            .map(|done| step_of(done, died))
            .collect(),
        main_ms: attempt.up.map(|up| up.main.saturating_sub(died)),
        up_ms: attempt.up.map(|up| up.at.saturating_sub(died)),
        failed_ms: attempt.failed_at.map(|at| at.saturating_sub(died)),
    }
}

fn step_of(done: &StepDone, died: u64) -> Step {
    let result = match done.result {
        StepOutcome::Ok => "ok",
        StepOutcome::Failed => "failed",
        StepOutcome::Dropped => "dropped",
    };
    let ended = done.at.saturating_sub(died);
    Step {
        condition: done.condition.clone(),
        step: done.step.clone(),
        argument: done.argument.clone(),
        result: result.to_owned(),
        begin_ms: Some(ended.saturating_sub(done.ms)),
        ms: done.ms,
    }
}

/// Returns a full restart, without its members.
pub(super) fn full_restart(told: &Told) -> Option<FullRestart> {
    let (death, ToldRestart { restart, end }) = (&told.death, told.restart.as_ref()?);
    Some(FullRestart {
        stack: restart.stack.clone(),
        name: death.name.clone(),
        unit: death.key.unit.clone(),
        invocation: death.key.invocation.to_string(),
        timestamp: death.at,
        caller: restart.caller.clone(),
        cause: restart
            .cause
            .as_ref()
            .map(|cause| cause.invocation.to_string()),
        outcome: end.as_ref().map(|end| end.outcome.word().to_owned()),
        trouble: end
            .as_ref()
            .map(|end| end.trouble.clone())
            .filter(|trouble| !trouble.is_empty()),
        end_ms: end.as_ref().map(|end| end.at.saturating_sub(death.at)),
        members: Vec::new(),
    })
}

/// Does the same from its own record.
pub(super) fn recorded_restart(record: &RestartRecord) -> FullRestart {
    let end = record.end.as_ref();
    FullRestart {
        stack: record.stack.clone(),
        name: record.name.clone(),
        unit: record.unit.clone(),
        invocation: record.id.clone(),
        timestamp: record.at,
        caller: record.caller.clone(),
        cause: record.cause.as_ref().map(|cause| cause.invocation.clone()),
        outcome: end.map(|end| end.outcome.word().to_owned()),
        trouble: end
            .map(|end| end.trouble.clone())
            .filter(|trouble| !trouble.is_empty()),
        end_ms: end.map(|end| end.at.saturating_sub(record.at)),
        members: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
