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

use super::archive::{HandMade, Notes, Order};
use super::desk::{Core, Desk, Judged, Tense};
use super::event::{Action, Remark};
use super::incident::{Incident, IncidentKind};
use super::recent::Recent;
use super::rules::{Rules, Scene};
use super::standings::announce;
use super::systemd::{JobAt, StackSeen};
use crate::core::crash::observation::InvocationId;
use crate::core::full_restart::request::Cause;
use crate::core::full_restart::{self, BY_HAND, RestartOutcome};
use crate::edge::full_restart::record::{RestartEnd, RestartRecord};
use crate::edge::history::entry::{
    Change, Key, RestartKnown, StoredRestart, StoredRestartEnd, Witness,
};
use crate::shell::news::{self, News};
use std::collections::HashMap;
use std::time::Duration;

/// Time beyond the restart's time limit after which an incomplete record no longer counts as under
/// way.
const GRACE: Duration = Duration::from_secs(60);
/// Age from which a restart counts as past, in milliseconds.
const PRESENT: u64 = 5_000;

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
        (scene, desk): (Scene<'_>, &mut Desk),
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
            let key = Key {
                boot: record.boot.clone(),
                unit: record.unit.clone(),
                invocation: id,
            };
            actions.extend(self.tell((scene, desk), (&key, &record), known));
            if let Some(end) = &record.end
                && !self.over.knows(&key.invocation)
            {
                self.over.remember(key.invocation.clone());
                actions.extend(tell_end((scene, desk), (key, &record), end));
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
                actions.extend(self.tell_by_hand((scene, desk), suspect));
            }
        }
        actions.extend(desk.past_is_over(scene));
        actions
    }

    /// Reports a restart, unless that was done, and stores it.
    fn tell(
        &mut self,
        (scene, desk): (Scene<'_>, &mut Desk),
        (key, record): (&Key, &RestartRecord),
        known: RestartKnown,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        if known == RestartKnown::No && !self.told.knows(&key.invocation) {
            self.told.remember(key.invocation.clone());
            let reason = full_restart::restarted(&record.name, &record.caller);
            actions.push(begun(
                &record.stack,
                &record.caller,
                (reason.clone(), record.at),
            ));
            actions.extend(receive(
                (scene, desk),
                incident(key, record, (IncidentKind::FullRestart, reason)),
            ));
        }
        // Also where the death's row was stored and this was not: the daemon may have been killed in between.
        actions.push(store(vec![Change::Restart(Box::new(stored(key, record)))]));
        actions
    }

    /// Reports a restart that was requested of systemd directly. Its id is the run it ended, and it
    /// is over.
    fn tell_by_hand(
        &mut self,
        (scene, desk): (Scene<'_>, &mut Desk),
        suspect: Suspect,
    ) -> Vec<Action> {
        let Suspect { key, at, witness } = suspect;
        let Some(stack) = scene.rules.guard.stack(&key.unit) else {
            return Vec::new();
        };
        if self.told.knows(&key.invocation) {
            return Vec::new();
        }
        self.told.remember(key.invocation.clone());
        let incident = Incident {
            key: key.clone(),
            name: stack.identifier.clone(),
            kind: IncidentKind::FullRestart,
            pid: None,
            reason: full_restart::restarted(&stack.identifier, BY_HAND),
            at,
            backtrace: None,
            witness,
        };
        let restart = StoredRestart {
            death: key.clone(),
            stack: stack.name.clone(),
            caller: BY_HAND.to_owned(),
            ended: Some(key.invocation.clone()),
            cause: None,
        };
        let mut actions = vec![begun(&stack.name, BY_HAND, (incident.reason.clone(), at))];
        actions.push(over(&stack.name, RestartOutcome::Restarted, ""));
        // PID 1's own job was done; the journal does not have the exact time.
        let at = if witness == Witness::Bus {
            scene.now.epoch_ms
        } else {
            at
        };
        let end = StoredRestartEnd {
            at,
            outcome: RestartOutcome::Restarted,
            trouble: String::new(),
        };
        actions.extend(receive((scene, desk), incident));
        actions.push(store(vec![
            Change::Restart(Box::new(restart)),
            Change::RestartOver { death: key, end },
        ]));
        actions
    }
}

/// Reports the end of a restart.
fn tell_end(
    (scene, desk): (Scene<'_>, &mut Desk),
    (key, record): (Key, &RestartRecord),
    end: &RestartEnd,
) -> Vec<Action> {
    let trouble = match end.outcome {
        RestartOutcome::Failed => Some(full_restart::failed(
            &record.name,
            &record.caller,
            &end.trouble,
        )),
        RestartOutcome::Restarted if end.trouble.is_empty() => None,
        RestartOutcome::Restarted => Some(full_restart::troubled(
            &record.name,
            &record.caller,
            &end.trouble,
        )),
    };
    let told = trouble.map(|reason| {
        let incident = Incident {
            at: end.at,
            ..incident(&key, record, (IncidentKind::RestartTrouble, reason))
        };
        desk.follow_up(scene, incident)
    });
    let mut actions = vec![over(&record.stack, end.outcome, &end.trouble)];
    actions.extend(told.unwrap_or_default());
    let end = StoredRestartEnd {
        at: end.at,
        outcome: end.outcome,
        trouble: end.trouble.clone(),
    };
    actions.push(store(vec![Change::RestartOver { death: key, end }]));
    actions
}

/// Returns the signal for the begin of a restart.
fn begun(stack: &str, caller: &str, (reason, at): (String, u64)) -> Action {
    let (stack, caller) = (stack.to_owned(), caller.to_owned());
    announce(News::FullRestart(news::FullRestart {
        stack,
        caller,
        reason,
        at,
    }))
}

/// Returns the signal for the end of a restart.
fn over(stack: &str, outcome: RestartOutcome, trouble: &str) -> Action {
    let (outcome, trouble) = (outcome.word().to_owned(), trouble.to_owned());
    announce(News::FullRestartOver(news::FullRestartOver {
        stack: stack.to_owned(),
        outcome,
        trouble,
    }))
}

/// Returns true if the restarter may still be at work on this restart.
fn is_under_way(scene: Scene<'_>, record: &RestartRecord) -> bool {
    let Some(stack) = scene.rules.guard.stack(&record.unit) else {
        return false;
    };
    let age = Duration::from_millis(scene.now.epoch_ms.saturating_sub(record.at));
    record.end.is_none() && record.boot == scene.rules.boot && age < stack.timeout + GRACE
}

fn incident(key: &Key, record: &RestartRecord, (kind, reason): (IncidentKind, String)) -> Incident {
    Incident {
        key: key.clone(),
        name: record.name.clone(),
        kind,
        pid: None,
        reason,
        at: record.at,
        backtrace: record.backtrace.clone(),
        witness: Witness::Record,
    }
}

fn stored(key: &Key, record: &RestartRecord) -> StoredRestart {
    let cause = record.cause.as_ref().and_then(|cause| {
        Some(Cause {
            unit: cause.unit.clone(),
            invocation: InvocationId::parse(&cause.invocation)?,
        })
    });
    let ended = record.ended.as_deref().and_then(InvocationId::parse);
    StoredRestart {
        death: key.clone(),
        stack: record.stack.clone(),
        caller: record.caller.clone(),
        ended,
        cause,
    }
}

fn receive((scene, desk): (Scene<'_>, &mut Desk), incident: Incident) -> Vec<Action> {
    let age = scene.now.epoch_ms.saturating_sub(incident.at);
    let tense = if age < PRESENT {
        Tense::Present
    } else {
        Tense::Past
    };
    desk.receive(
        scene,
        Judged {
            incident,
            core: Core::None,
            tense,
        },
    )
}

fn store(changes: Vec<Change>) -> Action {
    Action::Order(Order::Store(changes))
}

/// Returns the order to read the records.
pub(super) fn look(rules: &Rules) -> Action {
    Action::Order(Order::Restarts(rules.guard.inhibit_files()))
}
