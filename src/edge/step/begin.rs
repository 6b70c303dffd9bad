//! The first and the last line of a start: why is this a start, how long must it wait, and: it is up.

use super::arguments::Arguments;
use super::collect;
use crate::core::config::time_span;
use crate::core::recovery::backoff::Backoff;
use crate::core::recovery::gate::{Past, Place};
use crate::core::recovery::series::Start;
use crate::edge::record::{RunRecord, StartKind, WardState};
use crate::edge::{clock, series_file, systemctl};
use std::io;
use std::time::Duration;

/// `begin WARD UNIT --delay= --max-delay= --once=CONDITION[:now] …`
pub(super) fn begin(arguments: &Arguments, invocation: &str) -> io::Result<()> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let asked = systemctl::show(unit, &["NRestarts", "TimeoutStartUSec"]).unwrap_or_default();
    let mut series = series_file::load(&state);
    let start = series.start(asked.number("NRestarts"));
    let mut spent = Vec::new();
    for once in arguments.all("once") {
        let (condition, do_now) = once.strip_suffix(":now").map_or((once, false), |condition| (condition, true));
        if series.spent.contains(condition) {
            spent.push(condition.to_owned());
        } else if fires(condition, do_now, start) {
            series.spent.insert(condition.to_owned());
        }
    }
    let record = RunRecord { restarts: series.restarts, spent, ..RunRecord::new(ward, unit, invocation, kind(start)) };
    state.save_run(&record)?;
    series_file::save(&state, &series)?;
    state.prune_runs()?;
    if start.is_restart() {
        let backoff = Backoff { delay: arguments.span("delay")?, max_delay: arguments.span("max-delay")? };
        wait(ward, unit, series.restarts, allowed(backoff.wait(series.restarts), asked.get("TimeoutStartUSec")));
    }
    Ok(())
}

/// `end WARD UNIT [--collect]`
pub(super) fn end(arguments: &Arguments, invocation: &str) -> io::Result<()> {
    let (ward, unit) = arguments.ward_and_unit()?;
    if arguments.has("collect") {
        collect::collect(arguments, invocation)?;
    }
    let state = WardState::of(ward);
    let mut series = series_file::load(&state);
    series.up(clock::since_boot());
    series_file::save(&state, &series)?;
    let record = state.run(invocation).unwrap_or_else(|_| RunRecord::new(ward, unit, invocation, StartKind::First));
    if record.start != StartKind::First {
        let failed = super::failed_steps(&record).len();
        let steps = record.results.len();
        tracing::info!(
            UNITWARD_WARD = ward,
            "Restarted {unit}, attempt {}; {steps} steps, {failed} of them failed.",
            record.restarts
        );
    }
    Ok(())
}

fn fires(condition: &str, do_now: bool, start: Start) -> bool {
    let place = Place { condition: condition.to_owned(), step: "0".to_owned(), do_now, breaks: false };
    place.acts(Past { start: Some(start), asked_to_stop: false, spent: &[], failed: &[] })
}

fn kind(start: Start) -> StartKind {
    match start {
        Start::First => StartKind::First,
        Start::AfterDeath => StartKind::AfterDeath,
        Start::AfterAbnormalDeath => StartKind::AfterAbnormalDeath,
    }
}

/// The wait, kept well below the time-out under which systemd runs this line: a setting of the administrator's may
/// have made it smaller than the generator knew, and a start that times out would count as one more death.
fn allowed(wait: Duration, timeout: &str) -> Duration {
    match time_span::parse(timeout) {
        Ok(timeout) if !timeout.is_zero() => wait.min(timeout.mul_f64(0.8)),
        _ => wait,
    }
}

fn wait(ward: &str, unit: &str, restart: u32, wait: Duration) {
    if wait.is_zero() {
        return;
    }
    let span = time_span::render(wait);
    tracing::info!(UNITWARD_WARD = ward, "Restarting {unit} in {span}, attempt {restart}.");
    std::thread::sleep(wait);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_stays_below_the_start_time_out() {
        let wait = Duration::from_secs(30);
        for (timeout, seconds) in [("1min 30s", 30), ("10s", 8), ("infinity", 30), ("", 30)] {
            assert_eq!(allowed(wait, timeout), Duration::from_secs(seconds), "{timeout}");
        }
    }
}
