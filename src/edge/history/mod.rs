//! The history on disk: every death, every report and its delivery, every recovery.
//!
//! An SQLite database in one file, through the system's library. Only the daemon writes it
//! ([`History`]); the command line reads it concurrently. A batch of changes is stored together or
//! not at all, and is on disk when [`History::apply`] returns. The file stays within its bounds. A
//! damaged file is set aside, and its readable rows are carried over.
//!
//! It stores and finds reports, and decides nothing about them.

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

/// Number of the newest deaths that are returned when the history is opened: more than there are
/// units on their way down.
const NEWEST: u32 = 1_024;

/// Bounds of the history in size and age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes on disk, the write-ahead log included; the minimum is 256 KiB, and smaller values
    /// count as that.
    pub max_use: u64,
    /// Age at which a death is dropped with all that belongs to it, unless something about it is
    /// still to be reported.
    pub max_age: Duration,
}

/// The opened history and its contents at that time.
#[derive(Debug)]
pub struct Opened {
    /// The history.
    pub history: History,
    /// A number above that of every stored report; at least 1.
    pub next_seq: u64,
    /// Cursor up to which the journal was read; `None`: never stored.
    pub cursor: Option<String>,
    /// Lanes with waiting reports.
    pub lanes: Vec<String>,
    /// Deaths that are open or held, oldest first.
    pub unfinished: Vec<StoredDeath>,
    /// The runs whose deaths were stored last.
    pub newest: Vec<InvocationId>,
    /// The damaged file that was found, if there was one.
    pub set_aside: Option<SetAside>,
}

/// A damaged file, set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its present path.
    pub to: PathBuf,
    /// Description of the damage.
    pub why: String,
    /// Number of deaths that could be carried over.
    pub salvaged: u64,
}

/// Numbers of deaths dropped for the bound in size, with all that belongs to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Deaths that were done.
    pub sent: u64,
    /// Deaths that were undecided, or had a waiting report.
    pub unsent: u64,
}

/// Changes that violate the checks of the tables, and always will: they were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Number of the changes.
    pub changes: u64,
    /// Error of the last one.
    pub why: String,
}

/// Counters of the stored and the dropped rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Deaths.
    pub deaths: u64,
    /// Reports that wait for the broker.
    pub waiting: u64,
    /// Reports that the broker has acknowledged.
    pub sent: u64,
    /// Reports that the broker has rejected for good.
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
    /// Opens the history, or creates it; the directory must exist.
    ///
    /// A damaged file is set aside under another name, the previous one is deleted, and all
    /// readable rows are carried over into a new file. The bounds are enforced by the next
    /// [`History::apply`], which can report the dropped deaths.
    ///
    /// # Errors
    ///
    /// The disk is full, the file cannot be used, or a newer version has written it.
    pub fn open(path: &Path, bounds: Bounds, now_ms: u64) -> Result<Opened, HistoryError> {
        let finished = damage::finish(path, now_ms)?;
        match (Self::open_sound(path, bounds), finished) {
            (Err(HistoryError::Damaged(why)), _) => {
                let set_aside = damage::replace(path, now_ms, &why)?;
                Ok(Opened {
                    set_aside: Some(set_aside),
                    ..Self::open_sound(path, bounds)?
                })
            }
            (Ok(opened), Some(to)) => {
                let salvaged = opened.history.tallies()?.deaths;
                let why = "setting it aside was interrupted".to_owned();
                Ok(Opened {
                    set_aside: Some(SetAside { to, why, salvaged }),
                    ..opened
                })
            }
            (other, _) => other,
        }
    }

    fn open_sound(path: &Path, bounds: Bounds) -> Result<Opened, HistoryError> {
        let connection = schema::open(path)?;
        let history = Self {
            connection,
            path: path.to_owned(),
            bounds,
            doubles: change::Doubles::default(),
            refused: None,
        };
        let db = &history.connection;
        let next_seq = history.judged(ask::next_seq(db))?;
        let cursor = history.judged(ask::cursor(db))?;
        let lanes = history.judged(ask::lanes(db))?;
        let unfinished = history.judged(ask::unfinished(db))?;
        let newest = history.judged(ask::newest(db, NEWEST))?;
        Ok(Opened {
            history,
            next_seq,
            cursor,
            lanes,
            unfinished,
            newest,
            set_aside: None,
        })
    }

    /// Stores a batch of changes, together or not at all; they are on disk when this returns. Then
    /// drops the surplus over the bounds. A change that violates the checks of the tables is left
    /// out: see [`History::take_refused`].
    ///
    /// # Errors
    ///
    /// After an error no change of the batch counts as stored. The batch may be applied again:
    /// stored rows stay as they are.
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
            // The space of the log on disk is free now.
            first = self.write(oldest, changes);
        }
        let (mut dropped, mut more) = self.judged(first)?;
        // The batch is stored. The next one repeats the steps that fail from here on.
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

    /// Returns the number of changes that were left out since the last call, and the last error.
    pub fn take_refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// Sets the bounds that hold from the next [`History::apply`] on.
    pub fn rebound(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Returns the waiting reports of a lane above `after_seq`, in the order of their numbers, at
    /// most `limit`.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn waiting(
        &self,
        lane: &str,
        after_seq: u64,
        limit: usize,
    ) -> Result<Vec<StoredReport>, HistoryError> {
        self.judged(ask::waiting(&self.connection, lane, after_seq, limit))
    }

    /// Returns the look-up of rows that are stored already.
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

    /// Runs one transaction: stores the changes, and drops some of the surplus. Returns the dropped
    /// deaths, and true if surplus remains.
    fn write(&mut self, oldest: u64, changes: &[Change]) -> rusqlite::Result<(Dropped, bool)> {
        let room = Room::new(&self.connection, self.bounds)?;
        let mut batch = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut refused = Vec::new();
        for one in changes {
            let part = batch.savepoint()?;
            match change::make(&part, one, &mut self.doubles) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                    refused.push(error)
                }
                other => other.and_then(|()| part.commit())?,
            }
        }
        let pass = room::make_room(&batch, &room, oldest)?;
        batch.commit()?;
        if let Some(last) = refused.last() {
            let before = self.refused.take().map_or(0, |refused| refused.changes);
            self.refused = Some(Refused {
                changes: before + refused.len() as u64,
                why: last.to_string(),
            });
        }
        if pass.shrinks || self.log_size() >= room.log {
            // The batch is stored even if this fails; the next one tries it again.
            let _ = room::empty_log(&self.connection, schema::PATIENCE);
        }
        Ok((pass.dropped, pass.more))
    }

    /// Returns true if the log may grow by a batch. It should have been emptied before; if that is
    /// still impossible, it must not grow without bound.
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
