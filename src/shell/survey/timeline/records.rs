//! Recoveries by the run records: those that go on, and those that nobody has stored yet.

use super::course::{self, Progress};
use super::document::Recovery;
use crate::core::recovery::account::{Ended, account};
use crate::edge::pid1::{self, Properties, TIME_LIMITS, Wanted};
use crate::edge::record::{RunRecord, WardState};
use crate::edge::recoveries::{Chain, UnderWay, chains, under_way};
use crate::shell::daemon::records::died;

/// What the records tell of a ward.
struct Recorded {
    latest: RunRecord,
    over: Vec<Chain>,
    open: Option<UnderWay>,
}

/// The recoveries that the latest runs of these wards are a part of: of each at most two that are over, or one that goes on.
pub(super) fn recoveries(wards: &[String]) -> Vec<Recovery> {
    let recorded: Vec<_> = wards.iter().filter_map(|ward| Recorded::read(&WardState::of(ward))).collect();
    let units: Vec<_> = recorded.iter().map(|recorded| recorded.latest.unit.as_str()).collect();
    let seen = look(&units);
    recorded.iter().zip(&seen).flat_map(|(recorded, seen)| recorded.tell(seen)).collect()
}

/// Where the units stand, all by one connection. Without an answer nothing is said to go on, and the time limits have no numbers.
fn look(units: &[&str]) -> Vec<Properties> {
    if units.is_empty() {
        return Vec::new();
    }
    let seen = pid1::ask_all(units, Wanted { unit: &["ActiveState"], own: &TIME_LIMITS });
    seen.unwrap_or_else(|_| units.iter().map(|_| Properties::default()).collect())
}

impl Recorded {
    /// `None`: the latest run is part of no recovery.
    fn read(state: &WardState) -> Option<Self> {
        let latest = state.latest_run()?;
        let lookup = |run: &str| state.run(run).ok();
        let (over, open) = (chains(&latest, &lookup), under_way(&latest, &lookup));
        (!over.is_empty() || open.is_some()).then_some(Self { latest, over, open })
    }

    fn tell(&self, seen: &Properties) -> Vec<Recovery> {
        let over = self.over.iter().filter_map(|chain| self.over(chain, seen));
        let open = self.open.iter().filter(|_| comes_back(seen)).filter_map(|open| self.going_on(open, seen));
        over.chain(open).collect()
    }

    fn over(&self, chain: &Chain, seen: &Properties) -> Option<Recovery> {
        let Chain { invocation, died: end, attempts, ended } = chain;
        let told = account(&self.latest.ward, died((invocation, end), &seen.time_limits())?, attempts, *ended);
        let at = match ended {
            Ended::Up => attempts.last().and_then(|attempt| attempt.up).map(|up| up.at),
            Ended::GivenUp(_) => self.latest.end.as_ref().map(|end| end.at),
        };
        Some(course::recorded(&told, attempts, (&self.latest.unit, Progress::Over(at.unwrap_or(end.at)))))
    }

    fn going_on(&self, open: &UnderWay, seen: &Properties) -> Option<Recovery> {
        let UnderWay { invocation, died: end, attempts } = open;
        let told = account(&self.latest.ward, died((invocation, end), &seen.time_limits())?, attempts, Ended::Up);
        Some(course::recorded(&told, attempts, (&self.latest.unit, Progress::UnderWay)))
    }
}

/// Whether systemd is about to start the unit again, or does so.
fn comes_back(seen: &Properties) -> bool {
    matches!(seen.text("ActiveState"), "activating" | "deactivating" | "reloading")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::{End, GivenUp, StartKind};

    /// What is told of a ward whose watchdog struck, as "outcome: reason".
    fn check(given_up: Option<GivenUp>, seen: &Properties, expect: &[&str]) {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "web");
        let end = End {
            asked: false,
            finished: false,
            result: "watchdog".into(),
            code: "killed".into(),
            status: "ABRT".into(),
            pid: Some(7),
            at: 5,
            limit_reached: given_up.is_some(),
            given_up,
            timed_out: None,
        };
        let run = RunRecord::new("web", "web.service", &"e".repeat(32), StartKind::First);
        state.save_run(&RunRecord { end: Some(end), ..run }).unwrap();
        let told = Recorded::read(&state).unwrap().tell(seen);
        let told: Vec<_> =
            told.iter().map(|one| format!("{}: {}", one.outcome, one.reason.as_deref().unwrap_or("-"))).collect();
        assert_eq!(told, expect);
    }

    fn watched(state: &'static str) -> Properties {
        Properties::from([("ActiveState", state.into()), ("WatchdogUSec", 30_000_000_u64.into())])
    }

    #[test]
    fn a_recovery_goes_on_while_systemd_says_so_and_its_time_limit_has_a_number() {
        check(None, &watched("activating"), &["under-way: Watchdog timeout (30s)"]);
        let activating = Properties::from([("ActiveState", "activating".into())]);
        check(None, &activating, &["under-way: Watchdog timeout"]);
        check(None, &watched("failed"), &[]);
        check(None, &Properties::default(), &[]);
    }

    #[test]
    fn one_that_was_given_up_is_over_whatever_the_unit_does() {
        for state in ["activating", "failed"] {
            check(Some(GivenUp::Exclude), &watched(state), &["excluded: Watchdog timeout (30s)"]);
        }
    }
}
