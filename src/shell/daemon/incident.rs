//! A death on its way to a report: what the journal, the history and the cloud are told of it.

use super::identity::Identity;
use crate::core::crash::report::{Report, UNKNOWN};
use crate::edge::history::entry::{Channel, Fate, Key, Severity, StoredDeath, StoredReport, Witness};

/// One death that somebody is to hear of.
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

/// What an incident tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IncidentKind {
    /// A crash.
    Crash,
    /// A clean end nobody asked for.
    Death,
    /// Crashes beyond the burst limit.
    SummedUp,
    /// A full restart of a stack.
    FullRestart,
    /// How a full restart went, where that was not as it should.
    RestartTrouble,
}

impl Incident {
    /// What was stored of a death whose report was not decided on.
    pub(super) fn of(stored: StoredDeath) -> Self {
        let kind = match stored.severity {
            Severity::Crash => IncidentKind::Crash,
            Severity::Death => IncidentKind::Death,
        };
        let StoredDeath { key, name, pid, reason, at, backtrace, witness, .. } = stored;
        Self { key, name, kind, pid, reason, at, backtrace, witness }
    }

    /// The row of the death.
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

    /// What is told of one ward is told in order, and of one stack: no stack waits for a ward of the same name.
    pub(super) fn lane(&self) -> String {
        match self.kind {
            IncidentKind::Crash | IncidentKind::Death | IncidentKind::SummedUp => self.name.clone(),
            IncidentKind::FullRestart | IncidentKind::RestartTrouble => format!("stack/{}", self.name),
        }
    }

    /// The message that tells of it.
    ///
    /// Its id follows from the run alone, so that whoever tells of the same death again, in whatever life of the daemon, gives
    /// it the same one.
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
            pid: self.pid.map_or_else(|| UNKNOWN.to_owned(), |pid| pid.to_string()),
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
