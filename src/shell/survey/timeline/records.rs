//! Recoveries from the run records: those that go on, and those that are not stored yet.

use super::course::{self, Progress};
use super::document::Recovery;
use crate::core::recovery::account::{Ended, account};
use crate::edge::pid1::{self, Properties, TIME_LIMITS, Wanted};
use crate::edge::record::{RunRecord, WardState};
use crate::edge::recoveries::{Chain, UnderWay, chains, under_way};
use crate::edge::up::{self, MAIN_STARTED};
use crate::edge::{clock, dying};

const MAIN_PID: &str = "MainPID";

/// Recoveries of a ward, from its records.
struct Recorded {
    latest: RunRecord,
    over: Vec<Chain>,
    open: Option<UnderWay>,
}

/// Returns the recoveries of which the latest runs of these wards are a part: of each ward those
/// that are over (as many as [`chains`] finds) and the one that goes on.
pub(super) fn recoveries(wards: &[String]) -> Vec<Recovery> {
    told(wards.iter().map(|ward| WardState::of(ward)).collect(), look)
}

/// Returns the recoveries of these wards; `look` requests the states of their units. The records
/// are read once more after that: a unit that came up in between has noted it there.
fn told(states: Vec<WardState>, look: impl FnOnce(&[&str]) -> Vec<Properties>) -> Vec<Recovery> {
    let nothing = Properties::default();
    let recorded = states
        .into_iter()
        .filter_map(|state| Some((Recorded::read(&state, &nothing)?, state)));
    let recorded: Vec<_> = recorded.collect();
    let units: Vec<_> = recorded
        .iter()
        .map(|(recorded, _)| recorded.latest.unit.as_str())
        .collect();
    let seen = look(&units);
    let again = recorded
        .iter()
        .zip(&seen)
        .map(|((_, state), seen)| Some(Recorded::read(state, seen)?.tell(seen)));
    again.flatten().flatten().collect()
}

/// Requests the states of the units, over one connection. Without an answer no recovery counts as
/// going on, and the time limits have no numbers.
fn look(units: &[&str]) -> Vec<Properties> {
    if units.is_empty() {
        return Vec::new();
    }
    let own = [&[MAIN_PID], &TIME_LIMITS[..], &dying::OF_SERVICE].concat();
    let of_unit = [&["SubState"], &up::OF_UNIT[..], &dying::OF_UNIT].concat();
    let seen = pid1::ask_all(
        units,
        Wanted {
            unit: &of_unit,
            own: &own,
        },
    );
    seen.unwrap_or_else(|_| units.iter().map(|_| Properties::default()).collect())
}

impl Recorded {
    /// Reads the records; `None`: the latest run is part of no recovery. If its record does not say
    /// that it is up, PID 1 does.
    fn read(state: &WardState, seen: &Properties) -> Option<Self> {
        let mut latest = state.latest_run()?;
        if up::is_open(&latest) {
            latest.up = up::of_present(&latest.invocation, seen);
        }
        if let Some(dying) = dying::Shown::of(seen) {
            dying.complete(&mut latest);
        }
        let may_be_dying = latest.end.is_none() && seen.text("ActiveState").is_empty();
        let lookup = |run: &str| state.run(run).ok();
        let (over, open) = (chains(&latest, &lookup), under_way(&latest, &lookup));
        (may_be_dying || !over.is_empty() || open.is_some()).then_some(Self { latest, over, open })
    }

    fn tell(&self, seen: &Properties) -> Vec<Recovery> {
        let over = self.over.iter().filter_map(|chain| self.over(chain, seen));
        let open = self
            .open
            .iter()
            .filter(|open| comes_back(open, seen))
            .filter_map(|open| self.going_on(open, seen));
        over.chain(open).collect()
    }

    fn over(&self, chain: &Chain, seen: &Properties) -> Option<Recovery> {
        let Chain {
            invocation,
            died: end,
            attempts,
            ended,
        } = chain;
        let told = account(
            &self.latest.ward,
            end.died(invocation, &seen.time_limits())?,
            attempts,
            *ended,
        );
        let at = match ended {
            Ended::Up => attempts
                .last()
                .and_then(|attempt| attempt.up)
                .map(|up| up.at),
            Ended::GivenUp(_) => self.latest.end.as_ref().map(|end| end.at),
            Ended::Early(at) => Some(*at),
        };
        Some(course::recorded(
            &told,
            attempts,
            &self.latest.unit,
            Progress::Over(at.unwrap_or(end.at)),
        ))
    }

