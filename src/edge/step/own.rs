//! The guard of a command that runs as the service: decides whether the command runs, and then
//! becomes it.
//!
//! PID 1 has put this process into the service's user and sandbox, so it may not write the record,
//! and perhaps not even read it. PID 1 records the end of the command, and the helper's next line
//! fetches it ([`super::own_lines`]).

use super::line::StepLine;
use super::list::{Phase, Run};
use super::{identity, told};
use crate::edge::program;
use crate::edge::record::{RunRecord, WardState};
use rustix::fs::Mode;
use std::io;

/// Exit status that systemd gives a command that it cannot execute (systemd.exec(5), `EXIT_EXEC`).
pub(super) const CANNOT_EXECUTE: u8 = 203;

/// Exit status of a guard that skipped its command (sysexits.h, `EX_TEMPFAIL`), if the start does
/// not depend on the command: this process has no other way to report it.
pub(super) const SKIPPED: u8 = 75;

/// `own WARD CONDITION STEP [FLAGS] Execute COMMAND…`: becomes the command, if it has to run.
///
/// # Errors
/// The line is damaged.
pub(super) fn own(words: &[String], umask: Mode) -> io::Result<u8> {
    Ok(guard(&StepLine::parse(words)?, umask))
}

/// The same for a parsed line; returns only if the command does not run.
pub(super) fn guard(line: &StepLine, umask: Mode) -> u8 {
    let state = WardState::of(&line.ward);
    let Some(record) = allowed(line, &state) else {
        return if line.required { 0 } else { SKIPPED };
    };
    if !line.acts(&record) {
        return 0;
    }
    if let Err(error) = is_as_the_ward(line) {
        skipped(line, &error.to_string());
        return CANNOT_EXECUTE;
    }
    rustix::process::umask(umask);
    let error = program::become_command(&line.arguments, &told::variables(&state, line, &record));
    tracing::warn!(
        UNITWARD_WARD = line.ward,
        UNITWARD_CONDITION = line.place.condition,
        OBJECT_SYSTEMD_UNIT = record.unit,
        "Failed to execute {}: {error}",
        line.arguments.join(" ")
    );
    CANNOT_EXECUTE
}

/// Returns an error if a condition's own service runs as root but PID 1 does not say the same of
/// the ward's unit. The user comes from the files of that unit.
fn is_as_the_ward(line: &StepLine) -> io::Result<()> {
    match &line.ward_unit {
        Some(unit) if rustix::process::geteuid().is_root() => identity::must_be_roots_in(unit),
        _ => Ok(()),
    }
}

/// Returns the run's record; `None`: the command must not run, and the reason is printed unless the
/// start has failed.
fn allowed(line: &StepLine, state: &WardState) -> Option<RunRecord> {
    // The umask matters only to commands that the list runner runs.
    let run = Run::of_line(line, state, Mode::empty());
    let mut run = run
        .inspect_err(|error| skipped(line, &format!("failed to read the run's record: {error}")))
        .ok()?;
    if run.site.phase == Phase::Start && run.record.end.is_some() {
        skipped(line, "the record is another run's");
        return None;
    }
    (!run.is_over()).then_some(run.record)
}

fn skipped(line: &StepLine, why: &str) {
    eprintln!(
        "skipped step {} of [{}] in ward {}: {why}",
        line.place.step, line.place.condition, line.ward
    );
}
