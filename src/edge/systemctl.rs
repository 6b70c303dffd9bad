//! PID 1, asked by way of `systemctl`.
//!
//! `systemctl` talks to PID 1 over its private socket, so it works early in the boot and while the message bus is
//! dead or is itself being restarted; a D-Bus library of our own would not, and would be far larger.

use super::clock;
use crate::core::config::time_span;
use crate::core::crash::reason::TimeLimits;
use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What [`Properties::time_limits`] reads.
pub const TIME_LIMITS: [&str; 4] = ["WatchdogUSec", "TimeoutStartUSec", "RuntimeMaxUSec", "TimeoutStopUSec"];

/// Whether to wait for a job's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until it is done; fails when the job fails.
    ForJob,
    /// Only until it is queued.
    ForQueue,
}

/// Properties of a unit as `systemctl show` prints them. Lists such as `ExecStartPost` come as several lines.
///
/// # Errors
/// When `systemctl` cannot be run or refuses.
pub fn show(unit: &str, properties: &[&str]) -> io::Result<Properties> {
    let list = format!("--property={}", properties.join(","));
    Ok(Properties::parse(&output(&["show", "--timestamp=us+utc", &list, "--", unit])?))
}

/// The same of several units, in their order.
///
/// # Errors
/// As [`show`], and when there are not as many answers as units.
pub fn show_all(units: &[&str], properties: &[&str]) -> io::Result<Vec<Properties>> {
    let list = format!("--property={}", properties.join(","));
    let shown = output(&[&["show", "--timestamp=us+utc", &list, "--"], units].concat())?;
    let found: Vec<_> = shown.trim_end().split("\n\n").map(Properties::parse).collect();
    if found.len() == units.len() { Ok(found) } else { Err(io::Error::other("systemctl show left units out")) }
}

/// What [`show`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, Vec<String>>);

impl Properties {
    /// Reads `KEY=VALUE` lines.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            found.entry(key.to_owned()).or_default().push(value.to_owned());
        }
        Self(found)
    }

    /// The first value of `key`, empty where it has none.
    #[must_use]
    pub fn get(&self, key: &str) -> &str {
        self.all(key).next().unwrap_or_default()
    }

    /// Every value of `key`.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(String::as_str)
    }

    /// A service's time limits, where [`TIME_LIMITS`] were asked for.
    #[must_use]
    pub fn time_limits(&self) -> TimeLimits {
        let span = |key: &str| time_span::parse(self.get(key)).ok().filter(|span: &Duration| !span.is_zero());
        let [watchdog, start, run, stop] = TIME_LIMITS.map(span);
        TimeLimits { watchdog, start, run, stop }
    }

    /// The first value as a number.
    #[must_use]
    pub fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.get(key).parse().ok()
    }
}

/// Milliseconds since PID 1 began. In a container the kernel's own clocks count from the machine's boot.
#[must_use]
pub fn since_boot() -> u64 {
    let shown = output(&["show", "--property=UserspaceTimestampMonotonic", "--value"]);
    let began = shown.ok().and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
    clock::since_epoch().saturating_sub(clock::epoch_of_monotonic(began))
}

/// Whether the host is shutting down.
#[must_use]
pub fn is_going_down() -> bool {
    output(&["show", "--property=SystemState", "--value"]).is_ok_and(|state| state.trim() == "stopping")
}

/// The type of the job queued for `unit` (`start`, `stop`, `restart` …), if there is one.
///
/// # Errors
/// When `systemctl` cannot be run or refuses.
pub fn job_type(unit: &str) -> io::Result<Option<String>> {
    let text = output(&["list-jobs", "--plain", "--no-legend", "--full", "--", unit])?;
    Ok(text.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        (words.next() == Some(unit)).then(|| words.next().unwrap_or_default().to_owned())
    }))
}

/// Queues a job: `start`, `stop`, `try-restart` or `reload` of `unit`.
///
/// # Errors
/// When it is refused, or when it was waited for and failed.
pub fn job(verb: &str, unit: &str, wait: Wait) -> io::Result<()> {
    let mut arguments = vec![verb];
    if wait == Wait::ForQueue {
        arguments.push("--no-block");
    }
    arguments.extend(["--", unit]);
    output(&arguments).map(drop)
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
