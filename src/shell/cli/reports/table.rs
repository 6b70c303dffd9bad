//! The list for people: one line a death, in columns.
//!
//! A follower's later lines keep to the columns of those before, and only grow wider.

use crate::core::visible::visible;
use crate::edge::history::Tallies;
use crate::shell::survey::reports::document::{Became, Document, Recovery};
use comfy_table::{ColumnConstraint, TableStyle, Width};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

const HEADER: [&str; 7] = ["TIME", "ID", "WARD", "REASON", "PID", "REPORT", "RECOVERY"];
/// Digits of an InvocationID that tell one from the other on a host.
const DIGITS: usize = 8;
/// What stands where nothing is known.
pub(in crate::shell::cli) const NOTHING: &str = "-";

/// Whether lines are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::shell::cli) enum Paint {
    Plain,
    Ansi,
}

/// The table so far.
pub(super) struct Table {
    paint: Paint,
    widths: Vec<u16>,
}

impl Table {
    pub(super) fn new(paint: Paint) -> Self {
        Self { paint, widths: Vec::new() }
    }

    /// The lines of these deaths; the first ones have a header above them.
    pub(super) fn lines(&mut self, found: &[Document], zone: &TimeZone) -> String {
        if found.is_empty() {
            return String::new();
        }
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new());
        let headed = self.widths.is_empty();
        if headed {
            table.set_header(HEADER);
        }
        table.add_rows(found.iter().map(|told| cells(told, zone)));
        for (place, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if let Some(width) = self.widths.get(place) {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(*width)));
            }
        }
        let now = table.column_max_content_widths();
        let padded =
            now.iter().enumerate().map(|(place, width)| (width + 2).max(self.widths.get(place).copied().unwrap_or(0)));
        self.widths = padded.collect();
        let painted = headed.then_some(HEADING).into_iter().chain(found.iter().map(colour));
        let lines = table.lines().zip(painted);
        lines.map(|(line, colour)| self.paint.line(line.trim_end(), colour)).collect()
    }
}

impl Paint {
    /// A line in this colour, the parameters of ANSI's "select graphic rendition".
    pub(in crate::shell::cli) fn line(self, text: &str, colour: &str) -> String {
        match self {
            Self::Ansi if !colour.is_empty() => format!("\x1b[{colour}m{text}\x1b[0m\n"),
            Self::Ansi | Self::Plain => format!("{text}\n"),
        }
    }
}

/// Bold.
pub(in crate::shell::cli) const HEADING: &str = "1";

/// Red where something is lost for good, yellow where something is still to come.
fn colour(told: &Document) -> &'static str {
    let outcome = told.recovery.as_ref().map(|recovery| recovery.outcome.as_str()).or(went(told));
    match told.report {
        Some(Became::Refused) => "31",
        _ if matches!(outcome, Some("step-failed" | "excluded" | "failed")) => "31",
        Some(Became::Waiting | Became::Held) => "33",
        _ => "",
    }
}

fn cells(told: &Document, zone: &TimeZone) -> [String; 7] {
    [
        time(told.timestamp, zone),
        told.invocation.chars().take(DIGITS).collect(),
        visible(&told.ward),
        told.reason.as_deref().map_or_else(|| NOTHING.to_owned(), visible),
        told.pid.map_or_else(|| NOTHING.to_owned(), |pid| pid.to_string()),
        told.report.map_or(NOTHING, Became::word).to_owned(),
        told.recovery.as_ref().map_or_else(|| went(told).unwrap_or(NOTHING).to_owned(), recovered),
    ]
}

/// How a full restart went.
fn went(told: &Document) -> Option<&str> {
    told.full_restart.as_ref()?.outcome.as_deref()
}

/// `recovered, 184ms down`.
fn recovered(recovery: &Recovery) -> String {
    let outcome = visible(&recovery.outcome);
    match recovery.downtime_ms {
        Some(ms) => format!("{outcome}, {} down", span(ms)),
        None => outcome,
    }
}

/// Local time with milliseconds.
pub(in crate::shell::cli) fn time(ms: u64, zone: &TimeZone) -> String {
    let stamp = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    stamp.map_or_else(|| NOTHING.to_owned(), |stamp| stamp.to_zoned(zone.clone()).strftime("%F %T%.3f").to_string())
}

/// `4s 312ms`.
pub(in crate::shell::cli) fn span(ms: u64) -> String {
    humantime::format_duration(Duration::from_millis(ms)).to_string()
}

/// The line below the table: `12 deaths, 10 reports sent, 2 waiting.` Without the history at hand nothing is known of drops.
pub(super) fn sum(found: &[Document], stored: Option<Tallies>) -> String {
    let became = |wanted: Became| found.iter().filter(|told| told.report == Some(wanted)).count();
    let (sent, waiting, refused) = (became(Became::Sent), became(Became::Waiting), became(Became::Refused));
    let restarts = found.iter().filter(|told| told.full_restart.is_some()).count();
    let mut line = counted(found.len() - restarts, "death");
    if restarts > 0 {
        line.push_str(&format!(", {}", counted(restarts, "full restart")));
    }
    line.push_str(&format!(", {} sent, {waiting} waiting", counted(sent, "report")));
    if refused > 0 {
        line.push_str(&format!(", {refused} refused"));
    }
    line.push('.');
    let Tallies { dropped_sent, dropped_unsent, .. } = stored.unwrap_or_default();
    if dropped_sent + dropped_unsent > 0 {
        let dropped = format!(" Dropped for HistoryMaxUse= so far: {}", dropped_sent + dropped_unsent);
        line.push_str(&dropped);
        let unsent = if dropped_unsent > 0 { format!(", {dropped_unsent} of them unsent.") } else { ".".to_owned() };
        line.push_str(&unsent);
    }
    line
}

/// `1 death`, `2 deaths`.
pub(in crate::shell::cli) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
