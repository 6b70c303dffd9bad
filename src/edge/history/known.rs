//! Look-up of rows that the history has already, in the history itself or, if it cannot be opened
//! for writing, in one that can only be read.

use super::entry::{Key, RestartKnown};
use super::error::HistoryError;
use super::{ask, schema};
use rusqlite::Connection;
use std::path::Path;

/// View of the history for checks of stored rows.
#[derive(Debug, Clone, Copy)]
pub struct Known<'h> {
    connection: &'h Connection,
    path: &'h Path,
}

impl<'h> Known<'h> {
    pub(super) const fn of(connection: &'h Connection, path: &'h Path) -> Self {
        Self { connection, path }
    }

    /// Returns the cursor up to which the journal was read; `None`: never stored.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn cursor(self) -> Result<Option<String>, HistoryError> {
        self.judged(ask::cursor(self.connection))
    }

    /// Returns the deaths that are not stored. One that was dropped recently counts as stored.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn unknown_deaths(self, keys: Vec<Key>) -> Result<Vec<Key>, HistoryError> {
        self.judged(ask::unknown_deaths(self.connection, keys))
    }

    /// Returns the deaths whose recovery is not stored. One that was dropped recently counts as
    /// stored.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn unknown_recoveries(self, keys: Vec<Key>) -> Result<Vec<Key>, HistoryError> {
        self.judged(ask::unknown_recoveries(self.connection, keys))
    }

    /// Returns the full restarts that are not stored; each is identified by its boot, the stack's
    /// unit and the run of it that ended. One that was dropped recently counts as stored.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn unknown_restarts(self, ended: Vec<Key>) -> Result<Vec<Key>, HistoryError> {
        self.judged(ask::unknown_restarts(self.connection, ended))
    }

    /// Returns the stored progress of a full restart. One that was dropped recently counts as over.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn restart_known(self, key: &Key) -> Result<RestartKnown, HistoryError> {
        self.judged(ask::restart_known(self.connection, key))
    }

    /// Classifies an error. A damaged file is not changed any more, not even by closing it.
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
