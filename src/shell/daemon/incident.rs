//! An incident: a death or a full restart in the forms of the journal, the history and the cloud.

use super::identity::Identity;
use crate::core::crash::report::{Report, UNKNOWN};
use crate::edge::history::entry::{
    Channel, Fate, Key, Severity, StoredDeath, StoredReport, Witness,
};

/// One death or full restart to be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Incident {
    pub(super) key: Key,
    /// The ward's name, or the unit's without suffix.
    pub(super) name: String,
    pub(super) kind: IncidentKind,
    pub(super) pid: Option<u32>,
    pub(super) reason: String,
    /// Milliseconds since the epoch.
    pub(super) at: u64,
    /// The frames of the crashed thread, a line each.
    pub(super) backtrace: Option<String>,
    pub(super) witness: Witness,
}

/// The kind of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IncidentKind {
    /// A crash.
    Crash,
    /// A clean end that was not asked for.
    Death,
    /// Crashes beyond the burst limit.
    SummedUp,
    /// A full restart of a stack.
    FullRestart,
    /// A full restart that failed, or had trouble.
    RestartTrouble,
}

impl Incident {
    /// Restores the incident of a stored death whose report was not decided on.
    pub(super) fn of(stored: StoredDeath) -> Self {
        let kind = match stored.severity {
            Severity::Crash => IncidentKind::Crash,
            Severity::Death => IncidentKind::Death,
        };
        let StoredDeath {
            key,
            name,
            pid,
            reason,
            at,
            backtrace,
            witness,
            ..
        } = stored;
        Self {
            key,
            name,
            kind,
            pid,
            reason,
            at,
            backtrace,
            witness,
        }
    }

    /// Returns the death's row in the history.
    pub(super) fn stored(&self, fate: Fate) -> StoredDeath {
        StoredDeath {
            key: self.key.clone(),
            name: self.name.clone(),
            severity: match self.kind {
                IncidentKind::Crash
                | IncidentKind::SummedUp
                | IncidentKind::FullRestart
                | IncidentKind::RestartTrouble => Severity::Crash,
                IncidentKind::Death => Severity::Death,
            },
            pid: self.pid,
            reason: self.reason.clone(),
            at: self.at,
            backtrace: self.backtrace.clone(),
            witness: self.witness,
            fate,
        }
    }

    /// Returns the lane, within which reports keep their order: one for each ward and each stack,
    /// so that no stack waits for a ward of the same name.
    pub(super) fn lane(&self) -> String {
        match self.kind {
            IncidentKind::Crash | IncidentKind::Death | IncidentKind::SummedUp => self.name.clone(),
            IncidentKind::FullRestart | IncidentKind::RestartTrouble => {
                format!("stack/{}", self.name)
            }
        }
    }

    /// Returns the report of the incident.
    ///
    /// Its id follows from the run and the kind alone, so that a repeated report of the same death
    /// has the same id, also after a restart of the daemon.
    pub(super) fn report(&self, identity: &Identity, seq: u64) -> StoredReport {
        let suffix = match self.kind {
            IncidentKind::Crash | IncidentKind::Death | IncidentKind::FullRestart => "",
            IncidentKind::SummedUp => "-more",
            IncidentKind::RestartTrouble => "-over",
        };
        let report = Report {
            node_id: identity.node_id.clone(),
            location_id: identity.location_id.clone(),
            firmware_version: identity.firmware_version.clone(),
            model: identity.model.clone(),
            pid: self
                .pid
                .map_or_else(|| UNKNOWN.to_owned(), |pid| pid.to_string()),
            name: self.name.clone(),
            reason: self.reason.clone(),
            timestamp: self.at,
            backtrace: self.backtrace.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
        };
        StoredReport {
            seq,
            id: format!("{}{suffix}", self.key.invocation),
            lane: self.lane(),
            channel: Channel::Crash,
            death: self.key.clone(),
            payload: report.to_json(),
        }
    }
}
