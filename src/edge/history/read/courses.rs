//! Queries of a timeline: deaths that were recovered from, and full restarts.

use super::{Reader, Told};
use crate::edge::history::HistoryError;
use crate::edge::history::row;
use rusqlite::params;

/// Ward or stack whose courses are requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// Name of the ward or stack, or its name in reports.
    pub name: String,
    /// Its unit.
    pub unit: String,
}

/// SQL condition for the courses of one ward or stack, or of all. Its parameters are the name and
/// the unit.
const OF: &str = "(v.death IS NOT NULL OR s.death IS NOT NULL)
    AND (?1 IS NULL OR d.name = ?1 OR d.unit = ?2 OR s.stack = ?1)";

impl Reader {
    /// Returns the latest course, of `whose` if it is given.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn latest_course(&self, whose: Option<&Whose>) -> Result<Option<Told>, HistoryError> {
        let condition = format!("{OF} ORDER BY d.at DESC, d.id DESC LIMIT 1");
        let (name, unit) = columns(whose);
        Ok(self.all(&condition, params![name, unit])?.pop())
    }

    /// Returns the courses that began at or after `since`, in milliseconds since the epoch, in the
    /// order of their times; those of `whose` if it is given.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn courses(&self, since: u64, whose: Option<&Whose>) -> Result<Vec<Told>, HistoryError> {
        let condition = format!("{OF} AND d.at >= ?3 ORDER BY d.at, d.id");
        let (name, unit) = columns(whose);
        self.all(&condition, params![name, unit, row::number(since)])
    }
}

fn columns(whose: Option<&Whose>) -> (Option<&str>, Option<&str>) {
    (
        whose.map(|whose| whose.name.as_str()),
        whose.map(|whose| whose.unit.as_str()),
    )
}
