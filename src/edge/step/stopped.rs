//! `ExecStopPost=`: records the end of a run and applies the death limit; after a requested end it
//! runs the steps of `[OnStop]`.
//!
//! It relies on a fact of systemd 252 and 257: a stop queued from here ends the unit in `failed`
//! with its true result and cancels the automatic restart.

use super::arguments::Arguments;
use super::asked::{Kind, Stamps, asked, kind_of_end, timed_out, was_restarted_with_its_stack};
use super::came_up::{complete, main_started};
use super::ending::{Failed, MAIN_ENDED_AT, Told};
use super::judged::Judged;
use super::limit::{Counted, Site};
use super::list::{self, Phase, Run};
use super::stack::Death;
use super::{answer, begin, ending, limit, own_lines, pulled, tell, this_run};
use crate::core::recovery::series::Verdict;
use crate::core::recovery::{Series, turned};
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::record::{End, GivenUp, RunRecord, WardState};
use crate::edge::{clock, series_file};
use rustix::fs::Mode;
use std::io;
use std::time::Duration;

/// Unit properties that are requested from PID 1.
const OF_UNIT: [&str; 7] = [
    "Id",
    "Job",
    "SubState",
    "InactiveExitTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
    "ActiveExitTimestampMonotonic",
    this_run::PROPERTY,
];

/// Service properties that are requested from PID 1, besides its lists of commands.
const OF_SERVICE: [&str; 16] = [
    "Type",
    "Result",
    "ExecMainCode",
    "ExecMainStatus",
    "Restart",
    "RestartPreventExitStatus",
    "RestartForceExitStatus",
    "RestartUSec",
    "RestartUSecNext",
    "RestartRandomizedDelayUSec",
    "NRestarts",
    "RestartMode",
    "ExecMainPID",
    super::MAIN_STARTED,
    super::MAIN_ENDED,
    MAIN_ENDED_AT,
];

/// `stopped WARD UNIT [--stack=] [--death-limit= --within= --on-limit= --run=… --run-once=…]
/// --reset-after= [--step=…]`: runs the whole line and returns its exit status.
pub(super) fn stopped(words: &[String], umask: Mode) -> io::Result<u8> {
    let (arguments, lines) = list::read(words)?;
    let state = WardState::of(arguments.word(0)?);
    let Some((record, done)) = note_end(&arguments, &state)? else {
        return Ok(0);
    };
    let status = Run::new(
        &state,
        record,
        list::Site::new(Phase::Stop, umask, &arguments),
    )
    .whole(&lines);
    done.map(|()| status)
}

/// Records the end and carries out its consequences; returns the record, and the error of a
/// consequence that failed; `None`: for a start that `begin` has refused.
fn note_end(
    arguments: &Arguments,
    state: &WardState,
) -> io::Result<Option<(RunRecord, io::Result<()>)>> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let (known, job) = ask(unit)?;
    let run = this_run::required(&known)?;
    let invocation = run.as_str();
    if begin::has_refused(state, &run, &known) {
        return Ok(None);
    }
    let told = Told::of(&known);
    let kind = kind_of(&told, &known, job.as_deref(), arguments);
    let is_stop = kind == Kind::Asked && job.as_deref() == Some("stop");
    let pulled_by = if is_stop { pulled::by(&known) } else { None };
    let mut record = state
        .run(invocation)
        .unwrap_or_else(|_| super::lost(ward, unit, &run, &known));
    let turn = state.turn();
    let mut series = series_file::load(state);
    let is_news = complete(&mut record, &mut series, kind, &known);
    let counted = counted(&series, &known);
    let verdict = note(&mut series, kind, arguments)?;
    series.ended(known.number("NRestarts"));
    series.died_in = kind.is_death().then(|| invocation.to_owned());
    series.restart_due = restart_due(kind, &known);
    let mut judged = Judged::of(verdict, kind.death(), &mut series, arguments)?;
    let marked = judged.mark(state);
    let mut saved = series_file::save(state, &series);
    // A full disk must not make the limit unreachable.
    if saved.is_err() && kind.is_death() && verdict == Verdict::Restart {
        let verdict = limit::death_by_counter(counted, arguments)?;
        // Else what was judged stands: conditions with Once= are marked by now.
        if verdict == Verdict::LimitReached {
            judged = Judged::of(verdict, kind.death(), &mut series, arguments)?;
        }
    }
    own_lines::add_results(&mut record, &known);
    if is_news {
        tell::dropped(&record);
    }
    let given_up = judged.given_up();
    record.end = Some(End {
        limit_reached: judged.is_limit_reached(),
        given_up,
        pulled_by,
        restart_follows: Some(series.restart_due.is_some() && given_up.is_none()),
        ..end(told, &known, kind, &record)
    });
    if state.current().as_ref() != Some(&run) {
        // The lines of [OnStop] read it.
        saved = saved.and(state.set_current(&run));
    }
    drop(turn);
    let death = Death {
        unit: super::name(unit, &known),
        invocation,
    };
    let demands = Demands {
        judged: &judged,
        arguments,
        death,
    };
    let done = finish(state, &mut record, demands).and(saved).and(marked);
    Ok(Some((record, done)))
}

