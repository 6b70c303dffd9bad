//! Parser for the words of a step, as the generator writes them and as PID 1 returns them.

use super::bad_line;
use crate::core::recovery::gate::{Past, Place};
use crate::core::recovery::list::{self, Entry};
use crate::edge::record::{Outcome, RunRecord, StepResult};
use std::io;

/// Keyword of a list entry that checks whether the step of this number has failed.
const VERDICT: &str = "Verdict";

/// A step as the generator wrote it.
#[derive(Debug)]
pub(super) struct StepLine {
    pub(super) ward: String,
    pub(super) place: Place,
    pub(super) keyword: String,
    pub(super) arguments: Vec<String>,
    pub(super) ignore_failure: bool,
    pub(super) as_root: bool,
    pub(super) own_service: bool,
    /// The ward's unit, if the line belongs to a condition's own service.
    pub(super) ward_unit: Option<String>,
    pub(super) no_wait: bool,
    /// True if the start fails when this step fails, even after its `Else…` steps.
    pub(super) required: bool,
}

impl StepLine {
    /// Parses the words after `own`: `WARD CONDITION STEP [FLAGS] KEYWORD ARGUMENT…`
    pub(super) fn parse(words: &[String]) -> io::Result<Self> {
        let [ward, condition, step, rest @ ..] = words else {
            return Err(bad_line("a step names its ward, condition and number"));
        };
        Self::of(
            ward,
            Entry {
                condition: condition.clone(),
                step: step.clone(),
                words: rest.to_vec(),
            },
        )
    }

    /// Parses a step of a list: `[FLAGS] KEYWORD ARGUMENT…`
    pub(super) fn of(ward: &str, entry: Entry) -> io::Result<Self> {
        let Entry {
            condition,
            step,
            words: rest,
        } = entry;
        let flags = rest
            .iter()
            .take_while(|word| word.starts_with("--"))
            .count();
        let (flags, rest) = rest.split_at(flags);
        let (keyword, arguments) = rest
            .split_first()
            .ok_or_else(|| bad_line("the step's keyword is missing"))?;
        Ok(Self {
            ward: ward.to_owned(),
            place: Place {
                condition,
                step,
                do_now: has(flags, "--do-now"),
                breaks: has(flags, "--break"),
            },
            keyword: keyword.clone(),
            arguments: arguments
                .iter()
                .map(|word| list::plain(word, ward))
                .collect(),
            ignore_failure: has(flags, "--ignore-failure"),
            as_root: has(flags, "--as-root"),
            own_service: has(flags, "--own-service"),
            ward_unit: flags
                .iter()
                .find_map(|word| word.strip_prefix("--unit="))
                .map(str::to_owned),
            no_wait: has(flags, "--no-wait"),
            required: has(flags, "--required"),
        })
    }

    /// Returns true if the step acts, given the run record.
    pub(super) fn acts(&self, record: &RunRecord) -> bool {
        let start = if self.own_service {
            None
        } else {
            record.start.of_unit()
        };
        let asked_to_stop = record.end.as_ref().is_some_and(|end| end.asked);
        let failed = record.failed_steps();
        self.place.acts(Past {
            start,
            asked_to_stop,
            spent: &record.spent,
            failed: &failed,
        })
    }

    /// Makes the result of the step from its exit status, its end (`at`, since the epoch) and its
    /// duration (`ms`), both in milliseconds.
    pub(super) fn result(&self, status: i32, at: u64, ms: u64) -> StepResult {
        StepResult {
            condition: self.place.condition.clone(),
            step: self.place.step.clone(),
            action: self.keyword.clone(),
            argument: self.arguments.join(" "),
            outcome: if status == 0 || self.ignore_failure {
                Outcome::Ok
            } else {
                Outcome::Failed
            },
            status,
            at,
            ms,
        }
    }

    /// Returns the recorded result of the step. A verdict returns that of the step that it checks.
    pub(super) fn noted<'r>(&self, record: &'r RunRecord) -> Option<&'r StepResult> {
        record.results.iter().find(|result| {
            result.condition == self.place.condition && result.step == self.place.step
        })
    }

    /// Returns true if the entry runs nothing and only checks whether the start may go on.
    pub(super) fn is_verdict(&self) -> bool {
        self.keyword == VERDICT
    }

    /// Returns true if the command replaces the guard process and so runs as the service.
    pub(super) fn replaces_guard(&self) -> bool {
        !self.as_root && matches!(self.keyword.as_str(), "Execute" | "ElseExecute")
    }
}

fn has(flags: &[String], flag: &str) -> bool {
    flags.iter().any(|word| word == flag)
}
