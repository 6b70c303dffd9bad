//! Conditions and their steps with their counters since boot, for the tree and the status.

use super::line::{self, wording};
use super::scene::{Book, Scene};
use crate::core::config::step::Action;
use crate::core::config::{Condition, ConditionKind, Ward};
use crate::core::unit::{service_name, stands_alone};
use crate::edge::record::{Fired, KILLED, Outcome, RunRecord, StartKind, StepTotals, Totals};
use serde::{Deserialize, Serialize};

/// Counters of a ward's runs since boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct Counters {
    /// Number of requested starts.
    pub(in crate::shell) starts: u64,
    pub(in crate::shell) restarts: u64,
    pub(in crate::shell) deaths: u64,
    /// Number of deaths that systemd calls a failure.
    pub(in crate::shell) crashes: u64,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct ConditionTold {
    pub(in crate::shell) id: String,
    /// The header of its section, without brackets.
    pub(in crate::shell) kind: String,
    pub(in crate::shell) fired: u64,
    /// True if it fires only once and has fired: it does not fire again before a start by hand.
    pub(in crate::shell) spent: bool,
    pub(in crate::shell) steps: Vec<StepTold>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct StepTold {
    /// `2`, or `2.1` for the first `Else…` step of step 2.
    pub(in crate::shell) step: String,
    pub(in crate::shell) action: String,
    pub(in crate::shell) argument: String,
    pub(in crate::shell) done: u64,
    pub(in crate::shell) failed: u64,
    /// Number of times its turn came and it did not act.
    pub(in crate::shell) skipped: u64,
    /// True if it runs now.
    pub(in crate::shell) running: bool,
    pub(in crate::shell) last: Option<StepDone>,
}

/// Last execution of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct StepDone {
    pub(in crate::shell) timestamp: u64,
    /// `ok` or `failed`.
    pub(in crate::shell) result: String,
    /// Its exit status; 128 + n for signal n.
    pub(in crate::shell) status: i32,
    pub(in crate::shell) ms: u64,
}

/// Returns the counters of a ward.
pub(super) fn counters(totals: &Totals) -> Counters {
    let Totals {
        starts,
        deaths,
        crashes,
        ..
    } = totals;
    Counters {
        starts: *starts,
        restarts: totals.restarts(),
        deaths: *deaths,
        crashes: *crashes,
    }
}

/// Returns the conditions of a ward.
pub(super) fn conditions(scene: &Scene, ward: &Ward) -> Vec<ConditionTold> {
    let book = scene.book(ward);
    ward.conditions
        .iter()
        .map(|condition| told(scene, (ward, condition), book))
        .collect()
}

fn told(scene: &Scene, (ward, condition): (&Ward, &Condition), book: &Book) -> ConditionTold {
    let none = Fired::default();
    let counted = book.totals.conditions.get(&condition.id).unwrap_or(&none);
    let restarts = restarts(condition, &book.totals);
    let own_steps = condition
        .steps
        .iter()
        .any(|step| step.action != Action::RestartSelf);
    let fired = if own_steps { counted.count } else { restarts };
    let pending = pending(scene, (ward, condition), book);
    let mut steps = Vec::new();
    for (number, step) in (1..).zip(&condition.steps) {
        let id = number.to_string();
        if step.action == Action::RestartSelf {
            let done =
                restarts.saturating_sub(u64::from(is_to_come(scene, (ward, condition), book)));
            steps.extend(wording(condition, &id).map(|words| restart(words, (id, done))));
            continue;
        }
        let turns = fired
            - u64::from(fired > 0 && pending.is_some_and(|run| !acted(run, &condition.id, &id)));
        steps.extend(step_told(condition, (id, turns), counted));
        let failed = steps.last().map_or(0, |step| step.failed);
        let below = (1..=step.otherwise.len()).map(|below| (format!("{number}.{below}"), failed));
        steps.extend(below.filter_map(|of| step_told(condition, of, counted)));
    }
    let running = at_work(scene, (ward, condition), book);
    if let Some(step) = running.and_then(|at| steps.iter_mut().find(|told| told.step == at)) {
        run(step);
    }
    let spent = book
        .series
        .spent
        .iter()
        .any(|spent| *spent == condition.id || *spent == service_name(ward, condition));
    let kind = condition.kind.section().to_owned();
    ConditionTold {
        id: condition.id.clone(),
        kind,
        fired,
        spent: condition.once && spent,
        steps,
    }
}

