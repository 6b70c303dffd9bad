//! The list for people: one line a death, in columns.
//!
//! Later lines of `--follow` keep the columns of earlier ones, and only grow wider.

use crate::core::visible::visible;
use crate::edge::history::Tallies;
use crate::shell::cli::desk::{Sheet, coarse};
use crate::shell::survey::reports::document::{Became, Document, Recovery};
use comfy_table::{ColumnConstraint, TableStyle, Width};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

const HEADER: [&str; 7] = ["TIME", "ID", "WARD", "REASON", "PID", "REPORT", "RECOVERY"];
/// Header of the brief form, for a narrow terminal.
const BRIEF_HEADER: [&str; 6] = ["TIME", "ID", "WARD", "REASON", "REPORT", "RECOVERY"];
/// Index of the ward's and of the reason's column in both headers.
const WARD: usize = 2;
const REASON: usize = 3;
/// Minimum number of columns of a shortened ward's name or reason.
const SHORTEST: usize = 6;
/// Number of digits of an InvocationID that distinguish deaths on a host.
const DIGITS: usize = 8;
/// Placeholder for an unknown value.
pub(in crate::shell::cli) const NOTHING: &str = "-";

/// Use of colours in lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell::cli) enum Paint {
    Plain,
    Ansi,
}

/// Level of detail of a death's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Full,
    /// For an 80-column terminal: no year, no PID, times in one unit.
    Brief,
}

/// State of the table between calls.
pub(super) struct Table {
    sheet: Sheet,
    detail: Detail,
    widths: Vec<u16>,
}

impl Table {
    pub(super) fn new(sheet: Sheet) -> Self {
        Self {
            sheet,
            detail: Detail::Full,
            widths: Vec::new(),
        }
    }

    /// Returns the lines of these deaths; a header precedes the first ones, and the first ones in
    /// the brief form.
    pub(super) fn lines(&mut self, found: &[Document], zone: &TimeZone) -> String {
        if found.is_empty() {
            return String::new();
        }
        if self.detail == Detail::Full {
            let rows = found.iter().map(|told| cells(told, zone).into()).collect();
            let (lines, widths) = self.laid(rows);
            if self
                .sheet
                .width
                .is_none_or(|room| lines.iter().all(|line| line.chars().count() <= room))
            {
                return self.painted(&lines, widths, found);
            }
            (self.detail, self.widths) = (Detail::Brief, Vec::new());
        }
        let mut rows: Vec<Vec<String>> = found
            .iter()
            .map(|told| brief_cells(told, zone).into())
            .collect();
        let room = self.sheet.width.unwrap_or(usize::MAX);
        for (place, shorten) in [
            (REASON, without_brackets as fn(&mut String, usize)),
            (REASON, cut),
            (WARD, cut),
        ] {
            let lines = self.laid(rows.clone()).0;
            let longest = lines
                .iter()
                .map(|line| line.chars().count())
                .max()
                .unwrap_or(0);
            let widest = rows
                .iter()
                .map(|row| letters(&row[place]))
                .max()
                .unwrap_or(0);
            let left = widest
                .saturating_sub(longest.saturating_sub(room))
                .max(SHORTEST);
            rows.iter_mut()
                .filter(|row| letters(&row[place]) > left)
                .for_each(|row| shorten(&mut row[place], left));
        }
        let (lines, widths) = self.laid(rows);
        self.painted(&lines, widths, found)
    }

    /// Lays the rows out; returns their lines, with a header if they are the first, and the widths
    /// of their columns.
    fn laid(&self, rows: Vec<Vec<String>>) -> (Vec<String>, Vec<u16>) {
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new());
        match self.detail {
            Detail::Full if self.widths.is_empty() => drop(table.set_header(HEADER)),
            Detail::Brief if self.widths.is_empty() => drop(table.set_header(BRIEF_HEADER)),
            Detail::Full | Detail::Brief => {}
        }
        table.add_rows(rows);
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if let Some(width) = self.widths.get(place) {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(*width)));
            }
        }
        let now = table.column_max_content_widths();
        let padded = now
            .iter()
            .enumerate()
            .map(|(place, width)| (width + 2).max(self.widths.get(place).copied().unwrap_or(0)));
        (
            table
                .lines()
                .map(|line| line.trim_end().to_owned())
                .collect(),
            padded.collect(),
        )
    }

    fn painted(&mut self, lines: &[String], widths: Vec<u16>, found: &[Document]) -> String {
        let header = self.widths.is_empty().then_some(HEADING);
        self.widths = widths;
        let colours = header.into_iter().chain(found.iter().map(colour));
        lines
            .iter()
            .zip(colours)
            .map(|(line, colour)| self.sheet.line(line, colour))
            .collect()
    }
}

/// Removes the explanation in brackets: `SIG 11 (Segmentation fault)` becomes `SIG 11`.
fn without_brackets(reason: &mut String, _: usize) {
    if let Some((code, _)) = reason.split_once(" (") {
        *reason = code.to_owned();
    }
}

fn cut(text: &mut String, width: usize) {
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    *text = kept + "…";
}

impl Paint {
    /// Returns a line in this colour, given as parameters of ANSI's "select graphic rendition".
    pub(in crate::shell::cli) fn line(self, text: &str, colour: &str) -> String {
        match self {
            Self::Ansi if !colour.is_empty() => format!("\x1b[{colour}m{text}\x1b[0m\n"),
            Self::Ansi | Self::Plain => format!("{text}\n"),
        }
    }
}

/// Colour parameter of headers: bold.
pub(in crate::shell::cli) const HEADING: &str = "1";

