//! Tests of verdicts on ends, and of the witnesses that they wait for.

use super::*;

#[test]
fn a_watched_unit_is_judged_by_the_bus_alone() {
    let mut state = ready();
    assert!(reports(&state.step(at(1), changed("x1.service", seen(1, Stage::Running)))).is_empty());
    let actions = state.step(at(2), changed("x1.service", seen(1, Stage::Ended)));
    assert_eq!(reports(&actions), ["x1 EXIT 3"]);
    assert!(
        reports(&state.step(at(3), changed("x1.service", seen(1, Stage::Restarting)))).is_empty()
    );
    let actions = state.step(at(4), changed("y.service", seen(2, Stage::Ended)));
    assert!(actions.is_empty(), "not watched: {actions:?}");
}

#[test]
fn a_ward_is_judged_by_its_run_record() {
    for (evidence, expect) in [
        (Evidence::Unasked, vec!["w SIG 9 (Killed)"]),
        (Evidence::Asked, vec![]),
    ] {
        let mut state = ready();
        let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
        let actions = state.step(at(2), changed("w.service", seen(1, Stage::Ended)));
        assert!(
            matches!(&actions[0], Action::ReadRecord { ward, .. } if ward == "w"),
            "{actions:?}"
        );
        assert_eq!(
            reports(&state.step(at(3), record(Some(testimony(evidence))))),
            expect
        );
        assert!(
            reports(&state.step(at(4), record(Some(testimony(evidence))))).is_empty(),
            "told once"
        );
    }
}

#[test]
fn a_ward_without_a_record_is_judged_by_the_bus() {
    let mut state = ready();
    let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
    let _ = state.step(at(2), changed("w.service", seen(1, Stage::Ended)));
    assert_eq!(reports(&state.step(at(3), record(None))), ["w EXIT 3"]);
}

#[test]
fn a_failed_start_waits_for_the_control_process_but_not_for_ever() {
    let mut failed = seen(1, Stage::Ended);
    failed.main = MainProcess::default();
    let control = FailedControl {
        pid: 9,
        end: ProcessEnd::Exited(32),
        at: 1,
    };
    let mut state = ready();
    let actions = state.step(at(1), changed("x.service", failed.clone()));
    assert!(
        matches!(&actions[0], Action::Ask(Question::Describe(at)) if at.unit == "x.service"),
        "{actions:?}"
    );
    assert_eq!(
        reports(&state.step(at(2), described("x.service", failed.clone(), Some(control)))),
        ["x EXIT 32"]
    );

    let no_answer = || {
        Event::Bus(Sight::Unanswered(Question::Describe(UnitAt::new(
            "x.service",
        ))))
    };
    let no_bus = || Event::Bus(Sight::Lost("it is gone".into()));
    for (event, until) in [
        (Event::Tick, 15_001),
        (no_answer(), 1_002),
        (no_bus(), 1_002),
    ] {
        let mut state = ready();
        let _ = state.step(at(1), changed("x.service", failed.clone()));
        assert!(reports(&state.step(at(2), event)).is_empty());
        assert_eq!(state.deadline(), Some(at(until).monotonic));
        assert_eq!(reports(&state.step(at(until), Event::Tick)), ["x <NA>"]);
        assert_eq!(
            state.deadline().map(|until| until > at(15_001).monotonic),
            Some(true),
            "the burst's interval"
        );
    }
}

#[test]
fn what_comes_after_an_end_that_waits_is_told_after_it() {
    let mut failed = seen(1, Stage::Ended);
    failed.main = MainProcess::default();
    let control = FailedControl {
        pid: 9,
        end: ProcessEnd::Exited(32),
        at: 1,
    };
    let mut state = ready();
    let _ = state.step(at(1), changed("x.service", failed));
    let _ = state.step(at(2), changed("x.service", seen(2, Stage::Running)));
    let crashed = seen(2, Stage::Ended);
    assert!(reports(&state.step(at(3), changed("x.service", crashed.clone()))).is_empty());
    assert_eq!(
        reports(&state.step(at(4), described("x.service", crashed, Some(control)))),
        ["x EXIT 32", "x EXIT 3"]
    );
}

#[test]
fn what_exceeds_the_burst_is_summed_up() {
    let mut state = ready();
    let mut all = Vec::new();
    for number in 1..=5 {
        let _ = state.step(
            at(u64::from(number)),
            changed("x.service", seen(number, Stage::Running)),
        );
        all.extend(state.step(
            at(u64::from(number)),
            changed("x.service", seen(number, Stage::Ended)),
        ));
    }
    assert_eq!(reports(&all), ["x EXIT 3", "x EXIT 3"]);
    let actions = state.step(at(60_001), Event::Tick);
    assert_eq!(reports(&actions), ["x EXIT 3, 3 more in 60 s"]);
    assert_eq!(incident(&actions).kind, IncidentKind::SummedUp);
}

#[test]
fn the_kind_of_a_job_is_asked_for_only_where_it_matters() {
    let job = || JobAt {
        unit: "x.service".into(),
        id: 3,
        path: "/org/freedesktop/systemd1/job/3".into(),
    };
    let mut state = ready();
    assert!(
        state
            .step(at(1), Event::Bus(Sight::JobQueued(job())))
            .is_empty(),
        "nothing runs"
    );
    let actions = state.step(at(1), changed("x.service", seen(1, Stage::Running)));
    assert!(
        matches!(
            &actions[..],
            [Action::Ask(Question::Describe(_)), Action::Notify(_)]
        ),
        "a stranger: {actions:?}"
    );
    let actions = state.step(at(2), Event::Bus(Sight::JobQueued(job())));
    assert!(
        matches!(&actions[..], [Action::Ask(Question::JobType(_))]),
        "{actions:?}"
    );
    let _ = state.step(at(3), Event::Bus(Sight::JobKnown(job(), JobKind::Other)));
    let reloading = Observation {
        job: Some(3),
        ..seen(1, Stage::Running)
    };
    let _ = state.step(at(4), changed("x.service", reloading));
    let dead = Observation {
        job: Some(3),
        ..seen(1, Stage::Ended)
    };
    assert_eq!(
        reports(&state.step(at(5), changed("x.service", dead))),
        ["x EXIT 3"]
    );
}

#[test]
fn a_ward_named_by_an_alias_is_known_by_the_units_own_name() {
    let mut state = ready();
    let _ = state.step(at(1), Event::Bus(Sight::ManagerReplaced));
    let _ = state.step(at(1), Event::Bus(Sight::Listed(vec![])));
    let actions = state.step(
        at(2),
        Event::Bus(Sight::Found(
            "w.service".into(),
            UnitAt::new("real.service"),
        )),
    );
    assert!(
        matches!(&actions[..], [Action::Watch(list), Action::Ask(_)] if list.covers("real.service")),
        "{actions:?}"
    );
    let _ = state.step(at(3), changed("real.service", seen(1, Stage::Running)));
    let actions = state.step(at(4), changed("real.service", seen(1, Stage::Ended)));
    assert!(
        matches!(&actions[0], Action::ReadRecord { ward, .. } if ward == "w"),
        "{actions:?}"
    );
}
