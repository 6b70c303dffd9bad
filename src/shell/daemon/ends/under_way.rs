//! Recoveries under way, and those that end without a run whose record would have the end.
//!
//! A stop takes a unit that waits for its restart down at once: no line of the unit runs. So a
//! recovery has ended if its unit is down without a job that would start it. A unit is down for a
//! moment also on the way from its death to the wait for its restart, so PID 1 is asked again after
//! [`PAUSE`], and its answer, which comes behind all signals before it, decides.
//!
//! Invariant: a recovery is forgotten here when its end is reported, or when a record shows that it
//! is over.

use super::end::Recovered;
use super::{Ends, Scene};
use crate::core::crash::observation::{Observation, Stage};
use crate::edge::recoveries::UnderWay;
use crate::shell::daemon::event::Action;
use crate::shell::daemon::guard::Guard;
use crate::shell::daemon::systemd::{Question, UnitAt};
use std::collections::HashMap;
use std::time::Duration;

/// Time that a unit is down before PID 1 is asked about it.
const PAUSE: Duration = Duration::from_secs(1);
/// Time without an answer after which PID 1 is asked again.
const PATIENCE: Duration = Duration::from_secs(10);

/// The recoveries under way, by the wards' units.
#[derive(Debug, Default)]
pub(super) struct Open {
    recoveries: HashMap<String, UnderWay>,
    /// Times at which PID 1 is to be asked about units that are down.
    looks: HashMap<String, Duration>,
}

/// Returns true if an observation shows a unit that is down without a job.
pub(super) fn is_down(observation: &Observation) -> bool {
    observation.stage == Stage::Ended && observation.job.is_none()
}

impl Open {
    /// Takes in a record's recovery under way; `None`: there is none. [`Open::observe`] follows.
    pub(super) fn learn(&mut self, unit: &str, under_way: Option<UnderWay>) {
        match under_way {
            Some(under_way) => {
                self.recoveries.insert(unit.to_owned(), under_way);
            }
            None => self.forget(unit),
        }
    }

    /// Takes in the state of a unit.
    pub(super) fn observe(&mut self, unit: &str, is_down: bool, now: Duration) {
        if !is_down {
            self.looks.remove(unit);
        } else if self.recoveries.contains_key(unit) {
            self.looks.entry(unit.to_owned()).or_insert(now + PAUSE);
        }
    }

    fn forget(&mut self, unit: &str) {
        self.recoveries.remove(unit);
        self.looks.remove(unit);
    }

    fn take(&mut self, unit: &str) -> Option<UnderWay> {
        self.looks.remove(unit);
        self.recoveries.remove(unit)
    }

    /// Returns the next time for [`Open::overdue`].
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.looks.values().min().copied()
    }

    /// Returns the questions that are due.
    pub(super) fn overdue(&mut self, now: Duration) -> Vec<Action> {
        let mut questions = Vec::new();
        for (unit, at) in self.looks.iter_mut().filter(|(_, at)| **at <= now) {
            *at = now + PATIENCE;
            questions.push(Action::Ask(Question::Describe(UnitAt::new(unit))));
        }
        questions
    }
}

impl Ends {
    /// Takes in PID 1's answer about a unit: its recovery is over if the unit is down.
    pub(super) fn confirm_down(
        &mut self,
        scene: Scene<'_>,
        unit: &str,
        observation: &Observation,
    ) -> Vec<Action> {
        if !is_down(observation) {
            return Vec::new();
        }
        let Some(open) = self.open.take(unit) else {
            return Vec::new();
        };
        // For a unit that was unloaded systemd does not have the time of the change.
        let known = observation.changed_at > 0;
        let ago = if known {
            scene.now.monotonic.saturating_sub(observation.changed)
        } else {
            Duration::ZERO
        };
        let at = open.told_at((scene.now.epoch_ms, scene.now.boot_ms), ago);
        let recovered = Recovered {
            boot: scene.rules.boot.clone(),
            chain: open.ended_early(at),
        };
        self.settle(scene, unit, recovered)
    }

    /// Ends the recoveries of wards that are gone from the next configuration.
    pub(in crate::shell::daemon) fn part(&mut self, scene: Scene<'_>, next: &Guard) -> Vec<Action> {
        let gone: Vec<String> = self
            .open
            .recoveries
            .keys()
            .filter(|unit| next.ward(unit) != scene.rules.guard.ward(unit))
            .cloned()
            .collect();
        let mut actions = Vec::new();
        for unit in gone {
            if let Some(open) = self.open.take(&unit) {
                let at = open.told_at((scene.now.epoch_ms, scene.now.boot_ms), Duration::ZERO);
                let recovered = Recovered {
                    boot: scene.rules.boot.clone(),
                    chain: open.ended_early(at),
                };
                actions.extend(self.settle(scene, &unit, recovered));
            }
        }
        actions
    }
}
