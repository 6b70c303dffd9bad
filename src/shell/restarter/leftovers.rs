//! Restarts that an earlier process has begun and not completed: one of them is resumed, the others
//! are completed as failed.
//!
//! Only a process that systemd has started in the place of one that was killed resumes a restart: a
//! caller after a clean stop, or after a reboot, wants a restart of its own, and the old one is
//! completed as failed. The wall clock plays no part: it may jump.

use super::say;
use crate::core::config::StackName;
use crate::core::full_restart::RestartOutcome;
use crate::edge::full_restart::record::{RestartEnd, RestartRecord, Restarts};
use crate::edge::full_restart::underway;
use crate::edge::pid1::{self, Wanted};
use crate::edge::{boot, clock};
use std::time::Duration;

/// The restarts that are not complete.
#[derive(Debug)]
pub(super) struct Leftovers {
    restarts: Restarts,
    /// The one that is resumed.
    pub(super) to_resume: Option<RestartRecord>,
    /// The others, completed.
    others: Vec<RestartRecord>,
}

/// Returns the time since this restart began.
pub(super) fn age(record: &RestartRecord) -> Duration {
    // One that was killed before it noted its beginning has just begun.
    let note = underway::last_note(&record.stack).filter(|note| note.id == record.id);
    note.map_or(Duration::ZERO, |note| {
        Duration::from_micros(clock::monotonic().saturating_sub(note.since))
    })
}

impl Leftovers {
    /// Finds them. `timeout` is the time limit of a restart, if the configuration still has the
    /// stack.
    pub(super) fn find(stack: &StackName, timeout: Option<Duration>) -> Self {
        let restarts = Restarts::of(stack.as_str());
        let open: Vec<_> = restarts
            .all()
            .into_iter()
            .filter(|record| record.end.is_none())
            .collect();
        let noted = underway::last_note(stack.as_str()).map(|note| note.id);
        let (to_resume, others) = divide(open, &boot::id(), noted.as_deref(), |record| {
            takes_over(stack) && timeout.is_some_and(|timeout| age(record) < timeout)
        });
        Self {
            restarts,
            to_resume,
            others,
        }
    }

    /// Writes the completed records, and logs them.
    pub(super) fn complete(&self) {
        for record in &self.others {
            say::over(record, Duration::ZERO);
            if let Err(error) = self.restarts.save(record) {
                tracing::warn!(
                    "Failed to write down the end of the restart of {}: {error}",
                    record.name
                );
            }
        }
    }
}

/// Returns true if systemd has started this process in the place of one that was killed.
fn takes_over(stack: &StackName) -> bool {
    let own = pid1::ask(
        &format!("unitward-stack@{stack}.service"),
        Wanted {
            unit: &[],
            own: &["NRestarts"],
        },
    );
    // If PID 1 does not answer, one restart too many is better than none.
    own.map_or(true, |own| {
        own.number("NRestarts").is_none_or(|count: u32| count > 0)
    })
}

/// Returns the restart to resume, and the others with their ends. `open` has the oldest first;
/// `noted` is the id of the restart that began last in this boot.
fn divide(
    mut open: Vec<RestartRecord>,
    boot: &str,
    noted: Option<&str>,
    takes_over: impl Fn(&RestartRecord) -> bool,
) -> (Option<RestartRecord>, Vec<RestartRecord>) {
    let latest = open
        .iter()
        .rposition(|record| record.boot == boot && noted == Some(record.id.as_str()));
    let latest = latest.or_else(|| open.iter().rposition(|record| record.boot == boot));
    let to_resume = latest
        .filter(|place| takes_over(&open[*place]))
        .map(|place| open.remove(place));
    let others = open.into_iter().map(|record| {
        let trouble = if record.boot == boot {
            "nobody saw how it ended"
        } else {
            "the host went down before it was over"
        };
        let end = RestartEnd {
            outcome: RestartOutcome::Failed,
            trouble: trouble.to_owned(),
            at: clock::since_epoch(),
        };
        RestartRecord {
            end: Some(end),
            ..record
        }
    });
    (to_resume, others.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::full_restart::record::Asker;

    fn record(id: &str, boot: &str) -> RestartRecord {
        RestartRecord {
            id: id.into(),
            stack: "opensync".into(),
            name: "OpenSync".into(),
            unit: "opensync.target".into(),
            boot: boot.into(),
            ended: None,
            members: Vec::new(),
            caller: "f".into(),
            backtrace: None,
            cause: None,
            by: Asker {
                pid: 1,
                uid: 0,
                unit: None,
            },
            at: 7,
            joined: Vec::new(),
            end: None,
        }
    }

    #[test]
    fn one_of_this_boot_is_gone_on_with_and_the_others_have_failed() {
        let check = |noted: Option<&str>,
                     takes_over: bool,
                     resumed: Option<&str>,
                     failed: &[(&str, &str)]| {
            let open = [("a", "now"), ("b", "then"), ("c", "now"), ("d", "then")]
                .map(|(id, boot)| record(id, boot));
            let (to_resume, others) = divide(open.to_vec(), "now", noted, |_| takes_over);
            assert_eq!(to_resume.map(|record| record.id).as_deref(), resumed);
            let ends = others.iter().map(|record| {
                (
                    record.id.as_str(),
                    record.end.as_ref().unwrap().trouble.as_str(),
                )
            });
            assert_eq!(ends.collect::<Vec<_>>(), failed);
        };
        let (unseen, down) = (
            "nobody saw how it ended",
            "the host went down before it was over",
        );
        check(
            Some("c"),
            true,
            Some("c"),
            &[("a", unseen), ("b", down), ("d", down)],
        );
        check(
            Some("a"),
            true,
            Some("a"),
            &[("b", down), ("c", unseen), ("d", down)],
        );
        // One that was killed before it noted its beginning, and a note of an earlier one.
        check(
            Some("z"),
            true,
            Some("c"),
            &[("a", unseen), ("b", down), ("d", down)],
        );
        check(
            None,
            false,
            None,
            &[("a", unseen), ("b", down), ("c", unseen), ("d", down)],
        );
    }
}
