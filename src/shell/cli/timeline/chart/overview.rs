//! Overview since a time: a lane for each ward and stack, with a bar for each of its recoveries.

use super::{Bar, Chart, Clock, Kind, Lane, Rank, counted, listed, span};
use crate::core::visible::visible;
use crate::shell::cli::reports::time;
use crate::shell::cli::timeline::scale::{Ms, Scale};
use crate::shell::survey::timeline::{Document, FullRestart, Recovery};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// Makes the drawing. Times on its axis are in milliseconds since the epoch.
pub(super) fn chart(document: &Document, since: u64, zone: &TimeZone) -> Chart {
    let mut bars: BTreeMap<(Family, String), Vec<Bar>> = BTreeMap::new();
    for restart in &document.full_restarts {
        bars.entry((Family::Stack, visible(&restart.stack)))
            .or_default()
            .extend(restart_bar(restart, document.now));
    }
    for recovery in &document.recoveries {
        bars.entry((Family::Ward, visible(&recovery.ward)))
            .or_default()
            .extend(recovery_bars(recovery, document.now));
    }
    let lanes: Vec<_> = bars
        .into_iter()
        .map(|((_, name), bars)| lane(name, bars))
        .collect();
    // The axis begins at the first bar and ends at the last one, so long times without events are
    // not drawn.
    let first = lanes
        .iter()
        .flat_map(|lane| &lane.bars)
        .map(|bar| bar.from)
        .min()
        .unwrap_or(since);
    let last = lanes
        .iter()
        .flat_map(|lane| &lane.bars)
        .map(|bar| bar.to)
        .max()
        .unwrap_or(document.now);
    let margin = (last.saturating_sub(first) / 40).max(20);
    let wards = lanes.len() - stacks(document);
    let count = match document.recoveries.len() {
        1 => "1 recovery".to_owned(),
        count => format!("{count} recoveries"),
    };
    Chart {
        title: format!(
            "{count} of {} since {}",
            counted(wards as u64, "ward"),
            time(since, zone)
        ),
        summary: summary(document),
        notes: Vec::new(),
        lanes,
        moments: Vec::new(),
        scale: Scale::even(first.saturating_sub(margin), last + margin),
        clock: Clock::OfDay,
    }
}

fn summary(document: &Document) -> String {
    let down: Ms = document
        .recoveries
        .iter()
        .filter_map(|recovery| recovery.down_ms.or(recovery.downtime_ms))
        .sum();
    let still = document
        .recoveries
        .iter()
        .filter(|recovery| recovery.is_down)
        .count() as u64;
    let unknown = document
        .recoveries
        .iter()
        .filter(|recovery| recovery.down_ms.is_none() && recovery.downtime_ms.is_none())
        .count() as u64;
    let restarts = u64::try_from(document.full_restarts.len()).unwrap_or(u64::MAX);
    listed([
        Some(format!("down for {} altogether", span(down))).filter(|_| down > 0),
        Some(format!("{still} still down")).filter(|_| still > 0),
        Some(format!("of {unknown} it is not known how long")).filter(|_| unknown > 0),
        Some(counted(restarts, "full restart")).filter(|_| restarts > 0),
    ])
}

/// Kind of a lane's subject; stacks come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Stack,
    Ward,
}

/// Returns the lane of one ward or stack, labelled with the number of its bars if there are
/// several.
fn lane(name: String, bars: Vec<Bar>) -> Lane {
    let label = match bars.len() {
        0 | 1 => name,
        count => format!("{name} ({count})"),
    };
    Lane {
        label,
        rank: Rank::Unit,
        bars,
    }
}

fn stacks(document: &Document) -> usize {
    let mut names: Vec<_> = document
        .full_restarts
        .iter()
        .map(|restart| &restart.stack)
        .collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

fn restart_bar(restart: &FullRestart, now: u64) -> Vec<Bar> {
    let to = restart.end_ms.map_or(now, |end| restart.timestamp + end);
    let kind = if restart.outcome.as_deref() == Some("failed") {
        Kind::GivenUp
    } else {
        Kind::FullRestart
    };
    vec![Bar {
        from: restart.timestamp,
        to,
        kind,
        label: String::new(),
    }]
}

/// Returns one bar for the whole recovery: its outcome matters more than its parts.
fn recovery_bars(recovery: &Recovery, now: u64) -> Vec<Bar> {
    let to = recovery.end_ms.map_or(now, |end| recovery.timestamp + end);
    let kind = match recovery.outcome.as_str() {
        "recovered" => Kind::Recovered,
        "step-failed" => Kind::Failed,
        "under-way" => Kind::Backoff,
        _ => Kind::GivenUp,
    };
    vec![Bar {
        from: recovery.timestamp,
        to,
        kind,
        label: String::new(),
    }]
}
