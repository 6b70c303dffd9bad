//! Conversion of stored or recorded recoveries and full restarts into parts of the document.

use super::document::{Attempt, FullRestart, Recovery, Step, Times};
use crate::core::crash::report::UNKNOWN;
use crate::core::recovery::account::{self, Account, StepDone, StepOutcome};
use crate::core::recovery::course::{AttemptTimes, Attempts, LeftOut};
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
    let count = |attempts: &[AttemptTimes]| {
        attempts
            .iter()
            .map(|attempt| attempt.steps.len())
            .sum::<usize>()
    };
    count(&course.first) + course.left_out.steps + count(&course.last) == record.steps.len()
}

fn timed(course: &Attempts, record: &Record, died: u64) -> Vec<Attempt> {
    let LeftOut {
        steps: left_out, ..
    } = course.left_out;
    let mut steps = record.steps.iter();
    let mut next = |times: &AttemptTimes| {
        let since = |at: u64| at.saturating_sub(died);
        let own = times
            .steps
            .iter()
            .zip(steps.by_ref().take(times.steps.len()));
        Attempt {
            begin_ms: times.begun.map(since),
            down_ms: times.down.and_then(|at| at.checked_sub(died)),
            backoff_ms: times.backoff_ms,
            steps: own.map(|(at, step)| step.at(Some(since(*at)))).collect(),
            main_ms: times.main.map(since),
            up_ms: times.up.map(since),
            failed_ms: times.failed.map(since),
        }
    };
    let mut attempts: Vec<_> = course.first.iter().map(&mut next).collect();
    let skipped = AttemptTimes {
        steps: vec![0; left_out],
        ..AttemptTimes::default()
    };
    let _ = next(&skipped);
    attempts.extend(course.last.iter().map(next));
    attempts
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
    about: (&str, Progress),
) -> Recovery {
    let (unit, progress) = about;
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
    let since = |at: u64| at.saturating_sub(died);
    let step = |done: &StepDone| Step {
        condition: done.condition.clone(),
        step: done.step.clone(),
        argument: done.argument.clone(),
        result: match done.result {
            StepOutcome::Ok => "ok".to_owned(),
            StepOutcome::Failed => "failed".to_owned(),
            StepOutcome::Dropped => "dropped".to_owned(),
        },
        begin_ms: Some(since(done.at).saturating_sub(done.ms)),
        ms: done.ms,
    };
    Attempt {
        begin_ms: attempt.begun.map(since),
        down_ms: attempt.down.and_then(|at| at.checked_sub(died)),
        backoff_ms: attempt.backoff_ms,
        steps: attempt.steps.iter().map(step).collect(),
        main_ms: attempt.up.map(|up| since(up.main)),
        up_ms: attempt.up.map(|up| since(up.at)),
        failed_ms: attempt.failed_at.map(since),
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
