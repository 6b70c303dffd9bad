//! Conditions and their steps with their counters since boot, for the tree and the status.

use super::line::{self, wording};
use super::pid1::UnitSeen;
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
        .map(|condition| {
            Counted {
                scene,
                ward,
                condition,
                book,
            }
            .told()
        })
        .collect()
}

/// A condition of a ward, with the data that its counters are computed from.
struct Counted<'a> {
    scene: &'a Scene,
    ward: &'a Ward,
    condition: &'a Condition,
    book: &'a Book,
}

impl<'a> Counted<'a> {
    /// Returns the condition with its steps.
    fn told(&self) -> ConditionTold {
        let Self {
            ward,
            condition,
            book,
            ..
        } = self;
        let none = Fired::default();
        let counted = book.totals.conditions.get(&condition.id).unwrap_or(&none);
        let mut steps = self.steps(counted);
        if let Some(step) = self
            .at_work()
            .and_then(|at| steps.iter_mut().find(|told| told.step == at))
        {
            run(step);
        }
        let spent = book
            .series
            .spent
            .iter()
            .any(|spent| *spent == condition.id || *spent == service_name(ward, condition));
        ConditionTold {
            id: condition.id.clone(),
            kind: condition.kind.section().to_owned(),
            fired: self.fired(counted),
            spent: condition.once && spent,
            steps,
        }
    }

    /// Returns how often the condition has fired. One without steps of its own leaves no results
    /// in the records: its restarts count.
    fn fired(&self, counted: &Fired) -> u64 {
        let own_steps = self
            .condition
            .steps
            .iter()
            .any(|step| step.action != Action::RestartSelf);
        if own_steps {
            counted.count
        } else {
            self.restarts()
        }
    }

    /// Returns the steps with their counters.
    fn steps(&self, counted: &Fired) -> Vec<StepTold> {
        let (condition, fired, pending) = (self.condition, self.fired(counted), self.pending());
        let mut steps = Vec::new();
        for (number, step) in (1..).zip(&condition.steps) {
            let id = number.to_string();
            if step.action == Action::RestartSelf {
                let done = self.restarts().saturating_sub(u64::from(self.is_to_come()));
                steps.extend(restart_told(condition, id, done));
                continue;
            }
            let turns = fired
                - u64::from(
                    fired > 0 && pending.is_some_and(|run| !acted(run, &condition.id, &id)),
                );
            steps.extend(step_told(condition, id, turns, counted));
            let failed = steps.last().map_or(0, |step| step.failed);
            steps.extend((1..=step.otherwise.len()).filter_map(|below| {
                step_told(condition, format!("{number}.{below}"), failed, counted)
            }));
        }
        steps
    }

    /// Returns the condition's own service, if its steps always run there, or do so now because no
    /// restart follows a death.
    fn own_service(&self) -> Option<&'a UnitSeen> {
        let service = service_name(self.ward, self.condition);
        let unit = self.scene.unit_called(&service);
        (stands_alone(self.condition) || unit.is_changing()).then_some(unit)
    }

    /// Returns the number of the step that runs.
    fn at_work(&self) -> Option<&'a str> {
        let (unit, run) = if let Some(service) = self.own_service() {
            let run = self.book.runs.iter().find(|run| {
                let mut results = run.results.iter();
                run.start == StartKind::Condition
                    && results.any(|result| result.condition == self.condition.id)
            });
            (service, run)
        } else {
            (self.scene.unit(&self.ward.unit()), self.book.latest())
        };
        let (of, step, _) = line::at_work(self.ward, unit, run).filter(|_| unit.is_changing())?;
        (of == self.condition.id).then_some(step)
    }

    /// Returns the number of automatic restarts that count for this condition: those after crashes
    /// for an abnormal death, all for a death, else 0.
    fn restarts(&self) -> u64 {
        match self.condition.kind {
            ConditionKind::AbnormalDeath => self.book.totals.restarts_after_crash,
            ConditionKind::Death => self.book.totals.restarts(),
            ConditionKind::Start
            | ConditionKind::Restart
            | ConditionKind::Stop
            | ConditionKind::Limit => 0,
        }
    }

    /// Returns true if the restart that is counted for the latest run is not done yet: its main
    /// process has not been started.
    fn is_to_come(&self) -> bool {
        let unit = self.scene.unit(&self.ward.unit());
        let is_before = matches!(unit.sub.as_str(), "condition" | "start-pre");
        is_before
            && self
                .book
                .latest()
                .is_some_and(|run| run.end.is_none() && self.counts(run.start))
    }

    /// Returns true if a start of this kind counts as a restart by this condition.
    fn counts(&self, start: StartKind) -> bool {
        match start {
            StartKind::AfterAbnormalDeath => true,
            StartKind::AfterDeath => self.condition.kind == ConditionKind::Death,
            StartKind::First | StartKind::Condition => false,
        }
    }

    /// Returns the run in which the condition is at work now, so that steps without a result are
    /// still to come.
    fn pending(&self) -> Option<&'a RunRecord> {
        if let Some(service) = self.own_service() {
            let at_work = service.is_changing();
            return self
                .book
                .runs
                .iter()
                .find(|run| run.start == StartKind::Condition && self.has_fired_in(run))
                .filter(|_| at_work);
        }
        self.book
            .latest()
            .filter(|run| run.up.is_none() && run.end.is_none() && self.has_fired_in(run))
    }

    /// Returns true if the condition has fired in this run.
    fn has_fired_in(&self, run: &RunRecord) -> bool {
        run.results
            .iter()
            .any(|result| result.condition == self.condition.id && result.step != "0")
    }
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

/// Returns the step that restarts the ward, and was done so often.
fn restart_told(condition: &Condition, step: String, done: u64) -> Option<StepTold> {
    let (action, argument) = wording(condition, &step)?;
    Some(StepTold {
        step,
        action,
        argument,
        done,
        failed: 0,
        skipped: 0,
        running: false,
        last: None,
    })
}

/// Returns a step whose turn came `turns` times; counters of another step that was in its place
/// before are ignored.
fn step_told(condition: &Condition, step: String, turns: u64, counted: &Fired) -> Option<StepTold> {
    let (action, argument) = wording(condition, &step)?;
    let none = StepTotals::default();
    let totals = counted
        .steps
        .get(&step)
        .filter(|totals| {
            let last = totals.last.as_ref();
            last.is_some_and(|last| last.action == action)
        })
        .unwrap_or(&none);
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

fn acted(run: &RunRecord, condition: &str, step: &str) -> bool {
    run.results
        .iter()
        .any(|result| result.condition == condition && result.step == step)
}

#[cfg(test)]
mod tests;
