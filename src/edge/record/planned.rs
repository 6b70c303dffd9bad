//! The steps that were ahead of a restart when it began, so that one which PID 1 has dropped is not forgotten.
//!
//! After a daemon-reload PID 1 goes on with a list of commands only where it finds in it the line that runs. When the ward was edited
//! meanwhile it does not: the lines that are left do not run, and the start goes on without them.
//!
//! Of a command that PID 1 has run a daemon-reload may make it forget how it ended. That one was not dropped, and nothing is said of
//! it where a later step of the same list has a result, or the last line of the list has run.

use super::{Outcome, RunRecord, StartKind};
use crate::core::recovery::gate::{Past, Place};
use crate::core::recovery::series::Start;
use serde::{Deserialize, Serialize};

/// A step that was to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// The condition's id, `OnDeath`.
    pub condition: String,
    /// Where the step stands in it.
    pub step: String,
    /// The step's keyword, `Execute`.
    pub action: String,
    /// Its argument as the ward has it.
    pub argument: String,
    /// Whether its line stands before the main process is started.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before: bool,
    /// Whether it does not act when one above it has failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub breaks: bool,
}

impl StartKind {
    /// The kind of start, as the gate before each step asks for it; `None`: it is none.
    #[must_use]
    pub fn of_unit(self) -> Option<Start> {
        match self {
            Self::First => Some(Start::First),
            Self::AfterDeath => Some(Start::AfterDeath),
            Self::AfterAbnormalDeath => Some(Start::AfterAbnormalDeath),
            Self::Condition => None,
        }
    }
}

impl RunRecord {
    /// The steps that failed so far, as the gate asks for them.
    #[must_use]
    pub fn failed_steps(&self) -> Vec<(String, String)> {
        let failed = self
            .results
            .iter()
            .filter(|result| result.outcome == Outcome::Failed);
        failed
            .map(|result| (result.condition.clone(), result.step.clone()))
            .collect()
    }

    /// Notes that the last line behind the start of the main process runs: none of that list was dropped.
    pub fn has_come_to_its_end(&mut self) {
        self.planned.retain(|planned| planned.before);
    }

    /// The steps that were ahead and of which nothing is noted though the run is up: they did not run, or nobody knows how they ended.
    #[must_use]
    pub fn dropped(&self) -> Vec<&Planned> {
        if self.up.is_none() {
            return Vec::new();
        }
        let failed = self.failed_steps();
        let past = Past {
            start: self.start.of_unit(),
            asked_to_stop: false,
            spent: &self.spent,
            failed: &failed,
        };
        let (before, behind): (Vec<_>, Vec<_>) =
            self.planned.iter().partition(|planned| planned.before);
        [self.without_result(before), self.without_result(behind)]
            .concat()
            .into_iter()
            .filter(|planned| planned.place().acts(past))
            .collect()
    }

    /// Returns the steps of a list behind the last one that has a result.
    fn without_result<'a>(&self, mut list: Vec<&'a Planned>) -> Vec<&'a Planned> {
        let last = list.iter().rposition(|planned| {
            self.results
                .iter()
                .any(|result| result.condition == planned.condition && result.step == planned.step)
        });
        list.split_off(last.map_or(0, |last| last + 1))
    }
}

impl Planned {
    /// Returns the step's place, as the gate asks for it.
    fn place(&self) -> Place {
        Place {
            condition: self.condition.clone(),
            step: self.step.clone(),
            do_now: false,
            breaks: self.breaks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{StepResult, Up};
    use super::*;

    fn planned(condition: &str, step: &str, breaks: bool) -> Planned {
        let (action, argument) = ("Execute".to_owned(), "/bin/a".to_owned());
        let before = condition == "OnAbnormalDeath";
        Planned {
            condition: condition.to_owned(),
            step: step.to_owned(),
            action,
            argument,
            before,
            breaks,
        }
    }

    fn result(step: &str, outcome: Outcome) -> StepResult {
        let Planned {
            condition,
            step,
            action,
            argument,
            ..
        } = planned("OnDeath", step, false);
        StepResult {
            condition,
            step,
            action,
            argument,
            outcome,
            status: 0,
            at: 1,
            ms: 1,
        }
    }

    #[test]
    fn what_was_ahead_of_a_run_that_is_up_and_has_no_result_was_dropped() {
        let record = |results: Vec<StepResult>, up: Option<u64>| RunRecord {
            planned: vec![
                planned("OnDeath", "2", false),
                planned("OnDeath", "3", true),
                planned("OnRestart", "1", false),
            ],
            results,
            up: up.map(|at| Up {
                main: at,
                at,
                since_boot: None,
            }),
            ..RunRecord::new("web", "web.service", "i", StartKind::AfterAbnormalDeath)
        };
        let dropped = |results, up| {
            let record = record(results, up);
            record
                .dropped()
                .iter()
                .map(|step| format!("{}:{}", step.condition, step.step))
                .collect::<Vec<_>>()
        };
        let done = || result("2", Outcome::Ok);
        assert_eq!(dropped(vec![done()], Some(9)), ["OnDeath:3", "OnRestart:1"]);
        assert_eq!(
            dropped(vec![done()], None),
            [""; 0],
            "it may be yet to come"
        );
        assert_eq!(
            dropped(vec![result("2", Outcome::Failed)], Some(9)),
            [""; 0],
            "their turn never came"
        );
        assert_eq!(
            dropped(Vec::new(), Some(9)),
            ["OnDeath:2", "OnDeath:3", "OnRestart:1"]
        );
        assert_eq!(
            dropped(vec![result("3", Outcome::Ok)], Some(9)),
            ["OnRestart:1"],
            "how 2 ended is forgotten"
        );
        let mut ended = record(Vec::new(), Some(9));
        ended.planned.push(planned("OnAbnormalDeath", "1", false));
        ended.has_come_to_its_end();
        assert_eq!(ended.dropped(), [&planned("OnAbnormalDeath", "1", false)]);
    }
}