/// Queries PID 1 for the unit and the type of its job.
fn ask(unit: &str) -> io::Result<(Properties, Option<String>)> {
    let own = [&OF_SERVICE[..], &ending::LISTS].concat();
    let of_unit = [&OF_UNIT[..], &pulled::LISTS].concat();
    let wanted = Wanted {
        unit: &of_unit,
        own: &own,
    };
    pid1::ask_with_job(unit, wanted)
}

/// Returns the kind of the end, by the type of the unit's job, if it has one.
fn kind_of(told: &Told, known: &Properties, job: Option<&str>, arguments: &Arguments) -> Kind {
    let asked = asked(told, known, job) || was_restarted_with_its_stack(told, arguments, known);
    kind_of_end(told, known, asked)
}

/// Returns the end as PID 1 shows it, without its consequences.
fn end(told: Told, known: &Properties, kind: Kind, record: &RunRecord) -> End {
    let failed = Failed::of(&told, known);
    let is_step = kind.is_death() && failed.is_ours && record.up.is_none();
    End {
        step: is_step.then(|| ending::failed_step(record)).flatten(),
        timed_out: timed_out(&told, known, kind),
        asked: kind == Kind::Asked,
        finished: kind == Kind::Finished,
        result: told.result,
        code: failed.code,
        status: failed.status,
        pid: failed.pid,
        at: failed.at,
        since_boot: Some(failed.since_boot),
        limit_reached: false,
        given_up: None,
        pulled_by: None,
        restart_follows: None,
    }
}

/// The consequences of the end of a run.
pub(super) struct Demands<'a> {
    pub(super) judged: &'a Judged,
    pub(super) arguments: &'a Arguments,
    pub(super) death: Death<'a>,
}

/// Saves the record of a run that has ended, logs it and carries out the consequences.
pub(super) fn finish(
    state: &WardState,
    record: &mut RunRecord,
    demands: Demands<'_>,
) -> io::Result<()> {
    let Demands {
        judged,
        arguments,
        death,
    } = demands;
    // The outcome of a stack restart is known only after the request. The record is saved before it
    // all the same: the restarter may end this very process.
    let is_open = judged.given_up() == Some(GivenUp::RestartStack);
    if !is_open {
        tell::ended(record);
    }
    let mut saved = state.save_run(record);
    let came = judged.carry_out(arguments, Site::Ended(death));
    if let (Ok(came), Some(end)) = (&came, &mut record.end)
        && end.given_up != *came
    {
        end.given_up = *came;
        saved = state.save_run(record);
    }
    if is_open {
        tell::ended(record);
    }
    came.map(drop).and(saved)
}

/// Returns the input of the death limit if nothing can be written; `series` is in its last stored
/// state.
fn counted(series: &Series, known: &Properties) -> Counted {
    let Stamps { died, .. } = Stamps::of(known);
    let lived = if main_started(known) > 0 {
        died.saturating_sub(main_started(known))
    } else {
        0
    };
    Counted {
        now: known.number("NRestarts"),
        noted: series.nrestarts,
        lasted: Duration::from_micros(lived),
    }
}

/// Returns the time before which systemd does not restart the unit, in microseconds of the
/// monotonic clock; `None`: it does not restart it by itself.
fn restart_due(kind: Kind, known: &Properties) -> Option<u64> {
    let end = known.process_end("ExecMainCode", "ExecMainStatus");
    let is_restarted = kind.is_death() && answer::restarts(known, known.text("Result"), end);
    // systemd tells the next delay since version 254; if it adds a random time, since 262, only the
    // minimum is known.
    let is_random = known
        .number("RestartRandomizedDelayUSec")
        .is_some_and(|most: u64| most > 0);
    let next = known
        .number("RestartUSecNext")
        .filter(|_| !is_random)
        .or(known.number("RestartUSec"));
    is_restarted.then(|| turned::restart_due(clock::monotonic(), next.unwrap_or(0)))
}

fn note(series: &mut Series, kind: Kind, arguments: &Arguments) -> io::Result<Verdict> {
    match kind.death() {
        Some(death) => limit::death(series, death, arguments),
        None => {
            series.asked();
            Ok(Verdict::Restart)
        }
    }
}
