//! The text form: one line for each event, with the time since the death, its duration, and a bar.
//! Its lines have 80 columns.

use super::chart::{Bar, Chart, Kind, Lane, Moment, Rank, span};
use super::scale::Ms;
use crate::core::visible::visible;
use crate::shell::cli::reports::time;
use crate::shell::survey::timeline::{Document, FullRestart, Recovery};
use jiff::tz::TimeZone;

/// Columns of a line.
const WIDTH: usize = 80;
/// Columns of a time.
const TIME: usize = 9;
/// Columns of the words.
const WORDS: usize = 38;
/// Columns of the bars.
const BARS: usize = WIDTH - 2 * TIME - WORDS - 4;

/// Returns the text of a drawing of one recovery or full restart.
pub(super) fn text(chart: &Chart) -> String {
    let mut lines = wrapped(&chart.title, WIDTH);
    lines.extend(wrapped(&chart.summary, WIDTH));
    lines.extend(chart.notes.iter().flat_map(|note| wrapped(note, WIDTH)));
    lines.push(String::new());
    let last = chart
        .lanes
        .iter()
        .flat_map(|lane| &lane.bars)
        .map(|bar| bar.to)
        .max()
        .unwrap_or(0);
    let end = span(last);
    let axis = format!("|0{end:>width$}|", width = BARS - 1);
    lines.push(line(["TIME", "TOOK", "WHAT"], &axis));
    lines.extend(rows(chart).into_iter().flat_map(|row| row.lines(chart)));
    let mut used: Vec<Kind> = chart
        .lanes
        .iter()
        .flat_map(|lane| &lane.bars)
        .map(|bar| bar.kind)
        .collect();
    used.sort_unstable();
    used.dedup_by_key(|kind| kind.letter());
    let words = used
        .iter()
        .map(|kind| format!("{} {}", kind.letter(), kind.words()))
        .collect::<Vec<_>>()
        .join("   ");
    lines.push(String::new());
    lines.extend(wrapped(&words, WIDTH));
    if chart.scale.is_stretched() {
        lines.push("The bars' axis is stretched where much happens.".to_owned());
    }
    lines
        .into_iter()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// Content of one line.
struct Row<'a> {
    at: Option<Ms>,
    took: Option<Ms>,
    words: String,
    bars: &'a [Bar],
    moment: Option<Ms>,
}

/// Returns all lines in chronological order; simultaneous events are in the order of the lanes.
fn rows(chart: &Chart) -> Vec<Row<'_>> {
    let (first, later) = chart.moments.split_at(chart.moments.len().min(1));
    let mut rows: Vec<Row<'_>> = first.iter().map(of_moment).collect();
    rows.extend(chart.lanes.iter().map(of_lane));
    rows.extend(later.iter().map(of_moment));
    rows.sort_by_key(|row| row.at.unwrap_or(0));
    rows
}

fn of_moment(moment: &Moment) -> Row<'_> {
    Row {
        at: Some(moment.at),
        took: None,
        words: moment.label.clone(),
        bars: &[],
        moment: Some(moment.at),
    }
}

fn of_lane(lane: &Lane) -> Row<'_> {
    let told: Vec<&Bar> = lane
        .bars
        .iter()
        .filter(|bar| bar.kind != Kind::Running)
        .collect();
    // Where the clock was set back, the last bar is not the latest.
    let (from, to) = (
        told.iter().map(|bar| bar.from).min(),
        told.iter().map(|bar| bar.to).max(),
    );
    // The duration of the whole has a column of its own; of several parts, the first one's duration
    // is added.
    let mut said: Vec<String> = told.iter().map(|bar| bar.label.clone()).collect();
    if let (Some(first), [bar, _, ..]) = (said.first_mut(), told.as_slice()) {
        *first = format!("{first} {}", span(bar.to.saturating_sub(bar.from)));
    }
    said.retain(|word| !word.is_empty());
    let colon = if said.is_empty() { "" } else { ": " };
    let indent = match lane.rank {
        Rank::Unit => "",
        Rank::Part => " ",
        Rank::Step => "  ",
    };
    let words = [indent, &lane.label, colon, &said.join(", ")].concat();
    Row {
        at: from,
        took: from.zip(to).map(|(from, to)| to.saturating_sub(from)),
        words,
        bars: &lane.bars,
        moment: None,
    }
}

