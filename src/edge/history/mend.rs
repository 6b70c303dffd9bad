//! Repair of a history with missing rows.
//!
//! If the death of a waiting report is lost, a new one is made from the report, because the report
//! must be sent all the same. If the waiting report of a death is lost, or its payload, the death
//! is open again, and the daemon makes another report. All other rows that refer to a lost one are
//! deleted.

use super::change::{self, NONE_WAITS};
use super::entry::{Channel, Fate, Key, Severity, StoredDeath, Witness};
use super::row;
use crate::core::crash::observation::InvocationId;
use crate::core::crash::report::UNKNOWN;
use rusqlite::{Connection, Result};
use serde_json::Value;

/// Repairs the history, inside a transaction without enforced references.
pub(super) fn mend(db: &Connection) -> Result<()> {
    for orphan in orphans(db)? {
        if change::insert_death(db, &orphan.death())? {
            let made = db.last_insert_rowid();
            db.execute(
                "UPDATE deaths SET id = ?1 WHERE id = ?2",
                [orphan.death, made],
            )?;
        }
    }
    db.execute_batch(
        "DELETE FROM reports WHERE death NOT IN (SELECT id FROM deaths);
         DELETE FROM recoveries WHERE death NOT IN (SELECT id FROM deaths);
         DELETE FROM restarts WHERE death NOT IN (SELECT id FROM deaths);
         DELETE FROM payloads WHERE seq NOT IN (SELECT seq FROM reports WHERE state = 0);
         DELETE FROM reports
         WHERE state = 0 AND seq NOT IN (SELECT seq FROM payloads)
               AND (channel = 0 OR death NOT IN (SELECT death FROM recoveries));
         UPDATE deaths SET fate = 0
         WHERE fate = 2 AND NOT done AND id NOT IN (SELECT death FROM reports WHERE channel = 0);
         INSERT OR IGNORE INTO ledger (one, dropped_sent, dropped_unsent) VALUES (1, 0, 0);",
    )?;
    db.execute(
        &format!("UPDATE deaths SET done = fate >= 2 AND {NONE_WAITS}"),
        [],
    )
    .map(drop)
}

/// A waiting report without its death.
struct Orphan {
    seq: u64,
    death: i64,
    lane: String,
    channel: Channel,
    payload: Vec<u8>,
}

/// Returns one for each lost death, the first of its reports.
fn orphans(db: &Connection) -> Result<Vec<Orphan>> {
    let mut found = db.prepare(
        "SELECT min(r.seq), r.death, r.lane, r.channel, coalesce(p.payload, CAST(v.record AS BLOB))
         FROM reports r LEFT JOIN payloads p ON p.seq = r.seq
              LEFT JOIN recoveries v ON v.death = r.death AND r.channel = 1
         WHERE r.state = 0 AND r.death NOT IN (SELECT id FROM deaths) AND coalesce(p.seq, v.death) IS NOT NULL
         GROUP BY r.death",
    )?;
    let orphans = found.query_map([], |found| {
        Ok(Orphan {
            seq: row::unsigned(found, 0)?,
            death: found.get(1)?,
            lane: row::text(found, 2)?,
            channel: row::word(found, 3)?,
            payload: found.get_ref(4)?.as_bytes()?.to_vec(),
        })
    })?;
    orphans.collect()
}

impl Orphan {
    /// Makes the death from the report. Its key is made up, except for the run if the report names
    /// it.
    fn death(&self) -> StoredDeath {
        let message: Value = serde_json::from_slice(&self.payload).unwrap_or_default();
        let name = if self.channel == Channel::Crash {
            "name"
        } else {
            "ward"
        };
        let invocation = said(&message, "invocation")
            .as_deref()
            .and_then(InvocationId::parse)
            .unwrap_or_else(|| {
                InvocationId::parse(&format!("{:032x}", self.seq)).expect("32 digits")
            });
        StoredDeath {
            key: Key {
                boot: format!("{:032x}", 0),
                unit: self.lane.clone(),
                invocation,
            },
            name: said(&message, name).unwrap_or_else(|| self.lane.clone()),
            severity: Severity::Crash,
            pid: said(&message, "pid").and_then(|pid| pid.parse().ok()),
            reason: said(&message, "reason").unwrap_or_else(|| UNKNOWN.to_owned()),
            at: message["timestamp"].as_u64().unwrap_or_default(),
            backtrace: said(&message, "backtrace"),
            witness: Witness::Bus,
            fate: Fate::Reported,
        }
    }
}

/// Returns the text of a report's member, unless it says that it is not known.
fn said(report: &Value, member: &str) -> Option<String> {
    report[member]
        .as_str()
        .filter(|text| *text != UNKNOWN)
        .map(str::to_owned)
}
