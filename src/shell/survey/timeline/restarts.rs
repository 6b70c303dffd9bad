//! Full restarts from their own records: those that the daemon has not stored yet, or whose end it
//! has not stored.
//!
//! A record is removed once the history has all of it, so the records must be read first.

use super::course;
use super::document::{Document, FullRestart};
use super::subject::Subject;
use crate::edge::full_restart::record::{self, RestartRecord};
use crate::edge::history::read::Told;

/// Full restarts that have a record.
#[derive(Debug, Default)]
pub(super) struct Recorded(Vec<FullRestart>);

impl Recorded {
    /// Reads the records of the subject.
    pub(super) fn read(subject: &Subject) -> Self {
        let records = record::all();
        Self::of(
            records
                .iter()
                .filter(|record| subject.has_restarts_of(&record.stack, &record.unit)),
        )
    }

    fn of<'r>(records: impl IntoIterator<Item = &'r RestartRecord>) -> Self {
        Self(records.into_iter().map(course::recorded_restart).collect())
    }

    /// Keeps those that began since then, in milliseconds since the epoch.
    pub(super) fn since(self, since: u64) -> Self {
        Self(
            self.0
                .into_iter()
                .filter(|restart| restart.timestamp >= since)
                .collect(),
        )
    }

    /// Returns the one that began last.
    pub(super) fn latest(&self) -> Option<&FullRestart> {
        self.0.iter().max_by_key(|restart| restart.timestamp)
    }

    /// Returns the one whose ID begins with `id`.
    pub(super) fn with_id(&self, id: &str) -> Option<&FullRestart> {
        self.0
            .iter()
            .find(|restart| restart.invocation.starts_with(id))
    }

    /// Replaces restarts whose end the history does not know yet.
    pub(super) fn complete(&self, restarts: &mut [FullRestart]) {
        for restart in restarts
            .iter_mut()
            .filter(|restart| restart.end_ms.is_none())
        {
            if let Some(known) = self
                .0
                .iter()
                .find(|known| known.invocation == restart.invocation)
            {
                known.clone_into(restart);
            }
        }
    }

    /// Does the same, and adds those that the history does not know at all.
    pub(super) fn add(self, restarts: &mut Vec<FullRestart>) {
        self.complete(restarts);
        for restart in self.0 {
            if restarts
                .iter()
                .all(|known| known.invocation != restart.invocation)
            {
                restarts.push(restart);
            }
        }
        restarts.sort_by_key(|restart| restart.timestamp);
    }
}

/// Returns all full restarts that the history or a record knows, oldest first.
pub(in crate::shell::survey) fn full_restarts(
    history: &[Told],
    records: &[RestartRecord],
) -> Vec<FullRestart> {
    let mut restarts = history.iter().filter_map(course::full_restart).collect();
    Recorded::of(records).add(&mut restarts);
    restarts
}

/// Makes the document of one full restart.
impl From<&FullRestart> for Document {
    fn from(restart: &FullRestart) -> Self {
        Self {
            full_restarts: vec![restart.clone()],
            ..Self::default()
        }
    }
}
