//! The reporting of judged deaths: what is stored, logged and sent.
//!
//! Every death is stored at once. Then the ward's switches and the burst limit decide if it has a
//! report of its own; a process that dumped core has [`BacktraceTimeoutSec=`] for its backtrace;
//! and the reports of one ward keep their order.
//!
//! Invariants: a death is either reported, or counted in a summary, or excluded from reports by the
//! configuration; the history has this decision before or together with the report.
//!
//! [`BacktraceTimeoutSec=`]: crate::core::config::settings::Reports::backtrace_timeout

mod lane;
mod sending;
mod unlogged;

use super::archive::Order;
use super::event::{Action, Now};
use super::incident::Incident;
use super::last_lines::Wanted;
use super::recent::Recent;
use super::rules::{Rules, Scene};
use crate::core::crash::burst::{Admission, Rate};
use crate::core::recovery::account::Account;
use crate::edge::history::entry::{Change, Fate, Key, StoredDeath, StoredRecovery};
use lane::{Item, Lane, Recovery, Wait};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use unlogged::{LOG_PATIENCE, Unlogged};

/// A judged death, and if a core may be found.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) incident: Incident,
    pub(super) core: Core,
    pub(super) tense: Tense,
}

/// The time at which a death is processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tense {
    /// Immediately.
    Present,
    /// Later, by a catch-up: the burst limit counts by the deaths' own times.
    Past,
}

/// Says if the process that died dumped core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Core {
    /// It did.
    Dumped,
    /// It did not.
    None,
}

/// The reports that wait.
#[derive(Debug)]
pub(super) struct Desk {
    lanes: HashMap<String, Lane>,
    /// The `seq` of the next report.
    next_seq: u64,
    numbering: Numbering,
    /// Recoveries that wait for the log lines of the runs that died.
    unlogged: Vec<Unlogged>,
    /// Runs whose deaths had no report of their own: their recoveries are not sent either.
    quiet: Recent,
}

/// The source of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbering {
    /// From the clock, and none was given yet.
    Open,
    /// Fixed by the history, or by the first number given: they only grow.
    Fixed,
}

/// Says if a death's row is in the history already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Stored,
    New,
}

impl Desk {
    /// Returns the state before the first report in this life of the daemon.
    ///
    /// Until the history has sent its next number, and if it never does, the clock in microseconds
    /// is used: it is above any number that was counted.
    pub(super) fn new(now: Now) -> Self {
        Self {
            lanes: HashMap::new(),
            next_seq: now.epoch_ms * 1_000,
            numbering: Numbering::Open,
            unlogged: Vec::new(),
            quiet: Recent::default(),
        }
    }

    /// Sets the history's next number. Once a number was given, they only grow.
    pub(super) fn number_from(&mut self, next_seq: u64) {
        self.next_seq = match std::mem::replace(&mut self.numbering, Numbering::Fixed) {
            Numbering::Open => next_seq,
            Numbering::Fixed => self.next_seq.max(next_seq),
        };
    }

    /// Continues with the deaths that the daemon's last life left undecided.
    pub(super) fn resume(&mut self, scene: Scene<'_>, unfinished: Vec<StoredDeath>) -> Vec<Action> {
        let (held, open): (Vec<_>, Vec<_>) = unfinished
            .into_iter()
            .partition(|death| death.fate == Fate::Held);
        let mut actions = Vec::new();
        for death in open {
            let incident = Incident::of(death);
            actions.extend(self.await_core(scene, incident, Row::Stored));
        }
        let mut summaries: BTreeMap<String, (Incident, u32)> = BTreeMap::new();
        for death in held {
            let incident = Incident::of(death);
            let more = summaries.get(&incident.name).map_or(0, |(_, more)| *more);
            summaries.insert(incident.name.clone(), (incident, more + 1));
        }
        for (last, more) in summaries.into_values() {
            actions.extend(self.sum_up(scene.rules, last, more));
        }
        actions
    }

