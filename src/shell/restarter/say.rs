//! The restarter's journal entries.
//!
//! `OBJECT_SYSTEMD_UNIT=` makes `journalctl -u` and `systemctl status` of the stack's unit show
//! them.

use crate::core::config::{Stack, StackName, time_span};
use crate::core::full_restart::RestartOutcome;
use crate::edge::full_restart::messages;
use crate::edge::full_restart::peer::Peer;
use crate::edge::full_restart::record::RestartRecord;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Maximum number of callers named in one line.
const NAMED: usize = 4;

/// Logs that a restart begins, and who asked for it.
pub(super) fn restarting(record: &RestartRecord) {
    let by = match &record.by.unit {
        Some(unit) => format!("process {} of {unit}", record.by.pid),
        None => format!("process {}", record.by.pid),
    };
    info!(
        MESSAGE_ID = messages::RESTARTING,
        OBJECT_SYSTEMD_UNIT = record.unit.as_str(),
        UNITWARD_STACK = record.stack.as_str(),
        UNITWARD_CALLER = record.caller.as_str(),
        UNITWARD_RESTART_ID = record.id.as_str(),
        UNITWARD_ENDED = record.ended.as_deref().unwrap_or_default(),
        UNITWARD_PID = record.by.pid,
        UNITWARD_UID = record.by.uid,
        UNITWARD_UNIT = record.by.unit.as_deref().unwrap_or_default(),
        UNITWARD_BACKTRACE = record.backtrace.as_deref().unwrap_or_default(),
        "Restarting {} for {} ({by}).",
        record.name,
        record.caller
    );
}

/// Logs that a restart that an earlier process has begun goes on.
pub(super) fn resuming(record: &RestartRecord) {
    info!(
        OBJECT_SYSTEMD_UNIT = record.unit.as_str(),
        UNITWARD_STACK = record.stack.as_str(),
        UNITWARD_CALLER = record.caller.as_str(),
        UNITWARD_RESTART_ID = record.id.as_str(),
        "Going on with the restart of {} for {}.",
        record.name,
        record.caller
    );
}

/// Logs that one more caller has asked for the restart under way.
pub(super) fn joined(stack: &StackName, caller: &str) {
    info!(
        UNITWARD_STACK = stack.as_str(),
        UNITWARD_CALLER = caller,
        "{caller} has joined the restart of {stack}."
    );
}

/// Logs that these callers have asked for a restart, and the reason why there is none.
pub(super) fn inhibited(stack: &Stack, callers: &[String], why: &str) {
    warn!(
        MESSAGE_ID = messages::INHIBITED,
        OBJECT_SYSTEMD_UNIT = stack.unit().as_str(),
        UNITWARD_STACK = stack.name.as_str(),
        UNITWARD_CALLER = callers.first().map(String::as_str).unwrap_or_default(),
        "{why}; asked for by {}.",
        together(callers)
    );
}

/// Joins the callers' names, each once, as in `a, b and 4 more`.
fn together(callers: &[String]) -> String {
    let mut told: Vec<&str> = Vec::new();
    for caller in callers {
        if told.len() < NAMED && !told.contains(&caller.as_str()) {
            told.push(caller);
        }
    }
    match callers
        .iter()
        .filter(|caller| !told.contains(&caller.as_str()))
        .count()
    {
        0 => told.join(", "),
        more => format!("{} and {more} more", told.join(", ")),
    }
}

/// Logs that a restart is over, and its result.
pub(super) fn over(record: &RestartRecord, took: Duration) {
    let Some(end) = &record.end else { return };
    let took = time_span::render(Duration::from_millis(time_span::millis(took)));
    let joined = match record.joined.len() {
        0 => String::new(),
        1 => format!(" 1 more had asked for it: {}.", record.joined[0]),
        count => format!(
            " {count} more had asked for it: {}.",
            record.joined.join(", ")
        ),
    };
    let (name, caller) = (&record.name, &record.caller);
    let (id, text) = match (end.outcome, end.trouble.as_str()) {
        (RestartOutcome::Restarted, "") => (
            messages::RESTARTED,
            format!("Restarted {name} for {caller} in {took}.{joined}"),
        ),
        (RestartOutcome::Restarted, trouble) => (
            messages::RESTARTED,
            format!("Restarted {name} for {caller} in {took}, but {trouble}.{joined}"),
        ),
        (RestartOutcome::Failed, trouble) => (
            messages::FAILED,
            format!("Failed to restart {name} for {caller}: {trouble}.{joined}"),
        ),
    };
    let level = if end.trouble.is_empty() {
        tracing::Level::INFO
    } else {
        tracing::Level::WARN
    };
    // A macro knows its level when it is compiled.
    macro_rules! entry {
        ($say:ident) => {
            $say!(
                MESSAGE_ID = id,
                OBJECT_SYSTEMD_UNIT = record.unit.as_str(),
                UNITWARD_STACK = record.stack.as_str(),
                UNITWARD_CALLER = record.caller.as_str(),
                UNITWARD_RESTART_ID = record.id.as_str(),
                UNITWARD_TROUBLE = end.trouble.as_str(),
                "{text}"
            )
        };
    }
    if level == tracing::Level::INFO {
        entry!(info)
    } else {
        entry!(warn)
    }
}

/// Logs refusals, but no more of them than people can read: every process may connect.
#[derive(Debug)]
pub(super) struct Refusals {
    since: Instant,
    said: u32,
    left_out: u32,
}

/// Number of refusals that are logged one by one …
const TOLD: u32 = 10;
/// … in this time.
const WITHIN: Duration = Duration::from_secs(60);

impl Refusals {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            said: 0,
            left_out: 0,
        }
    }

    /// Logs that a caller was refused, or counts it for the summary.
    pub(super) fn refused(&mut self, stack: &StackName, peer: &Peer) {
        if self.since.elapsed() >= WITHIN {
            self.sum_up(stack);
            *self = Self::new();
        }
        if self.said == TOLD {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.said += 1;
        let unit = peer.unit.as_deref().unwrap_or("no unit");
        warn!(
            MESSAGE_ID = messages::REFUSED,
            UNITWARD_STACK = stack.as_str(),
            UNITWARD_CALLER = peer.program.as_str(),
            UNITWARD_PID = peer.pid,
            UNITWARD_UID = peer.uid,
            UNITWARD_UNIT = peer.unit.as_deref().unwrap_or_default(),
            "Refused to restart {stack} for process {} ({}) of user {} in {unit}: only root and members may ask.",
            peer.pid,
            peer.program,
            peer.uid
        );
    }

    /// Logs the number of refusals that were not logged one by one.
    pub(super) fn sum_up(&mut self, stack: &StackName) {
        if self.left_out > 0 {
            let count = std::mem::take(&mut self.left_out);
            warn!(
                MESSAGE_ID = messages::REFUSED,
                UNITWARD_STACK = stack.as_str(),
                "Refused to restart {stack} {count} times more."
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_stand_in_one_line_of_bounded_length() {
        let check = |callers: &[&str], expect: &str| {
            let callers: Vec<_> = callers.iter().map(|&caller| caller.to_owned()).collect();
            assert_eq!(together(&callers), expect);
        };
        check(&["f"], "f");
        check(&["f", "g", "f"], "f, g");
        check(&["f"; 6], "f");
        check(
            &["a", "b", "c", "d", "e", "a", "f"],
            "a, b, c, d and 2 more",
        );
    }
}
