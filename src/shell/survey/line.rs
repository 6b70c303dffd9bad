//! State of a ward: one line of the list, the head of its status.

use super::outlook::limit;
use super::pid1::{Details, UnitSeen};
use super::scene::{Book, Scene};
use crate::core::config::names::is_meant;
use crate::core::config::step::Action;
use crate::core::config::time_span::millis;
use crate::core::config::{Called, Condition, ConditionKind, Ward};
use crate::core::crash::reason::TimeLimits;
use crate::core::crash::report::UNKNOWN;
use crate::core::recovery::policy;
use crate::core::unit::words;
use crate::edge::record::{End, RunRecord, StartKind};
use serde::{Deserialize, Serialize};

/// One ward. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Line {
    pub(in crate::shell) name: String,
    pub(in crate::shell) unit: String,
    pub(in crate::shell) stack: Option<String>,
    pub(in crate::shell) state: State,
    /// Cause of being down; `None`: it is not stopped, or has not run in this boot.
    #[serde(default)]
    pub(in crate::shell) down: Option<Down>,
    /// Time since which it is in this state, in milliseconds since the epoch, as all times.
    pub(in crate::shell) since: Option<u64>,
    /// End of the wait before the restart.
    pub(in crate::shell) until: Option<u64>,
    pub(in crate::shell) step: Option<StepAt>,
    pub(in crate::shell) needs_reload: bool,
    pub(in crate::shell) exclusion: Option<ExclusionTold>,
    /// Number of deaths that count towards the limit now.
    pub(in crate::shell) deaths: u64,
    /// `None`: no limit.
    pub(in crate::shell) death_limit: Option<u32>,
    pub(in crate::shell) death_limit_interval_ms: Option<u64>,
    pub(in crate::shell) last_death: Option<DeathTold>,
}

impl Called for &Line {
    fn name(&self) -> &str {
        &self.name
    }

    fn has_unit(&self, name: &str) -> bool {
        is_meant(&self.unit, name)
    }
}

/// The word for where a ward stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::shell) enum State {
    /// It is up.
    Running,
    /// It has done its work.
    Done,
    /// It starts on request.
    Starting,
    /// It died and waits for its restart.
    Restarting,
    /// It died and its restart is under way.
    Recovering,
    /// It is being stopped.
    Stopping,
    /// It is a template: its instances are the wards that run.
    Template,
    /// It is down because somebody asked for it, or was never up.
    Stopped,
    /// It is down, and systemd counts that as a failure and does not restart it.
    Failed,
    /// It is kept down.
    Excluded,
    /// Its unit is masked.
    Masked,
    /// There is no unit file for the unit it adopts.
    Missing,
    /// systemd has not read the ward yet.
    NotLoaded,
    /// systemd cannot read the unit.
    Broken,
}

impl State {
    /// Returns the word for people.
    pub(in crate::shell) const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Starting => "starting",
            Self::Restarting => "restarting",
            Self::Recovering => "recovering",
            Self::Stopping => "stopping",
            Self::Template => "template",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Excluded => "excluded",
            Self::Masked => "masked",
            Self::Missing => "missing",
            Self::NotLoaded => "not loaded",
            Self::Broken => "broken",
        }
    }
}

/// Cause for which a ward is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct Down {
    pub(in crate::shell) by: DownBy,
    /// The unit that took it down.
    pub(in crate::shell) unit: Option<String>,
    /// Reason of its end, if it ended by itself.
    pub(in crate::shell) reason: Option<String>,
}

/// Origin of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::shell) enum DownBy {
    /// It was requested.
    Request,
    /// The ward itself: it ended cleanly, and systemd does not restart it after that.
    Itself,
    /// Another unit, which went down and pulled it down: `BindsTo=`, `Requires=`, `PartOf=`.
    Unit,
}

impl Line {
    /// Returns the word for the state and its cause.
    pub(in crate::shell) fn word(&self) -> &'static str {
        match (self.state, self.down.as_ref().map(|down| down.by)) {
            (State::Stopped, Some(DownBy::Itself)) => "ended by itself",
            (State::Stopped, Some(DownBy::Unit)) => "pulled down",
            (state, _) => state.word(),
        }
    }
}

/// A step that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct StepAt {
    pub(in crate::shell) condition: String,
    pub(in crate::shell) step: String,
    /// Steps of the condition.
    pub(in crate::shell) of: u64,
    pub(in crate::shell) action: String,
    pub(in crate::shell) argument: String,
    pub(in crate::shell) since: u64,
}

