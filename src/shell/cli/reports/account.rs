//! A death as the command tells it: the words for what became of it, and the JSON.
//!
//! Invariants: the keys of the JSON and their words never change, keys may be added; what is not known is null there.

use crate::core::crash::observation::InvocationId;
use crate::core::crash::report::UNKNOWN;
use crate::core::full_restart::RestartOutcome;
use crate::edge::history::entry::{Fate, Severity, Witness};
use crate::edge::history::read::{Delivery, DeliveryState, Told, ToldRestart};
use serde::{Deserialize, Serialize};

/// One death. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account<'a> {
    timestamp: u64,
    ward: &'a str,
    unit: &'a str,
    invocation: &'a str,
    boot: &'a str,
    severity: &'static str,
    pid: Option<u32>,
    reason: Option<&'a str>,
    witness: &'static str,
    report: Option<&'static str>,
    report_id: Option<&'a str>,
    report_timestamp: Option<u64>,
    refusal: Option<&'a str>,
    backtrace: Option<&'a str>,
    recovery: Option<Recovery<'a>>,
    full_restart: Option<FullRestart<'a>>,
    led_to: Option<&'a str>,
}

/// What a row is that tells of a full restart.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FullRestart<'a> {
    stack: &'a str,
    caller: &'a str,
    cause: Option<Cause<'a>>,
    timestamp: Option<u64>,
    outcome: Option<&'static str>,
    trouble: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Cause<'a> {
    unit: &'a str,
    invocation: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Recovery<'a> {
    timestamp: u64,
    outcome: &'a str,
    restarts: Option<u64>,
    downtime_ms: Option<u64>,
    recovery_ms: Option<u64>,
    steps: Vec<Step>,
    report: Option<&'static str>,
    report_id: Option<&'a str>,
    report_timestamp: Option<u64>,
    refusal: Option<&'a str>,
}

/// What a recovery record tells beside its outcome.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Record {
    pub(super) restarts: Option<u64>,
    pub(super) downtime_ms: Option<u64>,
    pub(super) recovery_ms: Option<u64>,
    pub(super) steps: Vec<Step>,
}

/// One step of a recovery.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Step {
    pub(super) condition: Option<String>,
    pub(super) step: Option<String>,
    pub(super) argument: Option<String>,
    pub(super) result: Option<String>,
    pub(super) ms: Option<u64>,
}

impl Record {
    /// Reads the record that is stored; what cannot be read is not known.
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

impl<'a> Account<'a> {
    /// Tells of a death.
    pub(super) fn new(told: &'a Told) -> Self {
        let death = &told.death;
        let (report_id, report_timestamp, refusal) = way(told.report.as_ref());
        Self {
            timestamp: death.at,
            ward: &death.name,
            unit: &death.key.unit,
            invocation: death.key.invocation.as_str(),
            boot: &death.key.boot,
            severity: match death.severity {
                _ if told.restart.is_some() => "full-restart",
                Severity::Crash => "crash",
                Severity::Death => "death",
            },
            pid: death.pid,
            reason: known(&death.reason),
            witness: witness(death.witness),
            report: Became::of(told).map(Became::key),
            report_id,
            report_timestamp,
            refusal,
            backtrace: death.backtrace.as_deref().and_then(known),
            recovery: recovery(told),
            full_restart: told.restart.as_ref().map(FullRestart::new),
            led_to: told.led_to.as_ref().map(InvocationId::as_str),
        }
    }

    /// One line of JSON.
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always have a JSON form")
    }
}

impl<'a> FullRestart<'a> {
    fn new(ToldRestart { restart, end }: &'a ToldRestart) -> Self {
        let cause = restart.cause.as_ref();
        Self {
            stack: &restart.stack,
            caller: &restart.caller,
            cause: cause.map(|cause| Cause { unit: &cause.unit, invocation: cause.invocation.as_str() }),
            timestamp: end.as_ref().map(|end| end.at),
            outcome: end.as_ref().map(|end| outcome(end.outcome)),
            trouble: end.as_ref().map(|end| end.trouble.as_str()).filter(|trouble| !trouble.is_empty()),
        }
    }
}

/// The word for how a full restart went.
pub(super) const fn outcome(outcome: RestartOutcome) -> &'static str {
    match outcome {
        RestartOutcome::Restarted => "restarted",
        RestartOutcome::Failed => "failed",
    }
}

fn recovery(told: &Told) -> Option<Recovery<'_>> {
    let stored = told.recovery.as_ref()?;
    let record = Record::read(&stored.record);
    let (report_id, report_timestamp, refusal) = way(told.recovery_report.as_ref());
    Some(Recovery {
        timestamp: stored.at,
        outcome: &stored.outcome,
        restarts: record.restarts,
        downtime_ms: record.downtime_ms,
        recovery_ms: record.recovery_ms,
        steps: record.steps,
        report: told.recovery_report.as_ref().map(|delivery| Became::delivered(delivery).key()),
        report_id,
        report_timestamp,
        refusal,
    })
}

/// The report's id, when it came to its end, and why it was refused.
fn way(delivery: Option<&Delivery>) -> (Option<&str>, Option<u64>, Option<&str>) {
    let id = delivery.map(|delivery| delivery.id.as_str());
    match delivery.map(|delivery| &delivery.state) {
        None | Some(DeliveryState::Waiting) => (id, None, None),
        Some(DeliveryState::Sent { at }) => (id, Some(*at), None),
        Some(DeliveryState::Refused { at, why }) => (id, Some(*at), Some(why)),
    }
}

fn known(text: &str) -> Option<&str> {
    (text != UNKNOWN).then_some(text)
}

fn witness(witness: Witness) -> &'static str {
    match witness {
        Witness::Bus => "bus",
        Witness::Record => "record",
        Witness::Journal => "journal",
    }
}

/// What became of a death's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    Sent,
    Waiting,
    Refused,
    Held,
    SummedUp,
    Local,
    NotReported,
}

impl Became {
    /// `None`: it had a report, and nothing is left of that.
    pub(super) fn of(told: &Told) -> Option<Self> {
        match told.death.fate {
            Fate::Open => Some(Self::Waiting),
            Fate::Held => Some(Self::Held),
            Fate::SummedUp => Some(Self::SummedUp),
            Fate::Local => Some(Self::Local),
            Fate::Silent => Some(Self::NotReported),
            Fate::Reported => told.report.as_ref().map(Self::delivered),
        }
    }

    /// How far a report came.
    pub(super) const fn delivered(delivery: &Delivery) -> Self {
        match delivery.state {
            DeliveryState::Waiting => Self::Waiting,
            DeliveryState::Sent { .. } => Self::Sent,
            DeliveryState::Refused { .. } => Self::Refused,
        }
    }

    /// The word for people.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
            Self::Held => "held",
            Self::SummedUp => "summed up",
            Self::Local => "local",
            Self::NotReported => "not reported",
        }
    }

    /// The word for programs.
    const fn key(self) -> &'static str {
        match self {
            Self::SummedUp => "summed-up",
            Self::NotReported => "not-reported",
            other => other.word(),
        }
    }
}

/// Text that does nothing to a terminal.
pub(in crate::shell::cli) fn visible(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
