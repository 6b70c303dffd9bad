//! A death as a document, which `unitward reports --json` prints and `Manager.Reports` answers, a
//! line each.
//!
//! Tables are made of documents too, so that users who ask the daemon see the same as root.
//!
//! Invariants: the keys of the JSON and their words never change, keys may be added; what is not known is null there.

use crate::core::crash::observation::InvocationId;
use crate::core::crash::report::UNKNOWN;
use crate::edge::history::entry::{Fate, Severity, Witness};
use crate::edge::history::read::{Delivery, DeliveryState, Told, ToldRestart};
use serde::{Deserialize, Serialize};

/// One death. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Document {
    pub(in crate::shell) timestamp: u64,
    pub(in crate::shell) ward: String,
    pub(in crate::shell) unit: String,
    pub(in crate::shell) invocation: String,
    pub(in crate::shell) boot: String,
    /// `crash`, `death` or `full-restart`.
    pub(in crate::shell) severity: String,
    pub(in crate::shell) pid: Option<u32>,
    pub(in crate::shell) reason: Option<String>,
    /// `bus`, `record` or `journal`.
    pub(in crate::shell) witness: String,
    /// State of its report; `None`: it had one, and no trace of it is left.
    pub(in crate::shell) report: Option<Became>,
    #[serde(flatten)]
    pub(in crate::shell) way: Way,
    pub(in crate::shell) backtrace: Option<String>,
    /// Last lines that the run has logged; only in the document of a single death, and for root.
    #[serde(default)]
    pub(in crate::shell) log_lines: Option<Vec<String>>,
    pub(in crate::shell) recovery: Option<Recovery>,
    /// State of the recovery if none is stored: the word of a [`Standing`].
    #[serde(default)]
    pub(in crate::shell) recovery_state: Option<String>,
    /// Invocation of the death that began the recovery of which this one is a part.
    #[serde(default)]
    pub(in crate::shell) recovery_of: Option<String>,
    /// Downtime after it, in milliseconds, where no recovery has it; so far, if it is down still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell) down_ms: Option<u64>,
    /// True if it is down still.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::shell) is_down: bool,
    pub(in crate::shell) full_restart: Option<FullRestart>,
    pub(in crate::shell) led_to: Option<String>,
    /// Its position in the order of storing.
    pub(in crate::shell) sequence: i64,
}

/// Delivery of a report to the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Way {
    pub(in crate::shell) report_id: Option<String>,
    /// Time at which it was sent or refused.
    pub(in crate::shell) report_timestamp: Option<u64>,
    pub(in crate::shell) refusal: Option<String>,
}

/// Content of a row about a full restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct FullRestart {
    pub(in crate::shell) stack: String,
    pub(in crate::shell) caller: String,
    pub(in crate::shell) cause: Option<Cause>,
    pub(in crate::shell) timestamp: Option<u64>,
    /// `restarted` or `failed`.
    pub(in crate::shell) outcome: Option<String>,
    pub(in crate::shell) trouble: Option<String>,
}

/// The death that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct Cause {
    pub(in crate::shell) unit: String,
    pub(in crate::shell) invocation: String,
}

/// The recovery from a death.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Recovery {
    pub(in crate::shell) timestamp: u64,
    pub(in crate::shell) outcome: String,
    pub(in crate::shell) restarts: Option<u64>,
    pub(in crate::shell) downtime_ms: Option<u64>,
    pub(in crate::shell) recovery_ms: Option<u64>,
    pub(in crate::shell) steps: Vec<Step>,
    /// State of its own report.
    pub(in crate::shell) report: Option<Became>,
    #[serde(flatten)]
    pub(in crate::shell) way: Way,
}

/// Content of a recovery record besides its outcome.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Record {
    restarts: Option<u64>,
    downtime_ms: Option<u64>,
    recovery_ms: Option<u64>,
    steps: Vec<Step>,
}

/// One step of a recovery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::shell) struct Step {
    pub(in crate::shell) condition: Option<String>,
    pub(in crate::shell) step: Option<String>,
    pub(in crate::shell) argument: Option<String>,
    pub(in crate::shell) result: Option<String>,
    pub(in crate::shell) ms: Option<u64>,
}

/// State of the recovery from a death if none is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell) enum Standing {
    /// It is under way.
    UnderWay,
    /// The death was that of a restart, and prolonged the recovery from this death.
    PartOf(String),
    /// There is none: systemd does not restart the unit after such a death.
    NotRestarted,
    /// There is none: no ward guards the unit.
    NoWard,
    /// It was of an earlier boot, or its record is gone.
    NotKnown,
}

impl Standing {
    const fn word(&self) -> &'static str {
        match self {
            Self::UnderWay => "under-way",
            Self::PartOf(_) => "part-of",
            Self::NotRestarted => "not-restarted",
            Self::NoWard => "no-ward",
            Self::NotKnown => "not-known",
        }
    }
}

/// State of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::shell) enum Became {
    /// The broker has it.
    Sent,
    /// The broker does not have it yet.
    Waiting,
    /// The broker will never take it.
    Refused,
    /// It will be summed up.
    Held,
    /// It is part of a report that sums up.
    SummedUp,
    /// No broker is configured.
    Local,
    /// The configuration excludes it.
    NotReported,
}