    /// Takes in a death.
    pub(super) fn receive(&mut self, scene: Scene<'_>, judged: Judged) -> Vec<Action> {
        let rules = scene.rules;
        let Judged {
            incident,
            core,
            tense,
        } = judged;
        if !rules.wants(&incident.key.unit, incident.kind) {
            return self.keep_quiet(&incident, Fate::Silent);
        }
        let name = incident.lane();
        let lane = self.lanes.entry(name.clone()).or_default();
        let (burst, at) = lane.count_for(scene, tense, incident.at);
        let before = burst.due(at);
        let admission = burst.admit(rate(rules), at, incident.clone());
        let mut actions: Vec<_> = before
            .into_iter()
            .flat_map(|(last, more)| self.sum_up(rules, last, more))
            .collect();
        actions.extend(match admission {
            Admission::Held => self.keep_quiet(&incident, Fate::Held),
            Admission::Full(incident) => self.admit(scene, incident, core),
        });
        if self.lanes.get(&name).is_some_and(Lane::is_idle) {
            self.lanes.remove(&name);
        }
        actions
    }

    /// Takes in an addition to an earlier incident: it has no row of its own, and is not counted in
    /// the burst. If that incident was not reported, this is not either.
    pub(super) fn follow_up(&mut self, scene: Scene<'_>, incident: Incident) -> Vec<Action> {
        let Key {
            unit, invocation, ..
        } = &incident.key;
        if self.quiet.knows(invocation) || !scene.rules.wants(unit, incident.kind) {
            return Vec::new();
        }
        let lane = self.lanes.entry(incident.lane()).or_default();
        if lane.is_free() {
            return self.report(scene.rules, incident, Row::Stored);
        }
        lane.push(Item::Death(Box::new(incident), Wait::Turn));
        Vec::new()
    }

    /// Processes a death that has a report of its own.
    fn admit(&mut self, scene: Scene<'_>, incident: Incident, core: Core) -> Vec<Action> {
        if core == Core::Dumped && !scene.rules.settings.reports.backtrace_timeout.is_zero() {
            return self.await_core(scene, incident, Row::New);
        }
        let lane = self.lanes.entry(incident.lane()).or_default();
        if lane.is_free() {
            return self.report(scene.rules, incident, Row::New);
        }
        let stored = store_death(&incident, Fate::Open);
        lane.push(Item::Death(Box::new(incident), Wait::Turn));
        vec![stored]
    }

    /// Notes that all past deaths were processed.
    pub(super) fn past_is_over(&mut self, scene: Scene<'_>) -> Vec<Action> {
        let held: Vec<_> = self
            .lanes
            .values_mut()
            .filter_map(|lane| lane.past_is_over(scene))
            .collect();
        let actions = held
            .into_iter()
            .flat_map(|(last, more)| self.sum_up(scene.rules, last, more))
            .collect();
        self.lanes.retain(|_, lane| !lane.is_idle());
        actions
    }

    /// Takes in the end of a recovery from this death. If `LogLines=` is set, its record waits for
    /// the journal.
    pub(super) fn recovered(
        &mut self,
        scene: Scene<'_>,
        death: Key,
        account: Account,
    ) -> Vec<Action> {
        let count = scene.rules.settings.reports.log_lines;
        if count == 0 {
            return self.settled(scene, death, account);
        }
        let (unit, run) = (death.unit.clone(), death.invocation.clone());
        self.unlogged.push(Unlogged {
            death,
            account,
            until: scene.now.monotonic + LOG_PATIENCE,
        });
        vec![Action::ReadLog(Wanted { unit, run, count })]
    }

