//! Lines of units that version 0.4 has generated: they run until systemd has loaded the new ones.
//!
//! In that version each step had a line of its own, and PID 1 replaced the variables of its
//! command.

use super::arguments::Arguments;
use super::line::StepLine;
use super::list::{Phase, Run, Site};
use super::{own, this_run};
use crate::edge::program::Life;
use crate::edge::record::WardState;
use rustix::fs::Mode;
use std::io;

/// `step WARD CONDITION STEP [FLAGS] KEYWORD ARGUMENT…`: runs one step.
///
/// # Errors
/// The line is damaged, or the run is unknown.
pub(super) fn step(words: &[String], umask: Mode) -> io::Result<u8> {
    let mut line = StepLine::parse(words)?;
    for argument in &mut line.arguments {
        *argument = argument.replace('$', "$$");
    }
    if line.replaces_guard() {
        return Ok(own::guard(&line, umask));
    }
    let state = WardState::of(&line.ward);
    let mut run = Run::of_line(&line, &state, umask)?;
    if !line.acts(&run.record) {
        return Ok(0);
    }
    run.fetch();
    let status = run.steps(std::slice::from_ref(&line));
    Ok(if line.required { status } else { 0 })
}

/// `collect WARD UNIT`: adds results that PID 1 alone knows to the record.
///
/// # Errors
/// The run is unknown.
pub(super) fn collect(arguments: &Arguments, umask: Mode) -> io::Result<u8> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let own = ["unitward-", ward, "-"].concat();
    let mut run = match unit
        .strip_prefix(&own)
        .and_then(|rest| rest.strip_suffix(".service"))
    {
        Some(condition) if this_run::is_in_condition(ward, condition) => {
            this_run::condition_run(&state, ward, condition, umask)?
        }
        _ => Run::new(
            &state,
            state.run(this_run::of_ward(&state)?.as_str())?,
            Site {
                phase: Phase::Start,
                umask,
                life: Life::Own,
            },
        ),
    };
    run.fetch();
    Ok(0)
}

/// `verdict WARD CONDITION STEP`: fails if that step failed.
///
/// # Errors
/// The line is damaged.
pub(super) fn verdict(arguments: &Arguments) -> io::Result<u8> {
    let (ward, condition, step) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?);
    let state = WardState::of(ward);
    let run = if this_run::is_in_condition(ward, condition) {
        this_run::of_condition(ward, condition)
    } else {
        this_run::of_ward(&state)
    };
    let record = run
        .and_then(|run| state.run(run.as_str()))
        .ok()
        .filter(|record| record.end.is_none());
    Ok(record.map_or(0, |record| {
        u8::from(
            record
                .failed_steps()
                .iter()
                .any(|(c, s)| c == condition && s == step),
        )
    }))
}
