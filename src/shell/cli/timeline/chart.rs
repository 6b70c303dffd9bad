//! A drawing, independent of its output as text or as a picture: lanes with bars, and moments.

mod full_restart;
mod overview;
mod recovery;

use super::scale::{Ms, Scale};
use crate::shell::survey::timeline::Document;
use jiff::tz::TimeZone;

/// A drawing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart {
    /// Subject of the drawing.
    pub(super) title: String,
    /// Time, outcome and duration, in one line.
    pub(super) summary: String,
    /// Notes that are needed to read it correctly.
    pub(super) notes: Vec<String>,
    /// Lanes, from top to bottom.
    pub(super) lanes: Vec<Lane>,
    /// Moments, in chronological order.
    pub(super) moments: Vec<Moment>,
    /// The axis.
    pub(super) scale: Scale,
    /// Meaning of the axis's ticks.
    pub(super) clock: Clock,
}

/// Meaning of the ticks of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// Time since the beginning, 0.
    Since,
    /// The time of day.
    OfDay,
}

/// One line of the drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lane {
    /// The unit, start or step that the lane shows.
    pub(super) label: String,
    /// Rank of the lane, which says if it belongs to the lane above.
    pub(super) rank: Rank,
    /// Bars, in chronological order.
    pub(super) bars: Vec<Bar>,
}

/// Rank of a lane, which sets the indentation of its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// A unit.
    Unit,
    /// A start of it, or a member.
    Part,
    /// A step of that start.
    Step,
}

/// A span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) from: Ms,
    pub(super) to: Ms,
    pub(super) kind: Kind,
    /// Text beside its length.
    pub(super) label: String,
}

/// Meaning of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The main process does not run.
    Down,
    /// A start waits; in the overview, a recovery is under way.
    Backoff,
    /// A start; in its own drawing, a full restart.
    Starting,
    /// A start that failed, from its beginning to its end.
    StartFailed,
    /// A step that succeeded.
    Done,
    /// A step that failed; in the overview, a recovery with a failed step.
    Failed,
    /// A step whose time is not known.
    Untimed,
    /// A step acts on another unit.
    Dependant,
    /// The main process runs.
    Running,
    /// In the overview, a complete recovery.
    Recovered,
    /// In the overview, a recovery that was given up, or a full restart that failed.
    GivenUp,
    /// In the overview, a full restart.
    FullRestart,
}

impl Kind {
    /// All of them, in the order of the legend.
    pub(super) const ALL: [Self; 12] = [
        Self::Down,
        Self::Backoff,
        Self::Starting,
        Self::StartFailed,
        Self::Done,
        Self::Failed,
        Self::Untimed,
        Self::Dependant,
        Self::Running,
        Self::FullRestart,
        Self::Recovered,
        Self::GivenUp,
    ];

    /// Returns its text in the legend.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Backoff => "wait",
            Self::Starting => "start",
            Self::StartFailed => "failed start",
            Self::Done => "step",
            Self::Failed => "failed step",
            Self::Untimed => "step, time not known",
            Self::Dependant => "dependant",
            Self::Running => "running",
            Self::Recovered => "recovered",
            Self::GivenUp => "given up, ended or failed",
            Self::FullRestart => "full restart",
        }
    }

    /// Returns its letter in the text form.
    pub(super) const fn letter(self) -> char {
        match self {
            Self::Down => '#',
            Self::Backoff => '.',
            Self::Starting | Self::FullRestart => '>',
            Self::StartFailed | Self::Failed | Self::GivenUp => 'x',
            Self::Done | Self::Recovered => '=',
            Self::Untimed => '?',
            Self::Dependant => '~',
            Self::Running => '-',
        }
    }
}

/// A moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: Ms,
    pub(super) label: String,
}

impl Chart {
    /// Makes the drawing of a document: of one recovery or full restart in detail, or of all since
    /// a time.
    pub(super) fn of(document: &Document, zone: &TimeZone) -> Self {
        match (
            document.since,
            document.recoveries.as_slice(),
            document.full_restarts.as_slice(),
        ) {
            (None, [recovery, ..], _) => recovery::chart(recovery, document.now, zone),
            (None, [], [restart, ..]) => full_restart::chart(restart, document.now, zone),
            (since, ..) => overview::chart(document, since.unwrap_or(0), zone),
        }
    }
}

/// Returns an axis on which all bars are visible, except those that only fill up the rest.
fn scale(lanes: &[Lane], to: Ms) -> Scale {
    let bars = lanes
        .iter()
        .flat_map(|lane| &lane.bars)
        .filter(|bar| bar.kind != Kind::Running);
    Scale::around(
        0,
        to,
        &bars.map(|bar| (bar.from, bar.to)).collect::<Vec<_>>(),
    )
}

/// Formats a span, short enough for a column: `184ms`, `4.312s`, `2min 5s`, `3h 20min`.
pub(super) fn span(ms: Ms) -> String {
    let (seconds, minutes, hours) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 if ms.is_multiple_of(1_000) => format!("{seconds}s"),
        1_000..60_000 => {
            let digits = format!("{seconds}.{:03}", ms % 1_000);
            format!("{}s", digits.trim_end_matches('0'))
        }
        60_000..3_600_000 if seconds.is_multiple_of(60) => format!("{minutes}min"),
        60_000..3_600_000 => format!("{minutes}min {}s", seconds % 60),
        _ if minutes.is_multiple_of(60) => format!("{hours}h"),
        _ => format!("{hours}h {}min", minutes % 60),
    }
}

/// Formats a count: `1 restart`, `2 restarts`.
fn counted(count: u64, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// Joins the parts that are present with commas.
fn listed(parts: impl IntoIterator<Item = Option<String>>) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_short_and_says_what_matters() {
        for (ms, expect) in [
            (0, "0ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (4_312, "4.312s"),
            (30_500, "30.5s"),
            (60_000, "1min"),
            (125_900, "2min 5s"),
            (3_600_000, "1h"),
            (90_000_000 + 120_000, "25h 2min"),
        ] {
            assert_eq!(span(ms), expect);
        }
    }
}
