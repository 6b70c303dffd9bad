//! Storage of one change as rows.
//!
//! A report whose number another one has already (because the clock that gave it was wrong) gets a
//! higher one. An acknowledgement of such a number is ambiguous and ignored: both reports are sent
//! once more after the next start of the daemon, so that neither is lost.
//!
//! Invariants: storing the same twice changes nothing; a change about something unknown changes
//! nothing; a death is `done` exactly if its fate is decided and none of its reports waits.

use super::entry::{
    Change, Channel, Fate, Key, StoredDeath, StoredRecovery, StoredReport, StoredRestart,
    StoredRestartEnd,
};
use super::row::{Coded as _, REFUSED, SENT, WAITING, number, packed};
use rusqlite::{Connection, OptionalExtension as _, Result, params};
use std::collections::HashSet;

/// Numbers that two reports were stored with.
pub(super) type Doubles = HashSet<u64>;

/// SQL expression over a death's row: true if none of its reports waits.
pub(super) const NONE_WAITS: &str =
    "NOT EXISTS (SELECT 1 FROM reports WHERE death = deaths.id AND state = 0)";

/// Makes one change, inside a transaction.
pub(super) fn make(db: &Connection, change: &Change, doubles: &mut Doubles) -> Result<()> {
    match change {
        Change::Death(death) => insert_death(db, death).map(drop),
        Change::Fate {
            key,
            fate,
            backtrace,
            pid,
        } => {
            let found = Found {
                backtrace: backtrace.as_deref(),
                pid: *pid,
            };
            decide(db, key, *fate, found)
        }
        Change::SummedUp { unit } => sum_up(db, unit),
        Change::Report(report) => insert_report(db, report, doubles),
        Change::Sent { seq, .. } | Change::Refused { seq, .. } if doubles.contains(seq) => Ok(()),
        Change::Sent { seq, at } => {
            let end = Settled {
                state: SENT,
                at: *at,
                why: None,
            };
            settle(db, *seq, end)
        }
        Change::Refused { seq, at, why } => {
            let end = Settled {
                state: REFUSED,
                at: *at,
                why: Some(why),
            };
            settle(db, *seq, end)
        }
        Change::Recovery(recovery) => insert_recovery(db, recovery),
        Change::Restart(restart) => insert_restart(db, restart),
        Change::RestartOver { death, end } => end_restart(db, death, end),
        Change::Cursor(cursor) => db
            .execute("UPDATE ledger SET cursor = ?1", [cursor])
            .map(drop),
    }
}

/// Returns the number of the death's row; `None`: it is not stored.
pub(super) fn find(db: &Connection, key: &Key) -> Result<Option<i64>> {
    db.query_row(
        "SELECT id FROM deaths WHERE invocation = ?1 AND unit = ?2 AND boot = ?3",
        params![packed(key.invocation.as_str()), key.unit, packed(&key.boot)],
        |row| row.get(0),
    )
    .optional()
}

/// Updates `done`, which permits the removal of the death.
pub(super) fn look_again(db: &Connection, death: i64) -> Result<()> {
    db.execute(
        &format!("UPDATE deaths SET done = fate >= 2 AND {NONE_WAITS} WHERE id = ?1"),
        [death],
    )
    .map(drop)
}

/// Stores a death, if its key is new; returns true if it was.
pub(super) fn insert_death(db: &Connection, death: &StoredDeath) -> Result<bool> {
    let rows = db.execute(
        "INSERT INTO deaths (boot, unit, invocation, name, severity, pid, reason, at, backtrace, witness, fate, done)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11 >= 2) ON CONFLICT DO NOTHING",
        params![
            packed(&death.key.boot),
            death.key.unit,
            packed(death.key.invocation.as_str()),
            death.name,
            death.severity.code(),
            death.pid,
            death.reason,
            number(death.at),
            death.backtrace,
            death.witness.code(),
            death.fate.code(),
        ],
    )?;
    Ok(rows > 0)
}

/// Facts about a death that were found after it was stored.
struct Found<'a> {
    backtrace: Option<&'a str>,
    pid: Option<u32>,
}

fn decide(db: &Connection, key: &Key, fate: Fate, found: Found<'_>) -> Result<()> {
    let Some(death) = find(db, key)? else {
        return Ok(());
    };
    let Found { backtrace, pid } = found;
    db.execute(
        "UPDATE deaths SET fate = ?2, backtrace = coalesce(?3, backtrace), pid = coalesce(?4, pid) WHERE id = ?1",
        params![death, fate.code(), backtrace, pid],
    )?;
    look_again(db, death)
}

