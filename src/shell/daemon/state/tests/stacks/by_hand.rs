//! Tests of restarts by hand, seen by the jobs of PID 1 or in the journal.

use super::*;

#[test]
fn a_restart_by_hand_is_told_and_known_by_the_run_it_ended() {
    let by_hand = ["OpenSync OpenSync restarted by systemctl"];
    let mut state = guarding(true);
    assert_eq!(
        told(
            &mut state,
            &[down(1, 5), stack(true, 2, Some(5)), done(), up(2)]
        ),
        by_hand
    );
    // One whose units stop at once shows no intermediate state.
    let _ = state.step(at(1_000), stack(true, 3, Some(6)));
    let _ = state.step(at(1_000), done());
    let actions = state.step(at(1_001), records(vec![]));
    assert_eq!(reports(&actions), by_hand);
    assert_eq!(incident(&actions).key.invocation, run(2));
}

#[test]
fn stops_starts_crashes_and_jobs_that_change_nothing_are_no_restarts() {
    let crashed = Event::Bus(Sight::StackChanged(
        UNIT.into(),
        StackSeen {
            is_up: false,
            run: Some(run(1)),
            job: None,
            left_active: 0,
            requires: None,
        },
    ));
    let failed = Event::Bus(Sight::JobDone(job(UNIT, 5), "failed".into()));
    for events in [
        vec![down(1, 5), done(), stack(true, 2, Some(6)), done(), up(2)],
        vec![down(1, 5), done()],
        vec![stack(true, 1, Some(5)), done(), up(1)],
        vec![crashed, stack(true, 2, Some(5)), done(), up(2)],
        vec![down(1, 5), failed],
    ] {
        assert_eq!(told(&mut guarding(true), &events), [""; 0], "{events:?}");
    }
}

#[test]
fn what_nobody_completes_does_not_hide_a_later_restart_by_hand() {
    let restart = |state: &mut State, now: u64| {
        let open = || records(vec![(record(9), RestartKnown::Begun)]);
        for event in [up(1), down(1, 5), stack(true, 2, Some(5)), done()] {
            let _ = state.step(at(now), event);
        }
        reports(&state.step(at(now), open()))
    };
    assert_eq!(
        restart(&mut guarding(true), 10_000),
        [""; 0],
        "the script of the one under way did it"
    );
    assert_eq!(
        restart(&mut guarding(true), 400_000),
        ["OpenSync OpenSync restarted by systemctl"]
    );
}

#[test]
fn a_restart_by_hand_that_only_the_journal_tells_is_told_with_its_time() {
    let journal = |unit: &str| {
        let key = Key {
            boot: "earlier".into(),
            unit: unit.into(),
            invocation: run(77),
        };
        let restarts = vec![HandMade {
            key,
            at: at(500).epoch_ms,
            scheduled: vec!["w.service".into()],
        }];
        Event::Archive(Tale::Recalled(Box::new(Recollection {
            restarts,
            boot: boot(),
            ..Recollection::default()
        })))
    };
    let asks = |actions: &[Action]| {
        actions
            .iter()
            .any(|action| matches!(action, Action::Order(Order::Restarts(_))))
    };
    let mut state = guarding(true);
    assert!(!asks(&state.step(at(60_000), journal("other.target"))));
    assert!(asks(&state.step(at(60_000), journal(UNIT))));
    let actions = state.step(at(60_001), records(vec![]));
    assert_eq!(
        reports(&actions),
        ["OpenSync OpenSync restarted by systemctl"]
    );
    let said = incident(&actions);
    assert_eq!(
        (said.at, said.key.boot.as_str()),
        (at(500).epoch_ms, "earlier")
    );
    let _ = state.step(at(60_002), journal(UNIT));
    assert!(reports(&state.step(at(60_003), records(vec![]))).is_empty());
}

/// The change of a stack's unit that requires the ward's.
fn requiring() -> Event {
    let requires = Some(vec!["w.service".to_owned()]);
    let seen = StackSeen {
        is_up: true,
        run: Some(run(1)),
        job: None,
        left_active: 0,
        requires,
    };
    Event::Bus(Sight::StackChanged(UNIT.into(), seen))
}

#[test]
fn a_restart_that_follows_from_a_members_is_none_by_hand() {
    let restart = |state: &mut State, jobs: [(&str, u32, u64); 2]| {
        let _ = state.step(at(1), requiring());
        for (unit, id, when) in jobs {
            let _ = state.step(at(when), Event::Bus(Sight::JobQueued(job(unit, id))));
        }
        told(state, &[down(1, 5), stack(true, 2, Some(5)), done(), up(2)]).len()
    };
    for (jobs, expect) in [
        ([("w.service", 4, 10), (UNIT, 5, 12)], 0),
        // The member follows.
        ([(UNIT, 5, 10), ("w.service", 6, 12)], 1),
        // An earlier restart of its own.
        ([("w.service", 4, 10), (UNIT, 5, 5_000)], 1),
        ([("other.service", 4, 10), (UNIT, 5, 12)], 1),
    ] {
        assert_eq!(restart(&mut guarding(true), jobs), expect, "{jobs:?}");
    }
}

#[test]
fn a_restart_that_follows_from_a_members_is_none_by_hand_in_the_journal_either() {
    let key = Key {
        boot: "earlier".into(),
        unit: UNIT.into(),
        invocation: run(77),
    };
    let restarts = vec![HandMade {
        key,
        at: at(500).epoch_ms,
        scheduled: vec!["w.service".into()],
    }];
    let recollection = Recollection {
        restarts,
        boot: boot(),
        ..Recollection::default()
    };
    let mut state = guarding(true);
    let _ = state.step(at(1), requiring());
    let actions = state.step(
        at(60_000),
        Event::Archive(Tale::Recalled(Box::new(recollection))),
    );
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Order(Order::Restarts(_)))),
        "{actions:?}"
    );
}

#[test]
fn a_restart_by_hand_is_not_reported_while_the_inhibit_file_is_there() {
    let mut state = guarding(true);
    for event in [down(1, 5), stack(true, 2, Some(5))] {
        let _ = state.step(at(1_000), event);
    }
    let actions = state.step(at(1_000), done());
    let files = |action: &Action| match action {
        Action::Order(Order::Restarts(files)) => Some(files.clone()),
        _ => None,
    };
    assert_eq!(
        actions.iter().find_map(files),
        Some(vec![(UNIT.to_owned(), "/run/no-restart".into())])
    );
    let notes = Notes {
        records: vec![],
        inhibited: vec![UNIT.into()],
    };
    let actions = state.step(at(1_001), Event::Archive(Tale::Restarts(notes)));
    assert!(
        matches!(&actions[..], [Action::Say(Remark::Inhibited(unit))] if unit == UNIT),
        "{actions:?}"
    );
}
