//! A step's words, as the generator wrote them and as PID 1 shows them again.

use super::{bad_line, failed_steps};
use crate::core::recovery::gate::{Past, Place};
use crate::core::recovery::list::{self, Entry};
use crate::core::recovery::series::Start;
use crate::edge::record::{Outcome, RunRecord, StartKind, StepResult};
use std::io;

/// Stands in a list for the question whether the step of this number has failed.
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
    /// The ward's unit, in a condition's own service.
    pub(super) ward_unit: Option<String>,
    pub(super) no_wait: bool,
    /// The start fails if it does, be it after its `Else…` steps.
    pub(super) required: bool,
}

impl StepLine {
    /// Reads the words after `own`: `WARD CONDITION STEP [FLAGS] KEYWORD ARGUMENT…`
    pub(super) fn parse(words: &[String]) -> io::Result<Self> {
        let [ward, condition, step, rest @ ..] = words else {
            return Err(bad_line("a step names its ward, condition and number"));
        };
        let words = rest.iter().map(|word| list::plain(word)).collect();
        Self::of(ward, Entry { condition: condition.clone(), step: step.clone(), words })
    }

    /// The same of a step in a list: `[FLAGS] KEYWORD ARGUMENT…`
    pub(super) fn of(ward: &str, entry: Entry) -> io::Result<Self> {
        let Entry { condition, step, words: rest } = entry;
        let flags = rest.iter().take_while(|word| word.starts_with("--")).count();
        let (flags, rest) = rest.split_at(flags);
        let (keyword, arguments) = rest.split_first().ok_or_else(|| bad_line("the step's keyword is missing"))?;
        let has = |flag: &str| flags.iter().any(|word| word == flag);
        Ok(Self {
            ward: ward.to_owned(),
            place: Place { condition, step, do_now: has("--do-now"), breaks: has("--break") },
            keyword: keyword.clone(),
            arguments: arguments.to_vec(),
            ignore_failure: has("--ignore-failure"),
            as_root: has("--as-root"),
            own_service: has("--own-service"),
            ward_unit: flags.iter().find_map(|word| word.strip_prefix("--unit=")).map(str::to_owned),
            no_wait: has("--no-wait"),
            required: has("--required"),
        })
    }

    /// Whether it acts, given what is on record.
    pub(super) fn acts(&self, record: &RunRecord) -> bool {
        let start = match record.start {
            _ if self.own_service => None,
            StartKind::First => Some(Start::First),
            StartKind::AfterDeath => Some(Start::AfterDeath),
            StartKind::AfterAbnormalDeath => Some(Start::AfterAbnormalDeath),
            StartKind::Condition => None,
        };
        let asked_to_stop = record.end.as_ref().is_some_and(|end| end.asked);
        let failed = failed_steps(record);
        self.place.acts(Past { start, asked_to_stop, spent: &record.spent, failed: &failed })
    }

    /// What it has come to: its exit status, when it ended and how long it took, both in milliseconds.
    pub(super) fn result(&self, status: i32, at: u64, ms: u64) -> StepResult {
        StepResult {
            condition: self.place.condition.clone(),
            step: self.place.step.clone(),
            action: self.keyword.clone(),
            argument: self.arguments.join(" "),
            outcome: if status == 0 || self.ignore_failure { Outcome::Ok } else { Outcome::Failed },
            status,
            at,
            ms,
        }
    }

    /// Its result on record. A verdict has that of the step that it is about.
    pub(super) fn noted<'r>(&self, record: &'r RunRecord) -> Option<&'r StepResult> {
        let is_its = |result: &&StepResult| result.condition == self.place.condition && result.step == self.place.step;
        record.results.iter().find(is_its)
    }

    /// Whether it runs nothing and only asks whether the start may go on.
    pub(super) fn is_verdict(&self) -> bool {
        self.keyword == VERDICT
    }

    /// Whether the command takes the guard's place, so that it is the service's own in all but name.
    pub(super) fn replaces_guard(&self) -> bool {
        !self.as_root && matches!(self.keyword.as_str(), "Execute" | "ElseExecute")
    }
}
