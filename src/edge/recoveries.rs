//! From run records to recoveries: follows the records from the run that ended a recovery back to
//! the death that began it.
//!
//! Each record of an automatic restart names the run whose death it answers. Records may be missing
//! (only the newest are kept) or damaged (they come from files and from the journal): the recovery
//! then begins at the oldest one that is found. At most [`LONGEST`] restarts are followed, and no
//! run is visited twice.

use super::death_clock::{Clock, Moment};
use super::record::{self, End, RunRecord, StepResult};
use crate::core::config::time_span::millis;
use crate::core::recovery::account::{Attempt, Ended, GivenUp, StepDone, StepOutcome, UpTimes};
use std::collections::HashSet;
use std::time::Duration;

/// Number of restarts of one recovery that are followed back. A ward without a death limit may need
/// any number.
const LONGEST: usize = 1_000;

/// A recovery that is over, by the run records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The `InvocationID` of the run whose death began it.
    pub invocation: String,
    /// End of that run.
    pub died: End,
    /// The restarts, oldest first.
    pub attempts: Vec<Attempt>,
    /// End of the recovery.
    pub ended: Ended,
}

/// Returns the recovery that came to its end with this run, the later one if there are two; `None`
/// if this run ended none.
#[must_use]
pub fn chain(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Option<Chain> {
    chains(record, lookup).pop()
}

/// Returns all recoveries that came to their end with this run, at most three, in this order: one
/// that a requested start broke off while the restart was pending; one whose restart was up; and
/// one that this run's own end finished, because its death was one too many, or because it ended
/// before it was up, on request or by itself.
#[must_use]
pub fn chains(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Vec<Chain> {
    let recovered = (record.up.is_some())
        .then(|| trail(record, lookup, Finish::Up))
        .flatten();
    let given_up = record
        .end
        .as_ref()
        .and_then(|end| end.given_up)
        .and_then(|given_up| {
            let ended = Finish::GivenUp(given_up.into());
            if begins_one(record) {
                began(record, &[], ended)
            } else {
                trail(record, lookup, ended)
            }
        });
    let early = record
        .end
        .as_ref()
        .filter(|end| record.up.is_none() && (end.asked || end.finished))
        .and_then(|end| trail(record, lookup, Finish::Early(moment_of(end))));
    broken_off(record, lookup)
        .into_iter()
        .chain(recovered)
        .chain(given_up)
        .chain(early)
        .collect()
}

/// Returns the recovery that was under way when somebody asked for this start.
fn broken_off(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Option<Chain> {
    let last = lookup(record.breaks_off.as_ref()?)?;
    going_on(&last, lookup, Finish::Early(beginning(record)?))
}

/// Returns the time at which the run's first line ran.
fn beginning(record: &RunRecord) -> Option<Moment> {
    Some(Moment {
        at: record.begun?,
        since_boot: record.begun_since_boot,
    })
}

fn moment_of(end: &End) -> Moment {
    Moment {
        at: end.at,
        since_boot: end.since_boot,
    }
}

/// A recovery that is still going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// The `InvocationID` of the run whose death began it.
    pub invocation: String,
    /// End of that run.
    pub died: End,
    /// The restarts so far, oldest first; the last one may still be going on.
    pub attempts: Vec<Attempt>,
    /// True if a restart was made, or systemd was about to make one by the record. Otherwise the
    /// death is all there is of it.
    pub has_begun: bool,
}

impl UnderWay {
    /// Returns the time `ago` before now, in milliseconds since the epoch, by the clock of its
    /// death. Now is given as milliseconds since the epoch and since boot.
    #[must_use]
    pub fn told_at(&self, (epoch, boot): (u64, u64), ago: Duration) -> u64 {
        let ago = millis(ago);
        let clock = Clock {
            at: self.died.at,
            since_boot: self.died.since_boot,
        };
        clock
            .tell(Moment {
                at: epoch.saturating_sub(ago),
                since_boot: Some(boot.saturating_sub(ago)),
            })
            .max(self.died.at)
    }

    /// Returns the recovery as one that ended at this time, in milliseconds since the epoch, before
    /// a run was up.
    #[must_use]
    pub fn ended_early(self, at: u64) -> Chain {
        let Self {
            invocation,
            died,
            attempts,
            has_begun: _,
        } = self;
        Chain {
            invocation,
            died,
            attempts,
            ended: Ended::Early(at),
        }
    }
}

/// Returns the recovery that a ward's latest run is a part of, unless it has come to its end. After
/// a death, records alone do not show if systemd is going to start the unit again.
#[must_use]
pub fn under_way(
    latest: &RunRecord,
    lookup: &dyn Fn(&str) -> Option<RunRecord>,
) -> Option<UnderWay> {
    // Its end is not known yet: any value does.
    let chain = going_on(latest, lookup, Finish::Up);
    chain.map(
        |Chain {
             invocation,
             died,
             attempts,
             ended: _,
         }| UnderWay {
            has_begun: !attempts.is_empty() || died.restart_follows == Some(true),
            invocation,
            died,
            attempts,
        },
    )
}

fn going_on(
    latest: &RunRecord,
    lookup: &dyn Fn(&str) -> Option<RunRecord>,
    ended: Finish,
) -> Option<Chain> {
    match &latest.end {
        None if latest.up.is_some() => None,
        None => trail(latest, lookup, ended),
        Some(end) if end.given_up.is_some() => None,
        Some(_) if begins_one(latest) => began(latest, &[], ended),
        Some(end) if end.asked || end.finished => None,
        Some(_) => trail(latest, lookup, ended),
    }
}

/// The part that a death has in a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// It began it.
    Beginning,
    /// It was the death of a restarted run; the recovery began with the death of this run.
    Of(String),
    /// It began none: no restart followed and nothing was given up.
    Nothing,
    /// Not known: the records do not show it.
    NotKnown,
}

/// Returns the part that the death of this run has in a recovery; `None` if its end was no death.
#[must_use]
pub fn part(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Option<Part> {
    let end = record
        .end
        .as_ref()
        .filter(|end| !end.asked && !end.finished)?;
    Some(
        match (begins_one(record), end.restart_follows, end.given_up) {
            (false, ..) => trail(record, lookup, Finish::Up)
                .map_or(Part::NotKnown, |chain| Part::Of(chain.invocation)),
            (true, Some(true), _) | (true, _, Some(_)) => Part::Beginning,
            (true, Some(false), None) => Part::Nothing,
            (true, None, None) => Part::NotKnown,
        },
    )
}

/// Returns the part that the death of this run has in a recovery while its end is not recorded yet.
#[must_use]
pub fn part_without_end(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Part {
    if begins_one(record) {
        return Part::Beginning;
    }
    trail(record, lookup, Finish::Up).map_or(Part::NotKnown, |chain| Part::Of(chain.invocation))
}

/// Returns true if the death of this run began a recovery and did not prolong one.
fn begins_one(record: &RunRecord) -> bool {
    record.up.is_some() || record.follows.is_none()
}

/// Returns the recovery whose last restart is `last`.
fn trail(
    last: &RunRecord,
    lookup: &dyn Fn(&str) -> Option<RunRecord>,
    ended: Finish,
) -> Option<Chain> {
    let mut restarts = vec![last.clone()];
    let mut visited = HashSet::from([last.invocation.clone()]);
    let mut before = lookup(last.follows.as_ref()?)?;
    while !begins_one(&before)
        && restarts.len() < LONGEST
        && visited.insert(before.invocation.clone())
    {
        let Some(earlier) = before
            .follows
            .as_ref()
            .and_then(|run| lookup(run))
            .filter(|run| run.end.is_some())
        else {
            break;
        };
        restarts.push(std::mem::replace(&mut before, earlier));
    }
    restarts.reverse();
    began(&before, &restarts, ended)
}

fn began(by: &RunRecord, restarts: &[RunRecord], ended: Finish) -> Option<Chain> {
    let died = by.end.clone().filter(|end| !end.asked && !end.finished)?;
    let clock = Clock {
        at: died.at,
        since_boot: died.since_boot,
    };
    let attempts = restarts
        .iter()
        .map(|restart| attempt(restart, clock))
        .collect();
    let ended = match ended {
        Finish::Up => Ended::Up,
        Finish::GivenUp(given_up) => Ended::GivenUp(given_up),
        Finish::Early(at) => Ended::Early(clock.tell(at)),
    };
    Some(Chain {
        invocation: by.invocation.clone(),
        died,
        attempts,
        ended,
    })
}

/// End of a recovery, in the terms of a record.
#[derive(Debug, Clone, Copy)]
enum Finish {
    Up,
    GivenUp(GivenUp),
    Early(Moment),
}

fn attempt(record: &RunRecord, clock: Clock) -> Attempt {
    let begun = beginning(record);
    let main_up = record.up.map(|up| Moment {
        at: up.main,
        since_boot: up.since_boot.map(|since| since.main),
    });
    let up = record.up.map(|up| Moment {
        at: up.at,
        since_boot: up.since_boot.map(|since| since.at),
    });
    let end = record.end.as_ref().map(moment_of);
    let over = up.or(end);
    // Step 0 is no step of the ward's: it starts the service of a condition with Independent=.
    let steps = record.results.iter().filter(|result| result.step != "0");
    let dropped = record.dropped().into_iter().map(|planned| StepDone {
        condition: planned.condition.clone(),
        step: planned.action.clone(),
        argument: planned.argument.clone(),
        result: StepOutcome::Dropped,
        ms: 0,
        at: record.up.map_or(0, |up| up.at),
    });
    let steps = steps
        .map(StepDone::from)
        .chain(dropped)
        .map(|step| StepDone {
            at: clock.tell_between(step.at, begun, over),
            ..step
        })
        .collect();
    Attempt {
        begun: begun.map(|at| clock.tell(at)),
        down: record.down.map(|at| {
            clock.tell(Moment {
                at,
                since_boot: record.down_since_boot,
            })
        }),
        backoff_ms: record.backoff_ms.unwrap_or(0),
        steps,
        up: main_up.zip(up).map(|(main, up)| UpTimes {
            main: clock.tell(main),
            at: clock.tell(up),
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
