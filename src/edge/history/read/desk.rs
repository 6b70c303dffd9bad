//! Queries of a status, which shows few rows.

use super::told::RESTARTS_SINCE;
use super::{Reader, Told, version};
use crate::edge::history::HistoryError;
use crate::edge::history::row;
use rusqlite::params;

impl Reader {
    /// Returns the deaths with this name in reports that were stored last, at most `count`.
    ///
    /// They come in the order of their times. There is no index for the
    /// name: rows are read from the newest on until there are enough, so for a name that never died
    /// all of them are. `HistoryMaxUse=` bounds that.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn last_deaths(&self, name: &str, count: u32) -> Result<Vec<Told>, HistoryError> {
        let condition = "d.id IN (SELECT id FROM deaths WHERE name = ?1 ORDER BY id DESC LIMIT ?2) ORDER BY d.at, d.id";
        self.all(condition, params![name, count])
    }

    /// Returns the full restarts of a stack, by its file's stem, that were stored last, at most
    /// `count`.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn last_restarts(&self, stack: &str, count: u32) -> Result<Vec<Told>, HistoryError> {
        if self.judged(version(&self.connection))? < RESTARTS_SINCE {
            return Ok(Vec::new());
        }
        let condition = "d.id IN (SELECT death FROM restarts WHERE stack = ?1 ORDER BY death DESC LIMIT ?2) ORDER BY d.at, d.id";
        self.all(condition, params![stack, count])
    }

    /// Returns the number of reports that wait for the broker.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn waiting(&self) -> Result<u64, HistoryError> {
        self.judged(self.connection.query_row(
            "SELECT count(*) FROM reports WHERE state = 0",
            [],
            |found| row::unsigned(found, 0),
        ))
    }

    /// Returns the number of waiting reports of this lane.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn waiting_of(&self, lane: &str) -> Result<u64, HistoryError> {
        let query = "SELECT count(*) FROM reports WHERE state = 0 AND lane = ?1";
        self.judged(
            self.connection
                .query_row(query, [lane], |found| row::unsigned(found, 0)),
        )
    }
}