impl Document {
    /// Makes the document of a death.
    pub(in crate::shell) fn new(told: &Told) -> Self {
        let death = &told.death;
        let severity = match death.severity {
            _ if told.restart.is_some() => "full-restart",
            Severity::Crash => "crash",
            Severity::Death => "death",
        };
        Self {
            timestamp: death.at,
            ward: death.name.clone(),
            unit: death.key.unit.clone(),
            invocation: death.key.invocation.to_string(),
            boot: death.key.boot.clone(),
            severity: severity.to_owned(),
            pid: death.pid,
            reason: known(&death.reason),
            witness: witness(death.witness).to_owned(),
            report: Became::of(told),
            way: way(told.report.as_ref()),
            backtrace: death.backtrace.as_deref().and_then(known),
            log_lines: None,
            recovery: recovery(told),
            recovery_state: None,
            recovery_of: None,
            down_ms: None,
            is_down: false,
            full_restart: told.restart.as_ref().map(FullRestart::new),
            led_to: told.led_to.as_ref().map(InvocationId::to_string),
            sequence: told.id,
        }
    }

    /// Returns true if it was a crash that nothing restarts the service after.
    pub(in crate::shell) fn is_left_down(&self) -> bool {
        let is_left = match self.recovery_state.as_deref() {
            Some("not-restarted") => true,
            Some("no-ward") => self.is_down,
            _ => false,
        };
        self.severity == "crash" && self.recovery.is_none() && is_left
    }

    /// Returns true if the service, or the stack, did not come back as it should have: a step
    /// failed, it was given up, or nothing restarts it.
    pub(in crate::shell) fn has_failed(&self) -> bool {
        let restarted = self
            .full_restart
            .as_ref()
            .and_then(|restart| restart.outcome.as_deref());
        let outcome = self
            .recovery
            .as_ref()
            .map(|recovery| recovery.outcome.as_str())
            .or(restarted);
        let has_failed = matches!(
            outcome,
            Some("step-failed" | "excluded" | "stack-restarted" | "rebooting" | "failed")
        );
        has_failed || self.is_left_down()
    }

    /// Sets the state of the recovery, if none is stored.
    pub(in crate::shell) fn stand(&mut self, standing: Standing) {
        self.recovery_state = Some(standing.word().to_owned());
        self.recovery_of = match standing {
            Standing::PartOf(first) => Some(first),
            Standing::UnderWay | Standing::NotRestarted | Standing::NoWard | Standing::NotKnown => {
                None
            }
        };
    }

    /// Returns the document as one line of JSON.
    pub(in crate::shell) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers always have a JSON form")
    }
}

impl FullRestart {
    fn new(ToldRestart { restart, end }: &ToldRestart) -> Self {
        let cause = restart.cause.as_ref();
        Self {
            stack: restart.stack.clone(),
            caller: restart.caller.clone(),
            cause: cause.map(|cause| Cause {
                unit: cause.unit.clone(),
                invocation: cause.invocation.to_string(),
            }),
            timestamp: end.as_ref().map(|end| end.at),
            outcome: end.as_ref().map(|end| end.outcome.word().to_owned()),
            trouble: end
                .as_ref()
                .map(|end| end.trouble.clone())
                .filter(|trouble| !trouble.is_empty()),
        }
    }
}

fn recovery(told: &Told) -> Option<Recovery> {
    let stored = told.recovery.as_ref()?;
    // Fields that cannot be read are not known.
    let record: Record = serde_json::from_str(&stored.record).unwrap_or_default();
    Some(Recovery {
        timestamp: stored.at,
        outcome: stored.outcome.clone(),
        restarts: record.restarts,
        downtime_ms: record.downtime_ms,
        recovery_ms: record.recovery_ms,
        steps: record.steps,
        report: told.recovery_report.as_ref().map(Became::delivered),
        way: way(told.recovery_report.as_ref()),
    })
}

fn way(delivery: Option<&Delivery>) -> Way {
    let (report_timestamp, refusal) = match delivery.map(|delivery| &delivery.state) {
        None | Some(DeliveryState::Waiting) => (None, None),
        Some(DeliveryState::Sent { at }) => (Some(*at), None),
        Some(DeliveryState::Refused { at, why }) => (Some(*at), Some(why.clone())),
    };
    Way {
        report_id: delivery.map(|delivery| delivery.id.clone()),
        report_timestamp,
        refusal,
    }
}

fn known(text: &str) -> Option<String> {
    (text != UNKNOWN).then(|| text.to_owned())
}

fn witness(witness: Witness) -> &'static str {
    match witness {
        Witness::Bus => "bus",
        Witness::Record => "record",
        Witness::Journal => "journal",
    }
}

impl Way {
    /// Returns the state of the report; `None`: there is none, or no longer one.
    pub(in crate::shell) fn became(&self) -> Option<Became> {
        self.report_id.as_ref()?;
        Some(match (self.report_timestamp, &self.refusal) {
            (None, _) => Became::Waiting,
            (Some(_), None) => Became::Sent,
            (Some(_), Some(_)) => Became::Refused,
        })
    }
}

impl Became {
    fn of(told: &Told) -> Option<Self> {
        match told.death.fate {
            Fate::Open => Some(Self::Waiting),
            Fate::Held => Some(Self::Held),
            Fate::SummedUp => Some(Self::SummedUp),
            Fate::Local => Some(Self::Local),
            Fate::Silent => Some(Self::NotReported),
            Fate::Reported => told.report.as_ref().map(Self::delivered),
        }
    }

    const fn delivered(delivery: &Delivery) -> Self {
        match delivery.state {
            DeliveryState::Waiting => Self::Waiting,
            DeliveryState::Sent { .. } => Self::Sent,
            DeliveryState::Refused { .. } => Self::Refused,
        }
    }

    /// Returns the word for people.
    pub(in crate::shell) const fn word(self) -> &'static str {
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
}