    fn going_on(&self, open: &UnderWay, seen: &Properties) -> Option<Recovery> {
        let UnderWay {
            invocation,
            died: end,
            attempts,
            has_begun: _,
        } = open;
        let mut attempts = attempts.clone();
        // Until a step has ended, its record says killed.
        if self.latest.end.is_none()
            && self.latest.unended().is_some_and(|step| step.step != "0")
            && let Some(last) = attempts.last_mut()
        {
            last.steps.pop();
        }
        let told = account(
            &self.latest.ward,
            end.died(invocation, &seen.time_limits())?,
            &attempts,
            Ended::Up,
        );
        let mut told = course::recorded(&told, &attempts, &self.latest.unit, Progress::UnderWay);
        if let Some(last) = told
            .attempts
            .last_mut()
            .filter(|last| last.failed_ms.is_none())
        {
            last.main_ms =
                main_started(seen, self.latest.begun).map(|at| at.saturating_sub(told.timestamp));
        }
        Some(told)
    }
}

/// Returns the start time of the main process, in milliseconds since the epoch, of a start that
/// began at `begun` and runs the steps after the main process.
fn main_started(seen: &Properties, begun: Option<u64>) -> Option<u64> {
    let runs = seen.text("SubState") == "start-post"
        && seen.number(MAIN_PID).is_some_and(|pid: u32| pid > 0);
    let at = clock::epoch_of_monotonic(seen.number(MAIN_STARTED).filter(|_| runs)?);
    // Before the main process starts, PID 1 has the time of the previous one.
    Some(at).filter(|at| *at >= begun.unwrap_or(0))
}