    /// Processes a recovery whose record is complete. It is stored at once, and reported in its
    /// turn.
    fn settled(&mut self, scene: Scene<'_>, death: Key, account: Account) -> Vec<Action> {
        let record = account.to_json(&scene.rules.identity.node_id);
        let recovery = StoredRecovery {
            death: death.clone(),
            ward: account.ward.clone(),
            outcome: account.outcome.word().to_owned(),
            at: match (account.over, account.restarts) {
                (Some(at), _) => at,
                (None, 0) => account.timestamp,
                (None, _) => scene.now.epoch_ms,
            },
            record: String::from_utf8_lossy(&record).into_owned(),
            course: Some(account.course.to_json()),
        };
        let stored = Action::Order(Order::Store(vec![Change::Recovery(Box::new(recovery))]));
        let lane = self.lanes.entry(account.ward.clone()).or_default();
        lane.push(Item::Recovery(Box::new(Recovery {
            death,
            account,
            record,
        })));
        std::iter::once(stored)
            .chain(self.release(scene.rules, scene.now))
            .collect()
    }

    /// Takes in the result of a search for a core.
    pub(super) fn core_found(
        &mut self,
        scene: Scene<'_>,
        found: &super::cores::Found,
    ) -> Vec<Action> {
        for lane in self.lanes.values_mut() {
            lane.core_found(&found.invocation, found.pid, found.backtrace.as_deref());
        }
        self.release(scene.rules, scene.now)
    }

    /// Returns the next time for [`Desk::overdue`].
    pub(super) fn deadline(&self) -> Option<Duration> {
        let unlogged = self.unlogged.iter().map(|waiting| waiting.until);
        self.lanes
            .values()
            .filter_map(Lane::deadline)
            .chain(unlogged)
            .min()
    }

    /// Does what is due by now.
    pub(super) fn overdue(&mut self, scene: Scene<'_>) -> Vec<Action> {
        let Scene { now, rules } = scene;
        if self.deadline().is_none_or(|at| at > now.monotonic) {
            return Vec::new();
        }
        let mut actions = self.without_log(scene);
        actions.extend(self.release(rules, now));
        let due: Vec<_> = self
            .lanes
            .values_mut()
            .filter_map(|lane| lane.burst.due(now.monotonic))
            .collect();
        actions.extend(
            due.into_iter()
                .flat_map(|(last, more)| self.sum_up(rules, last, more)),
        );
        self.lanes.retain(|_, lane| !lane.is_idle());
        actions
    }

    /// Reports at once the summaries that were held back. Deaths that wait for a backtrace, and
    /// those behind them, wait in the history.
    pub(super) fn flush(&mut self, rules: &Rules) -> Vec<Action> {
        let free = self.lanes.values_mut().filter(|lane| lane.is_free());
        let held: Vec<_> = free.filter_map(|lane| lane.burst.close()).collect();
        held.into_iter()
            .flat_map(|(last, more)| self.sum_up(rules, last, more))
            .collect()
    }

    /// Returns the number of lanes.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.lanes.len()
    }

    fn keep_quiet(&mut self, incident: &Incident, fate: Fate) -> Vec<Action> {
        self.quiet.remember(incident.key.invocation.clone());
        vec![store_death(incident, fate)]
    }

    fn await_core(&mut self, scene: Scene<'_>, incident: Incident, row: Row) -> Vec<Action> {
        let patience = scene.rules.settings.reports.backtrace_timeout;
        let (key, pid, at) = (incident.key.clone(), incident.pid, incident.at);
        let stored = (row == Row::New).then(|| store_death(&incident, Fate::Open));
        let wait = Wait::Core(scene.now.monotonic + patience);
        self.lanes
            .entry(incident.lane())
            .or_default()
            .push(Item::Death(Box::new(incident), wait));
        stored
            .into_iter()
            .chain([Action::SeekCore {
                key,
                pid,
                at,
                patience,
            }])
            .collect()
    }
}

/// The burst limit in force.
fn rate(rules: &Rules) -> Rate {
    Rate {
        burst: rules.settings.reports.burst,
        interval: rules.settings.reports.burst_interval,
    }
}

fn store_death(incident: &Incident, fate: Fate) -> Action {
    Action::Order(Order::Store(vec![Change::Death(Box::new(
        incident.stored(fate),
    ))]))
}
