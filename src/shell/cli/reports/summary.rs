//! Summary of deaths, one line a ward: number of deaths, downtime, and the share of time in which
//! the ward was up.
//!
//! Downtime is taken from recoveries: from a death until the main process ran again; after one
//! that brought nothing back, or without one, until a later run was up, or so far. A death without
//! that time makes the sum a lower bound, and the availability an upper bound. Time in which the
//! host was off counts as up.

use super::table::{counted, time};
use crate::core::visible::visible;
use crate::shell::cli::desk::{Form, Sheet, coarse, columns, span};
use crate::shell::cli::{complain, write_json};
use crate::shell::survey::reports::document::Document;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// The period that is summed up, in milliseconds since the epoch.
pub(super) struct Window {
    /// Beginning; `None`: the first death that is known.
    pub(super) since: Option<u64>,
    /// End; `None`: now.
    pub(super) until: Option<u64>,
    pub(super) now: u64,
}

/// The same with both ends known.
#[derive(Debug, Clone, Copy)]
struct Period {
    since: u64,
    until: u64,
}

impl Period {
    fn contains(self, at: u64) -> bool {
        (self.since..=self.until).contains(&at)
    }
}

/// The document. The order of the fields is the order of the keys.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    /// Beginning of the period, in milliseconds since the epoch.
    since: u64,
    until: u64,
    /// Wards that died within the period.
    wards: Vec<OfWard>,
}

/// One ward.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfWard {
    ward: String,
    unit: String,
    deaths: u64,
    /// Number of deaths that systemd calls a failure.
    crashes: u64,
    /// Number of deaths without a full recovery.
    failed: u64,
    downtime_ms: u64,
    longest_downtime_ms: u64,
    /// Number of deaths whose downtime is not known.
    downtime_unknown: u64,
    /// Share of the period in which it was up, from 0 to 1.
    availability: f64,
    /// Time from the first death to the last, divided by the number of intervals.
    mean_time_between_deaths_ms: Option<u64>,
}

impl Summary {
    /// Sums up the deaths of the history, which are in the order of their times.
    pub(super) fn of(found: &[Document], window: &Window) -> Self {
        let first = found.first().map_or(window.now, |told| told.timestamp);
        let period = Period {
            since: window.since.unwrap_or(first),
            until: window.until.unwrap_or(window.now),
        };
        let mut wards: BTreeMap<(&str, &str), Vec<&Document>> = BTreeMap::new();
        for told in found.iter().filter(|told| told.full_restart.is_none()) {
            wards
                .entry((&told.ward, &told.unit))
                .or_default()
                .push(told);
        }
        let wards = wards
            .into_values()
            .filter_map(|deaths| OfWard::of(&deaths, period));
        Self {
            since: period.since,
            until: period.until,
            wards: wards.collect(),
        }
    }
}

impl OfWard {
    fn of(all: &[&Document], period: Period) -> Option<Self> {
        let deaths: Vec<&Document> = all
            .iter()
            .copied()
            .filter(|told| period.contains(told.timestamp))
            .collect();
        let (first, last) = (deaths.first()?, deaths.last()?);
        let times = all.iter().filter_map(|told| down(told, period));
        let longest_downtime_ms = times.clone().max().unwrap_or(0);
        let downtime_ms = times.sum::<u64>();
        let between = last
            .timestamp
            .saturating_sub(first.timestamp)
            .checked_div(deaths.len() as u64 - 1);
        let length = period.until.saturating_sub(period.since);
        Some(Self {
            ward: first.ward.clone(),
            unit: first.unit.clone(),
            deaths: deaths.len() as u64,
            crashes: count(&deaths, |told| told.severity == "crash"),
            failed: count(&deaths, Document::has_failed),
            downtime_ms,
            longest_downtime_ms,
            downtime_unknown: count(&deaths, |told| is_open(told, all)),
            availability: part(length.saturating_sub(downtime_ms), length),
            mean_time_between_deaths_ms: between,
        })
    }
}

/// Returns the number of deaths that are such.
fn count(deaths: &[&Document], is_such: impl Fn(&Document) -> bool) -> u64 {
    deaths.iter().filter(|told| is_such(told)).count() as u64
}

