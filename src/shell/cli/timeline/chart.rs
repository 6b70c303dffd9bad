//! What is drawn, before it is known whether as text or as a picture: lanes with bars, and moments.

mod full_restart;
mod overview;
mod recovery;

use super::scale::{Ms, Scale};
use crate::shell::survey::timeline::Document;
use jiff::tz::TimeZone;

/// A drawing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart {
    /// What it is about.
    pub(super) title: String,
    /// Why, what came of it, how long it took.
    pub(super) summary: String,
    /// What must be known to read it rightly.
    pub(super) notes: Vec<String>,
    /// Top to bottom.
    pub(super) lanes: Vec<Lane>,
    /// Moments, in their order.
    pub(super) moments: Vec<Moment>,
    /// The axis.
    pub(super) scale: Scale,
    /// What its ticks count.
    pub(super) clock: Clock,
}

/// What an axis counts.
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
    /// Who or what.
    pub(super) label: String,
    /// Whether it belongs to the line above it.
    pub(super) rank: Rank,
    /// What it did, in the order of time.
    pub(super) bars: Vec<Bar>,
}

/// How far a lane's label is indented.
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
    /// What it says beside its length.
    pub(super) label: String,
}

/// What a bar stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The main process does not run.
    Down,
    /// A start waits.
    Backoff,
    /// A start.
    Starting,
    /// A start that failed, from its beginning to its end.
    StartFailed,
    /// A step that did what it should.
    Done,
    /// A step that did not.
    Failed,
    /// A step that nobody knows the time of.
    Untimed,
    /// Something happens to another unit.
    Dependant,
    /// The main process runs.
    Running,
    /// A whole recovery, one of many.
    Recovered,
    /// One that came to no good end.
    GivenUp,
    /// A full restart, one of many.
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

    /// Its words in the legend.
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

    /// Its letter in the text form.
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
    /// The drawing of a document: of one thing in detail, of all since a time together.
    pub(super) fn of(document: &Document, zone: &TimeZone) -> Self {
        match (document.since, document.recoveries.as_slice(), document.full_restarts.as_slice()) {
            (None, [recovery, ..], _) => recovery::chart(recovery, (document.now, zone)),
            (None, [], [restart, ..]) => full_restart::chart(restart, (document.now, zone)),
            (since, ..) => overview::chart(document, (since.unwrap_or(0), zone)),
        }
    }
}

/// An axis on which all bars can be seen; those that only fill up what is left need not.
fn scale(lanes: &[Lane], to: Ms) -> Scale {
    let bars = lanes.iter().flat_map(|lane| &lane.bars).filter(|bar| bar.kind != Kind::Running);
    Scale::around(0, to, &bars.map(|bar| (bar.from, bar.to)).collect::<Vec<_>>())
}

/// `184ms`, `4.312s`, `2min 5s`, `3h 20min`: short enough for a column.
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

/// `1 restart`, `2 restarts`.
fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Joins what is there with commas.
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
