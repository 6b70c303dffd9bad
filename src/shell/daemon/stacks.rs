//! Full restarts of stacks: requested ones are read from their records, those by hand are
//! recognised by PID 1's jobs.
//!
//! A restart by hand is one job that found the stack's unit up and left it up in another run. A
//! stop and a start are two jobs, a crash leaves the unit down without any. The restart of a unit
//! that the stack's requires restarts that too: systemd queues the job of the restarted unit first,
//! then those that follow from it, so the former has the lower number. The records are read before
//! a restart by hand is reported: the restarter makes the same job for a caller, and has noted
//! before which run it ends.
//!
//! Invariants: a restart is reported once, and its end once, in this life of the daemon; one that
//! the history has is not reported again.

mod noted;
mod report;

use super::archive::{HandMade, Notes, Order};
use super::desk::Desk;
use super::event::{Action, Remark};
use super::recent::Recent;
use super::rules::{Rules, Scene};
use super::systemd::{JobAt, StackSeen};
use crate::core::crash::observation::InvocationId;
use crate::edge::full_restart::record::RestartRecord;
use crate::edge::history::entry::{Key, RestartKnown, Witness};
use noted::Noted;
use report::tell_end;
use std::collections::HashMap;
use std::time::Duration;

/// Time beyond the restart's time limit after which an incomplete record no longer counts as under
/// way.
const GRACE: Duration = Duration::from_secs(60);
/// Longest time between the queueing of a job and of one that follows from it.
const TOGETHER: Duration = Duration::from_secs(1);

/// The state of the stacks' units, and of their restarts.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    units: HashMap<String, Standing>,
    /// The latest jobs of stacks' units and of those they require: number, and time of queueing.
    jobs: HashMap<String, (u32, Duration)>,
    /// Restarts that no record explains yet.
    suspects: Vec<Suspect>,
    /// Runs of stacks' units whose end a record, or a required unit's restart, explains.
    explained: Recent,
    /// Restarts that were reported, by their ids.
    told: Recent,
    /// Restarts whose end was reported, by their ids.
    over: Recent,
}

/// A stack's unit.
#[derive(Debug, Default)]
struct Standing {
    /// The run that is up.
    up: Option<InvocationId>,
    /// The run that was up at the latest time without a job; `None`: none was.
    settled: Option<InvocationId>,
    /// Time at which it last left `active`, in milliseconds since the epoch.
    left: u64,
    /// Units that it requires, as far as is known.
    requires: Vec<String>,
}

/// A restart that was seen and may be one by hand.
#[derive(Debug)]
struct Suspect {
    /// The stack's unit and the run of it that ended.
    key: Key,
    at: u64,
    witness: Witness,
}

impl Stacks {
    /// Takes in a change of a stack's unit.
    pub(super) fn observe(&mut self, unit: &str, seen: &StackSeen) {
        let standing = self.units.entry(unit.to_owned()).or_default();
        standing.up = seen.run.clone().filter(|_| seen.is_up);
        if seen.job.is_none() {
            standing.settled.clone_from(&standing.up);
        }
        standing.left = seen.left_active / 1_000;
        if let Some(requires) = &seen.requires {
            standing.requires.clone_from(requires);
        }
    }

    /// Notes a queued job if it is for a stack's unit or for one that such a unit requires.
    pub(super) fn job_queued(&mut self, at: &JobAt, now: Duration) {
        let matters = self
            .units
            .iter()
            .any(|(unit, standing)| *unit == at.unit || standing.requires.contains(&at.unit));
        if matters {
            self.jobs.insert(at.unit.clone(), (at.id, now));
        }
    }

    /// Returns true if a job of a stack's unit follows from that of a unit it requires.
    fn is_consequence(&self, at: &JobAt) -> bool {
        let Some((_, queued)) = self.jobs.get(&at.unit).filter(|(id, _)| *id == at.id) else {
            return false;
        };
        let requires = self
            .units
            .get(&at.unit)
            .map_or(&[][..], |standing| &standing.requires);
        let mut causes = requires.iter().filter_map(|unit| self.jobs.get(unit));
        causes.any(|(id, before)| *id < at.id && queued.saturating_sub(*before) < TOGETHER)
    }

