//! One guarded step: does it act in this run, and if so, with what result.

use super::line::StepLine;
use super::{act, collect, this_run};
use crate::core::config::{ConditionKind, time_span};
use crate::edge::clock;
use crate::edge::pid1::{self, Wanted};
use crate::edge::program;
use crate::edge::record::{KILLED, Outcome, RunRecord, StartKind, StepResult, WardState};
use rustix::fs::Mode;
use std::io;
use std::time::Instant;

/// Exit status systemd gives a command it cannot execute (systemd.exec(5), `EXIT_EXEC`).
const CANNOT_EXECUTE: u8 = 203;

/// Exit status of a step that had to be skipped (sysexits.h, `EX_TEMPFAIL`), where it does not count for the start: PID 1 keeps it for
/// who asks what became of the step. It counts as failed, unless the start had come to nothing by then.
pub(super) const SKIPPED: u8 = 75;

/// Runs a step; gives the exit status of the line.
///
/// # Errors
/// The line is damaged, or nobody knows which run of a condition's own service this is.
pub(super) fn step(words: &[String], umask: Mode) -> io::Result<u8> {
    let line = StepLine::parse(words)?;
    let state = WardState::of(&line.ward);
    let mut record = if line.own_service {
        let run = this_run::of_condition(&line.ward, &line.place.condition)?;
        let new = || RunRecord::new(&line.ward, "", run.as_str(), StartKind::Condition);
        state.run(run.as_str()).unwrap_or_else(|_| new())
    } else {
        match this_run::of_ward(&state).and_then(|run| state.run(run.as_str())) {
            Ok(record) => record,
            Err(error) => return Ok(skip(&line, &format!("failed to read the run's record: {error}"))),
        }
    };
    if !line.acts(&record) {
        return Ok(0);
    }
    // A step of a stop, or of a service of its own, is in no start.
    if !line.own_service && line.place.kind() != Some(ConditionKind::Stop) {
        let own = [&super::STATE_OF_START[..], &collect::LISTS].concat();
        let wanted = Wanted { unit: &["SubState", this_run::PROPERTY], own: &own };
        let known = pid1::ask(&record.unit, wanted).unwrap_or_default();
        // Where PID 1 does not answer, a run that has ended is not the one that starts.
        if this_run::known(&known).map_or(record.end.is_some(), |run| run.as_str() != record.invocation) {
            return Ok(skip(&line, "the record is another run's"));
        }
        if super::start_has_failed(&known) {
            // What a line does that is the service's own is noted by others, who have only its status.
            return Ok(if line.replaces_guard() && !line.required { SKIPPED } else { 0 });
        }
        let noted = record.results.len();
        collect::add_results(&mut record, &known);
        if line.replaces_guard() && record.results.len() > noted {
            // The service may not be allowed to. Then it is left to the next line that is root's.
            let _ = state.save_run(&record);
        }
        if !line.acts(&record) {
            return Ok(0);
        }
    }
    if line.replaces_guard() {
        rustix::process::umask(umask);
        return Ok(become_command(&line, &record.unit));
    }
    let begun = Instant::now();
    // Should this process be killed, the step is on record as failed: later steps depend on that.
    let noted = record.results.len();
    record.results.push(result(&line, KILLED, begun));
    let before = state.save_run(&record);
    let status = act::act(&line, &record, umask);
    record.results[noted] = result(&line, status.into(), begun);
    if let Err(error) = before.and(state.save_run(&record)) {
        let step = &line.place.step;
        tracing::warn!(
            UNITWARD_WARD = line.ward,
            "Failed to note the result of step {step} of ward {}: {error}",
            line.ward
        );
    }
    Ok(status)
}

fn result(line: &StepLine, status: i32, begun: Instant) -> StepResult {
    StepResult {
        condition: line.place.condition.clone(),
        step: line.place.step.clone(),
        action: line.keyword.clone(),
        argument: line.arguments.join(" "),
        outcome: if status == 0 || line.ignore_failure { Outcome::Ok } else { Outcome::Failed },
        status,
        at: clock::since_epoch(),
        ms: time_span::millis(begun.elapsed()),
    }
}

/// Says that a step had to be skipped, and why: a full `/run`, say, or a sandbox that hides the run's record. Gives the line's exit
/// status: the service's start does not depend on that.
fn skip(line: &StepLine, why: &str) -> u8 {
    let place = format!("step {} of [{}] in ward {}", line.place.step, line.place.condition, line.ward);
    eprintln!("skipped {place}: {why}");
    if line.required { 0 } else { SKIPPED }
}

/// Replaces this process by the step's command; comes back only if that fails.
fn become_command(line: &StepLine, unit: &str) -> u8 {
    let error = program::become_command(&line.arguments);
    tracing::warn!(
        UNITWARD_WARD = line.ward,
        UNITWARD_CONDITION = line.place.condition,
        OBJECT_SYSTEMD_UNIT = unit,
        "Failed to execute {}: {error}",
        line.arguments.join(" ")
    );
    CANNOT_EXECUTE
}
