//! `ExecStopPost=`: notes how a run ended and applies the death limit.
//!
//! Two facts of systemd 252 and 257 carry it. While `ExecStopPost=` runs, the unit has a stop or restart job if
//! somebody asked for the end; a start job means that the start itself failed, or that a start has overtaken a stop. And a
//! stop queued from here ends the unit in `failed` with its true result and takes the automatic restart back.

use super::arguments::Arguments;
use super::{collect, limit};
use crate::core::recovery::Series;
use crate::core::recovery::series::{LastEnd, Verdict};
use crate::edge::record::{End, RunRecord, StartKind, WardState};
use crate::edge::systemctl::{self, Properties};
use crate::edge::{clock, series_file};
use std::io;

/// What is asked of PID 1.
const ASKED: [&str; 13] = [
    "Id",
    "Job",
    "Type",
    "NRestarts",
    "ExecMainPID",
    "InactiveExitTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
    "ActiveExitTimestampMonotonic",
    "ExecMainExitTimestampMonotonic",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecStopPost",
];

/// What systemd tells `ExecStopPost=` in the environment (systemd.exec(5)).
struct Told {
    result: String,
    code: String,
    status: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Somebody asked for it.
    Asked,
    /// There was nothing more to do.
    Finished,
    /// A clean end nobody asked for.
    Death,
    /// A crash.
    AbnormalDeath,
}

/// `stopped WARD UNIT [--death-limit= --within= --on-limit= --run=… --run-once=…] --reset-after=`
pub(super) fn stopped(arguments: &Arguments, invocation: &str) -> io::Result<()> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let variable = |name| std::env::var(name).unwrap_or_default();
    let told =
        Told { result: variable("SERVICE_RESULT"), code: variable("EXIT_CODE"), status: variable("EXIT_STATUS") };
    let known = systemctl::show(unit, &ASKED)?;
    let kind = kind_of_end(&told, &known, asked(&told, &known)?);
    let mut series = series_file::load(&state);
    let mut verdict = note(&mut series, kind, arguments)?;
    series.ended(known.number("NRestarts"));
    let mut record = state.run(invocation).unwrap_or_else(|_| RunRecord::new(ward, unit, invocation, StartKind::First));
    collect::add_results(&mut record, &known);
    record.end = Some(End {
        asked: kind == Kind::Asked,
        finished: kind == Kind::Finished,
        result: told.result,
        code: told.code,
        status: told.status,
        pid: known.number("ExecMainPID").filter(|pid| *pid > 0),
        at: time_of_death(&known),
        limit_reached: verdict == Verdict::LimitReached,
    });
    let mut services =
        if verdict == Verdict::LimitReached { limit::services(&mut series, arguments) } else { Vec::new() };
    // A full disk must not make a limit that is never reached.
    let saved = state.save_run(&record).and_then(|()| series_file::save(&state, &series));
    if saved.is_err() && matches!(kind, Kind::Death | Kind::AbnormalDeath) && verdict == Verdict::Restart {
        verdict = limit::death_by_counter(known.number("NRestarts"), arguments);
        services = limit::services(&mut series, arguments);
    }
    if verdict == Verdict::LimitReached { limit::give_up(&services, arguments).and(saved) } else { saved }
}

/// Whether a stop or restart is under way that somebody, or the shutdown, asked for.
fn asked(told: &Told, known: &Properties) -> io::Result<bool> {
    if known.get("Job").is_empty() {
        return Ok(false);
    }
    let kind = systemctl::job_type(known.get("Id"))?;
    Ok(match kind.as_deref() {
        Some("stop" | "restart" | "try-restart") => true,
        _ => a_stop_was_overtaken(told, known),
    })
}

/// Whether the unit was being stopped before its main process ended, though the stop job is no more: a start has taken its
/// place. systemd's own reasons to stop a unit name themselves in the result.
fn a_stop_was_overtaken(told: &Told, known: &Properties) -> bool {
    let at = |key: &str| known.number::<u64>(key).unwrap_or(0);
    let (began, up) = (at("InactiveExitTimestampMonotonic"), at("ActiveEnterTimestampMonotonic"));
    let (left, died) = (at("ActiveExitTimestampMonotonic"), at("ExecMainExitTimestampMonotonic"));
    let of_itself = matches!(told.result.as_str(), "watchdog" | "timeout" | "oom-kill" | "resources" | "protocol");
    !of_itself && began > 0 && began <= up && up <= left && left < died
}

fn kind_of_end(told: &Told, known: &Properties, asked: bool) -> Kind {
    match told.result.as_str() {
        _ if asked => Kind::Asked,
        // ExecCondition= said that there is nothing to do.
        "exec-condition" => Kind::Finished,
        "success" if known.get("Type") == "oneshot" => Kind::Finished,
        "success" => Kind::Death,
        _ => Kind::AbnormalDeath,
    }
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

/// When the main process ended, as PID 1 saw it; now, where it never ran.
fn time_of_death(known: &Properties) -> u64 {
    match known.number::<u64>("ExecMainExitTimestampMonotonic") {
        Some(micros) if micros > 0 => clock::epoch_of_monotonic(micros),
        _ => clock::since_epoch(),
    }
}
