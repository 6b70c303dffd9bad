//! The sockets, timers and paths that start a unit.
//!
//! While the unit may not start they would have it started again and again, until systemd ends them
//! with `trigger-limit-hit`, so they are stopped with it. Units that require them are left alone.

use super::pid1::{self, Wanted};
use super::systemctl;
use std::io;

/// Returns the triggers of a unit that are up. A socket with `Accept=yes` is none: it starts another
/// instance for each connection, and is there for all of them.
///
/// # Errors
/// If PID 1 cannot be asked.
pub fn active(unit: &str) -> io::Result<Vec<String>> {
    let known = pid1::ask_patiently(
        unit,
        Wanted {
            unit: &["TriggeredBy"],
            own: &[],
        },
    )?;
    let all: Vec<&str> = known.texts("TriggeredBy").collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let states = pid1::ask_all(
        &all,
        Wanted {
            unit: &["ActiveState"],
            own: &["Accept"],
        },
    )?;
    let up = all.iter().zip(&states).filter(|(_, shown)| {
        is_up(shown.text("ActiveState")) && shown.flag("Accept") != Some(true)
    });
    Ok(up.map(|(trigger, _)| (*trigger).to_owned()).collect())
}

/// Returns true if a unit in this state is up. One that is being stopped will be down, so it counts
/// as down.
pub(super) fn is_up(active_state: &str) -> bool {
    !matches!(active_state, "inactive" | "failed" | "deactivating")
}

/// Stops a unit's triggers and then the unit. Units that require them are left alone, as systemd's
/// own start limit leaves them.
///
/// # Errors
/// If one of the stops is refused; the others are made all the same.
pub fn stop_with(unit: &str, triggers: &[String]) -> io::Result<()> {
    stop_all(triggers.iter().map(String::as_str).chain([unit]))
}

/// Stops triggers. Units that require them are left alone.
///
/// # Errors
/// If one of the stops is refused; the others are made all the same.
#[cfg(feature = "full")]
pub fn stop(triggers: &[String]) -> io::Result<()> {
    if triggers.is_empty() {
        Ok(())
    } else {
        stop_all(triggers.iter().map(String::as_str))
    }
}

fn stop_all<'a>(units: impl Iterator<Item = &'a str>) -> io::Result<()> {
    let units: Vec<_> = units.collect();
    let words = ["stop", "--job-mode=ignore-dependencies", "--"];
    let stopped = systemctl::queue(
        &words
            .into_iter()
            .chain(units.iter().copied())
            .collect::<Vec<_>>(),
    );
    // A service that fills its own control group leaves no room for another process.
    stopped.or_else(|_| {
        units
            .into_iter()
            .map(pid1::stop)
            .fold(Ok(()), io::Result::and)
    })
}

/// Starts triggers again.
///
/// # Errors
/// If one of the starts is refused; the others are made all the same.
pub fn start(triggers: &[String]) -> io::Result<()> {
    if triggers.is_empty() {
        return Ok(());
    }
    let arguments: Vec<_> = ["start", "--"]
        .into_iter()
        .chain(triggers.iter().map(String::as_str))
        .collect();
    systemctl::queue(&arguments)
}
