//! What of something the history knows already, asked of the history itself or, where it cannot be opened for writing, of
//! one that can only be read.

use super::entry::{Key, RestartKnown};
use super::error::HistoryError;
use super::{ask, schema};
use rusqlite::Connection;
use std::path::Path;

/// The history, as far as somebody wants to know what need not be told again.
#[derive(Debug, Clone, Copy)]
pub struct Known<'h> {
    connection: &'h Connection,
    path: &'h Path,
}

impl<'h> Known<'h> {
    pub(super) const fn of(connection: &'h Connection, path: &'h Path) -> Self {
        Self { connection, path }
    }

    /// How far the journal was read; `None`: never stored.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn cursor(self) -> Result<Option<String>, HistoryError> {
        self.judged(ask::cursor(self.connection))
    }

    /// Those deaths that are not stored. One that was dropped not long ago counts as stored.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn unknown_deaths(self, keys: Vec<Key>) -> Result<Vec<Key>, HistoryError> {
        self.judged(ask::unknown_deaths(self.connection, keys))
    }

    /// Those deaths whose recovery is not stored. One that was dropped not long ago counts as stored.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn unknown_recoveries(self, keys: Vec<Key>) -> Result<Vec<Key>, HistoryError> {
        self.judged(ask::unknown_recoveries(self.connection, keys))
    }

    /// Those full restarts that are not stored; each by its boot, the stack's unit and the run of it that ended.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn unknown_restarts(self, ended: Vec<Key>) -> Result<Vec<Key>, HistoryError> {
        self.judged(ask::unknown_restarts(self.connection, ended))
    }

    /// How far this full restart is known. One that was dropped not long ago counts as known.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn restart_known(self, key: &Key) -> Result<RestartKnown, HistoryError> {
        self.judged(ask::restart_known(self.connection, key))
    }

    /// Tells what an error is. A damaged file is not touched any more, also not by closing it.
    pub(super) fn judged<T>(self, result: rusqlite::Result<T>) -> Result<T, HistoryError> {
        result.map_err(|error| {
            let error = HistoryError::new(error, self.path);
            if matches!(error, HistoryError::Damaged(_)) {
                schema::keep_as_is(self.connection);
            }
            error
        })
    }
}
