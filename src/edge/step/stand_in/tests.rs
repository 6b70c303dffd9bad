//! Tests of deaths that are noted in place of lines that could not run.

use super::*;
use crate::edge::exclusion::Exclusion;

fn line() -> Line {
    Line {
        arguments: arguments(),
        restarts: true,
    }
}

fn arguments() -> Arguments {
    let words =
        "web web.service --death-limit=2 --within=60s --reset-after=600s --on-limit=exclude";
    Arguments::parse(&words.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

fn death(number: u32) -> Unnoted {
    Unnoted {
        ward: "web".into(),
        unit: "web.service".into(),
        invocation: InvocationId::parse(&format!("{:032x}", number + 1)).unwrap(),
        restarts: number,
        begun: 1_000,
        kind: LastEnd::AbnormalDeath,
        result: "exit-code".into(),
        process: Some(ProcessEnd::Exited(217)),
        pid: Some(7),
        at: 1_001,
    }
}

#[test]
fn runs_that_no_line_ran_in_follow_each_other_and_reach_the_limit() {
    let mut series = Series::default();
    let mut verdicts = Vec::new();
    for number in 0..3 {
        let death = death(number);
        let (record, missed) = begin(&mut series, &death, &arguments()).unwrap();
        assert_eq!((record.restarts, missed), (number, Verdict::Restart));
        assert_eq!(record.start == StartKind::First, number == 0);
        assert_eq!(record.follows.is_some(), number > 0);
        verdicts.push(count(&mut series, &death, &line()).unwrap());
    }
    assert_eq!(
        verdicts,
        [Verdict::Restart, Verdict::Restart, Verdict::LimitReached]
    );
    assert!(
        series.restart_due.is_some(),
        "systemd restarts it all the same, and the next start answers this death"
    );
}

#[test]
fn a_death_before_that_nobody_noted_counts_too() {
    let mut series = Series::default();
    let _ = series.start(Some(0), false);
    let _ = begin(&mut series, &death(1), &arguments()).unwrap();
    assert_eq!(series.deaths.len(), 1);
}

#[test]
fn of_a_run_that_a_later_one_has_followed_the_death_counts_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let state = WardState::below(place.path(), "web");
    let (death, later) = (death(1), self::death(2));
    assert!(!has_begun_since(&state, &death));
    state
        .save_run(&RunRecord {
            begun: Some(death.begun + 1),
            ..record_of(&later)
        })
        .unwrap();
    state.set_current(&later.invocation).unwrap();
    assert!(has_begun_since(&state, &death));
    let mut series = Series {
        open: true,
        nrestarts: 2,
        ..Series::default()
    };
    let _ = series.late_death(5, limit::of(&arguments()).unwrap());
    assert_eq!(
        series,
        Series {
            open: true,
            nrestarts: 2,
            deaths: vec![5],
            ..Series::default()
        }
    );
}

#[test]
fn a_run_that_was_under_way_when_the_limit_was_reached_does_not_count() {
    let place = tempfile::tempdir().unwrap();
    let state = WardState::below(place.path(), "web");
    assert!(!was_given_up_before(&state, &death(0)));
    for (at, by, restarts, expect) in [
        (1_500, By::Limit, 0, true),
        (500, By::Limit, 0, false),
        (500, By::Limit, 3, true),
        (1_500, By::Hand, 3, false),
    ] {
        exclusion::save(
            &state,
            &Exclusion {
                at,
                by,
                why: String::new(),
                triggers: Vec::new(),
            },
        )
        .unwrap();
        assert_eq!(
            was_given_up_before(&state, &death(restarts)),
            expect,
            "{at} {by:?} {restarts}"
        );
    }
}

#[test]
fn what_is_on_record_is_not_counted_again() {
    let place = tempfile::tempdir().unwrap();
    let state = WardState::below(place.path(), "web");
    let death = death(0);
    assert!(matches!(noted(&state, &death), Some(Noted::Nothing)));
    let record = RunRecord::new(
        "web",
        "web.service",
        death.invocation.as_str(),
        StartKind::First,
    );
    state.save_run(&record).unwrap();
    state.set_current(&death.invocation).unwrap();
    assert!(matches!(noted(&state, &death), Some(Noted::Begun(_))));
    state.set_current(&self::death(1).invocation).unwrap();
    assert!(
        noted(&state, &death).is_none(),
        "the next start has found it unnoted"
    );
    state
        .save_run(&RunRecord {
            end: Some(end(&death, &Judged::default(), &line())),
            ..record
        })
        .unwrap();
    state.set_current(&death.invocation).unwrap();
    assert!(
        noted(&state, &death).is_none(),
        "the last line has noted it"
    );
}
