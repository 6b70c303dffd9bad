//! Access to the history of wards and stacks. A problem with the history costs only the data that
//! it alone has.

use super::line::DeathTold;
use crate::core::crash::backtrace::Addresses;
use crate::core::crash::report::UNKNOWN;
use crate::edge::history::entry::{Fate, Severity, StoredRecovery};
use crate::edge::history::read::{Delivery, DeliveryState, Reader, Told};
use crate::edge::history::{Cause, HistoryError};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::Path;

const HISTORY: &str = "/var/lib/unitward/reports.db";
/// Number of frames that are shown of a crash.
const FRAMES: usize = 4;

/// The history, or the reason why it cannot be read.
pub(super) type Memory = Result<Reader, String>;

/// Opens the history.
pub(super) fn open(addresses: Addresses) -> Memory {
    match Reader::open(Path::new(HISTORY)) {
        Ok(Some(reader)) => Ok(reader.telling(addresses)),
        Ok(None) => Err(format!(
            "there is no history yet, unitwardd begins {HISTORY} when it starts"
        )),
        Err(HistoryError::Damaged(_)) => Err(format!(
            "{HISTORY} is damaged, unitwardd saves what can be read of it when it starts"
        )),
        Err(HistoryError::Other(Cause::File { source, .. }))
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            Err(format!("only root may read {HISTORY}"))
        }
        Err(HistoryError::Other(why @ Cause::Newer { .. })) => Err(why.to_string()),
        Err(error) => Err(whole(error)),
    }
}

/// Formats an error with its causes.
pub(super) fn whole(error: HistoryError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

/// A death in a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct CrashTold {
    #[serde(flatten)]
    pub(in crate::shell) death: DeathTold,
    /// `crash`, or `death` for a clean end.
    pub(in crate::shell) severity: String,
    pub(in crate::shell) pid: Option<u32>,
    /// State of its report, as in `unitward reports --json`.
    pub(in crate::shell) report: Option<String>,
    /// The first frames, innermost first.
    pub(in crate::shell) frames: Vec<String>,
    /// Number of frames that are left out.
    pub(in crate::shell) more_frames: u64,
}

/// A recovery that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct RecoveryTold {
    pub(in crate::shell) timestamp: u64,
    pub(in crate::shell) outcome: String,
    pub(in crate::shell) restarts: Option<u64>,
    pub(in crate::shell) downtime_ms: Option<u64>,
    pub(in crate::shell) recovery_ms: Option<u64>,
}

/// Converts a death of the history.
pub(super) fn crash(told: &Told) -> CrashTold {
    let death = &told.death;
    let backtrace = death
        .backtrace
        .as_deref()
        .and_then(known)
        .unwrap_or_default();
    let frames = backtrace
        .lines()
        .map(str::trim)
        .filter(|frame| !frame.is_empty());
    CrashTold {
        death: DeathTold {
            timestamp: death.at,
            reason: known(&death.reason),
            invocation: death.key.invocation.as_str().to_owned(),
        },
        severity: if death.severity == Severity::Crash {
            "crash"
        } else {
            "death"
        }
        .to_owned(),
        pid: death.pid,
        report: report(told).map(str::to_owned),
        more_frames: frames.clone().count().saturating_sub(FRAMES) as u64,
        frames: frames.take(FRAMES).map(str::to_owned).collect(),
    }
}

/// Returns the text; `None`: it says that nothing is known.
fn known(text: &str) -> Option<String> {
    (text != UNKNOWN).then(|| text.to_owned())
}

fn report(told: &Told) -> Option<&'static str> {
    Some(match told.death.fate {
        Fate::Open => "waiting",
        Fate::Held => "held",
        Fate::SummedUp => "summed-up",
        Fate::Local => "local",
        Fate::Silent => "not-reported",
        Fate::Reported => delivered(told.report.as_ref()?),
    })
}

const fn delivered(delivery: &Delivery) -> &'static str {
    match delivery.state {
        DeliveryState::Waiting => "waiting",
        DeliveryState::Sent { .. } => "sent",
        DeliveryState::Refused { .. } => "refused",
    }
}

/// Converts a recovery of the history.
pub(super) fn recovery(stored: &StoredRecovery) -> RecoveryTold {
    let record: serde_json::Value = serde_json::from_str(&stored.record).unwrap_or_default();
    RecoveryTold {
        timestamp: stored.at,
        outcome: stored.outcome.clone(),
        restarts: record["restarts"].as_u64(),
        downtime_ms: record["downtimeMs"].as_u64(),
        recovery_ms: record["recoveryMs"].as_u64(),
    }
}
