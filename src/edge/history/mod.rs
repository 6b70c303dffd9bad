//! What happened, on disk: every death, every report and what became of it, every recovery.
//!
//! SQLite by the system's library, in one file. The daemon alone writes ([`History`]), the command line reads beside it.
//! A batch of changes is stored together or not at all, and is on the disk when [`History::apply`] returns. The file stays
//! within its bounds. A damaged file is set aside, and what can still be read of it is carried over.
//!
//! It decides nothing about a report; it keeps and finds.

mod ask;
mod change;
mod damage;
pub mod entry;
mod error;
mod known;
mod mend;
pub mod read;
mod room;
mod row;
mod schema;
#[cfg(test)]
mod tests;

pub use error::{Cause, HistoryError};
pub use known::Known;

use crate::core::config::time_span;
use crate::core::crash::observation::InvocationId;
use entry::{Change, StoredDeath, StoredReport};
use room::{Log, Room};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many of the newest deaths are told of when the history is opened: more than there are units on their way down.
const NEWEST: u32 = 1_024;

/// How much is kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes on disk, the write-ahead log included; less than 256 KiB counts as that.
    pub max_use: u64,
    /// Age at which a death goes with all that belongs to it, unless there is still something to report.
    pub max_age: Duration,
}

/// The history and what there was in it.
#[derive(Debug)]
pub struct Opened {
    /// The history.
    pub history: History,
    /// Above the number of every report that is stored; at least 1.
    pub next_seq: u64,
    /// How far the journal was read; `None`: never stored.
    pub cursor: Option<String>,
    /// Lanes that have waiting reports.
    pub lanes: Vec<String>,
    /// Deaths that are open or held, oldest first.
    pub unfinished: Vec<StoredDeath>,
    /// The runs whose deaths were stored last.
    pub newest: Vec<InvocationId>,
    /// There was a damaged file.
    pub set_aside: Option<SetAside>,
}

/// A damaged file, set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is now.
    pub to: PathBuf,
    /// What was wrong with it.
    pub why: String,
    /// Deaths that could be carried over.
    pub salvaged: u64,
}

/// Deaths dropped for the bound, with all that belongs to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// There was nothing left to do about them.
    pub sent: u64,
    /// They were not decided, or had a report that still waited.
    pub unsent: u64,
}

/// Changes that the tables do not take, and never will: they were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub changes: u64,
    /// What was wrong with the last of them.
    pub why: String,
}

/// What is stored, and what was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Deaths.
    pub deaths: u64,
    /// Reports that wait for the broker.
    pub waiting: u64,
    /// Reports that the broker has acknowledged.
    pub sent: u64,
    /// Reports that the broker will never take.
    pub refused: u64,
    /// Recoveries.
    pub recoveries: u64,
    /// [`Dropped::sent`], since the file was made.
    pub dropped_sent: u64,
    /// [`Dropped::unsent`], since the file was made.
    pub dropped_unsent: u64,
}

/// The history, open for writing.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    path: PathBuf,
    bounds: Bounds,
    doubles: change::Doubles,
    refused: Option<Refused>,
}

impl History {
    /// Opens the history, or begins one; the directory is there already.
    ///
    /// A damaged file is set aside under another name, the one before it is deleted, and whatever can be read is carried
    /// over into a new one. The bounds are looked after by the next [`History::apply`], which can tell what it dropped.
    ///
    /// # Errors
    ///
    /// The disk is full, the file may not be used, or a newer version has written it.
    pub fn open(path: &Path, bounds: Bounds, now_ms: u64) -> Result<Opened, HistoryError> {
        let finished = damage::finish(path, now_ms)?;
        match (Self::open_sound(path, bounds), finished) {
            (Err(HistoryError::Damaged(why)), _) => {
                let set_aside = damage::replace(path, now_ms, &why)?;
                Ok(Opened { set_aside: Some(set_aside), ..Self::open_sound(path, bounds)? })
            }
            (Ok(opened), Some(to)) => {
                let salvaged = opened.history.tallies()?.deaths;
                let why = "setting it aside was interrupted".to_owned();
                Ok(Opened { set_aside: Some(SetAside { to, why, salvaged }), ..opened })
            }
            (other, _) => other,
        }
    }

