//! One recovery: the unit, then each start with its back-off and steps, then the units that steps
//! act on.

use super::{Bar, Chart, Clock, Kind, Lane, Moment, Rank, counted, listed, scale, span};
use crate::core::visible::visible;
use crate::shell::cli::reports::time;
use crate::shell::cli::timeline::scale::Ms;
use crate::shell::survey::timeline::{Attempt, Recovery, Step, Times};
use jiff::tz::TimeZone;

/// Divisor: the axis continues after the end for this fraction of the time before it.
const AFTERMATH: Ms = 12;

/// A wait of systemd's that is shorter than this has no lane, in milliseconds.
const SEEN: Ms = 50;

/// Makes the drawing.
pub(super) fn chart(recovery: &Recovery, now: u64, zone: &TimeZone) -> Chart {
    let now = now.saturating_sub(recovery.timestamp);
    let last = recovery.end_ms.unwrap_or(now).max(last_of(recovery)).max(1);
    let is_up = recovery.recovery_ms.is_some();
    let left_down = recovery
        .down_ms
        .filter(|_| !is_up && recovery.end_ms.is_some());
    let last = left_down.map_or(last, |down| last.max(down));
    let is_back =
        is_up || (left_down.is_some() && !recovery.is_down && recovery.outcome != "ended");
    // Space that shows that it runs again.
    let to = if is_back {
        last.saturating_add((last / AFTERMATH).max(1))
    } else {
        last
    };
    let mut lanes = vec![own_lane(recovery, to)];
    let mut before = 0;
    for (number, attempt) in recovery.attempts.iter().enumerate() {
        lanes.extend(waits(attempt, before));
        lanes.extend(attempt_lanes(recovery, number, attempt, last));
        before = attempt.failed_ms.unwrap_or(before);
    }
    lanes.extend(dependants(recovery));
    let reason = recovery.reason.as_deref().unwrap_or("unknown reason");
    Chart {
        title: visible(&format!(
            "{}: {reason}, {}",
            recovery.ward, recovery.outcome
        )),
        summary: summary(recovery, now, zone),
        notes: notes(recovery),
        scale: scale(&lanes, to),
        lanes,
        moments: moments(recovery),
        clock: Clock::Since,
    }
}

fn summary(recovery: &Recovery, now: Ms, zone: &TimeZone) -> String {
    listed([
        Some(time(recovery.timestamp, zone)),
        recovery
            .downtime_ms
            .map(|ms| format!("down for {}", span(ms))),
        recovery
            .recovery_ms
            .map(|ms| format!("all done after {}", span(ms))),
        recovery
            .end_ms
            .is_none()
            .then(|| format!("for {} so far", span(now))),
        left_down(recovery),
        (recovery.restarts != 1).then(|| counted(recovery.restarts, "restart")),
    ])
}

/// Describes the downtime of a recovery that did not bring the ward back.
fn left_down(recovery: &Recovery) -> Option<String> {
    let down = recovery
        .down_ms
        .filter(|_| recovery.downtime_ms.is_none() && recovery.end_ms.is_some())?;
    let so_far = if recovery.is_down { " so far" } else { "" };
    Some(format!("down for {}{so_far}", span(down)))
}

fn notes(recovery: &Recovery) -> Vec<String> {
    let untimed = (recovery.times == Times::DurationsOnly && !recovery.attempts.is_empty()).then(|| {
        "An older version stored this recovery: how long steps took is known, but not when they ran; \
         they stand one after the other."
            .to_owned()
    });
    let left_out = (recovery.attempts_left_out > 0).then(|| {
        format!(
            "{} between the first and the last ones are left out.",
            counted_attempts(recovery)
        )
    });
    let led_to = recovery.led_to.as_ref().map(|id| {
        let short: String = id.chars().take(8).collect();
        format!("It led to the full restart {short}: \"unitward timeline {short}\".")
    });
    untimed.into_iter().chain(left_out).chain(led_to).collect()
}

fn counted_attempts(recovery: &Recovery) -> String {
    counted(
        u64::try_from(recovery.attempts_left_out).unwrap_or(u64::MAX),
        "restart",
    )
}

/// Returns the last moment that an attempt or a step has.
fn last_of(recovery: &Recovery) -> Ms {
    recovery
        .attempts
        .iter()
        .map(last_of_attempt)
        .max()
        .unwrap_or(0)
}

fn last_of_attempt(attempt: &Attempt) -> Ms {
    let steps = attempt
        .steps
        .iter()
        .filter_map(|step| Some(step.begin_ms?.saturating_add(step.ms)));
    let own = [
        attempt.begin_ms,
        attempt.main_ms,
        attempt.up_ms,
        attempt.failed_ms,
    ];
    own.into_iter().flatten().chain(steps).max().unwrap_or(0)
}

fn bar(from: Ms, to: Ms, kind: Kind, label: &str) -> Bar {
    Bar {
        from,
        to: to.max(from),
        kind,
        label: label.to_owned(),
    }
}

/// Returns the lane of the unit: down, then running.
fn own_lane(recovery: &Recovery, to: Ms) -> Lane {
    let back = recovery
        .down_ms
        .filter(|_| !recovery.is_down && recovery.outcome != "ended");
    let main = recovery.downtime_ms.or(back);
    let main = main.or_else(|| recovery.attempts.last().and_then(|attempt| attempt.main_ms));
    let mut bars = vec![bar(0, main.unwrap_or(to), Kind::Down, "down")];
    bars.extend(main.map(|main| bar(main, to, Kind::Running, "running")));
    Lane {
        label: visible(&recovery.unit),
        rank: Rank::Unit,
        bars,
    }
}