/// Exclusion of a ward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct ExclusionTold {
    pub(in crate::shell) timestamp: u64,
    /// `hand` or `limit`.
    pub(in crate::shell) by: String,
    pub(in crate::shell) why: Option<String>,
}

/// A death.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct DeathTold {
    pub(in crate::shell) timestamp: u64,
    pub(in crate::shell) reason: Option<String>,
    pub(in crate::shell) invocation: String,
}

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
        (State::Restarting, Some(details)) => (until(book, (unit, details)), None),
        (State::Recovering | State::Starting | State::Stopping, Some(_)) => {
            (None, step(ward, (unit, book)))
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
    let told = |by, unit, reason| Some(Down { by, unit, reason });
    match &end.pulled_by {
        Some(unit) => told(DownBy::Unit, Some(unit.clone()), None),
        None if end.is_death() && end.restart_follows != Some(true) => {
            told(DownBy::Itself, None, reason(end, &TimeLimits::default()))
        }
        // A death after which a restart was due: the unit was stopped while the restart waited.
        None => told(DownBy::Request, None, None),
    }
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
    let recorded = || {
        book.latest()
            .is_some_and(|run| run.start != StartKind::First && run.end.is_none())
    };
    // Only the record knows of a restart that systemd has turned into a stop and a start.
    told.is_some_and(|restarts| restarts > 0) || recorded()
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
fn until(book: &Book, (unit, details): (&UnitSeen, &Details)) -> Option<u64> {
    if unit.waits_for_systemd() {
        return unit
            .changed
            .map(|changed| changed.saturating_add(millis(details.restart_delay)));
    }
    backed_off(book)
}

/// Returns the step that runs.
fn step(ward: &Ward, (unit, book): (&UnitSeen, &Book)) -> Option<StepAt> {
    let (condition, step, since) = at_work(ward, unit, book.latest())?;
    let condition = ward.conditions.iter().find(|known| known.id == condition)?;
    let (action, argument) = wording(condition, step)?;
    let of = condition.steps.len() as u64;
    Some(StepAt {
        condition: condition.id.clone(),
        step: step.to_owned(),
        of,
        action,
        argument,
        since,
    })
}

/// Returns the condition and the number of the step that runs, and its beginning: from the unit's
/// latest run, in which a running step is on record as killed; for a step with a line of its own,
/// from PID 1.
pub(super) fn at_work<'a>(
    ward: &Ward,
    unit: &'a UnitSeen,
    run: Option<&'a RunRecord>,
) -> Option<(&'a str, &'a str, u64)> {
    let recorded = || {
        let (run, last) = run.and_then(|run| Some((run, run.unended()?)))?;
        let condition = ward
            .conditions
            .iter()
            .find(|known| known.id == last.condition)?;
        let of_a_stop = condition.kind == ConditionKind::Stop && run.start != StartKind::Condition;
        let goes_on = match unit.active.as_str() {
            "deactivating" => of_a_stop && run.end.is_some(),
            _ => !of_a_stop && run.up.is_none() && run.end.is_none(),
        };
        (goes_on && (unit.runs_a_list() || unit.has_forgotten_its_line())).then_some((
            last.condition.as_str(),
            last.step.as_str(),
            last.at,
        ))
    };
    unit.step().or_else(recorded)
}

/// Returns a step's key and value, nearly as the ward's file has them.
pub(super) fn wording(condition: &Condition, step: &str) -> Option<(String, String)> {
    let (number, below) = step
        .split_once('.')
        .map_or((step, None), |(number, below)| (number, Some(below)));
    let above = condition
        .steps
        .get(number.parse::<usize>().ok()?.checked_sub(1)?)?;
    let action = match below {
        None => &above.action,
        Some(below) => {
            &above
                .otherwise
                .get(below.parse::<usize>().ok()?.checked_sub(1)?)?
                .action
        }
    };
    let words = words(action);
    let (key, value) = words.split_once(' ').unwrap_or((&words, ""));
    let value = if let Action::Log(text) = action {
        text.as_str()
    } else {
        value
    };
    Some((
        format!("{}{key}", if below.is_some() { "Else" } else { "" }),
        value.to_owned(),
    ))
}

fn since(unit: &UnitSeen, book: &Book, state: State) -> Option<u64> {
    match state {
        State::Restarting | State::Recovering => book
            .runs
            .iter()
            .filter_map(|run| run.end.as_ref())
            .find(|end| end.is_death())
            .map(|end| end.at),
        State::Excluded => book.exclusion.as_ref().map(|exclusion| exclusion.at),
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
