//! `ExecCondition=`, the first line of a start: determines the kind of start, waits for the
//! back-off, and runs the steps before the restart.

use super::arguments::Arguments;
use super::judged::Judged;
use super::limit::Site;
use super::line::StepLine;
use super::list::{self, Phase, Run};
use super::{act, ahead, limit, messages, this_run};
use crate::core::config::{ConditionKind, time_span};
use crate::core::crash::observation::InvocationId;
use crate::core::recovery::Series;
use crate::core::recovery::backoff::Backoff;
use crate::core::recovery::gate::{Past, Place};
use crate::core::recovery::series::{LastEnd, Start, Verdict};
use crate::core::recovery::turned::{Beginning, is_turned_restart};
use crate::edge::exclusion::By;
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::record::{RunRecord, StartKind, WardState};
use crate::edge::{clock, exclusion, series_file, triggers};
use rustix::fs::Mode;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// Property: the time at which the unit was last down, by PID 1's monotonic clock.
const DOWN: &str = "InactiveEnterTimestampMonotonic";

/// Longest time that PID 1 may take to end a start after the request to end it.
const TO_BE_ENDED: Duration = Duration::from_secs(10);

/// `begin WARD UNIT --delay= --max-delay= [the options of stopped] --once=CONDITION[:now] …
/// [--step=…]`: handles the start of a run.
pub(super) fn begin(words: &[String], umask: Mode) -> io::Result<u8> {
    let (arguments, lines) = list::read(words)?;
    if is_refused(&arguments)? {
        end_start(arguments.word(1)?);
    }
    if let Some((state, record)) = start(&arguments, &lines)? {
        // No start depends on these steps: steps that it depends on have a line of ExecStartPre=.
        let _ = Run::new(
            &state,
            record,
            list::Site::new(Phase::Start, umask, &arguments),
        )
        .steps(&lines);
    }
    Ok(0)
}

/// Begins the run's record and waits for the back-off; `None`: the start must not go on.
fn start(arguments: &Arguments, lines: &[StepLine]) -> io::Result<Option<(WardState, RunRecord)>> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    // If this line is killed, the lines after it must not take the previous run for this one.
    let _ = state.forget_current();
    if let Some(record) = begin_at_rest(&state, ward, unit, arguments) {
        return Ok(Some((state, record)));
    }
    let known = ask(unit);
    let Some(run) = this_run::known(&known) else {
        return begin_blindly(&state, ward, unit, arguments).map(|()| None);
    };
    let nrestarts = known.number("NRestarts");
    let turn = state.turn();
    let mut series = series_file::load(&state);
    let missed = series.missed_an_end(nrestarts);
    let verdict = count_missed(nrestarts, &mut series, arguments)?;
    let is_turned = nrestarts == Some(0) && is_turned(unit, &series);
    let was_due = series.restart_due.is_some() && !missed;
    let due = series.died_in.clone().filter(|_| was_due);
    let counted_before = series.nrestarts;
    let start = series.start(nrestarts, is_turned);
    let spent = spend(&mut series, start, arguments);
    let record = RunRecord::new(ward, super::name(unit, &known), run.as_str(), kind(start));
    let mut record = RunRecord {
        restarts: series.restarts,
        follows: series.answers(start, missed),
        breaks_off: due.filter(|_| !start.is_restart()),
        spent,
        ..begun_now(record, start, &known)
    };
    let judged = Judged::of(verdict, None, &mut series, arguments)?;
    let marked = judged.mark(&state);
    let timeout = time_left(&known, lines, &record);
    let backoff = backoff(arguments)?;
    let is_restart = start.is_restart() && verdict == Verdict::Restart;
    if is_restart {
        let wait = backoff.wait_below(series.restarts, timeout);
        record.planned = ahead::of(&known, &record);
        record.backoff_ms = (!wait.is_zero()).then(|| time_span::millis(wait));
    }
    let saved = save(&state, &run, &record, &series).and(marked);
    drop(turn);
    if judged.is_limit_reached() {
        if judged.carry_out(arguments, Site::Starting)?.is_some() {
            // The main process must not be started meanwhile.
            std::thread::sleep(TO_BE_ENDED);
        }
        return saved.map(|()| None);
    }
    if is_restart {
        let restart = match nrestarts {
            // If nothing can be written, systemd's own counter makes the waits grow, starting from
            // its last stored value.
            Some(count) if saved.is_err() => count.saturating_sub(counted_before).max(1),
            _ => series.restarts,
        };
        wait(ward, unit, restart, backoff.wait_below(restart, timeout));
    }
    if let Err(error) = saved {
        warn_of_unsaved(ward, &error);
    }
    Ok(Some((state, record)))
}

