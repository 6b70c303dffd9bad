//! Tests of the daemon's own life: readiness, reloads, resyncs, its status and its end.

use super::*;

#[test]
fn a_stop_sends_what_was_held_back_and_ends_in_bounded_time() {
    let mut state = ready();
    for number in 1..=3 {
        let _ = state.step(at(1), changed("x.service", seen(number, Stage::Running)));
        let _ = state.step(at(1), changed("x.service", seen(number, Stage::Ended)));
    }
    assert!(!state.may_end(at(2)));
    let actions = state.step(at(2), Event::Stop);
    assert_eq!(reports(&actions), ["x EXIT 3, 1 more in 60 s"]);
    assert!(matches!(
        actions.first(),
        Some(Action::Notify(Notice::Stopping))
    ));
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Tell(Command::Drain)))
    );
    assert!(!state.may_end(at(2)) && state.may_end(at(2_002)));
    assert_eq!(state.deadline(), Some(at(2_002).monotonic));
}

#[test]
fn a_reload_is_told_to_systemd_from_beginning_to_end() {
    let mut state = ready();
    let actions = state.step(at(1), Event::Hangup);
    assert!(
        matches!(
            &actions[..],
            [Action::Notify(Notice::Reloading), Action::LoadConfiguration]
        ),
        "{actions:?}"
    );
    let actions = state.step(at(2), configured("[Watch]\nUnits=y.service\n"));
    let ready = actions
        .iter()
        .position(|action| matches!(action, Action::Notify(Notice::Ready)));
    assert!(
        ready.is_some()
            && actions
                .iter()
                .any(|action| matches!(action, Action::Tell(Command::Connect(None)))),
        "{actions:?}"
    );
    assert!(
        state
            .step(at(3), changed("x.service", seen(1, Stage::Ended)))
            .is_empty(),
        "no longer watched"
    );
}

#[test]
fn readiness_waits_for_the_bus_the_first_resync_and_the_books() {
    let mut state = State::new(boot(), Some(Duration::from_secs(10)), at(0));
    assert!(!is_ready(&state.step(at(0), configured(CONF))));
    assert!(!is_ready(
        &state.step(at(0), Event::Bus(Sight::Lost("no bus".into())))
    ));
    let actions = state.step(at(10_000), Event::Tick);
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Notify(Notice::Watchdog))),
        "it lives all the same"
    );
    assert!(!is_ready(
        &state.step(at(10_001), Event::Bus(Sight::Connected))
    ));
    let at_x = UnitAt::new("x.service");
    assert!(!is_ready(&state.step(
        at(10_002),
        Event::Bus(Sight::Listed(vec![at_x, UnitAt::new("w.service")]))
    )));
    assert!(!is_ready(&state.step(
        at(10_003),
        described("x.service", seen(1, Stage::Running), None)
    )));
    let actions = state.step(
        at(10_004),
        described("w.service", seen(2, Stage::Running), None),
    );
    assert!(
        !is_ready(&actions) && !actions.iter().any(is_recall),
        "the archive is not open: {actions:?}"
    );
    assert!(state.step(at(10_005), opened(vec![])).iter().any(is_recall));
    assert!(is_ready(&state.step(at(10_006), recalled(vec![]))));
}

#[test]
fn whatever_may_have_hidden_signals_leads_to_asking_for_all() {
    for sight in [Sight::Overflow, Sight::ManagerReplaced, Sight::Connected] {
        let mut state = ready();
        let text = format!("{sight:?}");
        let mut actions = state.step(at(1), Event::Bus(sight));
        actions.extend(state.step(at(1_001), Event::Tick));
        assert!(
            actions
                .iter()
                .any(|action| matches!(action, Action::Ask(Question::Units))),
            "{text}: {actions:?}"
        );
    }
}

#[test]
fn a_daemon_reload_reads_the_configuration_again_and_then_asks_for_all() {
    let mut state = ready();
    let _ = state.step(at(1), Event::Bus(Sight::ReloadBegins));
    let actions = state.step(at(2), Event::Bus(Sight::ReloadEnds));
    assert!(
        matches!(&actions[..], [Action::LoadConfiguration]),
        "{actions:?}"
    );
    let mut actions = state.step(at(3), configured(CONF));
    actions.extend(state.step(at(1_003), Event::Tick));
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Ask(Question::Units))),
        "{actions:?}"
    );
}

#[test]
fn the_status_tells_the_story() {
    let mut state = State::new(boot(), None, at(0));
    let actions = state.step(at(0), configured(CONF));
    let status = actions.iter().find_map(|action| match action {
        Action::Notify(Notice::Status(text)) => Some(text.as_str()),
        _ => None,
    });
    let expect = "Guarding 1 ward, watching 0 units; 0 messages sent, 0 waiting; no broker, reports stay local; \
                  not connected to systemd";
    assert_eq!(status, Some(expect));
}
