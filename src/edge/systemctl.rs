//! PID 1, told what to do by way of `systemctl`.
//!
//! `systemctl` talks to PID 1 over its private socket, so it works early in the boot and while the message bus is dead or is itself
//! being restarted. It knows how a job is queued, waited for and explained when it fails, and that is rare enough to load a program
//! for. What is only asked, as in every recovery, [`super::pid1`] asks without it.

use super::pid1;
use std::io;
use std::process::{Command, Stdio};

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
/// What failed is told once more when PID 1 answers: while it executes itself anew it cuts systemctl off, and nobody knows how far
/// that came. A job that is queued already is not queued twice.
///
/// # Errors
/// When it is refused.
pub fn queue(arguments: &[&str]) -> io::Result<()> {
    let tell = || output(&[&["--no-block"], arguments].concat()).map(drop);
    tell().or_else(|_| {
        let _ = pid1::since_boot();
        tell()
    })
}

/// Runs `systemctl` with `arguments` and gives what it prints.
///
/// # Errors
/// When it cannot be run or ends with a failure; the error holds what it said.
pub fn output(arguments: &[&str]) -> io::Result<String> {
    let done = Command::new("systemctl")
        .args(["--no-pager", "--no-ask-password"])
        .args(arguments)
        .env("LC_ALL", "C")
        .env("SYSTEMD_COLORS", "0")
        .stdin(Stdio::null())
        .output()?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said.trim().lines().next().unwrap_or("it said nothing").to_owned();
    Err(io::Error::other(format!("systemctl {}: {said}", arguments.join(" "))))
}