/// Counts a death whose end was not recorded, if there was one.
fn count_missed(
    nrestarts: Option<u32>,
    series: &mut Series,
    arguments: &Arguments,
) -> io::Result<Verdict> {
    if series.missed_an_end(nrestarts) {
        limit::death(series, LastEnd::AbnormalDeath, arguments)
    } else {
        Ok(Verdict::Restart)
    }
}

fn warn_of_unsaved(ward: &str, error: &io::Error) {
    tracing::warn!(
        UNITWARD_WARD = ward,
        "Failed to note the beginning of a run of ward {ward}: {error}"
    );
}

/// Queries PID 1 for the start; there are no answers if it does not answer in time.
fn ask(unit: &str) -> Properties {
    let own = [&["NRestarts", "TimeoutStartUSec"], &ahead::LISTS[..]].concat();
    let wanted = Wanted {
        unit: &["Id", this_run::PROPERTY, DOWN],
        own: &own,
    };
    pid1::ask_patiently(unit, wanted).unwrap_or_default()
}

/// Adds the times of a start that begins now to its record.
fn begun_now(record: RunRecord, start: Start, known: &Properties) -> RunRecord {
    let down = known
        .number(DOWN)
        .filter(|at| *at > 0 && start.is_restart());
    RunRecord {
        begun: Some(clock::since_epoch()),
        begun_since_boot: Some(clock::since_boot()),
        down: down.map(clock::epoch_of_monotonic),
        down_since_boot: down.map(clock::since_boot_of_monotonic),
        ..record
    }
}

/// Begins the record of a start that, according to the stored state, answers no death. At a boot
/// this is every start, and a query to PID 1 from each would delay the boot. `None`: the start may
/// answer a death, or nothing can be written, and PID 1 must be asked.
fn begin_at_rest(
    state: &WardState,
    ward: &str,
    unit: &str,
    arguments: &Arguments,
) -> Option<RunRecord> {
    let run = this_run::linked(unit)?;
    let _turn = state.turn();
    let mut series = Some(series_file::load(state)).filter(Series::is_at_rest)?;
    let start = series.start(Some(0), false);
    let record = RunRecord {
        begun: Some(clock::since_epoch()),
        begun_since_boot: Some(clock::since_boot()),
        spent: spend(&mut series, start, arguments),
        ..RunRecord::new(ward, unit, run.as_str(), kind(start))
    };
    save(state, &run, &record, &series).ok().map(|()| record)
}

fn save(
    state: &WardState,
    run: &InvocationId,
    record: &RunRecord,
    series: &Series,
) -> io::Result<()> {
    let noted = state.set_current(run).and_then(|()| state.save_run(record));
    let saved = noted.and_then(|()| series_file::save(state, series));
    // Old records do no harm for the time being.
    let _ = state.prune_runs(run.as_str());
    saved
}

fn backoff(arguments: &Arguments) -> io::Result<Backoff> {
    Ok(Backoff {
        delay: arguments.span("delay")?,
        max_delay: arguments.span("max-delay")?,
    })
}

/// Returns the time that is left to the back-off; `None`: any time.
fn time_left(known: &Properties, lines: &[StepLine], record: &RunRecord) -> Option<Duration> {
    known
        .span("TimeoutStartUSec")
        .map(|timeout| left_by(lines, record, timeout))
}

/// Returns the time that the steps of this line leave of systemd's time-out: their waits are
/// subtracted, and half of the rest is reserved if one of them is a command.
fn left_by(lines: &[StepLine], record: &RunRecord, timeout: Duration) -> Duration {
    let acting: Vec<_> = lines.iter().filter(|line| line.acts(record)).collect();
    let left = acting.iter().fold(timeout, |left, line| {
        left.saturating_sub(act::longest_wait(line))
    });
    if acting.into_iter().any(act::is_command) {
        left / 2
    } else {
        left
    }
}