/// Returns the downtime of this death within the period, in milliseconds.
fn down(told: &Document, period: Period) -> Option<u64> {
    let down = downtime(told)?;
    let (begin, end) = (
        told.timestamp.max(period.since),
        told.timestamp.saturating_add(down).min(period.until),
    );
    (begin <= end && told.timestamp <= period.until).then(|| end - begin)
}

/// Returns the downtime after this death, in milliseconds.
fn downtime(told: &Document) -> Option<u64> {
    let recovery = told.recovery.as_ref();
    recovery
        .and_then(|recovery| recovery.downtime_ms)
        .or(told.down_ms)
}

/// Returns true if a death has no downtime of its own and is not covered by another's: the downtime
/// of one recovery belongs to the death that began it.
fn is_open(told: &Document, all: &[&Document]) -> bool {
    let is_part = told.recovery.is_none()
        && (told.recovery_of.is_some() || all.iter().any(|other| covers(other, told)));
    downtime(told).is_none() && !is_part
}

/// Returns true if the downtime of this death ended after the other death.
fn covers(death: &Document, other: &Document) -> bool {
    let recovered = death
        .recovery
        .as_ref()
        .filter(|recovery| recovery.downtime_ms.is_some());
    let down = death.down_ms.map(|down| death.timestamp + down);
    let end = recovered.map_or(down.unwrap_or(0), |recovery| recovery.timestamp);
    downtime(death).is_some() && (death.timestamp..=end).contains(&other.timestamp)
}

/// Returns a quotient to six places, never rounded up.
fn part(of: u64, whole: u64) -> f64 {
    let millionths = u128::from(of) * 1_000_000 / u128::from(whole.max(1));
    if whole == 0 {
        1.0
    } else {
        u32::try_from(millionths).map_or(1.0, f64::from) / 1e6
    }
}

