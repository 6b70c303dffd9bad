//! One guarded step: does it act in this run, and if so, with what result.

use super::line::StepLine;
use super::{act, collect};
use crate::core::config::{ConditionKind, time_span};
use crate::edge::clock;
use crate::edge::pid1::{self, Wanted};
use crate::edge::record::{KILLED, Outcome, RunRecord, StartKind, StepResult, WardState};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Instant;

/// Exit status systemd gives a command it cannot execute (systemd.exec(5), `EXIT_EXEC`).
const CANNOT_EXECUTE: u8 = 203;

/// Exit status of a step that had to be skipped (sysexits.h, `EX_TEMPFAIL`), where it does not count for the start: PID 1 keeps it for
/// who asks what became of the step. It counts as failed, unless the start had come to nothing by then.
pub(super) const SKIPPED: u8 = 75;

/// Runs a step; gives the exit status of the line.
pub(super) fn step(words: &[String], invocation: &str) -> io::Result<u8> {
    let line = StepLine::parse(words)?;
    let state = WardState::of(&line.ward);
    let mut record = match state.run(invocation) {
        // Whatever the reason, a full /run or a sandbox that hides it, the service's start does not depend on it.
        Err(error) if !line.own_service => {
            let place = format!("step {} of [{}] in ward {}", line.place.step, line.place.condition, line.ward);
            eprintln!("skipped {place}: failed to read the run's record: {error}");
            return Ok(if line.required { 0 } else { SKIPPED });
        }
        Err(_) => RunRecord::new(&line.ward, "", invocation, StartKind::Condition),
        Ok(record) => record,
    };
    if !line.acts(&record) {
        return Ok(0);
    }
    // A step of a stop, or of a service of its own, is in no start.
    if !line.own_service && line.place.kind() != Some(ConditionKind::Stop) {
        let own = [&super::STATE_OF_START[..], &collect::LISTS].concat();
        let known = pid1::ask(&record.unit, Wanted { unit: &["SubState"], own: &own }).unwrap_or_default();
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
        return Ok(become_command(&line, &record.unit));
    }
    let begun = Instant::now();
    // Should this process be killed, the step is on record as failed: later steps depend on that.
    let noted = record.results.len();
    record.results.push(result(&line, KILLED, begun));
    let before = state.save_run(&record);
    let status = act::act(&line, &record);
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

/// Replaces this process by the step's command; comes back only if that fails.
fn become_command(line: &StepLine, unit: &str) -> u8 {
    let Some((program, arguments)) = line.arguments.split_first() else { return CANNOT_EXECUTE };
    let error = Command::new(program).args(arguments).exec();
    tracing::warn!(
        UNITWARD_WARD = line.ward,
        UNITWARD_CONDITION = line.place.condition,
        OBJECT_SYSTEMD_UNIT = unit,
        "Failed to execute {program}: {error}"
    );
    CANNOT_EXECUTE
}
