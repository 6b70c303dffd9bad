//! Tests of what carries over from run to run.

use super::*;

const LIMIT: DeathLimit = DeathLimit {
    deaths: 5,
    within: Duration::from_secs(60),
    reset_after: Duration::from_secs(600),
};

fn crash(series: &mut Series, now: u64) -> Verdict {
    series.death(now, LastEnd::AbnormalDeath, LIMIT)
}

#[test]
fn five_deaths_are_tolerated_and_the_sixth_is_too_many() {
    let mut series = Series::default();
    let verdicts: Vec<_> = (0..6).map(|n| crash(&mut series, n * 9_000)).collect();
    assert_eq!(verdicts[..5], [Verdict::Restart; 5]);
    assert_eq!(verdicts[5], Verdict::LimitReached);
}

#[test]
fn deaths_further_apart_than_the_interval_do_not_add_up() {
    let mut series = Series::default();
    assert!((0..100).all(|n| crash(&mut series, n * 12_000) == Verdict::Restart));
}

#[test]
fn zero_is_no_limit() {
    let mut series = Series::default();
    let limit = DeathLimit { deaths: 0, ..LIMIT };
    assert!((0..100).all(|n| series.death(n, LastEnd::AbnormalDeath, limit) == Verdict::Restart));
    assert_eq!(series.deaths, [] as [u64; 0], "nothing piles up");
}

#[test]
fn a_manual_start_counts_from_zero() {
    let mut series = Series::default();
    for n in 0..5 {
        let _ = crash(&mut series, n);
        assert_eq!(
            series.start(Some(u32::try_from(n).unwrap() + 1), false),
            Start::AfterAbnormalDeath
        );
    }
    assert_eq!(series.restarts, 5);
    series.spent.insert("OnDeath".into());
    series.asked();
    assert_eq!(series.start(Some(0), false), Start::First);
    assert_eq!(
        (series.restarts, series.deaths.len(), series.spent.len()),
        (0, 0, 0)
    );
}

#[test]
fn a_series_is_at_rest_unless_a_restart_may_follow() {
    let mut series = Series::default();
    assert!(series.is_at_rest());
    let _ = series.start(Some(0), false);
    assert!(
        !series.is_at_rest(),
        "should nobody note its end, the next start may be a restart"
    );
    series.asked();
    series.ended(Some(0));
    assert!(series.is_at_rest());
    let _ = series.start(Some(0), false);
    let _ = crash(&mut series, 1);
    series.ended(Some(0));
    assert!(!series.is_at_rest());
    let _ = series.start(Some(1), false);
    series.asked();
    series.ended(Some(1));
    assert!(
        !series.is_at_rest(),
        "systemd's counter is not 0, so it tells more"
    );
}

#[test]
fn starts_that_a_socket_asks_for_after_each_death_do_not_void_the_limit() {
    let mut series = Series::default();
    let mut die = |now| {
        assert_eq!(series.start(Some(0), false), Start::First);
        let verdict = crash(&mut series, now);
        series.ended(Some(0));
        verdict
    };
    let verdicts: Vec<_> = (0..6).map(&mut die).collect();
    assert_eq!(verdicts[4..], [Verdict::Restart, Verdict::LimitReached]);
    assert!(
        (0..100).all(|n| die(60_000 + n * 12_000) == Verdict::Restart),
        "further apart than the interval"
    );
}

#[test]
fn clean_ends_after_which_a_timer_starts_it_again_do_not_add_up() {
    let mut series = Series::default();
    let _ = series.start(Some(0), false);
    let _ = crash(&mut series, 0);
    for n in 1..100 {
        assert_eq!(series.start(Some(0), false), Start::First);
        assert_eq!(series.death(n, LastEnd::Death, LIMIT), Verdict::Restart);
    }
    assert_eq!(
        series.deaths,
        [0, 99],
        "the crash counts, and the last end until it is known what follows"
    );
}

#[test]
fn healthy_time_begins_a_new_series() {
    let mut series = Series::default();
    for n in 0..5 {
        let _ = crash(&mut series, n);
        let _ = series.start(Some(u32::try_from(n).unwrap() + 1), false);
    }
    series.up(1_000);
    assert_eq!(crash(&mut series, 1_000 + 600_000), Verdict::Restart);
    assert_eq!((series.restarts, series.deaths.len()), (0, 1));
}

#[test]
fn the_deaths_that_are_left_are_those_after_which_the_limit_is_reached() {
    let mut series = Series::default();
    for (now, up) in [
        (0, None),
        (1_000, None),
        (2_000, Some(1_500)),
        (61_000, None),
        (800_000, Some(70_000)),
    ] {
        series.up_since = up;
        let left = series.deaths_left(now, LIMIT).unwrap();
        let mut probe = series.clone();
        let tolerated = (1..)
            .take_while(|_| crash(&mut probe, now) == Verdict::Restart)
            .count();
        assert_eq!(left, tolerated + 1, "at {now}");
        let _ = crash(&mut series, now);
    }
    assert_eq!(
        series.deaths_left(0, DeathLimit { deaths: 0, ..LIMIT }),
        None
    );
}

