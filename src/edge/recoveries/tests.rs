//! Tests of the recoveries that follow from run records.

use super::*;
use crate::edge::record::{Outcome, StartKind, Up, UpSinceBoot};

/// A run `id` that follows `follows`, with one step whose argument is its id.
fn run(id: &str, follows: Option<&str>) -> RunRecord {
    let start = if follows.is_some() {
        StartKind::AfterAbnormalDeath
    } else {
        StartKind::First
    };
    let result = |step: &str| StepResult {
        condition: "OnDeath".into(),
        step: step.into(),
        action: "Execute".into(),
        argument: id.into(),
        outcome: Outcome::Ok,
        status: 0,
        at: 0,
        ms: 1,
    };
    RunRecord {
        follows: follows.map(str::to_owned),
        results: vec![result("1"), result("0")],
        ..RunRecord::new("web", "web.service", id, start)
    }
}

fn up(run: RunRecord) -> RunRecord {
    RunRecord {
        up: Some(Up {
            main: 1,
            at: 2,
            since_boot: None,
        }),
        ..run
    }
}

fn died(run: RunRecord, given_up: Option<record::GivenUp>) -> RunRecord {
    let end = End {
        pid: Some(7),
        limit_reached: given_up.is_some(),
        given_up,
        ..End::killed(5)
    };
    RunRecord {
        end: Some(end),
        ..run
    }
}

/// Checks the recoveries that `last` ended, each as "the first death: its restarts: how it ended".
fn check(last: &RunRecord, others: &[RunRecord], expect: &[&str]) {
    let lookup = |id: &str| {
        others
            .iter()
            .chain([last])
            .find(|run| run.invocation == id)
            .cloned()
    };
    let told: Vec<_> = chains(last, &lookup)
        .iter()
        .map(|chain| {
            let steps = chain.attempts.iter().map(|attempt| {
                assert_eq!(
                    attempt.steps.len(),
                    1,
                    "the launch of a service beside is no step"
                );
                attempt.steps[0].argument.as_str()
            });
            format!(
                "{}: {}: {:?}",
                chain.invocation,
                steps.collect::<Vec<_>>().join(" "),
                chain.ended
            )
        })
        .collect();
    assert_eq!(told, expect);
    assert_eq!(
        chain(last, &lookup).map(|chain| chain.ended),
        chains(last, &lookup).last().map(|chain| chain.ended)
    );
}

#[test]
fn a_run_that_is_up_after_a_death_ends_a_recovery() {
    check(
        &up(run("b", Some("a"))),
        &[died(up(run("a", None)), None)],
        &["a: b: Up"],
    );
}

#[test]
fn restarts_that_failed_lie_between_the_death_and_the_end() {
    let others = [
        died(up(run("a", Some("z"))), None),
        died(run("b", Some("a")), None),
        died(run("c", Some("b")), None),
        died(up(run("z", None)), None),
    ];
    check(&up(run("d", Some("c"))), &others, &["a: b c d: Up"]);
}

#[test]
fn a_first_start_that_failed_begins_a_recovery() {
    check(
        &up(run("b", Some("a"))),
        &[died(run("a", None), None)],
        &["a: b: Up"],
    );
}

#[test]
fn a_death_that_was_one_too_many_ends_its_own_recovery() {
    let exclude = Some(record::GivenUp::Exclude);
    check(
        &died(up(run("a", None)), exclude),
        &[],
        &["a: : GivenUp(Exclude)"],
    );
    check(
        &died(run("a", None), exclude),
        &[],
        &["a: : GivenUp(Exclude)"],
    );
    let others = [died(up(run("a", None)), None)];
    check(
        &died(run("b", Some("a")), exclude),
        &others,
        &["a: b: GivenUp(Exclude)"],
    );
    check(
        &died(up(run("b", Some("a"))), exclude),
        &others,
        &["a: b: Up", "b: : GivenUp(Exclude)"],
    );
}

fn asked(run: RunRecord) -> RunRecord {
    RunRecord {
        end: Some(End {
            asked: true,
            ..End::killed(7)
        }),
        ..run
    }
}

#[test]
fn a_restart_whose_end_is_asked_for_before_it_is_up_ends_a_recovery() {
    let others = [
        died(up(run("a", None)), None),
        died(run("b", Some("a")), None),
    ];
    check(&asked(run("b", Some("a"))), &others, &["a: b: Early(7)"]);
    check(&asked(run("c", Some("b"))), &others, &["a: b c: Early(7)"]);
    check(&asked(up(run("b", Some("a")))), &others, &["a: b: Up"]);
    check(&asked(run("b", None)), &others, &[]);
    let mut skipped = asked(run("b", Some("a")));
    skipped.end = Some(End {
        asked: false,
        finished: true,
        ..skipped.end.unwrap()
    });
    check(&skipped, &others, &["a: b: Early(7)"]);
}

#[test]
fn a_start_by_hand_in_place_of_a_restart_ends_a_recovery() {
    let by_hand = |id: &str| RunRecord {
        breaks_off: Some(id.into()),
        begun: Some(9),
        ..run("d", None)
    };
    let others = [
        died(up(run("a", None)), None),
        died(run("b", Some("a")), None),
    ];
    check(&by_hand("a"), &others, &["a: : Early(9)"]);
    check(&by_hand("b"), &others, &["a: b: Early(9)"]);
    check(&by_hand("x"), &others, &[]);
    check(
        &by_hand("a"),
        &[died(up(run("a", None)), Some(record::GivenUp::Exclude))],
        &[],
    );
    check(&by_hand("a"), &[asked(up(run("a", None)))], &[]);
    let whole = died(up(by_hand("a")), Some(record::GivenUp::Exclude));
    check(&whole, &others, &["a: : Early(9)", "d: : GivenUp(Exclude)"]);
}