    /// Takes in the end of a job of a stack's unit.
    pub(super) fn job_done(
        &mut self,
        scene: Scene<'_>,
        at: &JobAt,
        result: &str,
    ) -> Option<Action> {
        let is_consequence = self.is_consequence(at);
        let standing = self.units.get_mut(&at.unit)?;
        let before = std::mem::replace(&mut standing.settled, standing.up.clone());
        let (Some(ended), Some(up)) = (before, &standing.up) else {
            return None;
        };
        if ended == *up || result != "done" {
            return None;
        }
        if is_consequence {
            // The journal will show it too.
            self.explained.remember(ended);
            return None;
        }
        let key = Key {
            boot: scene.rules.boot.clone(),
            unit: at.unit.clone(),
            invocation: ended,
        };
        self.suspects.push(Suspect {
            key,
            at: standing.left,
            witness: Witness::Bus,
        });
        Some(look(scene.rules))
    }

    /// Takes in restarts that the journal shows. One at which systemd was about to restart a unit
    /// that the stack's requires is ignored: that restart was the cause.
    pub(super) fn recall(&mut self, scene: Scene<'_>, restarts: Vec<HandMade>) -> Option<Action> {
        let before = self.suspects.len();
        for HandMade { key, at, scheduled } in restarts {
            let standing = self.units.get(&key.unit);
            let is_consequence = standing.is_some_and(|standing| {
                scheduled
                    .iter()
                    .any(|unit| standing.requires.contains(unit))
            });
            if scene.rules.guard.stack(&key.unit).is_some() && !is_consequence {
                self.suspects.push(Suspect {
                    key,
                    at,
                    witness: Witness::Journal,
                });
            }
        }
        (self.suspects.len() > before).then(|| look(scene.rules))
    }

    /// Takes in the records, each with its state in the history, and decides on the suspects.
    pub(super) fn hear(
        &mut self,
        scene: Scene<'_>,
        desk: &mut Desk,
        Notes { records, inhibited }: Notes,
    ) -> Vec<Action> {
        let mut under_way = Vec::new();
        let mut actions = Vec::new();
        let mut completed = false;
        for (record, known) in records {
            if let Some(ended) = record.ended.as_deref().and_then(InvocationId::parse) {
                self.explained.remember(ended);
            }
            if is_under_way(scene, &record) {
                under_way.push(record.unit.clone());
            }
            // A record that the history has whole needs nothing more.
            let Some(id) = InvocationId::parse(&record.id).filter(|_| known != RestartKnown::Over)
            else {
                continue;
            };
            let noted = Noted::new(id, &record, known);
            actions.extend(self.tell(scene, desk, &noted));
            if let Some(end) = &record.end
                && !self.over.knows(&noted.key.invocation)
            {
                self.over.remember(noted.key.invocation.clone());
                actions.extend(tell_end(scene, desk, &noted, end));
                completed = true;
            }
        }
        // With all of them in the history these records are not needed any more.
        actions.extend(completed.then(|| look(scene.rules)));
        for suspect in std::mem::take(&mut self.suspects) {
            if self.explained.knows(&suspect.key.invocation)
                || under_way.contains(&suspect.key.unit)
            {
                continue;
            }
            if inhibited.contains(&suspect.key.unit) {
                actions.push(Action::Say(Remark::Inhibited(suspect.key.unit)));
            } else {
                actions.extend(self.tell_by_hand(scene, desk, suspect));
            }
        }
        actions.extend(desk.past_is_over(scene));
        actions
    }
}

/// Returns true if the restarter may still be at work on this restart.
fn is_under_way(scene: Scene<'_>, record: &RestartRecord) -> bool {
    let Some(stack) = scene.rules.guard.stack(&record.unit) else {
        return false;
    };
    let age = Duration::from_millis(scene.now.epoch_ms.saturating_sub(record.at));
    record.end.is_none() && record.boot == scene.rules.boot && age < stack.timeout + GRACE
}

/// Returns the order to read the records.
pub(super) fn look(rules: &Rules) -> Action {
    Action::Order(Order::Restarts(rules.guard.inhibit_files()))
}
