//! Changes that the history could not take yet: the disk is full, or the file cannot be opened.
//!
//! Invariants: changes are applied in the order they came; no more than [`CAPACITY`] are kept, the
//! oldest go first and are counted. Waiting reports are fetched from here too, so that the
//! publisher finds those that are on no disk.

use crate::edge::history::entry::{Change, StoredReport};
use std::collections::{HashSet, VecDeque};

/// Upper bound of changes kept: some thousand deaths.
const CAPACITY: usize = 10_000;

/// The changes, oldest first.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    changes: VecDeque<Change>,
}

impl Backlog {
    /// Adds changes; returns the number of old ones that were dropped for them.
    pub(super) fn keep(&mut self, changes: Vec<Change>) -> usize {
        self.changes.extend(changes);
        let surplus = self.changes.len().saturating_sub(CAPACITY);
        self.changes.drain(..surplus);
        surplus
    }

    /// Takes out all changes, to be tried again.
    pub(super) fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes).into()
    }

    /// Returns true if there are no changes.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns the waiting reports of a lane with a greater `seq` than `after`, in order.
    pub(super) fn waiting(&self, lane: &str, after: u64) -> Vec<StoredReport> {
        let settled = self.settled();
        let reports = self
            .reports()
            .filter(|report| report.lane == lane && report.seq > after);
        reports
            .filter(|report| !settled.contains(&report.seq))
            .cloned()
            .collect()
    }

    /// Returns the number of reports in here that the broker has not taken.
    pub(super) fn unsent(&self) -> u64 {
        let settled = self.settled();
        self.reports()
            .filter(|report| !settled.contains(&report.seq))
            .count() as u64
    }

    /// Returns the `seq`s of reports that the broker has taken or refused, which the history does
    /// not know yet.
    pub(super) fn settled(&self) -> HashSet<u64> {
        self.changes
            .iter()
            .filter_map(|change| match change {
                Change::Sent { seq, .. } | Change::Refused { seq, .. } => Some(*seq),
                Change::Death(_)
                | Change::Fate { .. }
                | Change::SummedUp { .. }
                | Change::Report(_)
                | Change::Recovery(_)
                | Change::Restart(_)
                | Change::RestartOver { .. }
                | Change::Cursor(_) => None,
            })
            .collect()
    }

    fn reports(&self) -> impl Iterator<Item = &StoredReport> {
        self.changes.iter().filter_map(|change| match change {
            Change::Report(report) => Some(report.as_ref()),
            Change::Death(_)
            | Change::Fate { .. }
            | Change::SummedUp { .. }
            | Change::Sent { .. }
            | Change::Refused { .. }
            | Change::Recovery(_)
            | Change::Restart(_)
            | Change::RestartOver { .. }
            | Change::Cursor(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::crash::observation::InvocationId;
    use crate::edge::history::entry::{Channel, Key};

    fn report(seq: u64, lane: &str) -> Change {
        let invocation = InvocationId::parse(&format!("{:032x}", seq + 1)).unwrap();
        Change::Report(Box::new(StoredReport {
            seq,
            id: invocation.to_string(),
            lane: lane.into(),
            channel: Channel::Crash,
            death: Key {
                boot: "0".repeat(32),
                unit: format!("{lane}.service"),
                invocation,
            },
            payload: Vec::new(),
        }))
    }

    #[test]
    fn what_waits_is_found_and_what_was_sent_is_not() {
        let mut backlog = Backlog::default();
        assert_eq!(
            backlog.keep(vec![
                report(1, "a"),
                report(2, "b"),
                report(3, "a"),
                Change::Sent { seq: 1, at: 9 }
            ]),
            0
        );
        let waiting = |backlog: &Backlog, after| {
            backlog
                .waiting("a", after)
                .iter()
                .map(|report| report.seq)
                .collect::<Vec<_>>()
        };
        assert_eq!(waiting(&backlog, 0), [3]);
        assert_eq!(waiting(&backlog, 3), [] as [u64; 0]);
        assert_eq!(backlog.unsent(), 2);
        assert_eq!(backlog.take().len(), 4);
        assert!(backlog.is_empty());
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let mut backlog = Backlog::default();
        let changes = (0..CAPACITY as u64).map(|seq| report(seq, "a")).collect();
        assert_eq!(backlog.keep(changes), 0);
        assert_eq!(
            backlog.keep(vec![report(20_000, "b"), report(20_001, "b")]),
            2
        );
        assert_eq!(
            backlog.waiting("a", 0).first().map(|report| report.seq),
            Some(2)
        );
        assert_eq!(backlog.waiting("b", 0).len(), 2);
    }
}
