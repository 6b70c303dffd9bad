//! A restart that the restarter has noted in a record.

use crate::core::crash::observation::InvocationId;
use crate::core::full_restart::request::Cause;
use crate::edge::full_restart::record::RestartRecord;
use crate::edge::history::entry::{Key, RestartKnown, StoredRestart, Witness};
use crate::shell::daemon::incident::{Incident, IncidentKind};

/// A restart's record, and its place in the history.
#[derive(Debug)]
pub(super) struct Noted<'r> {
    pub(super) key: Key,
    pub(super) record: &'r RestartRecord,
    /// Its state in the history.
    pub(super) known: RestartKnown,
}

impl<'r> Noted<'r> {
    /// Returns the restart of this record; `id` is the record's own, `known` its state in the
    /// history.
    pub(super) fn new(id: InvocationId, record: &'r RestartRecord, known: RestartKnown) -> Self {
        let key = Key {
            boot: record.boot.clone(),
            unit: record.unit.clone(),
            invocation: id,
        };
        Self { key, record, known }
    }

    /// Returns an incident of the restart, at its begin.
    pub(super) fn incident(&self, kind: IncidentKind, reason: String) -> Incident {
        let record = self.record;
        Incident {
            key: self.key.clone(),
            name: record.name.clone(),
            kind,
            pid: None,
            reason,
            at: record.at,
            backtrace: record.backtrace.clone(),
            witness: Witness::Record,
        }
    }

    /// Returns the restart's row in the history.
    pub(super) fn stored(&self) -> StoredRestart {
        let record = self.record;
        let cause = record.cause.as_ref().and_then(|cause| {
            Some(Cause {
                unit: cause.unit.clone(),
                invocation: InvocationId::parse(&cause.invocation)?,
            })
        });
        let ended = record.ended.as_deref().and_then(InvocationId::parse);
        StoredRestart {
            death: self.key.clone(),
            stack: record.stack.clone(),
            caller: record.caller.clone(),
            ended,
            cause,
        }
    }
}