/// Returns the colour of a death's line: red for a permanent failure, yellow for a report that is
/// pending.
fn colour(told: &Document) -> &'static str {
    let outcome = told
        .recovery
        .as_ref()
        .map(|recovery| recovery.outcome.as_str())
        .or(went(told));
    match told.report {
        Some(Became::Refused) => "31",
        _ if matches!(outcome, Some("step-failed" | "excluded" | "failed")) => "31",
        _ if told.is_left_down() => "31",
        Some(Became::Waiting | Became::Held) => "33",
        _ => "",
    }
}

fn cells(told: &Document, zone: &TimeZone) -> [String; 7] {
    [
        time(told.timestamp, zone),
        id(told),
        visible(&told.ward),
        told.reason
            .as_deref()
            .map_or_else(|| NOTHING.to_owned(), visible),
        told.pid
            .map_or_else(|| NOTHING.to_owned(), |pid| pid.to_string()),
        told.report.map_or(NOTHING, Became::word).to_owned(),
        told.recovery.as_ref().map_or_else(
            || went(told).map_or_else(|| standing(told), str::to_owned),
            recovered,
        ),
    ]
}

/// Returns the brief form of the cells: `02-06 11:42:24`, `recovered 184ms`.
fn brief_cells(told: &Document, zone: &TimeZone) -> [String; 6] {
    let [at, id, ward, reason, _, report, recovery] = cells(told, zone);
    let recovery = match told
        .recovery
        .as_ref()
        .and_then(|recovery| Some((recovery, recovery.downtime_ms?)))
    {
        Some((recovery, ms @ ..1_000)) => format!("{} {ms}ms", visible(&recovery.outcome)),
        Some((recovery, ms)) => format!("{} {}", visible(&recovery.outcome), coarse(ms)),
        None => recovery,
    };
    // Without its year and its milliseconds.
    let at = at.get(5..19).map(str::to_owned).unwrap_or(at);
    [at, id, ward, reason, report, recovery]
}

/// Returns the outcome of a full restart.
fn went(told: &Document) -> Option<&str> {
    told.full_restart.as_ref()?.outcome.as_deref()
}

/// Describes the recovery if none is stored: `under way`, `part of 1a2b3c4d`.
fn standing(told: &Document) -> String {
    match (told.recovery_state.as_deref(), &told.recovery_of) {
        (Some("part-of"), Some(first)) => {
            format!("part of {}", first.chars().take(DIGITS).collect::<String>())
        }
        (Some(word), _) => visible(&word.replace('-', " ")),
        (None, _) => NOTHING.to_owned(),
    }
}

/// Formats a recovery as `recovered, 184ms down`.
fn recovered(recovery: &Recovery) -> String {
    let outcome = visible(&recovery.outcome);
    match recovery.downtime_ms {
        Some(ms) => format!("{outcome}, {} down", span(ms)),
        None => outcome,
    }
}

/// Returns the ID of a death: the first digits of its InvocationID.
pub(super) fn id(told: &Document) -> String {
    told.invocation.chars().take(DIGITS).collect()
}

/// Formats a local time with milliseconds.
pub(in crate::shell::cli) fn time(ms: u64, zone: &TimeZone) -> String {
    let stamp = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    stamp.map_or_else(
        || NOTHING.to_owned(),
        |stamp| {
            stamp
                .to_zoned(zone.clone())
                .strftime("%F %T%.3f")
                .to_string()
        },
    )
}

/// Returns the number of letters of a text.
fn letters(text: &str) -> usize {
    text.chars().count()
}

/// Formats a span as `4s 312ms`.
pub(in crate::shell::cli) fn span(ms: u64) -> String {
    humantime::format_duration(Duration::from_millis(ms)).to_string()
}

/// Returns the number of deaths whose reports have become this.
fn became(found: &[Document], wanted: Became) -> usize {
    found
        .iter()
        .filter(|told| told.report == Some(wanted))
        .count()
}

/// Returns the line below the table: `12 deaths, 10 reports sent, 2 waiting.` Without the tallies
/// of the history, dropped deaths are not known.
pub(super) fn sum(found: &[Document], stored: Option<Tallies>) -> String {
    let (sent, waiting, refused) = (
        became(found, Became::Sent),
        became(found, Became::Waiting),
        became(found, Became::Refused),
    );
    let restarts = found
        .iter()
        .filter(|told| told.full_restart.is_some())
        .count();
    let mut line = counted(found.len() - restarts, "death");
    if restarts > 0 {
        line.push_str(&format!(", {}", counted(restarts, "full restart")));
    }
    line.push_str(&format!(
        ", {} sent, {waiting} waiting",
        counted(sent, "report")
    ));
    if refused > 0 {
        line.push_str(&format!(", {refused} refused"));
    }
    line.push('.');
    let Tallies {
        dropped_sent,
        dropped_unsent,
        ..
    } = stored.unwrap_or_default();
    if dropped_sent + dropped_unsent > 0 {
        let dropped = format!(
            " Dropped for HistoryMaxUse= so far: {}",
            dropped_sent + dropped_unsent
        );
        line.push_str(&dropped);
        let unsent = if dropped_unsent > 0 {
            format!(", {dropped_unsent} of them unsent.")
        } else {
            ".".to_owned()
        };
        line.push_str(&unsent);
    }
    line
}

/// Formats a count: `1 death`, `2 deaths`.
pub(in crate::shell::cli) fn counted(count: impl TryInto<usize>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(usize::MAX);
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

#[cfg(test)]
mod tests;
