//! Queries of the daemon.

use super::entry::{Key, RestartKnown, StoredDeath, StoredReport};
use super::row::{self, DEATH, packed};
use super::{Tallies, change};
use crate::core::crash::observation::InvocationId;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// Query of reports with their payload and their death's key. The payload of a recovery may be the
/// record in the recovery.
const REPORT: &str = "
    SELECT r.seq, r.id, r.lane, r.channel,
           CASE r.channel WHEN 1 THEN coalesce(p.payload, CAST(v.record AS BLOB)) ELSE p.payload END,
           d.boot, d.unit, d.invocation
    FROM reports r JOIN deaths d ON d.id = r.death
         LEFT JOIN payloads p ON p.seq = r.seq LEFT JOIN recoveries v ON v.death = r.death";

/// Returns the next waiting reports of a lane.
pub(super) fn waiting(
    db: &Connection,
    lane: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<StoredReport>> {
    let mut found = db.prepare(&format!(
        "{REPORT} WHERE r.state = 0 AND r.lane = ?1 AND r.seq > ?2 ORDER BY r.seq LIMIT ?3"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    found
        .query_map(params![lane, row::number(after), limit], row::report)?
        .collect()
}

/// Returns the lanes with waiting reports.
pub(super) fn lanes(db: &Connection) -> Result<Vec<String>> {
    let mut found =
        db.prepare("SELECT DISTINCT lane FROM reports WHERE state = 0 ORDER BY lane")?;
    found.query_map([], |found| row::text(found, 0))?.collect()
}

/// Returns the undecided deaths (open or held), oldest first.
pub(super) fn unfinished(db: &Connection) -> Result<Vec<StoredDeath>> {
    let mut found = db.prepare(&format!(
        "SELECT {DEATH} FROM deaths d WHERE d.fate < 2 ORDER BY d.id"
    ))?;
    found.query_map([], row::death)?.collect()
}

/// Returns the runs whose deaths were stored last, newest first.
pub(super) fn newest(db: &Connection, limit: u32) -> Result<Vec<InvocationId>> {
    let mut found =
        db.prepare("SELECT lower(hex(invocation)) FROM deaths ORDER BY id DESC LIMIT ?1")?;
    let runs: Vec<String> = found
        .query_map([limit], |found| row::text(found, 0))?
        .collect::<Result<_>>()?;
    Ok(runs
        .iter()
        .filter_map(|run| InvocationId::parse(run))
        .collect())
}

/// Returns the number after the highest one of a report.
pub(super) fn next_seq(db: &Connection) -> Result<u64> {
    db.query_row(
        "SELECT coalesce(max(seq), 0) + 1 FROM reports",
        [],
        |found| row::unsigned(found, 0),
    )
}

/// Returns the cursor up to which the journal was read.
pub(super) fn cursor(db: &Connection) -> Result<Option<String>> {
    db.query_row("SELECT cursor FROM ledger", [], |found| {
        row::optional_text(found, 0)
    })
}

/// Returns the deaths that are neither stored nor were dropped recently.
pub(super) fn unknown_deaths(db: &Connection, keys: Vec<Key>) -> Result<Vec<Key>> {
    retain(keys, |key| {
        Ok(change::find(db, key)?.is_none() && !was_dropped(db, key)?)
    })
}

/// Returns the deaths whose recovery is not stored and that were not dropped recently.
pub(super) fn unknown_recoveries(db: &Connection, keys: Vec<Key>) -> Result<Vec<Key>> {
    let mut stored = db.prepare("SELECT 1 FROM recoveries WHERE death = ?1")?;
    retain(keys, |key| match change::find(db, key)? {
        Some(death) => Ok(!stored.exists([death])?),
        None => Ok(!was_dropped(db, key)?),
    })
}

/// Returns the restarts, identified by the run that they ended, that are not stored and were not
/// dropped recently.
pub(super) fn unknown_restarts(db: &Connection, ended: Vec<Key>) -> Result<Vec<Key>> {
    let mut stored = db.prepare(
        "SELECT 1 FROM restarts r JOIN deaths d ON d.id = r.death WHERE r.ended = ?1 AND d.unit = ?2 AND d.boot = ?3",
    )?;
    retain(ended, |key| {
        let told = stored.exists(params![
            packed(key.invocation.as_str()),
            key.unit,
            packed(&key.boot)
        ])?;
        // A restart by hand is a row with the run's own id, which may be all that was stored of it.
        Ok(!told && change::find(db, key)?.is_none() && !was_dropped(db, key)?)
    })
}

/// Returns the stored progress of a full restart. One that was dropped recently counts as over.
pub(super) fn restart_known(db: &Connection, key: &Key) -> Result<RestartKnown> {
    let Some(death) = change::find(db, key)? else {
        return Ok(if was_dropped(db, key)? {
            RestartKnown::Over
        } else {
            RestartKnown::No
        });
    };
    let over = db.query_row(
        "SELECT over IS NOT NULL FROM restarts WHERE death = ?1",
        [death],
        |row| row.get(0),
    );
    Ok(if over.optional()?.unwrap_or(false) {
        RestartKnown::Over
    } else {
        RestartKnown::Begun
    })
}

fn retain(keys: Vec<Key>, mut unknown: impl FnMut(&Key) -> Result<bool>) -> Result<Vec<Key>> {
    let judged: Result<Vec<(Key, bool)>> = keys
        .into_iter()
        .map(|key| unknown(&key).map(|is| (key, is)))
        .collect();
    Ok(judged?
        .into_iter()
        .filter_map(|(key, unknown)| unknown.then_some(key))
        .collect())
}

fn was_dropped(db: &Connection, key: &Key) -> Result<bool> {
    db.prepare("SELECT 1 FROM dropped WHERE invocation = ?1")?
        .exists([packed(key.invocation.as_str())])
}

/// Counts the waiting reports. An index contains only these, so the rest of the history is not
/// read.
pub(super) fn unsent(db: &Connection) -> Result<u64> {
    db.query_row(
        "SELECT count(*) FROM reports WHERE state = 0",
        [],
        |found| row::unsigned(found, 0),
    )
}

/// Counts what is stored.
pub(super) fn tallies(db: &Connection) -> Result<Tallies> {
    db.query_row(
        "SELECT (SELECT count(*) FROM deaths), (SELECT count(*) FROM reports WHERE state = 0),
                (SELECT count(*) FROM reports WHERE state = 1), (SELECT count(*) FROM reports WHERE state = 2),
                (SELECT count(*) FROM recoveries), dropped_sent, dropped_unsent FROM ledger",
        [],
        |found| {
            Ok(Tallies {
                deaths: row::unsigned(found, 0)?,
                waiting: row::unsigned(found, 1)?,
                sent: row::unsigned(found, 2)?,
                refused: row::unsigned(found, 3)?,
                recoveries: row::unsigned(found, 4)?,
                dropped_sent: row::unsigned(found, 5)?,
                dropped_unsent: row::unsigned(found, 6)?,
            })
        },
    )
}
