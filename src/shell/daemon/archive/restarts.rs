//! The records of full restarts, with their state in the history.
//!
//! A record is removed once the history has all of it, and not before.

use crate::core::crash::observation::InvocationId;
use crate::edge::full_restart::record::{self, RestartRecord, Restarts};
use crate::edge::history::Known;
use crate::edge::history::entry::{Key, RestartKnown};
use std::path::PathBuf;

/// The records of full restarts, and the stacks that are inhibited.
#[derive(Debug, Default)]
pub(in crate::shell::daemon) struct Notes {
    /// The records that the history does not have whole, each with its state in the history; those
    /// of each stack from the oldest on.
    pub(in crate::shell::daemon) records: Vec<(RestartRecord, RestartKnown)>,
    /// The units of stacks whose inhibit file exists.
    pub(in crate::shell::daemon) inhibited: Vec<String>,
}

/// Returns the units whose file exists.
pub(super) fn inhibited(files: Vec<(String, PathBuf)>) -> Vec<String> {
    files
        .into_iter()
        .filter(|(_, file)| file.exists())
        .map(|(unit, _)| unit)
        .collect()
}

/// Returns the records that the history does not have whole, those of each stack from the oldest
/// on; removes the others.
pub(super) fn open(history: Option<Known<'_>>) -> Vec<(RestartRecord, RestartKnown)> {
    let mut open = Vec::new();
    for record in record::all() {
        match known(history, &record) {
            RestartKnown::Over => {
                // A record that cannot be removed is found and recognised again.
                let _ = Restarts::of(&record.stack).remove(&record.id);
            }
            known => open.push((record, known)),
        }
    }
    open
}

/// Returns the state of a record in the history. One that cannot be looked up counts as unknown,
/// because a duplicate report is better than none.
fn known(history: Option<Known<'_>>, record: &RestartRecord) -> RestartKnown {
    let key = InvocationId::parse(&record.id).map(|invocation| Key {
        boot: record.boot.clone(),
        unit: record.unit.clone(),
        invocation,
    });
    let known = history
        .zip(key)
        .and_then(|(history, key)| history.restart_known(&key).ok());
    known.unwrap_or(RestartKnown::No)
}
