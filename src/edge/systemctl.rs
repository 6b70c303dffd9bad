//! Makes PID 1 do things, by way of `systemctl`.
//!
//! `systemctl` talks to PID 1 over its private socket, so it works early in the boot and while the
//! message bus is dead or is itself being restarted. It queues jobs, waits for them and explains
//! their failures; that is rare enough to load a program for it. Mere queries, as in every
//! recovery, go through [`super::pid1`] without it.

use super::pid1;
use super::program::HostProgram;
use std::io;
use std::process::Command;

/// The event of a job that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Its end; the call fails if the job fails.
    ForJob,
    /// Its place in the queue.
    ForQueue,
}

/// Queues a job: `start`, `stop`, `try-restart` or `reload` of `unit`.
///
/// # Errors
/// If it is refused, or if it was waited for and failed.
pub fn job(verb: &str, unit: &str, wait: Wait) -> io::Result<()> {
    let arguments = [verb, "--", unit];
    match wait {
        Wait::ForJob => output(&arguments).map(drop),
        Wait::ForQueue => queue(&arguments),
    }
}

/// Makes PID 1 queue what these arguments say, without waiting for it.
///
/// It is sent at least once: while PID 1 executes itself anew it cuts systemctl off, and it is not
/// known how far that came. So it is sent once more when PID 1 answers. A job that is queued
/// already is not queued twice; only one that was over by then is.
///
/// # Errors
/// If it is refused.
pub fn queue(arguments: &[&str]) -> io::Result<()> {
    let arguments = [&["--no-block"], arguments].concat();
    let told = match output(&arguments) {
        Err(error) if was_cut_off(&error.to_string()) => {
            pid1::await_answer();
            output(&arguments)
        }
        told => told,
    };
    told.map(drop)
}

/// Returns true if systemctl says in the C locale that the connection to PID 1 was not there or did
/// not last.
#[must_use]
pub fn was_cut_off(said: &str) -> bool {
    const WORDS: [&str; 6] = [
        "Connection reset by peer",
        "Transport endpoint is not connected",
        "Remote peer disconnected",
        "Connection refused",
        "Broken pipe",
        "Failed to connect to",
    ];
    WORDS.iter().any(|words| said.contains(words))
}

/// Returns true if there was no answer, so that the request may still be carried out.
#[cfg(feature = "full")]
#[must_use]
pub fn is_unanswered(error: &io::Error) -> bool {
    let said = error.to_string();
    was_cut_off(&said) || said.contains("Connection timed out")
}

/// Returns a command that runs `systemctl` with `arguments`, without colours, pager or questions at
/// a terminal.
#[must_use]
pub fn command(arguments: &[&str]) -> Command {
    let mut command = HostProgram::Systemctl.command();
    command
        .args(["--no-pager", "--no-ask-password"])
        .args(arguments)
        .env("SYSTEMD_COLORS", "0");
    command
}

/// Runs `systemctl` with `arguments` and returns its output.
///
/// # Errors
/// If it cannot be run or fails; the error holds the first line of what it said.
pub fn output(arguments: &[&str]) -> io::Result<String> {
    let done = command(arguments).output()?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said
        .trim()
        .lines()
        .next()
        .unwrap_or("it said nothing")
        .to_owned();
    Err(io::Error::other(format!(
        "systemctl {}: {said}",
        arguments.join(" ")
    )))
}

/// Returns the loaded services whose names match these patterns; all if there are no patterns.
///
/// # Errors
/// As [`output`].
#[cfg(feature = "full")]
pub fn loaded_services(patterns: &[&str]) -> io::Result<Vec<String>> {
    let words = [
        "list-units",
        "--all",
        "--full",
        "--plain",
        "--no-legend",
        "--type=service",
        "--",
    ];
    let listed = output(&[&words, patterns].concat())?;
    Ok(listed
        .lines()
        .filter_map(loaded)
        .map(str::to_owned)
        .collect())
}

/// Returns the unit of a line such as `web.service loaded active running The web`, if it is loaded.
#[cfg(feature = "full")]
fn loaded(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let unit = words.next()?;
    (words.next()? == "loaded").then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "full")]
    fn only_services_with_files_are_listed() {
        assert_eq!(
            loaded("web.service      loaded    active   running The web"),
            Some("web.service")
        );
        assert_eq!(
            loaded("gone.service     not-found inactive dead    gone.service"),
            None
        );
        assert_eq!(loaded(""), None);
    }

    #[test]
    fn a_refusal_is_no_broken_connection() {
        let said =
            "Failed to start unitward-web-OnLimit.service: Transport endpoint is not connected";
        assert!(
            was_cut_off(said)
                && was_cut_off(
                    "Failed to connect to system scope bus via local transport: Connection refused"
                )
        );
        assert!(!was_cut_off(
            "Failed to start web.service: Unit web.service is masked."
        ));
    }
}
