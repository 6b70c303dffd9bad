//! Full restarts by their own records: those that the daemon has not stored yet, or not how they ended.
//!
//! A record is removed once the history has all of it, so the records are to be read first.

use super::course;
use super::document::{Document, FullRestart};
use super::subject::Subject;
use crate::edge::full_restart::record;

/// Those that there are records of.
#[derive(Debug, Default)]
pub(super) struct Recorded(Vec<FullRestart>);

impl Recorded {
    /// Reads the records of what is named.
    pub(super) fn read(subject: &Subject) -> Self {
        let records = record::all();
        let named = records.iter().filter(|record| subject.has_restarts_of(&record.stack, &record.unit));
        Self(named.map(course::recorded_restart).collect())
    }

    /// Those that began since then, milliseconds since the epoch.
    pub(super) fn since(self, since: u64) -> Self {
        Self(self.0.into_iter().filter(|restart| restart.timestamp >= since).collect())
    }

    /// The one that began last.
    pub(super) fn latest(&self) -> Option<&FullRestart> {
        self.0.iter().max_by_key(|restart| restart.timestamp)
    }

    /// The one whose ID begins so.
    pub(super) fn with_id(&self, id: &str) -> Option<&FullRestart> {
        self.0.iter().find(|restart| restart.invocation.starts_with(id))
    }

    /// Tells of restarts how they ended where the history does not know it yet.
    pub(super) fn complete(&self, document: &mut Document) {
        for restart in document.full_restarts.iter_mut().filter(|restart| restart.end_ms.is_none()) {
            if let Some(known) = self.0.iter().find(|known| known.invocation == restart.invocation) {
                known.clone_into(restart);
            }
        }
    }

    /// The same, and adds those that the history does not know at all.
    pub(super) fn add(self, document: &mut Document) {
        self.complete(document);
        for restart in self.0 {
            if document.full_restarts.iter().all(|known| known.invocation != restart.invocation) {
                document.full_restarts.push(restart);
            }
        }
        document.full_restarts.sort_by_key(|restart| restart.timestamp);
    }
}

/// A document of one full restart.
impl From<&FullRestart> for Document {
    fn from(restart: &FullRestart) -> Self {
        Self { full_restarts: vec![restart.clone()], ..Self::default() }
    }
}
