//! Layout of a status.

use crate::core::visible::visible;
use crate::shell::cli::desk::{Sheet, ago};
use crate::shell::cli::reports::table::time;
use jiff::tz::TimeZone;

/// Columns before the colons.
pub(super) const INDENT: usize = 13;

/// Text of lines with a key and a value, and of blocks.
pub(super) struct Page<'a> {
    sheet: Sheet,
    zone: &'a TimeZone,
    now: u64,
    pub(super) text: String,
}

impl<'a> Page<'a> {
    /// Begins a page; `now`: the time of the answer, in milliseconds since the epoch.
    pub(super) const fn new(sheet: Sheet, zone: &'a TimeZone, now: u64) -> Self {
        Self {
            sheet,
            zone,
            now,
            text: String::new(),
        }
    }

    pub(super) fn line(&mut self, key: &str, value: &str) {
        self.painted(key, value, "");
    }

    pub(super) fn painted(&mut self, key: &str, value: &str, colour: &str) {
        let colon = if key.is_empty() { ' ' } else { ':' };
        let line = format!("{key:>INDENT$}{colon} {}", visible(value));
        for part in self.sheet.folded(&line, INDENT + 2).lines() {
            self.text.push_str(&self.sheet.paint.line(part, colour));
        }
    }

    /// Adds several values, one below the other.
    pub(super) fn lines(&mut self, key: &str, values: impl IntoIterator<Item = String>) {
        let mut key = key;
        for value in values {
            self.line(key, &value);
            key = "";
        }
    }

    /// Formats a time as `2025-02-06 10:42:23.968, 3min ago`.
    pub(super) fn at(&self, at: u64) -> String {
        format!("{}, {}", time(at, self.zone), ago(Some(at), self.now))
    }

    pub(super) fn since(&self, at: Option<u64>) -> String {
        at.map_or_else(String::new, |at| format!(" since {}", self.at(at)))
    }
}
