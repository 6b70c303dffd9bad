//! The first and the last line of a start: why is this a start, how long must it wait, and: it is up.

use super::arguments::Arguments;
use super::limit::Site;
use super::{collect, limit, messages, tell, this_run};
use crate::core::config::{ConditionKind, time_span};
use crate::core::recovery::Series;
use crate::core::recovery::backoff::Backoff;
use crate::core::recovery::gate::{Past, Place};
use crate::core::recovery::series::{LastEnd, Start, Verdict};
use crate::edge::exclusion::Exclusion;
use crate::edge::pid1::{self, Wanted};
use crate::edge::record::{GivenUp, RunRecord, StartKind, Up, WardState};
use crate::edge::{clock, exclusion, series_file};
use std::io;
use std::time::Duration;

/// `begin WARD UNIT --delay= --max-delay= [the options of stopped] --once=CONDITION[:now] …`
pub(super) fn begin(arguments: &Arguments) -> io::Result<()> {
    let started = clock::since_epoch();
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let wanted = Wanted { unit: &["Id", this_run::PROPERTY], own: &["NRestarts", "TimeoutStartUSec"] };
    let known = pid1::ask_patiently(unit, wanted).unwrap_or_default();
    let Some(run) = this_run::known(&known) else { return begin_blindly(&state, (ward, unit), arguments) };
    let nrestarts = known.number("NRestarts");
    let mut series = series_file::load(&state);
    let missed = series.missed_an_end(nrestarts);
    let one_too_many = missed && limit::death(&mut series, LastEnd::AbnormalDeath, arguments)? == Verdict::LimitReached;
    let start = series.start(nrestarts);
    let spent = spend(&mut series, start, arguments);
    let mut record = RunRecord {
        restarts: series.restarts,
        begun: Some(clock::since_epoch()),
        follows: series.answers(start, missed),
        spent,
        ..RunRecord::new(ward, super::name(unit, &known), run.as_str(), kind(start))
    };
    let services = if one_too_many { limit::services(&mut series, arguments) } else { Vec::new() };
    let waits = |restart| -> io::Result<Duration> {
        let backoff = Backoff { delay: arguments.span("delay")?, max_delay: arguments.span("max-delay")? };
        Ok(backoff.wait_below(restart, known.span("TimeoutStartUSec")))
    };
    let is_restart = start.is_restart() && !one_too_many;
    if is_restart {
        record.backoff_ms = Some(waits(series.restarts)?).filter(|wait| !wait.is_zero()).map(time_span::millis);
    }
    if start == Start::First {
        readmit(&state, (ward, super::name(unit, &known)), started);
    }
    let noted = state.set_current(&run);
    let saved = noted.and_then(|()| state.save_run(&record)).and_then(|()| series_file::save(&state, &series));
    // Old records are in nobody's way for the time being.
    let _ = state.prune_runs(run.as_str());
    if one_too_many {
        let decision = limit::decide(arguments)?;
        if decision.given_up() == Some(GivenUp::Exclude) {
            // The record of the death that led to it has no end, so this has to say why the unit is down.
            let _ = exclusion::save(&state, &Exclusion::by_limit(clock::since_epoch()));
        }
        return limit::carry_out(&decision, &services, arguments, Site::Starting).map(drop).and(saved);
    }
    if is_restart {
        // Where nothing can be written systemd's own counter makes the waits grow.
        let restart = if saved.is_ok() { series.restarts } else { nrestarts.unwrap_or(series.restarts) };
        wait(ward, unit, restart, waits(restart)?);
    }
    saved
}

/// PID 1 does not say which run this is, so there can be no record of it, and its steps are skipped. After a death the back-off is
/// waited all the same.
fn begin_blindly(state: &WardState, (ward, unit): (&str, &str), arguments: &Arguments) -> io::Result<()> {
    // Else the steps would take the run before for this one.
    let _ = state.forget_current();
    let series = series_file::load(state);
    if matches!(series.last_end, LastEnd::Death | LastEnd::AbnormalDeath) {
        let backoff = Backoff { delay: arguments.span("delay")?, max_delay: arguments.span("max-delay")? };
        let restart = series.restarts.saturating_add(1);
        wait(ward, unit, restart, backoff.wait_below(restart, None));
    }
    Err(io::Error::other("systemd does not say which run of the unit this is"))
}

