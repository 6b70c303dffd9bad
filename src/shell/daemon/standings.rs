//! The wards' standing, for listeners on the bus: the states of their units, and the exclusions.
//!
//! Invariants: a state is signalled when it changes, not when it is seen for the first time; a
//! signalled exclusion ends with one readmission, by hand or by a start.

use super::event::Action;
use super::rules::Scene;
use super::systemd::UnitState;
use crate::core::recovery::account::Account;
use crate::edge::exclusion::By;
use crate::edge::ruling::Ruling;
use crate::shell::news::{self, News};
use std::collections::{BTreeSet, HashMap};

/// The word for a readmission by a start that was not requested as a readmission.
const BY_START: &str = "start";

/// The states that were seen, and the wards that are excluded.
#[derive(Debug, Default)]
pub(super) struct Standings {
    /// By unit.
    states: HashMap<String, UnitState>,
    excluded: BTreeSet<String>,
}

impl Standings {
    /// Applies a new configuration: forgets wards that are gone, and adds those that were excluded
    /// before.
    pub(super) fn configured(&mut self, scene: Scene<'_>, excluded: Vec<String>) {
        self.states
            .retain(|unit, _| scene.rules.guard.ward(unit).is_some());
        self.excluded.extend(excluded);
        self.excluded
            .retain(|ward| scene.rules.guard.has_ward(ward));
    }

    /// Takes in the state of a unit.
    pub(super) fn observe(
        &mut self,
        scene: Scene<'_>,
        unit: &str,
        state: UnitState,
    ) -> Vec<Action> {
        let Some(ward) = scene.rules.guard.ward(unit) else {
            return Vec::new();
        };
        let before = self.states.insert(unit.to_owned(), state.clone());
        // A queued job changes properties, not the state: the stop of an exclusion must not end it.
        if before.as_ref() == Some(&state) {
            return Vec::new();
        }
        let readmitted = state.is_a_start() && self.excluded.remove(&*ward);
        if before.is_none() {
            return Vec::new();
        }
        let mut actions = Vec::new();
        if readmitted {
            actions.push(readmission(&ward, BY_START));
        }
        actions.push(announce(News::StateChanged(news::StateChanged {
            ward: ward.into_owned(),
            unit: unit.to_owned(),
            state: state.active,
            substate: state.sub,
        })));
        actions
    }

    /// Takes in a ruling of root over a ward.
    pub(super) fn ruled(&mut self, ruling: Ruling) -> Vec<Action> {
        match ruling {
            Ruling::Exclude { ward, why } => vec![self.exclude(ward, By::Hand, why)],
            Ruling::Readmitting(ward) => {
                self.excluded.remove(&ward);
                Vec::new()
            }
            Ruling::StillExcluded(ward) => {
                self.excluded.insert(ward);
                Vec::new()
            }
            Ruling::Readmit(ward) => vec![readmission(&ward, By::Hand.word())],
        }
    }

    /// Notes that a recovery has ended at the death limit.
    pub(super) fn given_up(&mut self, account: &Account) -> Action {
        self.exclude(account.ward.clone(), By::Limit, account.reason.clone())
    }

    fn exclude(&mut self, ward: String, by: By, why: String) -> Action {
        self.excluded.insert(ward.clone());
        announce(News::Excluded(news::Excluded {
            ward,
            by: by.word().to_owned(),
            why,
        }))
    }
}

fn readmission(ward: &str, by: &str) -> Action {
    announce(News::Readmitted(news::Readmitted {
        ward: ward.to_owned(),
        by: by.to_owned(),
    }))
}

/// Returns the action that signals news on the bus.
pub(super) fn announce(news: News) -> Action {
    Action::Announce(Box::new(news))
}