/// Returns true if systemd is about to start the unit again, or is starting it.
fn comes_back(open: &UnderWay, seen: &Properties) -> bool {
    match seen.text("ActiveState") {
        "activating" | "reloading" => true,
        "deactivating" => open.has_begun,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::{End, GivenUp, KILLED, Outcome, StartKind, StepResult, Up};

    fn end(given_up: Option<GivenUp>) -> End {
        let (result, status) = ("watchdog".into(), "ABRT".into());
        End {
            result,
            status,
            pid: Some(7),
            limit_reached: given_up.is_some(),
            given_up,
            ..End::killed(5)
        }
    }

    /// Makes a restart after such a death, which runs its step.
    fn restarted(state: &WardState) -> RunRecord {
        let died = RunRecord::new("web", "web.service", &"e".repeat(32), StartKind::First);
        state
            .save_run(&RunRecord {
                begun: Some(1),
                end: Some(end(None)),
                ..died.clone()
            })
            .unwrap();
        let step = |step: &str, status: i32| StepResult {
            condition: "OnDeath".into(),
            step: step.into(),
            action: "WaitFor".into(),
            argument: "1s".into(),
            outcome: if status == 0 {
                Outcome::Ok
            } else {
                Outcome::Failed
            },
            status,
            at: 8,
            ms: 1,
        };
        let restart = RunRecord::new(
            "web",
            "web.service",
            &"f".repeat(32),
            StartKind::AfterAbnormalDeath,
        );
        let results = vec![step("1", 0), step("2", KILLED)];
        let restart = RunRecord {
            begun: Some(6),
            follows: Some(died.invocation),
            results,
            ..restart
        };
        state.save_run(&restart).unwrap();
        restart
    }

    #[test]
    fn a_unit_that_comes_up_while_it_is_asked_for_has_recovered() {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "web");
        let restart = restarted(&state);
        let comes_up = |units: &[&str]| {
            assert_eq!(units, ["web.service"]);
            state
                .save_run(&RunRecord {
                    up: Some(Up {
                        main: 8,
                        at: 9,
                        since_boot: None,
                    }),
                    ..restart.clone()
                })
                .unwrap();
            vec![watched("active")]
        };
        let told = told(vec![state.clone()], comes_up);
        assert_eq!(
            told.iter()
                .map(|one| (one.outcome.as_str(), one.end_ms))
                .collect::<Vec<_>>(),
            [("step-failed", Some(4))]
        );
    }

    #[test]
    fn a_step_that_runs_is_not_told_as_one_that_failed() {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "web");
        restarted(&state);
        let told = told(vec![state], |_| vec![watched("activating")]);
        let steps: Vec<_> = told[0].attempts[0]
            .steps
            .iter()
            .map(|step| step.result.as_str())
            .collect();
        assert_eq!((told[0].outcome.as_str(), steps), ("under-way", vec!["ok"]));
    }

    #[test]
    fn the_service_of_a_condition_is_no_run_of_the_ward() {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "web");
        restarted(&state);
        state
            .save_run(&RunRecord::new(
                "web",
                "",
                &"z".repeat(32),
                StartKind::Condition,
            ))
            .unwrap();
        assert_eq!(told(vec![state], |_| vec![watched("activating")]).len(), 1);
    }

    /// Compares the recoveries of a ward whose watchdog struck, as "outcome: reason".
    fn check(given_up: Option<GivenUp>, seen: &Properties, expect: &[&str]) {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "web");
        let run = RunRecord::new("web", "web.service", &"e".repeat(32), StartKind::First);
        state
            .save_run(&RunRecord {
                end: Some(end(given_up)),
                ..run
            })
            .unwrap();
        let told = Recorded::read(&state, seen).unwrap().tell(seen);
        let told: Vec<_> = told
            .iter()
            .map(|one| format!("{}: {}", one.outcome, one.reason.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(told, expect);
    }

    #[test]
    fn a_crash_whose_left_over_is_being_ended_has_begun_a_recovery() {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "web");
        let run = RunRecord::new("web", "web.service", &"ab".repeat(16), StartKind::First);
        state.save_run(&run).unwrap();
        let dies = |restart: &'static str| {
            Properties::from([
                ("ActiveState", "deactivating".into()),
                ("InvocationID", vec![0xab_u8; 16].into()),
                ("Result", "exit-code".into()),
                ("Restart", restart.into()),
                ("ExecMainCode", 1_i32.into()),
                ("ExecMainStatus", 3_i32.into()),
                (up::MAIN_ENDED, 5_000_000_u64.into()),
            ])
        };
        let all = |seen: Properties| {
            let told = told(vec![state.clone()], |units| {
                assert_eq!(units, ["web.service"]);
                vec![seen]
            });
            let told = told.into_iter().map(|one| (one.outcome, one.reason));
            told.collect::<Vec<_>>()
        };
        let under_way = ("under-way".to_owned(), Some("EXIT 3".to_owned()));
        assert_eq!(all(dies("on-failure")), [under_way]);
        assert_eq!(all(dies("no")), []);
        assert_eq!(all(watched("active")), []);
    }

    #[test]
    fn a_main_process_that_runs_among_the_steps_is_told() {
        let seen = |state: &'static str, pid: u32| {
            let started = (MAIN_STARTED, 1_000_000_u64.into());
            Properties::from([("SubState", state.into()), (MAIN_PID, pid.into()), started])
        };
        let at = clock::epoch_of_monotonic(1_000_000);
        for (state, pid, begun, expect) in [
            ("start-post", 7, at - 50, true),
            ("start-post", 7, at + 50, false),
            ("start-post", 0, at - 50, false),
            ("start-pre", 7, at - 50, false),
        ] {
            let told = main_started(&seen(state, pid), Some(begun));
            assert_eq!(told.is_some(), expect, "{state} {pid} {begun}");
        }
    }

    fn watched(state: &'static str) -> Properties {
        Properties::from([
            ("ActiveState", state.into()),
            ("WatchdogUSec", 30_000_000_u64.into()),
        ])
    }

    #[test]
    fn a_recovery_goes_on_while_systemd_says_so_and_its_time_limit_has_a_number() {
        check(
            None,
            &watched("activating"),
            &["under-way: Watchdog timeout (30s)"],
        );
        let activating = Properties::from([("ActiveState", "activating".into())]);
        check(None, &activating, &["under-way: Watchdog timeout"]);
        check(None, &watched("failed"), &[]);
        check(None, &Properties::default(), &[]);
    }

    #[test]
    fn one_that_was_given_up_is_over_whatever_the_unit_does() {
        for state in ["activating", "failed"] {
            check(
                Some(GivenUp::Exclude),
                &watched(state),
                &["excluded: Watchdog timeout (30s)"],
            );
        }
    }
}
