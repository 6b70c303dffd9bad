//! Downtime after deaths of this boot whose recovery did not bring the service back, or that have none: until a later run was up, or
//! so far.
//!
//! Run records have the time; of a unit without a ward PID 1 has it, while nothing else of it has died since. What is older than the
//! records, or of an earlier boot, stays unknown.

use super::document::Document;
use crate::edge::clock;
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::record::{RunRecord, StartKind, WardState};
use crate::edge::up::{self, MAIN_STARTED};
use std::collections::HashMap;

/// Sets the downtime of these deaths, which are in the order of their times and have their states.
pub(super) fn tell(documents: &mut [Document]) {
    let now = clock::since_epoch();
    let boot = now.saturating_sub(clock::since_boot());
    let mut wards: HashMap<String, Vec<RunRecord>> = HashMap::new();
    let mut alone: HashMap<String, usize> = HashMap::new();
    let open = documents.iter_mut().enumerate();
    for (place, document) in open.filter(|(_, document)| document.timestamp >= boot) {
        alone.remove(&document.unit);
        match Until::of(document) {
            Until::Known => {}
            Until::Requested(at) => document.down_until(at),
            Until::NextRun => {
                let runs = wards
                    .entry(document.ward.clone())
                    .or_insert_with_key(|ward| runs(ward));
                next_run(document, runs, now);
            }
            Until::UnitUp => drop(alone.insert(document.unit.clone(), place)),
        }
    }
    let units: Vec<&str> = alone.keys().map(String::as_str).collect();
    for (place, shown) in alone.values().zip(look(&units)) {
        unit_up(&mut documents[*place], &shown, now);
    }
}

/// The event that ended the time without the service.
enum Until {
    /// It is known, or cannot be known, or belongs to another death.
    Known,
    /// A request, at this time: what came after it was wanted.
    Requested(u64),
    /// The ward's next run that was up.
    NextRun,
    /// The unit, which has no ward, was up again.
    UnitUp,
}

impl Until {
    fn of(document: &Document) -> Self {
        let recovery = document.recovery.as_ref();
        if document.full_restart.is_some()
            || recovery.is_some_and(|recovery| recovery.downtime_ms.is_some())
        {
            return Self::Known;
        }
        match (recovery, document.recovery_state.as_deref()) {
            (Some(recovery), _) if recovery.outcome == "ended" => {
                Self::Requested(recovery.timestamp)
            }
            (Some(_), _) | (None, Some("not-restarted" | "under-way")) => Self::NextRun,
            (None, Some("no-ward")) => Self::UnitUp,
            (None, _) => Self::Known,
        }
    }
}

impl Document {
    /// Sets the downtime to the time between the death and this one.
    fn down_until(&mut self, at: u64) {
        self.down_ms = Some(at.saturating_sub(self.timestamp));
    }

    /// Notes that it is down still.
    fn down_so_far(&mut self, now: u64) {
        self.down_until(now);
        self.is_down = true;
    }
}

/// Returns the runs of a ward's unit, each with the time since which it is up.
fn runs(ward: &str) -> Vec<RunRecord> {
    let mut runs = WardState::of(ward).runs();
    up::complete(&mut runs);
    runs.retain(|run| run.start != StartKind::Condition);
    runs
}

fn next_run(document: &mut Document, runs: &[RunRecord], now: u64) {
    // Of older runs than those that are kept the next one is not known.
    if !runs.iter().any(|run| run.invocation == document.invocation) {
        return;
    }
    let later = runs
        .iter()
        .filter_map(|run| run.up.map(|up| up.main))
        .filter(|main| *main > document.timestamp);
    match later.min() {
        Some(back) => document.down_until(back),
        None => document.down_so_far(now),
    }
}

fn look(units: &[&str]) -> Vec<Properties> {
    if units.is_empty() {
        return Vec::new();
    }
    let wanted = Wanted {
        unit: &up::OF_UNIT,
        own: &[MAIN_STARTED],
    };
    pid1::ask_all(units, wanted).unwrap_or_default()
}

fn unit_up(document: &mut Document, shown: &Properties, now: u64) {
    let state = shown.text("ActiveState");
    let active = shown.number("ActiveEnterTimestampMonotonic").unwrap_or(0);
    if up::is_up(state) {
        let main = up::at(active, shown.number(MAIN_STARTED).unwrap_or(0)).main;
        if main > document.timestamp {
            document.down_until(main);
        }
    } else if !state.is_empty() {
        document.down_so_far(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::Up;
    use serde_json::json;

    fn document(state: Option<&str>, recovery: serde_json::Value) -> Document {
        serde_json::from_value(json!({
            "timestamp": 1_000, "ward": "web", "unit": "web.service", "invocation": "a", "boot": "b",
            "severity": "crash", "witness": "bus", "sequence": 1, "recovery": recovery,
            "recoveryState": state,
        }))
        .unwrap()
    }

    fn run(invocation: &str, main: Option<u64>) -> RunRecord {
        RunRecord {
            up: main.map(|main| Up {
                main,
                at: main + 5,
                since_boot: None,
            }),
            ..RunRecord::new("web", "web.service", invocation, StartKind::First)
        }
    }

    #[test]
    fn a_service_that_nothing_restarts_is_down_until_its_next_run_is_up() {
        let check = |runs: &[RunRecord], expect: (Option<u64>, bool)| {
            let mut told = document(Some("not-restarted"), json!(null));
            next_run(&mut told, runs, 9_000);
            assert_eq!((told.down_ms, told.is_down), expect);
        };
        check(&[run("a", Some(500))], (Some(8_000), true));
        let back = [
            run("a", Some(500)),
            run("c", Some(6_000)),
            run("b", Some(4_000)),
        ];
        check(&back, (Some(3_000), false));
        check(&[run("c", Some(6_000))], (None, false));
    }

    #[test]
    fn a_unit_without_a_ward_is_down_until_systemd_has_it_up() {
        let shown = |state: &'static str| Properties::from([("ActiveState", state.into())]);
        let check = |state: &'static str, expect: (Option<u64>, bool)| {
            let mut told = document(Some("no-ward"), json!(null));
            unit_up(&mut told, &shown(state), 9_000);
            assert_eq!((told.down_ms, told.is_down), expect, "{state}");
        };
        check("failed", (Some(8_000), true));
        check("", (None, false));
        let mut told = document(Some("no-ward"), json!(null));
        unit_up(&mut told, &shown("active"), 9_000);
        assert!(!told.is_down, "it is up");
    }

    #[test]
    fn each_state_has_its_end_of_the_downtime() {
        let recovery = |outcome: &str, down: Option<u64>| json!({"timestamp": 1_070, "outcome": outcome, "downtimeMs": down, "steps": []});
        let of = |state, recovery| match Until::of(&document(state, recovery)) {
            Until::Known => "known".to_owned(),
            Until::Requested(at) => at.to_string(),
            Until::NextRun => "next run".to_owned(),
            Until::UnitUp => "unit up".to_owned(),
        };
        assert_eq!(of(None, recovery("recovered", Some(5))), "known");
        assert_eq!(of(None, recovery("ended", None)), "1070");
        assert_eq!(of(None, recovery("excluded", None)), "next run");
        for (state, expect) in [
            ("not-restarted", "next run"),
            ("under-way", "next run"),
            ("no-ward", "unit up"),
            ("part-of", "known"),
            ("not-known", "known"),
        ] {
            assert_eq!(of(Some(state), json!(null)), expect, "{state}");
        }
    }
}