    fn open_sound(path: &Path, bounds: Bounds) -> Result<Opened, HistoryError> {
        let connection = schema::open(path)?;
        let history =
            Self { connection, path: path.to_owned(), bounds, doubles: change::Doubles::default(), refused: None };
        let db = &history.connection;
        let next_seq = history.judged(ask::next_seq(db))?;
        let cursor = history.judged(ask::cursor(db))?;
        let lanes = history.judged(ask::lanes(db))?;
        let unfinished = history.judged(ask::unfinished(db))?;
        let newest = history.judged(ask::newest(db, NEWEST))?;
        Ok(Opened { history, next_seq, cursor, lanes, unfinished, newest, set_aside: None })
    }

    /// Stores a batch of changes, together or not at all; they are on the disk when this returns. Then drops what is
    /// beyond the bounds. A change that the tables do not take is left out: see [`History::take_refused`].
    ///
    /// # Errors
    ///
    /// After an error none of the batch counts as stored. It may be applied again: what is stored already stays as it is.
    pub fn apply(&mut self, now_ms: u64, changes: &[Change]) -> Result<Dropped, HistoryError> {
        let age = time_span::millis(self.bounds.max_age);
        let oldest = now_ms.saturating_sub(age);
        if !self.judged(self.log_may_grow())? {
            return Err(HistoryError::new(Cause::Reader, &self.path));
        }
        let mut first = self.write(oldest, changes);
        if let Err(error) = &first
            && error.sqlite_error_code() == Some(ErrorCode::DiskFull)
            && room::empty_log(&self.connection, schema::PATIENCE) == Ok(Log::Emptied)
        {
            // What the log has taken of the disk is free now.
            first = self.write(oldest, changes);
        }
        let (mut dropped, mut more) = self.judged(first)?;
        // The batch is stored. What fails from here on is tried again by the next one.
        while more
            && self.log_may_grow() == Ok(true)
            && let Ok((also, still)) = self.write(oldest, &[])
        {
            dropped.sent += also.sent;
            dropped.unsent += also.unsent;
            more = still;
        }
        Ok(dropped)
    }

    /// What had to be left out since this was asked last.
    pub fn take_refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// From the next [`History::apply`] on these bounds hold.
    pub fn rebound(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// The reports of a lane that wait, in the order of their numbers, those above `after_seq`.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn waiting(&self, lane: &str, after_seq: u64, limit: usize) -> Result<Vec<StoredReport>, HistoryError> {
        self.judged(ask::waiting(&self.connection, lane, after_seq, limit))
    }

    /// What need not be told again.
    #[must_use]
    pub fn known(&self) -> Known<'_> {
        Known::of(&self.connection, &self.path)
    }

    /// Counts the reports that wait for the broker, without reading the rest of the history.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn unsent(&self) -> Result<u64, HistoryError> {
        self.judged(ask::unsent(&self.connection))
    }

    /// Counts what is stored; reads all of it.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn tallies(&self) -> Result<Tallies, HistoryError> {
        self.judged(ask::tallies(&self.connection))
    }

    /// One transaction: the changes, and some of what has to go for them.
    fn write(&mut self, oldest: u64, changes: &[Change]) -> rusqlite::Result<(Dropped, bool)> {
        let room = Room::new(&self.connection, self.bounds)?;
        let mut batch = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut refused = Vec::new();
        for one in changes {
            let part = batch.savepoint()?;
            match change::make(&part, one, &mut self.doubles) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => refused.push(error),
                other => other.and_then(|()| part.commit())?,
            }
        }
        let pass = room::make_room(&batch, &room, oldest)?;
        batch.commit()?;
        if let Some(last) = refused.last() {
            let before = self.refused.take().map_or(0, |refused| refused.changes);
            self.refused = Some(Refused { changes: before + refused.len() as u64, why: last.to_string() });
        }
        if pass.shrinks || self.log_size() >= room.log {
            // The batch is stored, whatever comes of this; the next one tries it again.
            let _ = room::empty_log(&self.connection, schema::PATIENCE);
        }
        Ok((pass.dropped, pass.more))
    }

    /// Whether the log has room for a batch. It should have been emptied before; if even now that cannot be done, it must
    /// not grow for ever.
    fn log_may_grow(&self) -> rusqlite::Result<bool> {
        let room = Room::new(&self.connection, self.bounds)?;
        let log = self.log_size();
        Ok(log < room.log
            || room::empty_log(&self.connection, schema::PATIENCE)? == Log::Emptied
            || !room.is_used_up(log))
    }

    fn log_size(&self) -> u64 {
        fs::metadata(room::log_of(&self.path)).map_or(0, |log| log.len())
    }

    fn judged<T>(&self, result: rusqlite::Result<T>) -> Result<T, HistoryError> {
        self.known().judged(result)
    }
}
