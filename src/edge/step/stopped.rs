//! `ExecStopPost=`: notes how a run ended and applies the death limit.
//!
//! Two facts of systemd 252 and 257 carry it. While `ExecStopPost=` runs, the unit has a stop or restart job if and
//! only if somebody asked for the end; a start job means that the start itself failed. And a stop queued from here ends the unit in
//! `failed` with its true result and takes the automatic restart back.

use super::arguments::Arguments;
use super::collect;
use crate::core::config::time_span;
use crate::core::recovery::Series;
use crate::core::recovery::series::{DeathLimit, LastEnd, Verdict};
use crate::edge::record::{End, RunRecord, StartKind, WardState};
use crate::edge::systemctl::{self, Properties, Wait};
use crate::edge::{clock, series_file};
use std::io;

/// A reboot as a last resort is refused this soon after boot, in milliseconds: a host that dies at every boot must stay
/// up long enough to be mended.
pub(super) const REBOOT_PAUSE: u64 = 10 * 60 * 1_000;

/// What systemd tells `ExecStopPost=` in the environment (systemd.exec(5)).
struct Told {
    result: String,
    code: String,
    status: String,
}

/// Whether and how the main process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Asked for, or a oneshot that had done its work.
    NoDeath,
    /// A clean end nobody asked for.
    Death,
    /// A crash.
    AbnormalDeath,
}

/// `stopped WARD UNIT [--death-limit= --within= --on-limit= --run=…] --reset-after=`
pub(super) fn stopped(arguments: &Arguments, invocation: &str) -> io::Result<()> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let variable = |name| std::env::var(name).unwrap_or_default();
    let told =
        Told { result: variable("SERVICE_RESULT"), code: variable("EXIT_CODE"), status: variable("EXIT_STATUS") };
    let known = systemctl::show(
        unit,
        &["Job", "Type", "ExecMainPID", "ExecMainExitTimestampMonotonic", "ExecStartPre", "ExecStart", "ExecStartPost"],
    )?;
    let kind = kind_of_end(&told, &known, asked(unit, &known)?);
    let mut series = series_file::load(&state);
    let verdict = note(&mut series, kind, arguments)?;
    let mut record = state.run(invocation).unwrap_or_else(|_| RunRecord::new(ward, unit, invocation, StartKind::First));
    collect::add_results(&mut record, &known);
    record.end = Some(End {
        asked: kind == Kind::NoDeath,
        result: told.result,
        code: told.code,
        status: told.status,
        pid: known.number("ExecMainPID").filter(|pid| *pid > 0),
        at: time_of_death(&known),
        limit_reached: verdict == Verdict::LimitReached,
    });
    state.save_run(&record)?;
    series_file::save(&state, &series)?;
    if verdict == Verdict::LimitReached {
        give_up(ward, unit, arguments)?;
    }
    Ok(())
}

/// Whether a stop or restart is under way that somebody, or the shutdown, asked for.
fn asked(unit: &str, known: &Properties) -> io::Result<bool> {
    if known.get("Job").is_empty() {
        return Ok(false);
    }
    let kind = systemctl::job_type(unit)?;
    Ok(kind.is_some_and(|kind| matches!(kind.as_str(), "stop" | "restart" | "try-restart")))
}

fn kind_of_end(told: &Told, known: &Properties, asked: bool) -> Kind {
    let clean = told.result == "success";
    match told.result.as_str() {
        _ if asked => Kind::NoDeath,
        // ExecCondition= said that there is nothing to do.
        "exec-condition" => Kind::NoDeath,
        "success" if known.get("Type") == "oneshot" => Kind::NoDeath,
        _ if clean => Kind::Death,
        _ => Kind::AbnormalDeath,
    }
}

fn note(series: &mut Series, kind: Kind, arguments: &Arguments) -> io::Result<Verdict> {
    let end = match kind {
        Kind::NoDeath => {
            series.asked();
            return Ok(Verdict::Restart);
        }
        Kind::Death => LastEnd::Death,
        Kind::AbnormalDeath => LastEnd::AbnormalDeath,
    };
    let limit = DeathLimit {
        deaths: arguments.all("death-limit").next().and_then(|text| text.parse().ok()).unwrap_or(0),
        within: arguments.span("within")?,
        reset_after: arguments.span("reset-after")?,
    };
    Ok(series.death(clock::since_boot(), end, limit))
}

/// When the main process ended, as PID 1 saw it; now, where it never ran.
fn time_of_death(known: &Properties) -> u64 {
    match known.number::<u64>("ExecMainExitTimestampMonotonic") {
        Some(micros) if micros > 0 => clock::epoch_of_monotonic(micros),
        _ => clock::since_epoch(),
    }
}

fn give_up(ward: &str, unit: &str, arguments: &Arguments) -> io::Result<()> {
    let limit = arguments.all("death-limit").next().unwrap_or_default().to_owned();
    let within = time_span::render(arguments.span("within")?);
    let mut action = arguments.all("on-limit").next().unwrap_or_default();
    if action == "reboot" && systemctl::since_boot() < REBOOT_PAUSE {
        tracing::warn!(
            UNITWARD_WARD = ward,
            "Not rebooting for {unit}: the host booted less than 10 minutes ago. Excluding it instead."
        );
        action = "exclude";
    }
    match action {
        "none" => tracing::warn!(
            UNITWARD_WARD = ward,
            "{unit} died more than {limit} times within {within}; restarting it all the same."
        ),
        "reboot" => {
            tracing::error!(
                UNITWARD_WARD = ward,
                "{unit} died more than {limit} times within {within}; rebooting the host."
            );
            systemctl::output(&["--no-block", "reboot"])?;
        }
        _ => {
            tracing::error!(
                UNITWARD_WARD = ward,
                "{unit} died more than {limit} times within {within}; leaving it down until \"systemctl start {unit}\"."
            );
            systemctl::job("stop", unit, Wait::ForQueue)?;
        }
    }
    for service in arguments.all("run") {
        systemctl::job("start", service, Wait::ForQueue)?;
    }
    Ok(())
}