#[test]
fn what_is_still_going_on_or_began_by_hand_ends_none() {
    let others = [died(up(run("a", None)), None)];
    check(&run("b", Some("a")), &others, &[]);
    check(&died(run("b", Some("a")), None), &others, &[]);
    check(&up(run("a", None)), &[], &[]);
    let mut asked = others;
    asked[0].end.as_mut().unwrap().asked = true;
    check(&up(run("b", Some("a"))), &asked, &[]);
}

#[test]
fn a_recovery_is_under_way_until_a_run_is_up_or_given_up() {
    let others = [
        died(up(run("a", None)), None),
        died(run("b", Some("a")), None),
    ];
    let lookup = |id: &str| others.iter().find(|run| run.invocation == id).cloned();
    let check = |latest: &RunRecord, expect: Option<(&str, usize)>| {
        let told = under_way(latest, &lookup).map(|told| (told.invocation, told.attempts.len()));
        assert_eq!(
            told,
            expect.map(|(run, attempts)| (run.to_owned(), attempts)),
            "{latest:?}"
        );
    };
    check(&others[0], Some(("a", 0)));
    check(&run("b", Some("a")), Some(("a", 1)));
    check(&others[1], Some(("a", 1)));
    check(&run("c", Some("b")), Some(("a", 2)));
    check(&up(run("c", Some("b"))), None);
    check(
        &died(run("c", Some("b")), Some(record::GivenUp::Exclude)),
        None,
    );
    check(&run("c", None), None);
    let mut asked = died(run("c", Some("b")), None);
    asked.end.as_mut().unwrap().asked = true;
    check(&asked, None);
}

#[test]
fn a_death_begins_a_recovery_or_prolongs_one_or_nothing_answers_it() {
    let others = [
        died(up(run("a", None)), None),
        died(run("b", Some("a")), None),
    ];
    let lookup = |id: &str| others.iter().find(|run| run.invocation == id).cloned();
    assert_eq!(part(&others[0], &lookup), Some(Part::Beginning));
    assert_eq!(part(&others[1], &lookup), Some(Part::Of("a".into())));
    let mut unanswered = others[0].clone();
    unanswered.end.as_mut().unwrap().restart_follows = Some(false);
    assert_eq!(part(&unanswered, &lookup), Some(Part::Nothing));
    assert_eq!(part(&asked(run("b", Some("a"))), &lookup), None);
    assert_eq!(part(&run("b", Some("a")), &lookup), None);
}

#[test]
fn a_clock_that_is_set_during_a_recovery_changes_none_of_its_times() {
    const YEARS: u64 = 94_608_000_000;
    let first = End {
        since_boot: Some(1_000),
        ..End::killed(50_000)
    };
    let first = RunRecord {
        end: Some(first),
        ..up(run("a", None))
    };
    let forward = |at: u64| at + YEARS;
    let back = |at: u64| at - 40_000;
    let kept = |at: u64| at;
    for wall in [&kept as &dyn Fn(u64) -> u64, &forward, &back] {
        let mut restart = RunRecord {
            begun: Some(50_200),
            begun_since_boot: Some(1_200),
            ..run("b", Some("a"))
        };
        restart.results[0].at = wall(50_700);
        let since_boot = Some(UpSinceBoot {
            main: 1_600,
            at: 1_900,
        });
        restart.up = Some(Up {
            main: wall(50_600),
            at: wall(50_900),
            since_boot,
        });
        let lookup = |id: &str| (id == "a").then(|| first.clone());
        let chain = chain(&restart, &lookup).unwrap();
        let [attempt] = &chain.attempts[..] else {
            panic!("{chain:?}")
        };
        assert_eq!(
            attempt.up,
            Some(UpTimes {
                main: 50_600,
                at: 50_900
            })
        );
        assert_eq!((attempt.begun, attempt.steps[0].at), (Some(50_200), 50_700));
        let asked = End {
            asked: true,
            since_boot: Some(2_000),
            ..End::killed(wall(51_000))
        };
        let ended = RunRecord {
            up: None,
            end: Some(asked),
            ..restart
        };
        assert_eq!(
            super::chain(&ended, &lookup).unwrap().ended,
            Ended::Early(51_000)
        );
    }
}

#[test]
fn a_trail_that_breaks_off_begins_where_it_does() {
    check(
        &up(run("c", Some("b"))),
        &[died(run("b", Some("a")), None)],
        &["b: c: Up"],
    );
    check(&up(run("c", Some("b"))), &[], &[]);
    let unended = [died(run("b", Some("a")), None), run("a", Some("z"))];
    check(&up(run("c", Some("b"))), &unended, &["b: c: Up"]);
}

#[test]
fn a_circle_comes_to_an_end() {
    let others = [
        died(run("a", Some("b")), None),
        died(run("b", Some("a")), None),
    ];
    let lookup = |id: &str| others.iter().find(|run| run.invocation == id).cloned();
    let told = chain(&up(run("c", Some("b"))), &lookup).unwrap();
    assert!(told.attempts.len() <= 3, "{told:?}");
}

#[test]
fn no_trail_is_longer_than_it_may_be() {
    let number = |id: &str| id.parse::<usize>().unwrap();
    let lookup = |id: &str| Some(died(run(id, Some(&(number(id) + 1).to_string())), None));
    let told = chain(&up(run("0", Some("1"))), &lookup).unwrap();
    assert_eq!(told.attempts.len(), LONGEST);
}
