//! An administrator's command, run as root: a step `Execute=+`.
//!
//! It gets the unit's environment, as systemd's own `+` lines do, but only what root has written there. What comes of an
//! `EnvironmentFile=` that somebody else can write is left out whole, and of the rest what changes what a program loads
//! ([`crate::core::environment`]). Systemd's own variables have what PID 1 says now.

use super::line::StepLine;
use super::stopped::{TOLD, Told};
use crate::core::unit::condition_service_name;
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::program::{self, Inherited};
use crate::edge::record::RunRecord;
use crate::edge::root;
use rustix::fs::Mode;
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
pub(super) fn execute(line: &StepLine, record: &RunRecord, umask: Mode) -> io::Result<u8> {
    let unit =
        if line.own_service { condition_service_name(&line.ward, &line.place.condition) } else { record.unit.clone() };
    let own = [&["Environment", "EnvironmentFiles", "MainPID"], &TOLD[..]].concat();
    // When PID 1 does not answer, nobody knows what is root's.
    let known = pid1::ask(&unit, Wanted { unit: &[], own: &own }).ok();
    let mut command = program::administrators(&line.arguments, &inherited(known.as_ref()))?;
    set_systemds_own(&mut command, record, &known.unwrap_or_default());
    let ours = rustix::process::umask(umask);
    let status = command.status();
    rustix::process::umask(ours);
    let status = status?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(0),
        (Some(code), _) => Ok(u8::try_from(code).unwrap_or(1)),
        (None, signal) => Ok(u8::try_from(128 + signal.unwrap_or(0)).unwrap_or(1)),
    }
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

fn set_systemds_own(command: &mut Command, record: &RunRecord, known: &Properties) {
    command.env("INVOCATION_ID", &record.invocation);
    let main = known.number::<u32>("MainPID").filter(|pid| *pid > 0);
    command.envs(main.map(|pid| ("MAINPID", pid.to_string())));
    // Systemd sets these where a run has ended.
    if record.end.is_some() {
        let Told { result, code, status } = Told::of(known);
        let told = [("SERVICE_RESULT", result), ("EXIT_CODE", code), ("EXIT_STATUS", status)];
        command.envs(told.into_iter().filter(|(_, value)| !value.is_empty()));
    }
}