/// Returns the lanes of systemd's waits before a start: until the rest of the previous run has
/// ended, and `RestartSec=`.
fn waits(attempt: &Attempt, before: Ms) -> Vec<Lane> {
    let Some(begin) = attempt.begin_ms else {
        return Vec::new();
    };
    let ended = attempt
        .down_ms
        .filter(|down| (before..=begin).contains(down));
    let lanes = match ended {
        Some(down) => [
            wait_lane("systemd stops what is left of it", before, down, Kind::Down),
            wait_lane("systemd waits, RestartSec=", down, begin, Kind::Backoff),
        ],
        None => {
            let label = "systemd stops it and waits, RestartSec=";
            [wait_lane(label, before, begin, Kind::Backoff), None]
        }
    };
    lanes.into_iter().flatten().collect()
}

/// Returns the lane of a wait; `None`: it is too short to be seen.
fn wait_lane(label: &str, from: Ms, to: Ms, kind: Kind) -> Option<Lane> {
    let is_long = to.saturating_sub(from) >= SEEN;
    is_long.then(|| Lane {
        label: label.to_owned(),
        rank: Rank::Part,
        bars: vec![bar(from, to, kind, "")],
    })
}

/// Returns the lane of a start, and below it those of its steps.
fn attempt_lanes(recovery: &Recovery, number: usize, attempt: &Attempt, last: Ms) -> Vec<Lane> {
    let known = recovery.times == Times::Known;
    let mut lanes = Vec::new();
    if known {
        let number = number
            + 1
            + if number >= recovery.attempts.len() / 2 {
                recovery.attempts_left_out
            } else {
                0
            };
        let label = format!("restart {number}");
        lanes.push(Lane {
            label,
            rank: Rank::Part,
            bars: attempt_bars(attempt, last),
        });
    }
    // Steps without times are drawn one after the other.
    let mut at = 0;
    for step in &attempt.steps {
        let from = step.begin_ms.unwrap_or(at);
        at = from.saturating_add(step.ms);
        let kind = match step.result.as_str() {
            "failed" | "dropped" => Kind::Failed,
            _ if step.begin_ms.is_none() => Kind::Untimed,
            _ => Kind::Done,
        };
        let label = if kind == Kind::Failed {
            step.result.as_str()
        } else {
            ""
        };
        let bars = vec![bar(from, at, kind, label)];
        lanes.push(Lane {
            label: words(step),
            rank: Rank::Step,
            bars,
        });
    }
    lanes
}

fn attempt_bars(attempt: &Attempt, last: Ms) -> Vec<Bar> {
    let earliest = [
        attempt.steps.first().and_then(|step| step.begin_ms),
        attempt.main_ms,
        attempt.failed_ms,
    ];
    let Some(begin) = attempt
        .begin_ms
        .or_else(|| earliest.into_iter().flatten().min())
    else {
        return Vec::new();
    };
    let end = attempt
        .up_ms
        .or(attempt.failed_ms)
        .unwrap_or(last)
        .max(begin);
    let started = begin.saturating_add(attempt.backoff_ms).min(end);
    let kind = if attempt.failed_ms.is_some() {
        Kind::StartFailed
    } else {
        Kind::Starting
    };
    let word = match kind {
        Kind::StartFailed => "failed",
        _ if attempt.up_ms.is_none() => "under way",
        _ => "",
    };
    let backoff = (attempt.backoff_ms > 0).then(|| bar(begin, started, Kind::Backoff, "back-off"));
    backoff
        .into_iter()
        .chain([bar(started, end, kind, word)])
        .collect()
}

fn words(step: &Step) -> String {
    visible(&format!(
        "{} {} {}",
        step.condition, step.step, step.argument
    ))
}

/// Returns the lanes of other units that steps restart, start, stop, reload or signal, and of
/// stacks that steps restart.
fn dependants(recovery: &Recovery) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    for step in recovery.attempts.iter().flat_map(|attempt| &attempt.steps) {
        let verb = step.step.strip_prefix("Else").unwrap_or(&step.step);
        let (Some(from), "Restart" | "Start" | "Stop" | "Reload" | "Signal" | "RestartStack") =
            (step.begin_ms, verb)
        else {
            continue;
        };
        let unit = visible(step.argument.split(' ').next().unwrap_or_default());
        let done = bar(
            from,
            from.saturating_add(step.ms),
            Kind::Dependant,
            &verb.to_lowercase(),
        );
        match lanes.iter_mut().find(|lane| lane.label == unit) {
            Some(lane) => lane.bars.push(done),
            None => lanes.push(Lane {
                label: unit,
                rank: Rank::Unit,
                bars: vec![done],
            }),
        }
    }
    lanes
}

/// Returns a moment, if its time is known.
fn moment(at: Option<Ms>, label: &str) -> Option<Moment> {
    Some(Moment {
        at: at?,
        label: label.to_owned(),
    })
}

fn moments(recovery: &Recovery) -> Vec<Moment> {
    let ended = match recovery.outcome.as_str() {
        "excluded" => Some("left down"),
        "stack-restarted" => Some("stack restarted"),
        "rebooting" => Some("reboot"),
        "ended" => Some("ended"),
        _ => None,
    };
    let given_up = ended.and_then(|word| moment(recovery.end_ms, word));
    let died = moment(Some(0), "death");
    let back = moment(recovery.recovery_ms, "back in service");
    let left = recovery
        .down_ms
        .filter(|_| recovery.downtime_ms.is_none() && recovery.end_ms.is_some());
    let later = left.filter(|_| !recovery.is_down && recovery.outcome != "ended");
    let runs = moment(recovery.downtime_ms, "main process runs");
    let again = moment(later, "main process runs again");
    died.into_iter()
        .chain(runs)
        .chain(back)
        .chain(given_up)
        .chain(again)
        .collect()
}
