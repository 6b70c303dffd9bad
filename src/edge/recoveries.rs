//! From run records to recoveries: follows the trail from the run that ended one back to the death that began it.
//!
//! Each record of an automatic restart names the run whose death it answers. Records may be missing (only the newest are
//! kept) or damaged (they come from files and from the journal): the trail then begins where it breaks off, it is never
//! longer than [`LONGEST`], and no run is visited twice.

use super::death_clock::{Clock, Moment};
use super::record::{self, End, RunRecord, StepResult};
use crate::core::config::time_span::millis;
use crate::core::recovery::account::{Attempt, Ended, GivenUp, StepDone, StepOutcome, UpTimes};
use std::collections::HashSet;
use std::time::Duration;

/// Restarts of one recovery that are followed back. A ward without a death limit may need any number.
const LONGEST: usize = 1_000;

/// A recovery as the records tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The InvocationID of the run whose death began it.
    pub invocation: String,
    /// How that run ended.
    pub died: End,
    /// The restarts, oldest first.
    pub attempts: Vec<Attempt>,
    /// How it ended.
    pub ended: Ended,
}

/// The recovery that came to its end with this run, the later one where there are two; `None`: this run ended none.
#[must_use]
pub fn chain(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Option<Chain> {
    chains(record, lookup).pop()
}

/// All recoveries that came to their end with this run, in this order and at most three: somebody asked for it while a restart
/// was waited for; it was up after a restart; its own death was one too many, or somebody asked for its end before it was up.
#[must_use]
pub fn chains(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Vec<Chain> {
    let recovered = (record.up.is_some()).then(|| trail(record, lookup, Finish::Up)).flatten();
    let given_up = record.end.as_ref().and_then(|end| end.given_up).and_then(|given_up| {
        let ended = Finish::GivenUp(given_up.into());
        if begins_one(record) { began(record, &[], ended) } else { trail(record, lookup, ended) }
    });
    let is_early = |end: &&End| record.up.is_none() && (end.asked || end.finished);
    let early = record.end.as_ref().filter(is_early);
    let early = early.and_then(|end| trail(record, lookup, Finish::Early((end.at, end.since_boot))));
    broken_off(record, lookup).into_iter().chain(recovered).chain(given_up).chain(early).collect()
}

/// The recovery that was under way when somebody asked for this start.
fn broken_off(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Option<Chain> {
    let last = lookup(record.breaks_off.as_ref()?)?;
    going_on(&last, lookup, Finish::Early((record.begun?, record.begun_since_boot)))
}

/// A recovery that is still going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// The InvocationID of the run whose death began it.
    pub invocation: String,
    /// How that run ended.
    pub died: End,
    /// The restarts so far, oldest first; the last one may be going on.
    pub attempts: Vec<Attempt>,
    /// Whether a restart was made, or systemd was about to make one, as the record has it. Else the death is all there is of it.
    pub has_begun: bool,
}

impl UnderWay {
    /// When it was so long before now, milliseconds since the epoch, by the clock of its death.
    #[must_use]
    pub fn told_at(&self, (epoch, boot): (u64, u64), ago: Duration) -> u64 {
        let ago = millis(ago);
        let clock = Clock { at: self.died.at, since_boot: self.died.since_boot };
        clock.tell((epoch.saturating_sub(ago), Some(boot.saturating_sub(ago)))).max(self.died.at)
    }

    /// The recovery, ended at this time, milliseconds since the epoch, before a run was up.
    #[must_use]
    pub fn ended_early(self, at: u64) -> Chain {
        let Self { invocation, died, attempts, has_begun: _ } = self;
        Chain { invocation, died, attempts, ended: Ended::Early(at) }
    }
}

/// The recovery of which this run, a ward's latest, is a part, unless it has come to its end. Whether systemd is going to start the
/// unit again after a death is not for records to say.
#[must_use]
pub fn under_way(latest: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Option<UnderWay> {
    // How it ends is not known yet: any end does.
    let chain = going_on(latest, lookup, Finish::Up);
    chain.map(|Chain { invocation, died, attempts, ended: _ }| UnderWay {
        has_begun: !attempts.is_empty() || died.restart_follows == Some(true),
        invocation,
        died,
        attempts,
    })
}

fn going_on(latest: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>, ended: Finish) -> Option<Chain> {
    match &latest.end {
        None if latest.up.is_some() => None,
        None => trail(latest, lookup, ended),
        Some(end) if end.given_up.is_some() => None,
        Some(_) if begins_one(latest) => began(latest, &[], ended),
        Some(end) if end.asked || end.finished => None,
        Some(_) => trail(latest, lookup, ended),
    }
}

/// What a death is to the recovery that it is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// It began it.
    Beginning,
    /// It was that of a restart; the recovery began with the death of this run.
    Of(String),
    /// Nothing answers it.
    Nothing,
    /// Its record does not tell.
    NotKnown,
}

/// What the death of this run is to a recovery; `None`: it was none.
#[must_use]
pub fn part(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Option<Part> {
    let end = record.end.as_ref().filter(|end| !end.asked && !end.finished)?;
    Some(match (begins_one(record), end.restart_follows, end.given_up) {
        (false, ..) => trail(record, lookup, Finish::Up).map_or(Part::NotKnown, |chain| Part::Of(chain.invocation)),
        (true, Some(true), _) | (true, _, Some(_)) => Part::Beginning,
        (true, Some(false), None) => Part::Nothing,
        (true, None, None) => Part::NotKnown,
    })
}

/// Whether the death of this run began a recovery, and did not merely prolong one.
fn begins_one(record: &RunRecord) -> bool {
    record.up.is_some() || record.follows.is_none()
}

/// The recovery whose last restart is `last`.
fn trail(last: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>, ended: Finish) -> Option<Chain> {
    let mut restarts = vec![last.clone()];
    let mut visited = HashSet::from([last.invocation.clone()]);
    let mut before = lookup(last.follows.as_ref()?)?;
    while !begins_one(&before) && restarts.len() < LONGEST && visited.insert(before.invocation.clone()) {
        let Some(earlier) = before.follows.as_ref().and_then(|run| lookup(run)).filter(|run| run.end.is_some()) else {
            break;
        };
        restarts.push(std::mem::replace(&mut before, earlier));
    }
    restarts.reverse();
    began(&before, &restarts, ended)
}

fn began(by: &RunRecord, restarts: &[RunRecord], ended: Finish) -> Option<Chain> {
    let died = by.end.clone().filter(|end| !end.asked && !end.finished)?;
    let clock = Clock { at: died.at, since_boot: died.since_boot };
    let attempts = restarts.iter().map(|restart| attempt(restart, clock)).collect();
    let ended = match ended {
        Finish::Up => Ended::Up,
        Finish::GivenUp(given_up) => Ended::GivenUp(given_up),
        Finish::Early(at) => Ended::Early(clock.tell(at)),
    };
    Some(Chain { invocation: by.invocation.clone(), died, attempts, ended })
}

/// How a recovery ended, in the terms of a record.
#[derive(Debug, Clone, Copy)]
enum Finish {
    Up,
    GivenUp(GivenUp),
    Early(Moment),
}

fn attempt(record: &RunRecord, clock: Clock) -> Attempt {
    let begun = record.begun.map(|at| (at, record.begun_since_boot));
    let up = record.up.map(|up| (up, up.since_boot));
    let end = record.end.as_ref().map(|end| (end.at, end.since_boot));
    let over = up.map(|(up, since)| (up.at, since.map(|since| since.at))).or(end);
    let told = |step: StepDone| StepDone { at: clock.tell_between(step.at, (begun, over)), ..step };
    // Step 0 is no step of the ward's: it starts the service of a condition with Independent=.
    let steps = record.results.iter().filter(|result| result.step != "0");
    let steps = steps.map(|result| told(StepDone::from(result))).collect();
    Attempt {
        begun: begun.map(|at| clock.tell(at)),
        down: record.down.map(|at| clock.tell((at, record.down_since_boot))),
        backoff_ms: record.backoff_ms.unwrap_or(0),
        steps,
        up: up.map(|(up, since)| UpTimes {
            main: clock.tell((up.main, since.map(|since| since.main))),
            at: clock.tell((up.at, since.map(|since| since.at))),
        }),
        failed_at: end.filter(|_| up.is_none()).map(|at| clock.tell(at)),
    }
}

impl From<&StepResult> for StepDone {
    fn from(result: &StepResult) -> Self {
        Self {
            condition: result.condition.clone(),
            step: result.action.clone(),
            argument: result.argument.clone(),
            result: match result.outcome {
                record::Outcome::Ok => StepOutcome::Ok,
                record::Outcome::Failed => StepOutcome::Failed,
            },
            ms: result.ms,
            at: result.at,
        }
    }
}

impl From<record::GivenUp> for GivenUp {
    fn from(given_up: record::GivenUp) -> Self {
        match given_up {
            record::GivenUp::Exclude => Self::Exclude,
            record::GivenUp::RestartStack => Self::RestartStack,
            record::GivenUp::Reboot => Self::Reboot,
        }
    }
}

#[cfg(test)]
mod tests;