#[test]
fn a_counter_that_has_not_risen_is_a_manual_start() {
    let mut series = Series::default();
    let _ = series.start(Some(0), false);
    let _ = crash(&mut series, 1);
    assert_eq!(series.start(Some(1), false), Start::AfterAbnormalDeath);
    let _ = crash(&mut series, 2);
    // Stopped by hand during systemd's wait, then started by hand: the counter stays at 1.
    assert_eq!(series.start(Some(1), false), Start::First);
}

#[test]
fn a_counter_put_back_by_reset_failed_does_not_hide_a_restart() {
    let mut series = Series::default();
    let _ = series.start(Some(0), false);
    let _ = crash(&mut series, 1);
    series.ended(Some(0));
    assert_eq!(series.start(Some(1), false), Start::AfterAbnormalDeath);
    // reset-failed while it runs: the counter is 0 again at its next end.
    let _ = crash(&mut series, 2);
    series.ended(Some(0));
    assert_eq!(series.start(Some(1), false), Start::AfterAbnormalDeath);
}

#[test]
fn an_end_that_nobody_noted_shows_at_the_next_automatic_start() {
    let mut series = Series::default();
    let _ = series.start(Some(0), false);
    assert!(series.missed_an_end(Some(1)));
    assert!(
        !series.missed_an_end(Some(0)),
        "a manual start tells nothing"
    );
    series.ended(Some(0));
    assert!(!series.missed_an_end(Some(1)));
}

#[test]
fn a_restart_answers_the_death_that_was_noted_last() {
    let died_in = |id: &str| Series {
        died_in: Some(id.to_owned()),
        ..Series::default()
    };
    assert_eq!(
        died_in("a").answers(Start::AfterDeath, false),
        Some("a".to_owned())
    );
    assert_eq!(
        died_in("a").answers(Start::First, false),
        None,
        "somebody asked for this start"
    );
    assert_eq!(
        died_in("a").answers(Start::AfterAbnormalDeath, true),
        None,
        "the death was a later run's"
    );
    let mut series = died_in("a");
    let _ = series.answers(Start::First, false);
    assert_eq!(series.died_in, None, "a death is answered once");
}

#[test]
fn the_kind_of_death_decides_the_kind_of_restart() {
    for (end, start) in [
        (LastEnd::Death, Start::AfterDeath),
        (LastEnd::AbnormalDeath, Start::AfterAbnormalDeath),
        (LastEnd::Unknown, Start::AfterAbnormalDeath),
    ] {
        let mut series = Series {
            last_end: end,
            ..Series::default()
        };
        assert_eq!(series.start(Some(1), false), start);
    }
}

#[test]
fn an_automatic_start_after_an_end_that_was_asked_for_begins_afresh() {
    let mut series = Series::default();
    let _ = series.start(Some(0), false);
    let _ = crash(&mut series, 1);
    assert_eq!(series.start(Some(1), false), Start::AfterAbnormalDeath);
    series.asked();
    series.ended(Some(1));
    assert_eq!(
        series.start(Some(2), false),
        Start::First,
        "the full restart of its stack has killed it"
    );
    assert_eq!((series.restarts, series.deaths.len()), (0, 0));
    assert_eq!(
        series.start(Some(3), false),
        Start::AfterAbnormalDeath,
        "an end that nobody noted is a death"
    );
}

#[test]
fn without_the_counter_the_last_end_decides() {
    let mut series = Series::default();
    assert_eq!(series.start(None, false), Start::First);
    let _ = crash(&mut series, 1);
    assert_eq!(series.start(None, false), Start::AfterAbnormalDeath);
    series.asked();
    assert_eq!(series.start(None, false), Start::First);
}

#[test]
fn a_readmission_forgets_all_but_the_recovery_that_the_next_start_ends() {
    let died = Series {
        died_in: Some("a".into()),
        restart_due: Some(7),
        deaths: vec![1, 2],
        last_end: LastEnd::AbnormalDeath,
        ..Series::default()
    };
    let back = died.clone().readmitted().unwrap();
    assert_eq!(
        (back.died_in.as_deref(), back.restart_due),
        (Some("a"), Some(u64::MAX))
    );
    assert!(back.deaths.is_empty() && !back.is_at_rest());
    assert_eq!(back.clone().start(Some(0), false), Start::First);
    let over = Series {
        restart_due: None,
        ..died
    };
    assert_eq!(over.readmitted(), None);
}
