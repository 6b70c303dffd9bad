//! `ExecCondition=`, the first line of a start: why is this a start, how long must it wait, and the steps before the restart.

use super::arguments::Arguments;
use super::limit::Site;
use super::line::StepLine;
use super::list::{self, Phase, Run};
use super::{limit, messages, this_run};
use crate::core::config::{ConditionKind, time_span};
use crate::core::recovery::Series;
use crate::core::recovery::backoff::Backoff;
use crate::core::recovery::gate::{Past, Place};
use crate::core::recovery::series::{LastEnd, Start, Verdict};
use crate::core::recovery::turned::{Beginning, is_turned_restart};
use crate::edge::exclusion::Exclusion;
use crate::edge::pid1::{self, Wanted};
use crate::edge::record::{GivenUp, RunRecord, StartKind, WardState};
use crate::edge::{clock, exclusion, series_file};
use rustix::fs::Mode;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// Exit status of a line in `ExecCondition=` that makes the start fail; any other but 0 would only skip it (systemd.service(5)).
const FAILS: u8 = 255;

/// `begin WARD UNIT --delay= --max-delay= [the options of stopped] --once=CONDITION[:now] … [--step=…]`
pub(super) fn begin(words: &[String], umask: Mode) -> io::Result<u8> {
    let (arguments, lines) = list::read(words)?;
    match start(&arguments)? {
        // The steps' own failures are what counts.
        Some((state, record)) => Ok(if before(&lines, (&state, record), umask) == 0 { 0 } else { FAILS }),
        None => Ok(0),
    }
}

/// Runs the steps above the ward's restart.
fn before(lines: &[StepLine], (state, record): (&WardState, RunRecord), umask: Mode) -> u8 {
    let unit = record.unit.clone();
    Run::new((state, &unit), record, (Phase::Start, umask)).steps(lines)
}

/// Begins the run's record and waits; `None`: the start is to come to nothing.
fn start(arguments: &Arguments) -> io::Result<Option<(WardState, RunRecord)>> {
    let started = clock::since_epoch();
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let wanted = Wanted { unit: &["Id", this_run::PROPERTY], own: &["NRestarts", "TimeoutStartUSec"] };
    let known = pid1::ask_patiently(unit, wanted).unwrap_or_default();
    let Some(run) = this_run::known(&known) else {
        return begin_blindly(&state, (ward, unit), arguments).map(|()| None);
    };
    let nrestarts = known.number("NRestarts");
    let turn = state.turn();
    let mut series = series_file::load(&state);
    let missed = series.missed_an_end(nrestarts);
    let one_too_many = missed && limit::death(&mut series, LastEnd::AbnormalDeath, arguments)? == Verdict::LimitReached;
    let is_turned = series.restart_due.is_some() && nrestarts == Some(0) && is_turned(unit, &series);
    let start = series.start(nrestarts, is_turned);
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
    drop(turn);
    if one_too_many {
        let decision = limit::decide(arguments)?;
        if decision.given_up() == Some(GivenUp::Exclude) {
            // The record of the death that led to it has no end, so this has to say why the unit is down.
            let _ = exclusion::save(&state, &Exclusion::by_limit(clock::since_epoch()));
        }
        return limit::carry_out(&decision, &services, arguments, Site::Starting).map(drop).and(saved).map(|()| None);
    }
    if is_restart {
        // Where nothing can be written systemd's own counter makes the waits grow.
        let restart = if saved.is_ok() { series.restarts } else { nrestarts.unwrap_or(series.restarts) };
        wait(ward, unit, restart, waits(restart)?);
    }
    if let Err(error) = saved {
        tracing::warn!(UNITWARD_WARD = ward, "Failed to note the beginning of a run of ward {ward}: {error}");
    }
    Ok(Some((state, record)))
}

/// Whether this start answers a death though systemd counts no restart.
fn is_turned(unit: &str, series: &Series) -> bool {
    const TAKE_ALONG: [&str; 4] = ["RequiredBy", "BoundBy", "RequisiteOf", "ConsistsOf"];
    const ARE_TAKEN_BY: [&str; 4] = ["Requires", "BindsTo", "Requisite", "PartOf"];
    const DOWN: &str = "InactiveEnterTimestampMonotonic";
    const BEGUN: &str = "InactiveExitTimestampMonotonic";
    let asked = [&TAKE_ALONG[..], &ARE_TAKEN_BY, &[DOWN, BEGUN]].concat();
    let Ok(known) = pid1::ask_patiently(unit, Wanted { unit: &asked, own: &[] }) else { return false };
    let of = |lists: [&'static str; 4]| lists.into_iter().flat_map(|list| known.texts(list));
    let others: BTreeSet<_> = of(TAKE_ALONG).collect();
    let at = |stamp| known.number(stamp).unwrap_or(0);
    let is_in_circle = of(ARE_TAKEN_BY).any(|other| others.contains(other));
    is_turned_restart(series, Some(0), Beginning { is_in_circle, down: at(DOWN), begun: at(BEGUN) })
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

pub(super) fn once_place(condition: &str, do_now: bool) -> Place {
    Place { condition: condition.to_owned(), step: "0".to_owned(), do_now, breaks: false }
}

pub(super) fn fires(place: &Place, start: Start, failed: &[(String, String)]) -> bool {
    place.acts(Past { start: Some(start), asked_to_stop: false, spent: &[], failed })
}

pub(super) fn kind(start: Start) -> StartKind {
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
