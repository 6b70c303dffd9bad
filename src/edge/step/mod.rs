//! `unitward-step`: the helper that PID 1 runs in the lines that the generator writes.
//!
//! It decides nothing by itself: its arguments hold the request, the run record holds the past, and
//! [`crate::core::recovery`] decides the rest. Its failure never stops a service: all lines but the
//! steps of `OnStepFailure=fail` carry `-`.

mod act;
mod ahead;
mod answer;
mod arguments;
mod asked;
mod begin;
mod came_up;
mod command;
mod end;
mod ending;
mod identity;
mod judged;
mod limit;
mod line;
mod list;
pub mod messages;
mod older;
mod own;
mod own_lines;
mod pid_file;
mod pulled;
mod said;
mod stack;
pub mod stand_in;
mod stopped;
mod tell;
mod this_run;
mod told;
mod unrestarted;
mod wait;

#[cfg(feature = "full")]
pub(in crate::edge) use ending::words;

use crate::core::crash::observation::InvocationId;
use crate::edge::full_restart::peer;
use crate::edge::pid1::Properties;
use crate::edge::program::TIED;
use crate::edge::record::{RunRecord, StartKind, WardState};
use crate::edge::up::{MAIN_ENDED, MAIN_STARTED};
use crate::edge::{log, pid1, program};
use arguments::Arguments;
use rustix::fs::Mode;
use std::io;
use std::process::ExitCode;

/// Umask of the helper: its files are readable by all users and writable by root alone.
const UMASK: Mode = Mode::from_raw_mode(0o022);

/// Exit status for a call that only a person at a terminal can have made (sysexits.h, `EX_USAGE`).
const USAGE: u8 = 64;

/// Entry point of the program.
#[must_use]
pub fn main() -> ExitCode {
    // The umask of the service may have any value. Commands of the unit run with it again.
    let umask = rustix::process::umask(UMASK);
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    if let Some((TIED, words)) = arguments
        .split_first()
        .map(|(command, words)| (command.as_str(), words))
    {
        rustix::process::umask(umask);
        eprintln!(
            "{}: {}",
            words.get(1).map_or("", String::as_str),
            program::become_tied(words)
        );
        return ExitCode::from(own::CANNOT_EXECUTE);
    }
    log::to_journal("unitward-step");
    let Some((command, rest)) = arguments.split_first() else {
        return usage();
    };
    if command == "--version" {
        println!("unitward-step {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    if rest.is_empty() || is_called_by_hand() {
        return usage();
    }
    secure(&rest[0]);
    rest.get(1)
        .into_iter()
        .for_each(|unit| pid1::belongs_to(unit));
    let done = match command.as_str() {
        "begin" => begin::begin(rest, umask),
        "end" => end::end(rest, umask),
        "stopped" => stopped::stopped(rest, umask),
        "steps" => list::steps(rest, umask),
        "condition" => list::condition(rest, umask),
        "own" => own::own(rest, umask),
        "remove-pid-file" => pid_file::remove(rest),
        "step" => older::step(rest, umask),
        "collect" => older::collect(&Arguments::parse(rest), umask),
        "verdict" => older::verdict(&Arguments::parse(rest)),
        _ => return usage(),
    };
    let status = done.unwrap_or_else(|error| {
        tracing::warn!(
            UNITWARD_WARD = rest[0],
            "Failed to do \"{command}\" of ward {}: {error}",
            rest[0]
        );
        // The start does not depend on the helper: a status of 1 from ExecCondition= would prevent
        // it.
        u8::from(command != "begin")
    });
    ExitCode::from(status)
}

/// Returns true if root has called this program in a session, outside a service of systemd. Calls
/// by other users are harmless, and such users may be unable to see the unit.
fn is_called_by_hand() -> bool {
    rustix::process::geteuid().is_root()
        && peer::unit_of(std::process::id()).is_some_and(|unit| unit.ends_with(".scope"))
}

/// Takes the ward's folder back if it does not belong to root alone.
fn secure(ward: &str) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    match WardState::of(ward).secure() {
        Ok(None) => {}
        Ok(Some(aside)) => tracing::warn!(
            UNITWARD_WARD = ward,
            "The state of ward {ward} was not root's alone; moved it to {} and began anew.",
            aside.display()
        ),
        Err(error) => tracing::warn!(
            UNITWARD_WARD = ward,
            "Failed to look at the state of ward {ward}: {error}"
        ),
    }
}

fn usage() -> ExitCode {
    eprintln!(
        "unitward-step is run by systemd, in the lines that unitward-generator writes; see unitward-step(8)"
    );
    ExitCode::from(USAGE)
}

/// Properties of the service that [`start_has_failed`] reads.
const STATE_OF_START: [&str; 6] = [
    "Type",
    MAIN_STARTED,
    MAIN_ENDED,
    "RemainAfterExit",
    "ExecMainCode",
    "ExecMainStatus",
];

/// Value of `ExecMainCode` for a process that has exited (sigaction(2), `CLD_EXITED`).
const EXITED: i32 = 1;

/// Returns true if the unit's present start has failed: a stop was requested, a line timed out, or
/// the main process died while the steps ran.
///
/// systemd ends the running line and then, because the failure of the helper's lines does not
/// count, continues with the next one; after a death it continues with all of them. If PID 1 could
/// not be asked, the start is assumed to go on.
fn start_has_failed(shown: &Properties) -> bool {
    let began: u64 = shown.number_or_zero(MAIN_STARTED);
    let ended: u64 = shown.number_or_zero(MAIN_ENDED);
    let state = shown.text("SubState");
    let is_done =
        shown.number("ExecMainCode") == Some(EXITED) && shown.number("ExecMainStatus") == Some(0);
    let may_end =
        shown.text("Type") == "oneshot" || (is_done && shown.flag("RemainAfterExit") == Some(true));
    let died = state == "start-post" && !may_end && ended > 0 && ended >= began;
    died || state.starts_with("stop") || state.starts_with("final")
}

/// The record of a run whose beginning could not be written down: PID 1's own counter says what kind of start it was.
fn lost(ward: &str, unit: &str, invocation: &InvocationId, known: &Properties) -> RunRecord {
    let restarts = known.number_or_zero("NRestarts");
    let start = if restarts > 0 {
        StartKind::AfterAbnormalDeath
    } else {
        StartKind::First
    };
    RunRecord {
        restarts,
        ..RunRecord::new(ward, name(unit, known), invocation.as_str(), start)
    }
}

/// Returns systemd's name of the unit: a line may use an alias.
fn name<'n>(unit: &'n str, known: &'n Properties) -> &'n str {
    Some(known.text("Id"))
        .filter(|id| !id.is_empty())
        .unwrap_or(unit)
}

/// An error that tells the caller the defect of the generated line.
fn bad_line(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{what}; the generated line is damaged, run systemctl daemon-reload"),
    )
}
