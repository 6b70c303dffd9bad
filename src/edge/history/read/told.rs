//! Deaths as they are read: the query, and its rows.

use crate::core::crash::backtrace::Addresses;
use crate::core::crash::observation::InvocationId;
use crate::edge::history::entry::{StoredDeath, StoredRecovery, StoredRestart, StoredRestartEnd};
use crate::edge::history::row::{self, DEATH, REFUSED, WAITING};
use rusqlite::{Result as SqlResult, Row};

/// A death with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its number in the order of storing.
    pub id: i64,
    /// The death.
    pub death: StoredDeath,
    /// Delivery of its last crash report.
    pub report: Option<Delivery>,
    /// The recovery from it, once it is over.
    pub recovery: Option<StoredRecovery>,
    /// Delivery of the recovery's last report.
    pub recovery_report: Option<Delivery>,
    /// The full restart, if this row is one.
    pub restart: Option<ToldRestart>,
    /// Id of the full restart that it led to.
    pub led_to: Option<InvocationId>,
}

impl Told {
    /// Returns the same with the backtrace's addresses or without them.
    pub(super) fn telling(mut self, addresses: Addresses) -> Self {
        self.death.backtrace = self
            .death
            .backtrace
            .map(|backtrace| addresses.tell(backtrace));
        self
    }
}

/// A full restart with its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRestart {
    /// Its caller and its cause.
    pub restart: StoredRestart,
    /// Its end; `None`: it is under way, or the restarter was killed.
    pub end: Option<StoredRestartEnd>,
}

/// State of a report's delivery to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The user property `report-id`.
    pub id: String,
    /// State of the delivery.
    pub state: DeliveryState,
}

/// State of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryState {
    /// The broker does not have it yet.
    Waiting,
    /// The broker has acknowledged it.
    Sent {
        /// Time of the answer, in milliseconds since the epoch.
        at: u64,
    },
    /// The broker has rejected it for good.
    Refused {
        /// Time of the answer, in milliseconds since the epoch.
        at: u64,
        /// The broker's reason.
        why: String,
    },
}

/// First schema version with full restarts.
pub(super) const RESTARTS_SINCE: i64 = 2;
/// First schema version with the times of a recovery.
const COURSES_SINCE: i64 = 3;

/// Returns the query of deaths with their recovery and the last report of each kind. A file of an
/// older version, which only the daemon may change, has no full restarts or no times of recoveries.
pub(super) fn query(condition: &str, version: i64) -> String {
    let restarts = if version < RESTARTS_SINCE {
        "(SELECT NULL death, NULL stack, NULL caller, NULL ended, NULL cause_unit, NULL cause_invocation, NULL over, NULL outcome,
                 NULL trouble LIMIT 0)"
    } else {
        "restarts"
    };
    let course = if version < COURSES_SINCE {
        "NULL"
    } else {
        "v.course"
    };
    let [crash, recovery] = [0, 1].map(|channel| {
        format!("(SELECT max(seq) FROM reports WHERE death = d.id AND channel = {channel})")
    });
    format!(
        "SELECT {DEATH}, d.id, c.id, c.state, c.settled, c.why, o.id, o.state, o.settled, o.why, v.ward, v.outcome, v.at, v.record, {course},
                s.stack, s.caller, s.ended, s.cause_unit, s.cause_invocation, s.over, s.outcome, s.trouble,
                (SELECT max(l.invocation) FROM {restarts} x JOIN deaths l ON l.id = x.death
                 WHERE x.cause_invocation = d.invocation AND x.cause_unit = d.unit AND l.boot = d.boot)
         FROM deaths d LEFT JOIN reports c ON c.seq = {crash} LEFT JOIN reports o ON o.seq = {recovery}
              LEFT JOIN recoveries v ON v.death = d.id
              LEFT JOIN {restarts} s ON s.death = d.id
         WHERE {condition}"
    )
}

/// Reads a row of [`query`].
pub(super) fn one(found: &Row<'_>) -> SqlResult<Told> {
    let death = row::death(found)?;
    let recovered = row::optional_text(found, 20)?.is_some();
    let recovery = recovered
        .then(|| row::recovery(found, 20, death.key.clone()))
        .transpose()?;
    let restarted = row::optional_text(found, 25)?.is_some();
    let restart = restarted
        .then(|| row::restart(found, 25, death.key.clone()))
        .transpose()?;
    let restart = match restart {
        Some(restart) => Some(ToldRestart {
            restart,
            end: row::restart_end(found, 30)?,
        }),
        None => None,
    };
    Ok(Told {
        restart,
        led_to: row::optional_run(found, 33)?,
        id: found.get(11)?,
        report: delivery(found, 12)?,
        recovery_report: delivery(found, 16)?,
        death,
        recovery,
    })
}

fn delivery(found: &Row<'_>, from: usize) -> SqlResult<Option<Delivery>> {
    let state = match found.get(from + 1)? {
        None => return Ok(None),
        Some(WAITING) => DeliveryState::Waiting,
        Some(REFUSED) => DeliveryState::Refused {
            at: row::unsigned(found, from + 2)?,
            why: row::optional_text(found, from + 3)?.unwrap_or_default(),
        },
        Some(_) => DeliveryState::Sent {
            at: row::unsigned(found, from + 2)?,
        },
    };
    Ok(Some(Delivery {
        id: row::unpacked(found, from)?,
        state,
    }))
}