/// Returns true if this start answers a death although systemd counts no restart.
fn is_turned(unit: &str, series: &Series) -> bool {
    const TAKE_ALONG: [&str; 4] = ["RequiredBy", "BoundBy", "RequisiteOf", "ConsistsOf"];
    const ARE_TAKEN_BY: [&str; 4] = ["Requires", "BindsTo", "Requisite", "PartOf"];
    const BEGUN: &str = "InactiveExitTimestampMonotonic";
    if series.restart_due.is_none() {
        return false;
    }
    let asked = [&TAKE_ALONG[..], &ARE_TAKEN_BY, &[DOWN, BEGUN]].concat();
    let Ok(known) = pid1::ask_patiently(
        unit,
        Wanted {
            unit: &asked,
            own: &[],
        },
    ) else {
        return false;
    };
    let others: BTreeSet<_> = TAKE_ALONG
        .into_iter()
        .flat_map(|list| known.texts(list))
        .collect();
    let is_in_circle = ARE_TAKEN_BY
        .into_iter()
        .flat_map(|list| known.texts(list))
        .any(|other| others.contains(other));
    is_turned_restart(
        series,
        Some(0),
        Beginning {
            is_in_circle,
            down: known.number_or_zero(DOWN),
            begun: known.number_or_zero(BEGUN),
        },
    )
}

/// Handles a start whose run PID 1 does not name: there can be no record of it, and its steps are
/// skipped. After a death it still waits for the back-off.
fn begin_blindly(
    state: &WardState,
    ward: &str,
    unit: &str,
    arguments: &Arguments,
) -> io::Result<()> {
    let series = series_file::load(state);
    if matches!(series.last_end, LastEnd::Death | LastEnd::AbnormalDeath) {
        let restart = series.restarts.saturating_add(1);
        wait(
            ward,
            unit,
            restart,
            backoff(arguments)?.wait_below(restart, None),
        );
    }
    Err(io::Error::other(
        "systemd does not say which run of the unit this is",
    ))
}

/// Returns true if the ward is excluded: then this start is refused. PID 1 has refused it already,
/// unless it does not test the unit's conditions, as before an automatic restart, or they have been
/// reset.
fn is_refused(arguments: &Arguments) -> io::Result<bool> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let Some(mark) = exclusion::load(&state) else {
        return Ok(false);
    };
    // The lines of [OnStop] that PID 1 runs next would take the previous run for this one.
    let _ = state.forget_current();
    let by = match mark.by {
        By::Hand | By::Limit => format!(", by {}", mark.by.word()),
        By::Unknown => String::new(),
    };
    tracing::warn!(
        MESSAGE_ID = messages::REFUSED,
        UNITWARD_WARD = ward,
        OBJECT_SYSTEMD_UNIT = unit,
        "Not starting {unit}: ward {ward} is excluded{by}; \"unitward readmit {ward}\" takes it back."
    );
    Ok(true)
}

/// Returns true if this run was refused, judged by PID 1's properties after its end.
pub(super) fn has_refused(state: &WardState, run: &InvocationId, known: &Properties) -> bool {
    let main_started: u64 = known.number_or_zero(super::MAIN_STARTED);
    let has_run = main_started > 0
        && main_started >= known.number_or_zero::<u64>("InactiveExitTimestampMonotonic");
    !has_run && exclusion::load(state).is_some() && state.run(run.as_str()).is_err()
}

/// Ends this start, and with it this very process. While that is refused the start waits, until it times out.
fn end_start(unit: &str) -> ! {
    loop {
        if let Err(error) = triggers::stop_with(unit, &[]) {
            tracing::warn!(
                OBJECT_SYSTEMD_UNIT = unit,
                "Failed to end the start of {unit}, trying again: {error}"
            );
        }
        std::thread::sleep(TO_BE_ENDED);
    }
}

/// Marks the conditions with `Once=` that fire now; returns those that have fired before.
fn spend(series: &mut Series, start: Start, arguments: &Arguments) -> Vec<String> {
    let mut spent = Vec::new();
    for once in arguments.all("once") {
        let (condition, do_now) = once
            .strip_suffix(":now")
            .map_or((once, false), |condition| (condition, true));
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
    Place {
        condition: condition.to_owned(),
        step: "0".to_owned(),
        do_now,
        breaks: false,
    }
}

pub(super) fn fires(place: &Place, start: Start, failed: &[(String, String)]) -> bool {
    place.acts(Past {
        start: Some(start),
        asked_to_stop: false,
        spent: &[],
        failed,
    })
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
    tracing::info!(
        UNITWARD_WARD = ward,
        OBJECT_SYSTEMD_UNIT = unit,
        "Restarting {unit} in {span}, attempt {restart}."
    );
    std::thread::sleep(wait);
}

#[cfg(test)]
mod tests;
