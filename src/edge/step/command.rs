//! A command that the helper runs: a step `Execute=+`, and any `Execute=` of a service that is root's and has no sandbox.
//!
//! The second gets the unit's environment as it is, as the service itself does. The first is the administrator's and may stand in the
//! unit of another user: it gets that environment too, as systemd's own `+` lines do, but only what root has written there. What comes of an
//! `EnvironmentFile=` that somebody else can write is left out whole, and of the rest what changes what a program loads
//! ([`crate::core::environment`]). Systemd's own variables have what PID 1 says now.

use super::ending::{TOLD, Told};
use super::identity;
use super::line::StepLine;
use super::list::Run;
use super::told;
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::program::{self, Inherited};
use crate::edge::record::RunRecord;
use crate::edge::root;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

/// The root directory as PID 1 sees it, whatever mounts of the unit this process has.
const PID_1S_ROOT: &str = "/proc/1/root";

/// Runs it with the service's umask and gives the exit status of the step's line.
///
/// # Errors
/// There is no such program.
pub(super) fn execute(line: &StepLine, run: &Run<'_>) -> io::Result<u8> {
    let told = told::variables(run.state, line, &run.record);
    let mut command = if line.as_root {
        administrators(line, run, told)?
    } else {
        identity::must_be_roots(run)?;
        program::services(&line.arguments, &told, run.site.life)?
    };
    let ours = rustix::process::umask(run.site.umask);
    let status = command.status();
    rustix::process::umask(ours);
    let status = status?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(0),
        (Some(code), _) => Ok(u8::try_from(code).unwrap_or(1)),
        (None, signal) => Ok(u8::try_from(128 + signal.unwrap_or(0)).unwrap_or(1)),
    }
}

fn administrators(line: &StepLine, run: &Run<'_>, told: Vec<(&'static str, String)>) -> io::Result<Command> {
    let own = [&["Environment", "EnvironmentFiles", "MainPID"], &TOLD[..]].concat();
    // When PID 1 does not answer, nobody knows what is root's.
    let known = pid1::ask(&run.unit, Wanted { unit: &[], own: &own }).ok();
    let inherited = inherited(known.as_ref());
    let mut variables = systemds_own(&run.record, &known.unwrap_or_default());
    variables.extend(told);
    program::administrators(&line.arguments, &inherited, &variables, run.site.life)
}

/// What is taken over of this line's environment.
fn inherited(known: Option<&Properties>) -> Inherited {
    let Some(known) = known else { return Inherited::Only(Vec::new()) };
    if known.first_texts("EnvironmentFiles").all(is_roots) {
        return Inherited::All;
    }
    let unit = known.texts("Environment").map(str::to_owned);
    Inherited::Only(unit.chain(pid1::environment()).collect())
}

/// Whether root alone decides what an `EnvironmentFile=` says. PID 1 has read it where it lives, and this line may see other mounts.
/// Of a pattern it is not known which files it meant.
fn is_roots(path: &str) -> bool {
    !path.contains(['*', '?', '[', '\\']) && root::is_roots_alone(Path::new(PID_1S_ROOT), Path::new(path))
}

/// The variables that systemd itself sets, with what PID 1 says now.
fn systemds_own(record: &RunRecord, known: &Properties) -> Vec<(&'static str, String)> {
    let main = known.number::<u32>("MainPID").filter(|pid| *pid > 0);
    let mut variables = vec![("INVOCATION_ID", record.invocation.clone())];
    variables.extend(main.map(|pid| ("MAINPID", pid.to_string())));
    // Systemd sets these where a run has ended.
    if record.end.is_some() {
        let Told { result, code, status } = Told::of(known);
        let told = [("SERVICE_RESULT", result), ("EXIT_CODE", code), ("EXIT_STATUS", status)];
        variables.extend(told.into_iter().filter(|(_, value)| !value.is_empty()));
    }
    variables
}