/// Returns the number of the condition's step that runs.
fn at_work<'a>(
    scene: &'a Scene,
    (ward, condition): (&Ward, &Condition),
    book: &'a Book,
) -> Option<&'a str> {
    let (unit, run) = if stands_alone(condition) {
        let own = |run: &&RunRecord| {
            run.results
                .iter()
                .any(|result| result.condition == condition.id)
        };
        let run = book
            .runs
            .iter()
            .filter(|run| run.start == StartKind::Condition)
            .find(own);
        (scene.unit_called(&service_name(ward, condition)), run)
    } else {
        (scene.unit(&ward.unit()), book.latest())
    };
    let (of, step, _) = line::at_work(ward, unit, run).filter(|_| unit.is_changing())?;
    (of == condition.id).then_some(step)
}

/// Marks a step as running. Until a step ends, its record says killed, so that a real kill is on
/// record; that provisional result is taken out.
fn run(told: &mut StepTold) {
    told.running = true;
    if told.last.as_ref().is_some_and(|last| last.status == KILLED) {
        told.failed = told.failed.saturating_sub(1);
        told.last = None;
    }
}

/// Returns the number of automatic restarts that count for this condition: those after crashes for
/// an abnormal death, all for a death, else 0.
fn restarts(condition: &Condition, totals: &Totals) -> u64 {
    match condition.kind {
        ConditionKind::AbnormalDeath => totals.restarts_after_crash,
        ConditionKind::Death => totals.restarts(),
        ConditionKind::Start
        | ConditionKind::Restart
        | ConditionKind::Stop
        | ConditionKind::Limit => 0,
    }
}

/// Returns true if the restart that is counted for the latest run is not done yet: its main process
/// has not been started.
fn is_to_come(scene: &Scene, (ward, condition): (&Ward, &Condition), book: &Book) -> bool {
    let is_counted = |run: &RunRecord| match run.start {
        StartKind::AfterAbnormalDeath => true,
        StartKind::AfterDeath => condition.kind == ConditionKind::Death,
        StartKind::First | StartKind::Condition => false,
    };
    let is_before = matches!(
        scene.unit(&ward.unit()).sub.as_str(),
        "condition" | "start-pre"
    );
    is_before
        && book
            .latest()
            .filter(|run| run.end.is_none())
            .is_some_and(is_counted)
}

fn restart((action, argument): (String, String), (step, done): (String, u64)) -> StepTold {
    StepTold {
        step,
        action,
        argument,
        done,
        failed: 0,
        skipped: 0,
        running: false,
        last: None,
    }
}

/// Returns a step whose turn came `turns` times; counters of another step that was in its place
/// before are ignored.
fn step_told(
    condition: &Condition,
    (step, turns): (String, u64),
    counted: &Fired,
) -> Option<StepTold> {
    let (action, argument) = wording(condition, &step)?;
    let none = StepTotals::default();
    let same = |totals: &&StepTotals| {
        totals
            .last
            .as_ref()
            .is_some_and(|last| last.action == action)
    };
    let totals = counted.steps.get(&step).filter(same).unwrap_or(&none);
    let last = totals.last.as_ref().map(|last| StepDone {
        timestamp: last.at,
        result: if last.outcome == Outcome::Ok {
            "ok"
        } else {
            "failed"
        }
        .to_owned(),
        status: last.status,
        ms: last.ms,
    });
    let skipped = turns.saturating_sub(totals.done + totals.failed);
    Some(StepTold {
        step,
        action,
        argument,
        done: totals.done,
        failed: totals.failed,
        skipped,
        running: false,
        last,
    })
}

/// Returns the run in which the condition is at work now, so that steps without a result are still
/// to come.
fn pending<'a>(
    scene: &Scene,
    (ward, condition): (&Ward, &Condition),
    book: &'a Book,
) -> Option<&'a RunRecord> {
    let fired = |run: &&RunRecord| {
        run.results
            .iter()
            .any(|result| result.condition == condition.id && result.step != "0")
    };
    if stands_alone(condition) {
        let at_work = scene
            .unit_called(&service_name(ward, condition))
            .is_changing();
        return book
            .runs
            .iter()
            .find(|run| run.start == StartKind::Condition && fired(run))
            .filter(|_| at_work);
    }
    let starts = |run: &&RunRecord| run.up.is_none() && run.end.is_none();
    book.latest().filter(starts).filter(fired)
}

fn acted(run: &RunRecord, condition: &str, step: &str) -> bool {
    run.results
        .iter()
        .any(|result| result.condition == condition && result.step == step)
}

#[cfg(test)]
mod tests;
