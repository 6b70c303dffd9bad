//! Enforcement of the history's bounds: the selection of deaths to drop, their order, and the
//! shrinking of the file.
//!
//! A death goes with its reports and its recovery, as one. For the bound on disk the oldest that is done goes first, then of
//! those that are not the oldest of the unit with the most: a service that dies again and again must not cost another its report. Both are counted in the file for ever. For its age only what is done goes, uncounted: a host
//! without a clock boots in 1970 and must not throw away what it has not reported.
//!
//! Invariants: the run time of a pass is linear in the number of dropped deaths; dropping ends, at
//! the latest when nothing is left. The write-ahead log is emptied whenever it has grown beyond its
//! share; a reader that prevents this may let it grow to [`PATIENT`] times that, and then nothing
//! is stored until the reader has ended.

use super::{Bounds, Dropped};
use crate::core::config::settings::LEAST_HISTORY as LEAST;
use rusqlite::{Connection, Result, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Reserve for SQLite's index of the write-ahead log, the file `-shm`, in bytes: 32 KiB for each
/// 4000 pages in the log.
const INDEX: u64 = 32 * 1024;
/// Multiple of its share up to which the log may grow while a reader uses it.
const PATIENT: u64 = 4;
/// The beginning of 2025, in milliseconds since the epoch. A clock before it was not set, so the
/// age of a death with such a time is unknown.
const RIGHT: u64 = 1_735_689_600_000;
/// Deaths dropped between two checks of the size.
const AT_ONCE: u64 = 16;
/// Upper bound of the deaths dropped for each bound in one transaction: limits the growth of the
/// log after the bound was lowered a lot.
const IN_ONE_GO: u64 = 1024;

/// The bounds in pages and bytes.
pub(super) struct Room {
    /// The write-ahead log's share, in bytes; it is emptied when it has grown to this.
    pub(super) log: u64,
    pages: i64,
    slack: i64,
    remembered: i64,
}

impl Room {
    pub(super) fn new(db: &Connection, bounds: Bounds) -> Result<Self> {
        let page: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let most = bounds.max_use.max(LEAST);
        let log = (most / 16).clamp(LEAST / 4, 1024 * 1024);
        let for_pages = i64::try_from(most - log - INDEX).unwrap_or(i64::MAX);
        let pages = for_pages / page.max(512);
        let remembered = i64::try_from(most / 4096).unwrap_or(i64::MAX);
        Ok(Self {
            log,
            pages,
            slack: pages / 64 + 1,
            remembered,
        })
    }

    /// Returns true if a log of this size, which cannot be emptied, must not grow any more.
    pub(super) const fn is_used_up(&self, log: u64) -> bool {
        log >= PATIENT * self.log
    }
}

/// Result of one pass.
pub(super) struct Pass {
    pub(super) dropped: Dropped,
    /// True if surplus remains.
    pub(super) more: bool,
    /// True if the file will shrink at the next checkpoint.
    pub(super) shrinks: bool,
}

/// Drops deaths that are too old, and the surplus in size, inside a transaction.
pub(super) fn make_room(db: &Connection, room: &Room, oldest: u64) -> Result<Pass> {
    let aged = drop_aged(db, oldest)?;
    let mut dropped = Dropped::default();
    let mut more = false;
    if in_use(db)? > room.pages {
        // Slightly more than needed, so that the next batch finds free pages.
        while in_use(db)? > room.pages - room.slack {
            more = dropped.sent + dropped.unsent >= IN_ONE_GO;
            if more || !drop_oldest(db, &mut dropped)? {
                break;
            }
        }
    }
    if dropped != Dropped::default() {
        count(db, &dropped)?;
    }
    if aged > 0 || dropped != Dropped::default() {
        forget(db, room.remembered)?;
    }
    let shrinks = give_back(db, room.pages)?;
    Ok(Pass {
        dropped,
        more: more || aged >= IN_ONE_GO,
        shrinks,
    })
}

fn pragma(db: &Connection, name: &str) -> Result<i64> {
    db.pragma_query_value(None, name, |row| row.get(0))
}

fn in_use(db: &Connection) -> Result<i64> {
    Ok(pragma(db, "page_count")? - pragma(db, "freelist_count")?)
}

fn drop_aged(db: &Connection, oldest: u64) -> Result<u64> {
    // A row that was stored before one that is too old is too old itself, independent of its time.
    let query = format!(
        "SELECT id FROM deaths WHERE done = 1 AND at < ?1
         AND (at >= {RIGHT} OR id < (SELECT max(id) FROM deaths WHERE done = 1 AND at >= {RIGHT} AND at < ?1))
         ORDER BY at LIMIT ?2"
    );
    let aged = ids(db, &query, oldest, IN_ONE_GO)?;
    drop_all(db, &aged)
}

/// Drops a few of the oldest deaths; `false`: there is nothing to drop.
fn drop_oldest(db: &Connection, dropped: &mut Dropped) -> Result<bool> {
    // All instances of a template count as one: whoever starts them chooses how many there are.
    let family =
        "substr(unit, 1, CASE instr(unit, '@') WHEN 0 THEN length(unit) ELSE instr(unit, '@') END)";
    let of_loudest = format!(
        "AND {family} = (SELECT {family} FROM deaths WHERE done = 0 GROUP BY 1 ORDER BY count(*) DESC LIMIT 1)"
    );
    for (done, whose) in [(1, ""), (0, of_loudest.as_str())] {
        let query = format!("SELECT id FROM deaths WHERE done = ?1 {whose} ORDER BY id LIMIT ?2");
        let oldest = ids(db, &query, done, AT_ONCE)?;
        let gone = drop_all(db, &oldest)?;
        match done {
            1 => dropped.sent += gone,
            _ => dropped.unsent += gone,
        }
        if gone > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the deaths that a query with this value as its first parameter selects, at most `count`.
fn ids(db: &Connection, query: &str, value: u64, count: u64) -> Result<Vec<i64>> {
    let parameters = params![super::row::number(value), super::row::number(count)];
    db.prepare(query)?
        .query_map(parameters, |row| row.get(0))?
        .collect()
}

fn drop_all(db: &Connection, ids: &[i64]) -> Result<u64> {
    let mut remember = db.prepare(
        "INSERT OR IGNORE INTO dropped (invocation) SELECT invocation FROM deaths WHERE id = ?1",
    )?;
    let mut delete = db.prepare("DELETE FROM deaths WHERE id = ?1")?;
    for id in ids {
        remember.execute([id])?;
        delete.execute([id])?;
    }
    Ok(ids.len() as u64)
}

/// Limits the list of dropped runs to the last `keep`.
fn forget(db: &Connection, keep: i64) -> Result<()> {
    db.execute(
        "DELETE FROM dropped WHERE id <= (SELECT max(id) FROM dropped) - ?1",
        [keep],
    )
    .map(drop)
}

fn count(db: &Connection, dropped: &Dropped) -> Result<()> {
    db.execute(
        "UPDATE ledger SET dropped_sent = dropped_sent + ?1, dropped_unsent = dropped_unsent + ?2",
        params![
            super::row::number(dropped.sent),
            super::row::number(dropped.unsent)
        ],
    )
    .map(drop)
}

/// Removes free pages from the file while it exceeds its bound; returns true if there were some.
fn give_back(db: &Connection, pages: i64) -> Result<bool> {
    let surplus = (pragma(db, "page_count")? - pages).min(pragma(db, "freelist_count")?);
    if surplus <= 0 {
        return Ok(false);
    }
    // The pragma removes one page in each step.
    let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({surplus})"))?;
    let mut steps = vacuum.query([])?;
    while steps.next()?.is_some() {}
    Ok(true)
}

/// Returns the path of the write-ahead log beside a database.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Result of a checkpoint of the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    /// It is empty.
    Emptied,
    /// A reader still needs it.
    InUse,
}

/// Empties the write-ahead log into the database, without waiting for readers.
pub(super) fn empty_log(db: &Connection, patience: Duration) -> Result<Log> {
    db.busy_timeout(Duration::ZERO)?;
    let busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        row.get::<_, i64>(0)
    });
    db.busy_timeout(patience)?;
    Ok(if busy? == 0 { Log::Emptied } else { Log::InUse })
}
