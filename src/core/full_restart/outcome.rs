//! Judges the result of a full restart from snapshots of its units, and words the problems.
//!
//! A member is back if it is in another run than before, or has done its work, or its condition
//! exempts it. The words continue a sentence: "OpenSync restart by X failed: cm.service did not
//! come back (EXIT 203 (EXEC))".

use crate::core::config::time_span;
use crate::core::crash::observation::{ProcessEnd, ServiceResult, Stage};
use crate::core::crash::reason::{Cause, TimeLimits};
use crate::core::crash::tracker::Waited;
use std::time::Duration;

/// Number of problems that are listed; of the others only the number is given.
const TOLD: usize = 4;

/// A snapshot of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its name.
    pub unit: String,
    /// Load state of the unit.
    pub load: Load,
    /// Its stage.
    pub stage: Stage,
    /// Its latest run; `None`: it never ran.
    pub run: Option<String>,
    /// State of its jobs.
    pub job: Job,
    /// Kind of work, which tells if it may end.
    pub work: Work,
    /// Result of its latest run so far.
    pub result: ServiceResult,
    /// End of its latest main process.
    pub process: Option<ProcessEnd>,
    /// Its time limits.
    pub limits: TimeLimits,
}

/// Load state of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// systemd has loaded it.
    Loaded,
    /// It is not loaded, for this reason: `not-found`, `masked`, `bad-setting` …
    Missing(String),
}

/// State of a unit's jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// No job.
    None,
    /// A job is queued or running.
    Pending,
}

/// Work of a unit after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// It stays up.
    Lasting,
    /// It ends when it is done.
    Oneshot,
    /// It does nothing: its own condition has exempted it since the restart began.
    Skipped,
    /// It does nothing any more: its ward was excluded since the restart began.
    Excluded,
}

/// Fate of a unit in a full restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is as it should be.
    Back,
    /// It is on its way: it "is still starting".
    OnItsWay(&'static str),
    /// It has died since and systemd restarts it: it "keeps dying (EXIT 1)".
    Dying(String),
    /// It is not back: it "did not come back (EXIT 1)".
    Missing(String),
}

/// Role of the unit of a [`Look`], with its run before the restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'r> {
    /// A member; `None`: it did not run.
    Member(Option<&'r str>),
    /// The unit that stands for the stack; `None`: it did not run, or need not be restarted, since
    /// a script may leave it alone.
    Whole(Option<&'r str>),
}

impl Look {
    /// Returns its fate.
    #[must_use]
    pub fn fate(&self, part: Part<'_>) -> Fate {
        if let Load::Missing(why) = &self.load {
            return Fate::Missing(format!("did not come back ({why})"));
        }
        match (self.stage, self.job) {
            (Stage::Starting, _) => Fate::OnItsWay("is still starting"),
            (Stage::Stopping, _) => Fate::OnItsWay("is still stopping"),
            (Stage::Restarting, _) => Fate::Dying(format!("keeps dying{}", self.why())),
            (_, Job::Pending) => Fate::OnItsWay("still waits to be restarted"),
            (Stage::Running | Stage::Exited | Stage::Reloading, Job::None) => {
                self.fate_of_a_running(part)
            }
            (Stage::Ended, Job::None) => self.fate_of_an_ended(part),
        }
    }

    fn fate_of_a_running(&self, part: Part<'_>) -> Fate {
        match part {
            Part::Member(Some(before)) | Part::Whole(Some(before))
                if self.run.as_deref() == Some(before) =>
            {
                Fate::Missing("was not restarted".to_owned())
            }
            Part::Member(_) | Part::Whole(_) => Fate::Back,
        }
    }

    fn fate_of_an_ended(&self, part: Part<'_>) -> Fate {
        let well = self.result == ServiceResult::Success;
        let (ran_before, anew) = match part {
            Part::Member(before) => (
                before.is_some(),
                self.run.is_some() && self.run.as_deref() != before,
            ),
            Part::Whole(_) => (true, true),
        };
        match self.work {
            Work::Skipped => Fate::Back,
            Work::Excluded if ran_before || anew => {
                Fate::Missing("was excluded meanwhile".to_owned())
            }
            Work::Excluded => Fate::Back,
            _ if self.result == ServiceResult::ExecCondition => Fate::Back,
            Work::Oneshot if well && (anew || !ran_before) => Fate::Back,
            // It was down before and has not been started: no part of this restart.
            Work::Lasting if well && !ran_before && self.process.is_none() => Fate::Back,
            Work::Oneshot | Work::Lasting => {
                Fate::Missing(format!("did not come back{}", self.why()))
            }
        }
    }

    /// Renders the cause, ` (EXIT 203 (EXEC))`, if one is known.
    fn why(&self) -> String {
        let cause = Cause::new(&self.result, self.process, Waited::Start, &self.limits);
        match (&cause, &self.result) {
            (Cause::Unknown, _)
            | (Cause::Process(ProcessEnd::Exited(0)), ServiceResult::Success)
                if self.process.is_none() =>
            {
                String::new()
            }
            _ => format!(" ({cause})"),
        }
    }
}

/// Returns the words for a member whose old run did not end on SIGTERM.
#[must_use]
pub fn had_to_be_killed(unit: &str, limit: Option<Duration>) -> String {
    match limit {
        Some(limit) => format!(
            "{unit} had to be killed, it ignored SIGTERM for {}",
            time_span::render(limit)
        ),
        None => format!("{unit} had to be killed, it ignored SIGTERM"),
    }
}

/// Returns the words for a restart that lasts too long.
#[must_use]
pub fn not_over(limit: Duration) -> String {
    format!("it was not over after {}", time_span::render(limit))
}

/// Returns the words for a restart script that failed.
#[must_use]
pub fn script_ended(end: ProcessEnd) -> String {
    match end {
        ProcessEnd::Exited(status) => format!("the restart script ended with status {status}"),
        ProcessEnd::Killed(_) | ProcessEnd::Dumped(_) => {
            format!("the restart script died: {}", Cause::Process(end))
        }
    }
}

/// Returns the words for a restart script that had to be killed.
#[must_use]
pub fn script_killed(limit: Duration) -> String {
    format!(
        "the restart script was killed after {}",
        time_span::render(limit)
    )
}

/// Joins all problems.
#[must_use]
pub fn together(troubles: &[String]) -> String {
    let told = troubles
        .iter()
        .take(TOLD)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match troubles.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told}, and {more} more"),
    }
}

#[cfg(test)]
mod tests;
