//! The runs that a restart ends. A caller from another run of the same unit was started by that
//! restart, and asks for the next one.
//!
//! The course notes them right before it makes systemd restart; the loop looks them up when a
//! caller has connected: one that was started by the restart comes after the note. Before it every
//! run is an old one.

use crate::edge::full_restart::record::RestartRecord;
use crate::edge::pid1;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The noted runs, shared by a course and the loop: the InvocationID of each unit; `None`: it did
/// not run.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs(Arc<Mutex<BTreeMap<String, Option<String>>>>);

impl Runs {
    /// Returns the runs that the record has, written before an earlier process began the restart;
    /// none if the restart has yet to begin.
    pub(super) fn ended_by(record: &RestartRecord) -> Self {
        let runs = Self::default();
        let whole = record
            .ended
            .iter()
            .map(|run| (record.unit.clone(), Some(run.clone())));
        runs.note(
            whole.chain(
                record
                    .members
                    .iter()
                    .map(|member| (member.unit.clone(), member.run.clone())),
            ),
        );
        runs
    }

    /// Notes the runs that these units are in now.
    pub(super) fn note_those_of<'u>(&self, units: impl Iterator<Item = &'u str>) {
        self.note(units.map(|unit| (unit.to_owned(), pid1::run_of(unit))));
    }

    /// Notes these runs, and no others.
    fn note(&self, runs: impl Iterator<Item = (String, Option<String>)>) {
        let runs = runs.collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = runs;
    }

    /// Returns true if this unit was started anew since.
    pub(super) fn has_renewed(&self, unit: &str) -> bool {
        pid1::run_of(unit).is_some_and(|now| self.is_another(unit, &now))
    }

    fn is_another(&self, unit: &str, now: &str) -> bool {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted
            .get(unit)
            .is_some_and(|before| before.as_deref() != Some(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_new_if_another_one_was_noted() {
        let runs = Runs::default();
        assert!(
            !runs.is_another("cm.service", "2e"),
            "nothing is restarted yet"
        );
        let theirs = runs.clone();
        theirs.note(
            [
                ("cm.service".to_owned(), Some("1f".to_owned())),
                ("dm.service".to_owned(), None),
            ]
            .into_iter(),
        );
        for (unit, now, expect) in [
            ("cm.service", "1f", false),
            ("cm.service", "2e", true),
            ("dm.service", "2e", true),
            ("other.service", "2e", false),
        ] {
            assert_eq!(runs.is_another(unit, now), expect, "{unit} {now}");
        }
    }
}
