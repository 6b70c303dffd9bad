//! State of a ward: one line of the list, the head of its status.

mod document;
mod step;

pub(in crate::shell) use document::{DeathTold, Down, DownBy, ExclusionTold, Line, State, StepAt};
pub(super) use step::{at_work, wording};

use super::outlook::limit;
use super::pid1::{Details, UnitSeen};
use super::scene::{Book, Scene};
use crate::core::config::Ward;
use crate::core::config::time_span::millis;
use crate::core::crash::reason::TimeLimits;
use crate::core::crash::report::UNKNOWN;
use crate::core::recovery::policy;
use crate::edge::record::{End, RunRecord, StartKind};
use step::step;

/// Returns the line of a ward.
pub(super) fn line(scene: &Scene, ward: &Ward) -> Line {
    let (unit, book) = (scene.unit(&ward.unit()), scene.book(ward));
    let needs_reload = scene.stale.contains_key(&ward.unit());
    let state = match state(unit, book, needs_reload) {
        _ if ward.is_template() => State::Template,
        State::Recovering if still_waits(unit, book, scene.epoch) => State::Restarting,
        state => state,
    };
    let (until, step) = match (state, unit.details.as_ref()) {
        (State::Restarting, Some(details)) => (until(book, unit, details), None),
        (State::Recovering | State::Starting | State::Stopping | State::Dying, Some(_)) => {
            (None, step(ward, unit, book))
        }
        _ => (None, None),
    };
    let recovery = &ward.recovery;
    let mut counted = book.series.clone();
    counted.forget(scene.boot, limit(recovery));
    let is_limited = recovery.death_limit > 0;
    Line {
        name: ward.name.to_string(),
        unit: ward.unit().to_string(),
        stack: ward.stack.as_ref().map(ToString::to_string),
        state,
        down: (state == State::Stopped).then(|| down(book)).flatten(),
        since: since(unit, book, state),
        cleaning_up: unit.active == "deactivating"
            && matches!(state, State::Restarting | State::Dying),
        until,
        step,
        needs_reload,
        exclusion: book.exclusion.as_ref().map(|exclusion| ExclusionTold {
            timestamp: exclusion.at,
            by: exclusion.by.word().to_owned(),
            why: Some(exclusion.why.clone()).filter(|why| !why.is_empty()),
        }),
        deaths: if is_limited {
            counted.deaths.len() as u64
        } else {
            0
        },
        death_limit: is_limited.then_some(recovery.death_limit),
        death_limit_interval_ms: is_limited.then(|| millis(recovery.death_limit_interval)),
        last_death: last_death(book, unit.details.as_ref()),
    }
}

/// Returns the cause of being down, by the record of the latest run.
fn down(book: &Book) -> Option<Down> {
    let end = book.latest()?.end.as_ref()?;
    Some(match &end.pulled_by {
        Some(unit) => Down {
            by: DownBy::Unit,
            unit: Some(unit.clone()),
            reason: None,
        },
        None if end.is_death() && end.restart_follows != Some(true) => Down {
            by: DownBy::Itself,
            unit: None,
            reason: reason(end, &TimeLimits::default()),
        },
        // A death after which a restart was due: the unit was stopped while the restart waited.
        None => Down {
            by: DownBy::Request,
            unit: None,
            reason: None,
        },
    })
}

/// Returns the state of a ward, from its unit and its records.
pub(super) fn state(unit: &UnitSeen, book: &Book, needs_reload: bool) -> State {
    let restarts = is_restart(unit, book);
    match (unit.active.as_str(), unit.sub.as_str()) {
        ("active", "exited") => return State::Done,
        ("active" | "reloading" | "refreshing", _) => return State::Running,
        ("activating", _) if unit.waits_for_systemd() => return State::Restarting,
        ("activating", _) if waits(unit) && restarts && is_before_its_steps(book) => {
            return State::Restarting;
        }
        ("activating", _) if restarts => return State::Recovering,
        ("activating", _) => return State::Starting,
        ("deactivating", _) if comes_back(unit, book) => return State::Restarting,
        ("deactivating", _) if has_died(unit, book) => return State::Dying,
        ("deactivating", _) => return State::Stopping,
        _ => {}
    }
    match unit.load.as_str() {
        "masked" => return State::Masked,
        "loaded" => {}
        "not-found" | "" if needs_reload => return State::NotLoaded,
        "not-found" | "" => return State::Missing,
        _ => return State::Broken,
    }
    let finished = book
        .latest()
        .and_then(|run| run.end.as_ref())
        .is_some_and(|end| end.finished);
    match unit.active.as_str() {
        _ if unit.job.as_deref() == Some("start") => State::Starting,
        _ if book.exclusion.is_some() => State::Excluded,
        "failed" => State::Failed,
        _ if finished => State::Done,
        _ => State::Stopped,
    }
}