/// Prints the summary.
pub(super) fn print(summary: &Summary, form: Form) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    match form {
        Form::Json => write_json(&mut out, &serde_json::to_string(summary)?)?,
        Form::Text(sheet) => {
            out.write_all(text(summary, sheet).as_bytes())?;
            complain(&below(summary, &TimeZone::system()));
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn text(summary: &Summary, sheet: Sheet) -> String {
    if summary.wards.is_empty() {
        return String::new();
    }
    let header = [
        "WARD",
        "DEATHS",
        "FAILED",
        "DOWNTIME",
        "LONGEST",
        "AVAILABLE",
        "BETWEEN DEATHS",
    ];
    let colours = summary
        .wards
        .iter()
        .map(|ward| if ward.failed > 0 { "31" } else { "" });
    let cells = summary.wards.iter().map(cells).collect();
    columns(header.map(str::to_owned).into(), cells, colours, sheet)
}

fn cells(ward: &OfWard) -> Vec<String> {
    let (least, most) = if ward.downtime_unknown > 0 {
        (">=", "<=")
    } else {
        ("", "")
    };
    // Truncated, so that a ward that died never has 100 %.
    let percent = (ward.availability * 1e5).floor() / 1e3;
    let percent = if ward.downtime_ms > 0 {
        percent.min(99.999)
    } else {
        percent
    };
    vec![
        visible(&ward.ward),
        ward.deaths.to_string(),
        ward.failed.to_string(),
        format!("{least}{}", span(ward.downtime_ms)),
        span(ward.longest_downtime_ms),
        format!("{most}{percent:.3}%"),
        ward.mean_time_between_deaths_ms
            .map_or_else(|| "-".to_owned(), coarse),
    ]
}

/// Returns the line below the table:
/// `2025-02-06 11:42:24.963 to 2025-02-06 11:42:44.963, 20s: 8 deaths of 2 wards.`
fn below(summary: &Summary, zone: &TimeZone) -> String {
    let deaths: u64 = summary.wards.iter().map(|ward| ward.deaths).sum();
    let (since, until) = (time(summary.since, zone), time(summary.until, zone));
    let length = coarse(summary.until.saturating_sub(summary.since));
    let wards = counted(summary.wards.len(), "ward");
    format!(
        "{since} to {until}, {length}: {} of {wards}.",
        counted(deaths, "death")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::cli::reports::table::Paint;
    use crate::shell::cli::reports::tests::{NOW, every_kind, zone};
    use crate::shell::survey::reports::document::Standing;

    const PLAIN: Sheet = Sheet {
        paint: Paint::Plain,
        width: None,
    };

    /// The window in seconds after [`NOW`].
    fn window(since: Option<u64>, until: Option<u64>) -> Window {
        let at = |second: u64| NOW + second * 1000;
        Window {
            since: since.map(at),
            until: until.map(at),
            now: at(101),
        }
    }

    #[test]
    fn the_document_stays_as_it_is() {
        let summary = Summary::of(&every_kind().all(), &window(None, None));
        let found = serde_json::to_string(&summary).unwrap() + "\n";
        assert_eq!(
            found,
            include_str!("fixtures/summary.json"),
            "found:\n{found}"
        );
    }

    #[test]
    fn a_ward_has_a_line_and_what_is_not_known_is_marked() {
        let summary = Summary::of(&every_kind().all(), &window(Some(0), Some(50)));
        assert_eq!(
            text(&summary, PLAIN),
            "WARD   DEATHS  FAILED  DOWNTIME  LONGEST  AVAILABLE   BETWEEN DEATHS\n\
             other  1       0       >=0ms     0ms      <=100.000%  -\n\
             web    7       1       >=184ms   184ms    <=99.632%   1s\n"
        );
        assert_eq!(
            below(&summary, &zone()),
            "2025-02-06 11:42:23.963 to 2025-02-06 11:43:13.963, 50s: 8 deaths of 2 wards."
        );
    }

    #[test]
    fn deaths_of_one_recovery_have_its_downtime_together() {
        let root = every_kind();
        let mut found = root.all();
        found.retain(|told| told.ward == "web" && told.full_restart.is_none());
        found.truncate(2);
        // The second is a death in the recovery from the first, which is over 4.3 s after it.
        found[1].recovery = None;
        let of = |window| Summary::of(&found, &window).wards;
        let all = of(window(Some(0), Some(101)));
        assert_eq!(
            (all[0].deaths, all[0].downtime_ms, all[0].downtime_unknown),
            (2, 184, 0)
        );
        // What was given up is one unknown time, however many deaths it took.
        let mut given_up = root.all();
        given_up.retain(|told| told.ward == "web" && told.full_restart.is_none());
        given_up.drain(..1);
        given_up.truncate(2);
        let first = given_up[0].invocation.clone();
        given_up[1].stand(Standing::PartOf(first));
        let web = Summary::of(&given_up, &window(Some(0), None))
            .wards
            .remove(0);
        assert_eq!((web.deaths, web.failed, web.downtime_unknown), (2, 1, 1));
        // Seen from the middle of it, what is left of it counts.
        let cut = of(Window {
            since: Some(NOW + 1100),
            ..window(None, None)
        });
        assert_eq!(
            (cut[0].deaths, cut[0].downtime_ms, cut[0].downtime_unknown),
            (1, 84, 0)
        );
        assert_eq!(
            of(window(Some(5), None)),
            [],
            "what did not die has no line"
        );
    }

    #[test]
    fn time_down_without_a_recovery_counts_and_such_a_crash_has_failed() {
        let mut found = every_kind().all();
        found.retain(|told| told.ward == "web" && told.full_restart.is_none());
        found.truncate(1);
        (found[0].recovery, found[0].down_ms, found[0].is_down) = (None, Some(90_000), true);
        found[0].stand(Standing::NotRestarted);
        let web = Summary::of(&found, &window(Some(0), Some(60)))
            .wards
            .remove(0);
        assert_eq!((web.failed, web.downtime_unknown), (1, 0));
        assert!(web.downtime_ms > 50_000, "to the end of the window");
        // Without a ward it counts while it is down.
        for (is_down, failed) in [(true, 1), (false, 0)] {
            found[0].is_down = is_down;
            found[0].stand(Standing::NoWard);
            let web = &Summary::of(&found, &window(Some(0), None)).wards[0];
            assert_eq!(web.failed, failed);
        }
    }

    #[test]
    fn availability_is_never_rounded_up() {
        assert_eq!(
            [part(999_999_999, 1_000_000_000), part(1, 2), part(0, 0)],
            [0.999_999, 0.5, 1.0]
        );
    }
}
