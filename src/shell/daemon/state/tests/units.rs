//! Tests of units that come and go: the state that is kept of them, and for how long.

use super::*;

fn removed(unit: &str) -> Event {
    Event::Bus(Sight::Removed(unit.to_owned()))
}

/// Returns true if the daemon knows no unit without a ward; asserts that its status agrees.
fn watches_none(state: &State) -> bool {
    assert_eq!(
        state.others,
        state.ends.without_ward(&state.rules.guard),
        "what is told is true"
    );
    state.others == 0
}

#[test]
fn transient_units_without_number_leave_nothing_behind() {
    let mut state = ready();
    let mut told = 0;
    for number in 1..=10_000 {
        let (now, unit) = (
            at(u64::from(number) * 100),
            format!("x-run-u{number}.service"),
        );
        let _ = state.step(now, changed(&unit, seen(number, Stage::Running)));
        told += reports(&state.step(now, changed(&unit, seen(number, Stage::Ended)))).len();
        assert!(reports(&state.step(now, removed(&unit))).is_empty());
        assert!(watches_none(&state), "{unit}");
    }
    assert_eq!(told, 10_000);
    let _ = state.step(at(2_000_000), Event::Tick);
    assert_eq!((state.deadline(), state.ends.size()), (None, 0));
}

#[test]
fn what_is_not_listed_any_more_is_forgotten_and_looked_for_in_the_books() {
    let mut state = ready();
    for number in 1..=1_000 {
        let stage = if number == 7 {
            Stage::Running
        } else {
            Stage::Ended
        };
        let _ = state.step(
            at(1),
            changed(&format!("x{number}.service"), seen(number, stage)),
        );
    }
    let _ = state.step(at(2), Event::Bus(Sight::ManagerReplaced));
    let actions = state.step(
        at(3),
        Event::Bus(Sight::Listed(vec![UnitAt::new("x1.service")])),
    );
    assert!(reports(&actions).is_empty());
    assert_eq!(
        (state.others, state.ends.without_ward(&state.rules.guard)),
        (1, 1)
    );
}

#[test]
fn a_unit_that_goes_and_comes_back_with_an_old_run_is_not_told_twice() {
    let mut state = ready();
    let _ = state.step(at(1), changed("x.service", seen(1, Stage::Running)));
    assert_eq!(
        reports(&state.step(at(2), changed("x.service", seen(1, Stage::Ended)))),
        ["x EXIT 3"]
    );
    let _ = state.step(at(3), removed("x.service"));
    assert!(watches_none(&state));
    assert!(
        reports(&state.step(at(4), described("x.service", seen(1, Stage::Ended), None))).is_empty()
    );
    let _ = state.step(at(5), changed("x.service", seen(2, Stage::Running)));
    assert_eq!(
        reports(&state.step(at(6), changed("x.service", seen(2, Stage::Ended)))),
        ["x EXIT 3"]
    );
}

#[test]
fn a_unit_stays_known_while_it_runs_while_systemd_reloads_and_while_it_has_a_ward() {
    let mut state = ready();
    let _ = state.step(at(1), changed("x.service", seen(1, Stage::Running)));
    let _ = state.step(at(2), removed("x.service"));
    assert!(!watches_none(&state), "it runs");
    let _ = state.step(at(3), changed("x.service", seen(1, Stage::Ended)));
    let _ = state.step(at(4), Event::Bus(Sight::ReloadBegins));
    let _ = state.step(at(5), removed("x.service"));
    assert!(!watches_none(&state), "systemd reloads");
    let _ = state.step(at(6), changed("w.service", seen(2, Stage::Running)));
    let _ = state.step(at(6), changed("w.service", seen(2, Stage::Ended)));
    let _ = state.step(at(7), record(None));
    let _ = state.step(at(8), Event::Bus(Sight::ReloadEnds));
    let _ = state.step(at(8), configured(CONF));
    let _ = state.step(at(9), removed("w.service"));
    let actions = state.step(at(10), changed("w.service", seen(2, Stage::Ended)));
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::ReadRecord { .. })),
        "{actions:?}"
    );
}

#[test]
fn a_failed_start_of_a_unit_that_has_gone_waits_for_no_word() {
    let mut failed = seen(1, Stage::Ended);
    failed.main = MainProcess::default();
    let mut state = ready();
    assert!(reports(&state.step(at(1), changed("x.service", failed))).is_empty());
    assert_eq!(
        reports(&state.step(at(2), removed("x.service"))),
        ["x <NA>"]
    );
    assert!(watches_none(&state));
}

/// Returns an observation of a unit whose main process has failed, while `ExecStopPost=` runs.
fn dying() -> Observation {
    let ended = seen(1, Stage::Ended);
    Observation {
        stage: Stage::Stopping,
        life: Life::Control,
        left_active: 5_001,
        ..ended
    }
}

#[test]
fn a_plain_crash_of_a_ward_is_told_before_there_is_a_record() {
    let mut state = ready();
    let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
    assert_eq!(
        reports(&state.step(at(2), changed("w.service", dying()))),
        ["w EXIT 3"]
    );
    let actions = state.step(at(3), changed("w.service", seen(1, Stage::Restarting)));
    // The record may show that the ward was given up.
    assert!(
        matches!(&actions[0], Action::ReadRecord { ward, .. } if ward == "w"),
        "{actions:?}"
    );
    assert!(
        reports(&state.step(at(4), record(Some(testimony(Evidence::Unasked))))).is_empty(),
        "told once"
    );
}

#[test]
fn who_was_dying_when_the_daemon_began_is_told_once_though_an_earlier_one_has_told_it() {
    for (number, expect) in [(1_000_078, vec!["x EXIT 3"]), (1_000_077, vec![])] {
        let mut state = ready();
        let dying = Observation {
            invocation: Some(run(number)),
            ..dying()
        };
        let _ = state.step(at(1), changed("x.service", dying));
        let over = Observation {
            left_active: 5_001,
            ..seen(number, Stage::Ended)
        };
        assert_eq!(
            reports(&state.step(at(2), changed("x.service", over))),
            expect
        );
    }
}

#[test]
fn a_member_of_a_stack_that_a_script_restarts_waits_for_its_record() {
    let (script, member) = (
        "[Stack]\nRestartScript=/usr/bin/restart\n",
        format!("{WARD}[Ward]\nStack=s\n"),
    );
    for (evidence, expect) in [
        (Evidence::Unasked, vec!["w SIG 9 (Killed)"]),
        (Evidence::Asked, vec![]),
    ] {
        let mut state = ready();
        let rules = config_of(&[
            ("unitward.conf", CONF),
            ("s.stack", script),
            ("w.ward", &member),
        ]);
        let _ = state.step(
            at(1),
            Event::Configured(Box::new(rules), Box::default(), Vec::new()),
        );
        let _ = state.step(at(1), recalled(vec![]));
        let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
        assert!(reports(&state.step(at(2), changed("w.service", dying()))).is_empty());
        let _ = state.step(at(3), changed("w.service", seen(1, Stage::Restarting)));
        assert_eq!(
            reports(&state.step(at(4), record(Some(testimony(evidence))))),
            expect
        );
    }
}