/// Whoever has this start made wants the ward back: ends an exclusion by hand. But one that is younger than this start, `started`,
/// is what ends the start: its stop is on its way.
fn readmit(state: &WardState, (ward, unit): (&str, &str), started: u64) {
    let since = started..=clock::since_epoch();
    if exclusion::load(state).is_some_and(|mark| since.contains(&mark.at)) {
        return;
    }
    match exclusion::remove(state) {
        Ok(None) => {}
        Ok(Some(_)) => tracing::info!(
            MESSAGE_ID = messages::READMITTED,
            UNITWARD_WARD = ward,
            OBJECT_SYSTEMD_UNIT = unit,
            "{unit} is started, so ward {ward} is excluded no more."
        ),
        Err(error) => tracing::warn!(UNITWARD_WARD = ward, "Failed to end the exclusion of ward {ward}: {error}"),
    }
}

/// Marks the conditions with `Once=` that fire now; gives those that have fired before.
fn spend(series: &mut Series, start: Start, arguments: &Arguments) -> Vec<String> {
    let mut spent = Vec::new();
    for once in arguments.all("once") {
        let (condition, do_now) = once.strip_suffix(":now").map_or((once, false), |condition| (condition, true));
        let place = once_place(condition, do_now);
        if series.spent.contains(condition) {
            spent.push(condition.to_owned());
        } else if place.kind() != Some(ConditionKind::Restart) && fires(&place, start, &[]) {
            series.spent.insert(condition.to_owned());
        }
    }
    spent
}

/// `end WARD UNIT [--collect] [--once=CONDITION]`
pub(super) fn end(arguments: &Arguments) -> io::Result<()> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let current = state.current();
    let noted = current.as_ref().and_then(|run| state.run(run.as_str()).ok());
    // Without a record PID 1 alone knows which steps were skipped for want of it.
    let lists: &[&str] = if arguments.has("collect") || noted.is_none() { &collect::LISTS } else { &[] };
    let own = [&["NRestarts"], &super::STATE_OF_START[..], lists].concat();
    let wanted = Wanted { unit: &["Id", "SubState", this_run::PROPERTY], own: &own };
    let known = pid1::ask(unit, wanted).unwrap_or_default();
    if super::start_has_failed(&known) {
        return Ok(());
    }
    let run = this_run::known(&known).or(current).ok_or(io::ErrorKind::NotFound)?;
    let noted = noted.filter(|record| record.invocation == run.as_str()).or_else(|| state.run(run.as_str()).ok());
    let mut record = noted.unwrap_or_else(|| super::lost(ward, unit, (&run, &known)));
    collect::add_results(&mut record, &known);
    let at = clock::since_epoch();
    let main = known.number(super::MAIN_STARTED).filter(|micros| *micros > 0);
    record.up = Some(Up { main: main.map_or(at, clock::epoch_of_monotonic), at });
    let failed = super::failed_steps(&record);
    let mut series = series_file::load(&state);
    series.up(clock::since_boot());
    // [OnRestart] fires only now that all other steps are known to have succeeded.
    let restarted = if record.start == StartKind::First { Start::First } else { Start::AfterDeath };
    for condition in arguments.all("once").filter(|condition| fires(&once_place(condition, false), restarted, &failed))
    {
        series.spent.insert(condition.to_owned());
    }
    if record.start != StartKind::First {
        tell::restarted(&record, failed.len());
    }
    state.save_run(&record).and(series_file::save(&state, &series))
}

fn once_place(condition: &str, do_now: bool) -> Place {
    Place { condition: condition.to_owned(), step: "0".to_owned(), do_now, breaks: false }
}

fn fires(place: &Place, start: Start, failed: &[(String, String)]) -> bool {
    place.acts(Past { start: Some(start), asked_to_stop: false, spent: &[], failed })
}

fn kind(start: Start) -> StartKind {
    match start {
        Start::First => StartKind::First,
        Start::AfterDeath => StartKind::AfterDeath,
        Start::AfterAbnormalDeath => StartKind::AfterAbnormalDeath,
    }
}

fn wait(ward: &str, unit: &str, restart: u32, wait: Duration) {
    if wait.is_zero() {
        return;
    }
    let span = time_span::render(wait);
    tracing::info!(UNITWARD_WARD = ward, OBJECT_SYSTEMD_UNIT = unit, "Restarting {unit} in {span}, attempt {restart}.");
    std::thread::sleep(wait);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::exclusion::{By, Exclusion};

    #[test]
    fn a_start_ends_the_exclusions_before_it_and_is_ended_by_those_after_it() {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "web");
        let now = clock::since_epoch();
        let is_kept = |at: u64, started: u64| {
            exclusion::save(&state, &Exclusion { at, by: By::Hand, why: String::new() }).unwrap();
            readmit(&state, ("web", "web.service"), started);
            exclusion::load(&state).is_some()
        };
        assert!(!is_kept(now - 10, now - 5));
        assert!(is_kept(now - 5, now - 10));
        assert!(!is_kept(now + 1_000_000, now - 10), "the clock was set back since");
    }
}