/// Returns true if this start is an automatic restart. While `begin` runs, the record that knows
/// may not exist yet.
fn is_restart(unit: &UnitSeen, book: &Book) -> bool {
    let told = unit
        .details
        .as_ref()
        .and_then(|details| details.restarts)
        .filter(|_| waits(unit));
    // Only the record knows of a restart that systemd has turned into a stop and a start.
    told.is_some_and(|restarts| restarts > 0)
        || book
            .latest()
            .is_some_and(|run| run.start != StartKind::First && run.end.is_none())
}

/// Returns true if a unit that goes down has died and is restarted once it is down. A stop that is
/// requested meanwhile is a job.
fn comes_back(unit: &UnitSeen, book: &Book) -> bool {
    let end = book
        .latest()
        .and_then(|run| run.end.as_ref())
        .filter(|end| end.is_death() && end.given_up.is_none());
    let (Some(end), Some(details), None) = (end, &unit.details, &unit.job) else {
        return false;
    };
    policy::restarts(&details.restart, &end.result)
}

/// Returns true if a unit that goes down has died: a stop that is requested meanwhile is a job, but
/// not one that the death limit has queued.
fn has_died(unit: &UnitSeen, book: &Book) -> bool {
    let end = book.latest().and_then(|run| run.end.as_ref());
    end.is_some_and(|end| end.is_death() && (unit.job.is_none() || end.given_up.is_some()))
}

/// Returns true if a restart waits according to its record, while PID 1 has forgotten which line
/// runs.
fn still_waits(unit: &UnitSeen, book: &Book, now: u64) -> bool {
    unit.has_forgotten_its_line() && backed_off(book).is_some_and(|until| now < until)
}

/// Returns the end of the back-off with which the present restart began.
fn backed_off(book: &Book) -> Option<u64> {
    let run = book
        .latest()
        .filter(|run| run.up.is_none() && run.end.is_none() && run.results.is_empty())?;
    Some(run.begun?.saturating_add(run.backoff_ms?))
}

/// Returns true if the line runs in which a restart waits.
fn waits(unit: &UnitSeen) -> bool {
    let line = unit
        .details
        .as_ref()
        .and_then(|details| details.line.as_ref());
    line.is_some_and(|(words, _)| words.get(1).is_some_and(|word| word == "begin"))
}

/// Returns true if the line that waits has not reached the steps above the restart.
fn is_before_its_steps(book: &Book) -> bool {
    book.latest()
        .is_none_or(|run| run.end.is_some() || run.results.is_empty())
}

/// Returns the end of the wait before a restart.
fn until(book: &Book, unit: &UnitSeen, details: &Details) -> Option<u64> {
    if unit.waits_for_systemd() {
        return unit
            .changed
            .map(|changed| changed.saturating_add(millis(details.restart_delay)));
    }
    backed_off(book)
}

fn since(unit: &UnitSeen, book: &Book, state: State) -> Option<u64> {
    match state {
        State::Restarting | State::Recovering | State::Dying => book
            .runs
            .iter()
            .filter_map(|run| run.end.as_ref())
            .find(|end| end.is_death())
            .map(|end| end.at),
        State::Excluded => book
            .exclusion
            .as_ref()
            .map(|exclusion| exclusion.at)
            .filter(|at| *at > 0),
        _ => None,
    }
    .or_else(|| book.latest().and_then(|run| since_by_record(unit, run)))
    .or(unit.changed)
}

/// Returns the time since which a unit is in its state, if the record of its latest run knows it.
pub(super) fn since_by_record(unit: &UnitSeen, latest: &RunRecord) -> Option<u64> {
    match (unit.active.as_str(), &latest.up, &latest.end) {
        ("active", Some(up), None) => Some(up.at),
        ("inactive" | "failed", _, Some(end)) => Some(end.at),
        _ => None,
    }
}

fn last_death(book: &Book, details: Option<&Details>) -> Option<DeathTold> {
    let kept = book
        .runs
        .iter()
        .filter_map(|run| Some((&run.invocation, run.end.as_ref()?)));
    let gone = book.totals.last_death.iter().map(|(run, end)| (run, end));
    let (invocation, end) = kept
        .chain(gone)
        .filter(|(_, end)| end.is_death())
        .max_by_key(|(_, end)| end.in_order())?;
    let limits = details.map(|details| details.limits).unwrap_or_default();
    Some(DeathTold {
        timestamp: end.at,
        reason: reason(end, &limits),
        invocation: invocation.clone(),
    })
}

/// Returns the reason of a run's end, in the words of its report; `None`: not known.
pub(super) fn reason(end: &End, limits: &TimeLimits) -> Option<String> {
    Some(end.cause(limits).to_string()).filter(|reason| reason != UNKNOWN)
}

#[cfg(test)]
mod tests;
