//! `ExecStartPost=`, the last line of a start of a ward with steps after its restart: runs them and
//! records that the run is up.

use super::arguments::Arguments;
use super::begin::{fires, once_place};
use super::list::{self, Phase, Run, Site};
use super::{identity, own_lines, tell, this_run};
use crate::core::recovery::series::Start;
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::record::{RunRecord, StartKind, Up, UpSinceBoot, WardState};
use crate::edge::{clock, series_file};
use rustix::fs::Mode;
use std::io;

/// `end WARD UNIT [--fetch] [--once=CONDITION] [--step=…]`; returns the status of a step that the
/// start depends on and that failed.
pub(super) fn end(words: &[String], umask: Mode) -> io::Result<u8> {
    let (arguments, lines) = list::read(words)?;
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let noted = state.current().and_then(|run| state.run(run.as_str()).ok());
    // At a boot this line usually has nothing to do: then it sends no query.
    let is_idle = noted.as_ref().is_some_and(|record| {
        record.start == StartKind::First && !lines.iter().any(|line| line.acts(record))
    });
    let must_ask = !is_idle || arguments.has("fetch") || arguments.has("collect");
    let known = must_ask.then(|| ask(unit));
    let record = match &known {
        None => noted,
        Some(known) => Some(record_of(&arguments, &state, noted, known)?),
    };
    let mut run = Run::new(
        &state,
        record.ok_or(io::ErrorKind::NotFound)?,
        Site::new(Phase::Start, umask, &arguments),
    );
    if let Some(known) = &known {
        run.hear(known);
        if !run.is_over() {
            own_lines::add_results(&mut run.record, known);
        }
    }
    let status = run.steps(&lines);
    if status != 0 || (known.is_some() && run.is_over()) {
        return Ok(status);
    }
    run.record.has_come_to_its_end();
    note_up(&mut run.record, known.as_ref());
    finish(&run, &arguments).map(|()| run.exit_status(&lines))
}

fn ask(unit: &str) -> Properties {
    let own = [
        &["NRestarts"],
        &super::STATE_OF_START[..],
        &identity::PROPERTIES,
        &own_lines::LISTS,
    ]
    .concat();
    pid1::ask(
        unit,
        Wanted {
            unit: &["Id", "SubState", this_run::PROPERTY],
            own: &own,
        },
    )
    .unwrap_or_default()
}

/// Returns the record of the run that PID 1 names, or of the current run if PID 1 does not answer.
fn record_of(
    arguments: &Arguments,
    state: &WardState,
    noted: Option<RunRecord>,
    known: &Properties,
) -> io::Result<RunRecord> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let run = this_run::known(known)
        .or_else(|| state.current())
        .ok_or(io::ErrorKind::NotFound)?;
    let noted = noted
        .filter(|record| record.invocation == run.as_str())
        .or_else(|| state.run(run.as_str()).ok());
    Ok(noted.unwrap_or_else(|| super::lost(ward, unit, &run, known)))
}

fn note_up(record: &mut RunRecord, known: Option<&Properties>) {
    let (at, of_boot) = (clock::since_epoch(), clock::since_boot());
    let main = known
        .and_then(|known| known.number(super::MAIN_STARTED))
        .filter(|micros| *micros > 0);
    let since_boot = UpSinceBoot {
        main: main.map_or(of_boot, clock::since_boot_of_monotonic),
        at: of_boot,
    };
    record.up = Some(Up {
        main: main.map_or(at, clock::epoch_of_monotonic),
        at,
        since_boot: Some(since_boot),
    });
}

/// Marks the conditions that fire once, and logs that the unit is up again.
fn finish(run: &Run<'_>, arguments: &Arguments) -> io::Result<()> {
    let record = &run.record;
    let failed = record.failed_steps();
    let mut series = series_file::load(run.state);
    series.up(clock::since_boot());
    // [OnRestart] fires only now that all other steps are known to have succeeded.
    let restarted = if record.start == StartKind::First {
        Start::First
    } else {
        Start::AfterDeath
    };
    for condition in arguments
        .all("once")
        .filter(|condition| fires(&once_place(condition, false), restarted, &failed))
    {
        series.spent.insert(condition.to_owned());
    }
    if record.start != StartKind::First {
        tell::dropped(record);
        tell::restarted(record, failed.len());
    }
    run.state
        .save_run(record)
        .and(series_file::save(run.state, &series))
}
