//! `ExecStopPost=`: records the end of a run and applies the death limit; after a requested end it
//! runs the steps of `[OnStop]`.
//!
//! It relies on a fact of systemd 252 and 257: a stop queued from here ends the unit in `failed`
//! with its true result and cancels the automatic restart.

use super::arguments::Arguments;
use super::asked::{Kind, Stamps, asked, kind_of_end, timed_out, was_restarted_with_its_stack};
use super::ending::{Failed, MAIN_ENDED_AT, Told};
use super::limit::{Counted, Decision, Site};
use super::list::{self, Phase, Run};
use super::stack::Death;
use super::{begin, ending, limit, own_lines, pulled, tell, this_run};
use crate::core::recovery::series::{LastEnd, Verdict};
use crate::core::recovery::{Series, policy, turned};
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::record::{End, GivenUp, RunRecord, Up, WardState};
use crate::edge::{clock, series_file, up};
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
    let own = [&OF_SERVICE[..], &ending::LISTS].concat();
    let of_unit = [&OF_UNIT[..], &pulled::LISTS].concat();
    let (known, job) = pid1::ask_with_job(
        unit,
        Wanted {
            unit: &of_unit,
            own: &own,
        },
    )?;
    let run = this_run::required(&known)?;
    let invocation = run.as_str();
    if begin::has_refused(state, &run, &known) {
        return Ok(None);
    }
    let told = Told::of(&known);
    let asked = asked(&told, (&known, job.as_deref()))
        || was_restarted_with_its_stack(&told, arguments, &known);
    let kind = kind_of_end(&told, &known, asked);
    let is_stop = kind == Kind::Asked && job.as_deref() == Some("stop");
    let pulled_by = if is_stop { pulled::by(&known) } else { None };
    let mut record = state
        .run(invocation)
        .unwrap_or_else(|_| super::lost(ward, unit, (&run, &known)));
    let turn = state.turn();
    let mut series = series_file::load(state);
    let is_news = complete(&mut record, &mut series, (kind, &known));
    let counted = counted(&series, &known);
    let mut verdict = note(&mut series, kind, arguments)?;
    series.ended(known.number("NRestarts"));
    series.died_in = kind.is_death().then(|| invocation.to_owned());
    series.restart_due = restart_due(kind, &known);
    let mut services = services(verdict, &mut series, arguments);
    let mut decision = decide(verdict, arguments)?;
    let marked = limit::mark(state, decision.as_ref());
    let mut saved = series_file::save(state, &series);
    // A full disk must not make the limit unreachable.
    if saved.is_err() && kind.is_death() && verdict == Verdict::Restart {
        verdict = limit::death_by_counter(counted, arguments)?;
        services = self::services(verdict, &mut series, arguments);
        decision = decide(verdict, arguments)?;
    }
    own_lines::add_results(&mut record, &known);
    if is_news {
        tell::dropped(&record);
    }
    let failed = Failed::of(&told, &known);
    let given_up = decision.as_ref().and_then(Decision::given_up);
    record.end = Some(End {
        timed_out: timed_out(&told, &known, kind),
        asked: kind == Kind::Asked,
        finished: kind == Kind::Finished,
        result: told.result,
        code: failed.code,
        status: failed.status,
        pid: failed.pid,
        at: failed.at,
        since_boot: Some(failed.since_boot),
        limit_reached: decision.is_some(),
        given_up,
        pulled_by,
        restart_follows: Some(series.restart_due.is_some() && given_up.is_none()),
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
    let done = finish(
        state,
        &mut record,
        (decision, &services),
        (arguments, death),
    )
    .and(saved)
    .and(marked);
    Ok(Some((record, done)))
}

/// Saves the record of a run that has ended, logs it and carries out the demands of the death
/// limit.
pub(super) fn finish(
    state: &WardState,
    record: &mut RunRecord,
    (decision, services): (Option<Decision>, &[&str]),
    (arguments, death): (&Arguments, Death<'_>),
) -> io::Result<()> {
    // The outcome of a stack restart is known only after the request. The record is saved before it
    // all the same: the restarter may end this very process.
    let is_open = decision.as_ref().and_then(Decision::given_up) == Some(GivenUp::RestartStack);
    if !is_open {
        tell::ended(record);
    }
    let mut saved = state.save_run(record);
    let Some(decision) = decision else {
        return saved;
    };
    let came = limit::carry_out(&decision, services, arguments, Site::Ended(death));
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
    let is_named = |property| known.names_end(property, "ExecMainCode", "ExecMainStatus");
    let by_policy = || policy::restarts(known.text("Restart"), known.text("Result"));
    let shall_restart = !is_named("RestartPreventExitStatus")
        && (is_named("RestartForceExitStatus") || by_policy());
    let is_restarted = kind.is_death() && shall_restart;
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

fn decide(verdict: Verdict, arguments: &Arguments) -> io::Result<Option<Decision>> {
    (verdict == Verdict::LimitReached)
        .then(|| limit::decide(arguments))
        .transpose()
}

/// Returns the services that `[OnLimit]` starts, if the limit was reached.
fn services<'a>(verdict: Verdict, series: &mut Series, arguments: &'a Arguments) -> Vec<&'a str> {
    if verdict == Verdict::LimitReached {
        limit::services(series, arguments)
    } else {
        Vec::new()
    }
}

/// Notes when the run was up, where no line of the unit has; gives whether it was.
fn complete(
    record: &mut RunRecord,
    series: &mut Series,
    (kind, known): (Kind, &Properties),
) -> bool {
    let Stamps { up, .. } = Stamps::of(known);
    let was_up = was_up(record.begun_since_boot, known);
    if was_up {
        series
            .up_since
            .get_or_insert_with(|| clock::since_boot_of_monotonic(up));
    }
    let at = || {
        if was_up {
            Some(up::at(up, main_started(known)))
        } else {
            work_done(kind, known)
        }
    };
    let is_news = record.up.is_none();
    record.up = record.up.or_else(at);
    is_news && record.up.is_some()
}

/// Returns true if the unit became `active` in this run.
///
/// With `RestartMode=direct` the unit does not become `inactive` between two runs, so the time at
/// which it left that state tells nothing. The start time of the run's first line (`begun`,
/// milliseconds since boot) is used instead.
fn was_up(begun: Option<u64>, known: &Properties) -> bool {
    let Stamps { began, up, .. } = Stamps::of(known);
    let is_direct = known.text("RestartMode") == "direct";
    let is_later = || begun.is_none_or(|begun| clock::since_boot_of_monotonic(up) >= begun);
    0 < up && began <= up && (!is_direct || is_later())
}

/// Returns the time at which a oneshot that was never `active` had done its work.
fn work_done(kind: Kind, known: &Properties) -> Option<Up> {
    let Stamps { died, .. } = Stamps::of(known);
    let is_done = kind == Kind::Finished && known.text("Result") == "success" && died > 0;
    is_done.then(|| up::at(died, main_started(known)))
}

fn main_started(known: &Properties) -> u64 {
    known.number(super::MAIN_STARTED).unwrap_or(0)
}

fn note(series: &mut Series, kind: Kind, arguments: &Arguments) -> io::Result<Verdict> {
    match kind {
        Kind::Asked | Kind::Finished => {
            series.asked();
            Ok(Verdict::Restart)
        }
        Kind::Death => limit::death(series, LastEnd::Death, arguments),
        Kind::AbnormalDeath => limit::death(series, LastEnd::AbnormalDeath, arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_was_up_whose_unit_became_active_in_it() {
        let now = clock::monotonic();
        let known = |began: u64, up: u64, mode: &'static str| {
            let at = |ago: u64| if ago == 0 { 0 } else { now - ago * 1_000_000 };
            Properties::from([
                ("InactiveExitTimestampMonotonic", at(began).into()),
                ("ActiveEnterTimestampMonotonic", at(up).into()),
                ("RestartMode", mode.into()),
            ])
        };
        let begun = Some(clock::since_boot_of_monotonic(now - 50_000_000));
        for (began, up, mode, expect) in [
            (50, 40, "normal", true),
            (50, 60, "normal", false),
            (50, 0, "", false),
            // An earlier run.
            (90, 80, "direct", false),
            (90, 40, "direct", true),
        ] {
            assert_eq!(
                was_up(begun, &known(began, up, mode)),
                expect,
                "{began} {up} {mode}"
            );
        }
        assert!(
            was_up(None, &known(90, 80, "direct")),
            "nobody noted when it began"
        );
    }
}
