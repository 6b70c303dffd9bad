//! Tests of recoveries that end without a run whose record would have the end.

use super::super::super::last_lines::Lines;
use super::*;
use crate::edge::record::End;
use crate::edge::recoveries::UnderWay;

fn under_way(number: u32) -> UnderWay {
    UnderWay {
        invocation: run(number).to_string(),
        died: End {
            pid: Some(7),
            ..End::killed(1_700_000_000_000)
        },
        attempts: vec![],
        has_begun: true,
    }
}

/// Returns the record of a run that died and is to be restarted.
fn died(number: u32) -> Event {
    Event::Record(Box::new(Witness {
        unit: "w.service".into(),
        invocation: run(number),
        testimony: Some(testimony(Evidence::Unasked)),
        recoveries: vec![],
        under_way: Some(under_way(number)),
    }))
}

const WITH_LOG: &str = "[MQTT]\nBroker=mqtt://b:1883\n[Reports]\nLogLines=2\n";

/// Returns the records of recoveries that are published.
fn records(actions: &[Action]) -> Vec<String> {
    let published = actions.iter().filter_map(|action| match action {
        Action::Publish(report) if report.channel == entry::Channel::Recovery => {
            Some(&report.payload)
        }
        _ => None,
    });
    published
        .map(|payload| String::from_utf8_lossy(payload).into_owned())
        .collect()
}

#[test]
fn a_record_waits_for_the_log_lines_but_not_for_ever() {
    let ended = || {
        let mut state = dead(Stage::Restarting);
        let _ = state.step(at(4), configured(WITH_LOG));
        let _ = state.step(at(4), recalled(vec![]));
        let actions = state.step(at(5), described("w.service", seen(1, Stage::Ended), None));
        let asked = |action: &Action| matches!(action, Action::ReadLog(wanted) if wanted.run == run(1) && wanted.count == 2);
        assert!(
            actions.iter().any(asked) && records(&actions).is_empty(),
            "{actions:?}"
        );
        state
    };
    let lines = || Lines {
        run: run(1),
        lines: vec!["a".into(), "b".into()],
    };
    let mut state = ended();
    let told = records(&state.step(at(6), Event::Log(lines())));
    assert!(
        matches!(&told[..], [record] if record.ends_with(r#""logLines":["a","b"]}"#)),
        "{told:?}"
    );
    assert!(state.step(at(7), Event::Log(lines())).is_empty());
    let mut state = ended();
    let told = records(&state.step(at(10_006), Event::Tick));
    assert!(
        matches!(&told[..], [record] if record.ends_with(r#""logLines":[]}"#)),
        "{told:?}"
    );
}

/// Returns the outcomes of recoveries that are written to the journal.
fn outcomes(actions: &[Action]) -> Vec<String> {
    let outcome = |action: &Action| match action {
        Action::JournalRecovery(told) => Some(format!("{} {}", told.1.ward, told.1.outcome.word())),
        _ => None,
    };
    actions.iter().filter_map(outcome).collect()
}

fn asks(actions: &[Action]) -> bool {
    let is_it = |action: &Action| matches!(action, Action::Ask(Question::Describe(at)) if at.unit == "w.service");
    actions.iter().any(is_it)
}

/// Returns a daemon whose ward has died, at time 3, and is seen in this stage.
fn dead(stage: Stage) -> State {
    let mut state = ready();
    let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
    let _ = state.step(at(2), changed("w.service", seen(1, stage)));
    let _ = state.step(at(3), died(1));
    state
}

#[test]
fn a_stop_while_the_unit_waits_for_its_restart_ends_the_recovery() {
    let mut state = dead(Stage::Restarting);
    assert!(!asks(&state.step(at(5_000), Event::Tick)), "it waits");
    let _ = state.step(at(5_001), changed("w.service", seen(1, Stage::Ended)));
    assert!(!asks(&state.step(at(5_002), Event::Tick)));
    assert!(asks(&state.step(at(6_001), Event::Tick)));
    let actions = state.step(
        at(6_002),
        described("w.service", seen(1, Stage::Ended), None),
    );
    assert_eq!(outcomes(&actions), ["w ended"]);
    assert!(
        outcomes(&state.step(
            at(6_003),
            described("w.service", seen(1, Stage::Ended), None)
        ))
        .is_empty()
    );
    assert!(!asks(&state.step(at(60_000), Event::Tick)));
}

#[test]
fn a_unit_that_is_down_on_the_way_to_its_restart_has_not_ended_its_recovery() {
    let mut state = dead(Stage::Ended);
    let _ = state.step(at(4), changed("w.service", seen(1, Stage::Restarting)));
    assert!(!asks(&state.step(at(5_000), Event::Tick)));
    let mut state = dead(Stage::Ended);
    assert!(asks(&state.step(at(1_003), Event::Tick)));
    let late = described("w.service", seen(1, Stage::Restarting), None);
    assert!(outcomes(&state.step(at(1_004), late)).is_empty());
    let queued = Observation {
        job: Some(7),
        ..seen(1, Stage::Ended)
    };
    assert!(
        outcomes(&state.step(at(1_005), described("w.service", queued, None))).is_empty(),
        "a start waits"
    );
}

#[test]
fn a_ward_that_is_removed_ends_its_recovery() {
    let mut state = dead(Stage::Restarting);
    let same = state.step(at(4), configured(CONF));
    assert!(outcomes(&same).is_empty());
    let _ = state.step(at(5), recalled(vec![]));
    let gone = Event::Configured(
        Box::new(config_of(&[("unitward.conf", CONF)])),
        Box::default(),
        Vec::new(),
    );
    assert_eq!(outcomes(&state.step(at(6), gone)), ["w ended"]);
}

#[test]
fn a_recovery_that_went_on_when_the_daemon_began_is_ended_when_its_unit_is_down() {
    let mut state = recalling();
    let _ = state.step(at(1), described("w.service", seen(1, Stage::Ended), None));
    let _ = state.step(at(1), died(1));
    let key = entry::Key {
        boot: boot(),
        unit: "w.service".into(),
        invocation: run(1),
    };
    let _ = state.step(at(2), recalled(vec![Memory::UnderWay(key, under_way(1))]));
    assert!(asks(&state.step(at(1_002), Event::Tick)));
    let actions = state.step(
        at(1_003),
        described("w.service", seen(1, Stage::Ended), None),
    );
    assert_eq!(outcomes(&actions), ["w ended"]);
}

#[test]
fn a_unit_that_systemd_has_let_go_of_is_asked_about_too() {
    let mut state = recalling();
    let key = entry::Key {
        boot: boot(),
        unit: "w.service".into(),
        invocation: run(1),
    };
    let _ = state.step(at(2), recalled(vec![Memory::UnderWay(key, under_way(1))]));
    assert!(asks(&state.step(at(1_002), Event::Tick)));
    let gone = Observation {
        invocation: None,
        changed_at: 0,
        ..seen(1, Stage::Ended)
    };
    assert_eq!(
        outcomes(&state.step(at(1_003), described("w.service", gone, None))),
        ["w ended"]
    );
}
