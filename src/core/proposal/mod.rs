//! Proposes the ward for a unit without one, from PID 1's data on the unit.
//!
//! Invariants: it changes as little of the unit as possible, and each line that it adds has its
//! reason above it. Findings that matter for recoveries are comments in the ward. Foreign text can
//! add no line to it.

mod findings;
mod limit;
mod restart;

use super::config::UnitName;
use super::explain::{Indent, wrap};
use super::visible::visible;
use std::time::Duration;

/// Width of the comments, in columns.
const WIDTH: usize = 96;

/// PID 1's data on a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its own name.
    pub unit: UnitName,
    /// `Type=`.
    pub kind: String,
    /// `Restart=`.
    pub restart: String,
    /// `RestartSec=`.
    pub restart_delay: Duration,
    /// `WatchdogSec=`.
    pub watchdog: Option<Duration>,
    /// `PIDFile=`, empty if not set.
    pub pid_file: String,
    /// `RemainAfterExit=`.
    pub remains: bool,
    /// `User=`, empty if not set.
    pub user: String,
    /// Its main process, if it is up.
    pub main: Main,
    /// The sockets, timers, paths and automounts that start it.
    pub triggers: Vec<String>,
    /// The units with `BindsTo=` on it.
    pub bound: Vec<String>,
    /// The units that systemd restarts with it, by their `Requires=`, `Requisite=` or `PartOf=`.
    pub restarted_with: Vec<String>,
    /// Its start limit.
    pub start_limit: StartLimit,
    /// The start limit of units without one of their own.
    pub default_start_limit: StartLimit,
}

/// The main process of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Main {
    /// The service is not up.
    Down,
    /// It is up, and systemd knows of no main process.
    Unknown,
    /// It is up with this one.
    Process(u32),
}

/// `StartLimitBurst=`, `StartLimitIntervalSec=` and `StartLimitAction=`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartLimit {
    /// Number of starts …
    pub burst: u32,
    /// … in this time; zero: no limit.
    pub interval: Duration,
    /// Action at the limit, such as `reboot`; empty or `none`: nothing.
    pub action: String,
}

/// A proposed ward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Text of its file.
    pub text: String,
    /// The findings, a sentence or two each.
    pub findings: Vec<String>,
}

/// Lines of a section, with their reasons.
struct Section {
    heading: &'static str,
    why: Vec<String>,
    lines: Vec<String>,
}

/// Proposes the ward for this unit.
#[must_use]
pub fn propose(found: &Found) -> Proposal {
    let unit = &found.unit;
    let mut findings = findings::findings(found);
    let (service, kept) = restart::section(found);
    let (recovery, of_limit) = limit::section(found);
    findings.extend(kept.into_iter().chain(of_limit));
    let mut text = format!("# {}.ward: guards {unit}.\n", unit.stem());
    for finding in &findings {
        comment(&mut text, finding);
    }
    text.push_str(&format!("\n[Ward]\nUnit={unit}\n"));
    for Section {
        heading,
        why,
        lines,
    } in [service, recovery].into_iter().flatten()
    {
        text.push('\n');
        why.iter().for_each(|why| comment(&mut text, why));
        text.push_str(&format!("[{heading}]\n"));
        lines
            .iter()
            .for_each(|line| text.extend([line.as_str(), "\n"]));
    }
    findings
        .iter_mut()
        .for_each(|finding| *finding = visible(finding));
    Proposal { text, findings }
}

/// Adds a comment. Text of the unit may contain anything and remains a comment.
fn comment(text: &mut String, sentence: &str) {
    let indent = Indent {
        first: "# ",
        rest: "# ",
    };
    wrap(text, indent, &visible(sentence), WIDTH);
}

#[cfg(test)]
mod tests;
