//! The records of full restarts, beside what the history knows of them.
//!
//! A record is removed once the history has all of it, and not before.

use crate::core::crash::observation::InvocationId;
use crate::edge::full_restart::record::{self, RestartRecord, Restarts};
use crate::edge::history::Known;
use crate::edge::history::entry::{Key, RestartKnown};
use std::path::PathBuf;

/// What is noted down of full restarts.
#[derive(Debug, Default)]
pub(in crate::shell::daemon) struct Notes {
    /// The records that there is something left to do about, each with what the history knows of it; those of each stack
    /// from the oldest on.
    pub(in crate::shell::daemon) records: Vec<(RestartRecord, RestartKnown)>,
    /// The units of stacks whose inhibit file is there.
    pub(in crate::shell::daemon) inhibited: Vec<String>,
}

/// Those of these units whose file is there.
pub(super) fn inhibited(files: Vec<(String, PathBuf)>) -> Vec<String> {
    files.into_iter().filter(|(_, file)| file.exists()).map(|(unit, _)| unit).collect()
}

/// The records that there is something left to do about, those of each stack from the oldest on.
pub(super) fn open(history: Option<Known<'_>>) -> Vec<(RestartRecord, RestartKnown)> {
    let mut open = Vec::new();
    for record in record::all() {
        match known(history, &record) {
            RestartKnown::Over => {
                // One that stays is looked at again, and known again.
                let _ = Restarts::of(&record.stack).remove(&record.id);
            }
            known => open.push((record, known)),
        }
    }
    open
}

/// Telling twice is better than not telling: what cannot be looked up counts as unknown.
fn known(history: Option<Known<'_>>, record: &RestartRecord) -> RestartKnown {
    let key = InvocationId::parse(&record.id).map(|invocation| Key {
        boot: record.boot.clone(),
        unit: record.unit.clone(),
        invocation,
    });
    let known = history.zip(key).and_then(|(history, key)| history.restart_known(&key).ok());
    known.unwrap_or(RestartKnown::No)
}