fn sum_up(db: &Connection, unit: &str) -> Result<()> {
    // "fate < 2" selects the index of the undecided.
    db.execute(
        &format!("UPDATE deaths SET fate = ?2, done = {NONE_WAITS} WHERE unit = ?1 AND fate < 2 AND fate = ?3"),
        params![unit, Fate::SummedUp.code(), Fate::Held.code()],
    )
    .map(drop)
}

fn insert_report(db: &Connection, report: &StoredReport, doubles: &mut Doubles) -> Result<()> {
    let Some(death) = find(db, &report.death)? else {
        return Ok(());
    };
    let id = packed(&report.id);
    if db
        .prepare("SELECT 1 FROM reports WHERE id = ?1")?
        .exists([&id])?
    {
        return Ok(());
    }
    let mut seq = number(report.seq);
    if db
        .prepare("SELECT 1 FROM reports WHERE seq = ?1")?
        .exists([seq])?
    {
        doubles.insert(report.seq);
        seq = number(super::ask::next_seq(db)?);
    }
    db.execute(
        "INSERT INTO reports (seq, id, lane, channel, death, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![seq, id, report.lane, report.channel.code(), death, WAITING],
    )?;
    if report.channel == Channel::Crash || !is_record_of(db, death, &report.payload)? {
        db.execute(
            "INSERT INTO payloads (seq, payload) VALUES (?1, ?2)",
            params![seq, report.payload],
        )?;
    }
    look_again(db, death)
}

/// Returns true if the payload is equal to the record of the death's recovery.
fn is_record_of(db: &Connection, death: i64, payload: &[u8]) -> Result<bool> {
    db.prepare("SELECT 1 FROM recoveries WHERE death = ?1 AND CAST(record AS BLOB) = ?2")?
        .exists(params![death, payload])
}

/// The broker's last answer to a report.
struct Settled<'a> {
    /// [`SENT`] or [`REFUSED`].
    state: i64,
    /// Time of the answer, in milliseconds since the epoch.
    at: u64,
    /// Reason of a refusal.
    why: Option<&'a str>,
}

/// Marks a report as sent or refused and deletes its payload.
fn settle(db: &Connection, seq: u64, end: Settled<'_>) -> Result<()> {
    let Settled { state, at, why } = end;
    let seq = number(seq);
    let death: Option<i64> = db
        .query_row(
            "UPDATE reports SET state = ?2, settled = ?3, why = ?4 WHERE seq = ?1 AND state = ?5 RETURNING death",
            params![seq, state, number(at), why, WAITING],
            |row| row.get(0),
        )
        .optional()?;
    let Some(death) = death else { return Ok(()) };
    db.execute("DELETE FROM payloads WHERE seq = ?1", [seq])?;
    look_again(db, death)
}

fn insert_recovery(db: &Connection, recovery: &StoredRecovery) -> Result<()> {
    let Some(death) = find(db, &recovery.death)? else {
        return Ok(());
    };
    let rows = db.execute(
        "INSERT INTO recoveries (death, ward, outcome, at, record, course) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
        params![death, recovery.ward, recovery.outcome, number(recovery.at), recovery.record, recovery.course],
    )?;
    if rows == 0 {
        return Ok(());
    }
    // Its report may have been stored before it.
    db.execute(
        "DELETE FROM payloads WHERE seq IN (SELECT seq FROM reports WHERE death = ?1 AND channel = ?2)
         AND payload = CAST(?3 AS BLOB)",
        params![death, Channel::Recovery.code(), recovery.record],
    )
    .map(drop)
}

fn insert_restart(db: &Connection, restart: &StoredRestart) -> Result<()> {
    let Some(death) = find(db, &restart.death)? else {
        return Ok(());
    };
    let cause = restart.cause.as_ref();
    db.execute(
        "INSERT INTO restarts (death, stack, caller, ended, cause_unit, cause_invocation)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
        params![
            death,
            restart.stack,
            restart.caller,
            restart.ended.as_ref().map(|ended| packed(ended.as_str())),
            cause.map(|cause| &cause.unit),
            cause.map(|cause| packed(cause.invocation.as_str())),
        ],
    )
    .map(drop)
}

fn end_restart(db: &Connection, restart: &Key, end: &StoredRestartEnd) -> Result<()> {
    let Some(death) = find(db, restart)? else {
        return Ok(());
    };
    db.execute(
        "UPDATE restarts SET over = ?2, outcome = ?3, trouble = ?4 WHERE death = ?1 AND over IS NULL",
        params![death, number(end.at), end.outcome.code(), end.trouble],
    )
    .map(drop)
}
