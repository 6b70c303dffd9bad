//! `unitward-step`: the helper PID 1 runs in the lines the generator writes.
//!
//! It decides nothing by itself: what was asked of it stands in its arguments, what happened before in the run
//! record, and what follows in [`crate::core::recovery`]. Its failure never stops a service: all lines but the steps of
//! `OnStepFailure=fail` carry `-`.

mod act;
mod arguments;
mod begin;
mod collect;
mod limit;
mod line;
mod run;
mod stopped;
mod wait;

use crate::edge::record::RunRecord;
use crate::edge::systemctl;
use arguments::Arguments;
use std::io;
use std::process::ExitCode;
use tracing_subscriber::layer::SubscriberExt as _;

/// Exit status for a call that nobody but a person at a terminal can have made (sysexits.h, `EX_USAGE`).
const USAGE: u8 = 64;

/// Entry point of the program.
#[must_use]
pub fn main() -> ExitCode {
    log_to_journal();
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let invocation = std::env::var("INVOCATION_ID").unwrap_or_default();
    let Some((command, rest)) = arguments.split_first() else { return usage() };
    if command == "--version" {
        println!("unitward-step {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    if invocation.is_empty() || rest.is_empty() {
        return usage();
    }
    let done = match command.as_str() {
        "begin" => begin::begin(&Arguments::parse(rest), &invocation).map(|()| 0),
        "end" => begin::end(&Arguments::parse(rest), &invocation).map(|()| 0),
        "stopped" => stopped::stopped(&Arguments::parse(rest), &invocation).map(|()| 0),
        "collect" => collect::collect(&Arguments::parse(rest), &invocation).map(|()| 0),
        "verdict" => collect::verdict(&Arguments::parse(rest), &invocation),
        "step" => run::step(rest, &invocation),
        _ => return usage(),
    };
    match done {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            tracing::warn!(UNITWARD_WARD = rest[0], "Failed to do \"{command}\" of ward {}: {error}", rest[0]);
            eprintln!("unitward-step {command}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("unitward-step is run by systemd, in the lines that unitward-generator writes; see unitward-step(8)");
    ExitCode::from(USAGE)
}

/// Our own words go to the journal and never to standard output, which is the service's: it may be a file or a socket.
fn log_to_journal() {
    if let Ok(journal) = tracing_journald::layer() {
        let journal = journal.with_field_prefix(None).with_syslog_identifier("unitward-step".to_owned());
        // A second subscriber cannot have been set: this is the first thing the program does.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(journal));
    }
}

/// Whether the unit's present start has come to nothing: somebody asked for a stop, a line timed out, or the main process
/// died among the steps.
///
/// systemd ends the line that runs and then, because the failure of our lines does not count, goes on with the next one;
/// after a death it goes on with all of them. When PID 1 cannot be asked the start is taken to go on.
fn start_has_failed(unit: &str) -> bool {
    let properties = ["SubState", "Type", "ExecMainStartTimestampMonotonic", "ExecMainExitTimestampMonotonic"];
    let shown = systemctl::show(unit, &properties).unwrap_or_default();
    let at = |key: &str| shown.number::<u64>(key).unwrap_or(0);
    let (began, ended) = (at(properties[2]), at(properties[3]));
    let state = shown.get("SubState");
    let died = state == "start-post" && shown.get("Type") != "oneshot" && ended > 0 && ended >= began;
    died || state.starts_with("stop") || state.starts_with("final")
}

/// The steps that failed so far, as the gate asks for them.
fn failed_steps(record: &RunRecord) -> Vec<(String, String)> {
    let failed = record.results.iter().filter(|result| result.outcome == crate::edge::record::Outcome::Failed);
    failed.map(|result| (result.condition.clone(), result.step.clone())).collect()
}

/// An error that tells the caller of the generated line what is wrong with it.
fn bad_line(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("{what}; the generated line is damaged, run systemctl daemon-reload"),
    )
}