impl Row<'_> {
    fn lines(&self, chart: &Chart) -> Vec<String> {
        let at = self
            .at
            .map(|at| format!("+{}", span(at)))
            .unwrap_or_default();
        let took = self.took.map(span).unwrap_or_default();
        let mut cells = vec![' '; BARS];
        for bar in self.bars {
            let (from, to) = (cell(chart, bar.from).min(BARS - 1), cell(chart, bar.to));
            // Every bar has at least one column.
            cells[from..to.max(from + 1)].fill(bar.kind.letter());
        }
        if let Some(at) = self.moment {
            cells[cell(chart, at).min(BARS - 1)] = '|';
        }
        let indent: String = self.words.chars().take_while(|c| *c == ' ').collect();
        let mut words = wrapped(self.words.trim_start(), WORDS - indent.len()).into_iter();
        let first = [indent.clone(), words.next().unwrap_or_default()].concat();
        let mut lines = vec![line(
            [&at, &took, &first],
            &format!("|{}|", cells.into_iter().collect::<String>()),
        )];
        lines.extend(words.map(|more| line(["", "", &format!("{indent}{more}")], "")));
        lines
    }
}

/// Returns the column of a moment.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "0 to BARS"
)]
fn cell(chart: &Chart, at: Ms) -> usize {
    ((chart.scale.place(at) * BARS as f64).round() as usize).min(BARS)
}

fn line([at, took, words]: [&str; 3], bars: &str) -> String {
    let words = cut(words, WORDS);
    format!("{at:>TIME$}{took:>TIME$}  {words:<WORDS$}{bars}")
}

/// Returns the text, shortened if it is longer.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}~", kept.trim_end())
}

/// Returns the text in lines of this width; a longer word is shortened.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always one");
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.into_iter().map(|line| cut(&line, width)).collect()
}

/// Returns the list of all recoveries and full restarts, one line each.
pub(super) fn list(document: &Document, zone: &TimeZone) -> String {
    let recoveries = document
        .recoveries
        .iter()
        .map(|recovery| (recovery.timestamp, of_recovery(recovery, zone)));
    let restarts = document
        .full_restarts
        .iter()
        .map(|restart| (restart.timestamp, of_restart(restart, zone)));
    let mut lines: Vec<_> = recoveries.chain(restarts).collect();
    if lines.is_empty() {
        return String::new();
    }
    lines.sort_by_key(|(at, _)| *at);
    let header = columns(["TIME", "ID", "NAME", "REASON", "OUTCOME", "DOWN"]);
    std::iter::once(header)
        .chain(lines.into_iter().map(|(_, line)| line))
        .collect()
}

fn of_recovery(recovery: &Recovery, zone: &TimeZone) -> String {
    let down = recovery.downtime_ms.map_or_else(|| "-".to_owned(), span);
    let at = short_time(recovery.timestamp, zone);
    let reason = recovery.reason.as_deref().unwrap_or("-");
    columns([
        &at,
        short_id(&recovery.invocation),
        &recovery.ward,
        reason,
        &recovery.outcome,
        &down,
    ])
}

fn of_restart(restart: &FullRestart, zone: &TimeZone) -> String {
    let took = restart.end_ms.map_or_else(|| "-".to_owned(), span);
    let at = short_time(restart.timestamp, zone);
    let reason = format!("by {}", restart.caller);
    let outcome = restart.outcome.as_deref().unwrap_or("-");
    columns([
        &at,
        short_id(&restart.invocation),
        &restart.stack,
        &reason,
        outcome,
        &took,
    ])
}

fn short_id(invocation: &str) -> &str {
    invocation.get(..8).unwrap_or(invocation)
}

/// Formats a time as month, day and time of day.
fn short_time(at: u64, zone: &TimeZone) -> String {
    let whole = time(at, zone);
    whole.get(5..19).map_or(whole.clone(), str::to_owned)
}

fn columns([at, id, name, reason, outcome, down]: [&str; 6]) -> String {
    let [name, reason, outcome] =
        [(name, 13), (reason, 15), (outcome, 14)].map(|(text, width)| cut(&visible(text), width));
    format!("{at:<14}  {id:<8}  {name:<13} {reason:<15} {outcome:<14} {down:>9}\n")
}
