//! PID 1, told what to do by way of `systemctl`.
//!
//! `systemctl` talks to PID 1 over its private socket, so it works early in the boot and while the message bus is dead or is itself
//! being restarted. It knows how a job is queued, waited for and explained when it fails, and that is rare enough to load a program
//! for. What is only asked, as in every recovery, [`super::pid1`] asks without it.

use super::pid1;
use super::program::HostProgram;
use std::io;
use std::process::Command;

/// Whether to wait for a job's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until it is done; fails when the job fails.
    ForJob,
    /// Only until it is queued.
    ForQueue,
}

/// Queues a job: `start`, `stop`, `try-restart` or `reload` of `unit`.
///
/// # Errors
/// When it is refused, or when it was waited for and failed.
pub fn job(verb: &str, unit: &str, wait: Wait) -> io::Result<()> {
    let arguments = [verb, "--", unit];
    match wait {
        Wait::ForJob => output(&arguments).map(drop),
        Wait::ForQueue => queue(&arguments),
    }
}

/// Has PID 1 queue what these arguments say, and does not wait for it.
///
/// It is told at least once: while PID 1 executes itself anew it cuts systemctl off, and nobody knows how far that came. So it is
/// told once more when PID 1 answers. A job that is queued already is not queued twice; only one that was over by then is.
///
/// # Errors
/// When it is refused.
pub fn queue(arguments: &[&str]) -> io::Result<()> {
    let tell = || output(&[&["--no-block"], arguments].concat()).map(drop);
    match tell() {
        Err(error) if was_cut_off(&error.to_string()) => {
            pid1::await_answer();
            tell()
        }
        told => told,
    }
}

/// Whether systemctl says in the C locale that the connection to PID 1 was not there or did not last.
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

/// Whether there was no answer, and what was asked for may yet be done.
#[cfg(feature = "full")]
#[must_use]
pub fn is_unanswered(error: &io::Error) -> bool {
    let said = error.to_string();
    was_cut_off(&said) || said.contains("Connection timed out")
}

/// `systemctl` with `arguments`, asking nothing of anybody at a terminal.
#[must_use]
pub fn command(arguments: &[&str]) -> Command {
    let mut command = HostProgram::Systemctl.command();
    command.args(["--no-pager", "--no-ask-password"]).args(arguments).env("SYSTEMD_COLORS", "0");
    command
}

/// Runs `systemctl` with `arguments` and gives what it prints.
///
/// # Errors
/// When it cannot be run or ends with a failure; the error holds what it said.
pub fn output(arguments: &[&str]) -> io::Result<String> {
    let done = command(arguments).output()?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said.trim().lines().next().unwrap_or("it said nothing").to_owned();
    Err(io::Error::other(format!("systemctl {}: {said}", arguments.join(" "))))
}

/// The services that are loaded, of those with names like these; no patterns: of all.
///
/// # Errors
/// As [`output`].
#[cfg(feature = "full")]
pub fn loaded_services(patterns: &[&str]) -> io::Result<Vec<String>> {
    let words = ["list-units", "--all", "--full", "--plain", "--no-legend", "--type=service", "--"];
    let listed = output(&[&words, patterns].concat())?;
    Ok(listed.lines().filter_map(loaded).map(str::to_owned).collect())
}

/// The unit of a line such as `web.service loaded active running The web`, if its file is there.
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
        assert_eq!(loaded("web.service      loaded    active   running The web"), Some("web.service"));
        assert_eq!(loaded("gone.service     not-found inactive dead    gone.service"), None);
        assert_eq!(loaded(""), None);
    }

    #[test]
    fn a_refusal_is_no_broken_connection() {
        let said = "Failed to start unitward-web-OnLimit.service: Transport endpoint is not connected";
        assert!(
            was_cut_off(said)
                && was_cut_off("Failed to connect to system scope bus via local transport: Connection refused")
        );
        assert!(!was_cut_off("Failed to start web.service: Unit web.service is masked."));
    }
}
