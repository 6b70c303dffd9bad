//! Tests of the signals about wards on the bus.

use super::*;
use crate::core::recovery::account::{Ended, GivenUp};
use crate::edge::record::End;
use crate::edge::recoveries::Chain;
use crate::edge::ruling::Ruling;
use crate::shell::news::{Excluded, News, Readmitted};

/// Returns the signals in short: the event, the ward, and the details.
fn told(actions: &[Action]) -> Vec<String> {
    let word = |action: &Action| match action {
        Action::Announce(news) => Some(match &**news {
            News::Death(death) => format!("death {} {} {}", death.ward, death.reason, death.crash),
            News::Recovery(recovery) => format!("recovery {} {}", recovery.ward, recovery.outcome),
            News::Excluded(Excluded { ward, by, why }) => format!("excluded {ward} {by} {why}"),
            News::Readmitted(Readmitted { ward, by }) => format!("readmitted {ward} {by}"),
            News::StateChanged(state) => {
                format!("state {} {}/{}", state.ward, state.state, state.substate)
            }
            News::FullRestart(_) | News::FullRestartOver(_) => panic!("there is no stack"),
        }),
        _ => None,
    };
    actions.iter().filter_map(word).collect()
}

fn exclude() -> Event {
    Event::Ruled(Ruling::Exclude {
        ward: "w".into(),
        why: "why".into(),
    })
}

#[test]
fn a_state_is_told_when_it_changes_and_only_of_wards() {
    let mut state = ready();
    assert!(
        told(&state.step(at(1), changed("w.service", seen(1, Stage::Running)))).is_empty(),
        "seen first"
    );
    assert!(
        told(&state.step(at(2), changed("w.service", seen(1, Stage::Running)))).is_empty(),
        "the same"
    );
    let actions = state.step(at(3), changed("w.service", seen(1, Stage::Stopping)));
    assert_eq!(told(&actions), ["state w deactivating/stop"]);
    for stage in [Stage::Running, Stage::Stopping] {
        assert!(
            told(&state.step(at(4), changed("x.service", seen(2, stage)))).is_empty(),
            "it has no ward"
        );
    }
}

#[test]
fn a_death_is_told_whoever_wants_a_report() {
    let mut state = ready();
    let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
    let _ = state.step(at(2), changed("w.service", seen(1, Stage::Ended)));
    assert_eq!(
        told(&state.step(at(3), record(Some(testimony(Evidence::Unasked))))),
        ["death w SIG 9 (Killed) true"]
    );
    assert!(
        told(&state.step(at(4), record(Some(testimony(Evidence::Unasked))))).is_empty(),
        "told once"
    );
}

#[test]
fn an_exclusion_by_hand_ends_with_one_readmission() {
    let mut state = ready();
    let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
    assert_eq!(told(&state.step(at(2), exclude())), ["excluded w hand why"]);
    assert_eq!(
        told(&state.step(at(3), changed("w.service", seen(1, Stage::Ended)))),
        ["state w failed/failed"]
    );
    assert!(told(&state.step(at(4), Event::Ruled(Ruling::Readmitting("w".into())))).is_empty());
    assert_eq!(
        told(&state.step(at(5), changed("w.service", seen(2, Stage::Starting)))),
        ["state w activating/start"]
    );
    let actions = state.step(at(6), Event::Ruled(Ruling::Readmit("w".into())));
    assert_eq!(told(&actions), ["readmitted w hand"]);
}

#[test]
fn a_readmission_that_failed_leaves_the_ward_excluded() {
    let mut state = ready();
    let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
    let _ = state.step(at(2), exclude());
    let _ = state.step(at(3), changed("w.service", seen(1, Stage::Ended)));
    for ruling in [
        Ruling::Readmitting("w".into()),
        Ruling::StillExcluded("w".into()),
    ] {
        assert!(told(&state.step(at(4), Event::Ruled(ruling))).is_empty());
    }
    let actions = state.step(at(5), changed("w.service", seen(2, Stage::Starting)));
    assert_eq!(
        told(&actions),
        ["readmitted w start", "state w activating/start"]
    );
}

#[test]
fn a_start_that_nobody_ruled_readmits_but_an_automatic_restart_does_not() {
    let mut state = ready();
    let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
    let _ = state.step(at(2), exclude());
    assert!(
        told(&state.step(at(2), changed("w.service", seen(1, Stage::Running)))).is_empty(),
        "the stop is queued"
    );
    let actions = state.step(at(3), changed("w.service", seen(1, Stage::Restarting)));
    assert_eq!(told(&actions), ["state w activating/auto-restart"]);
    let actions = state.step(at(4), changed("w.service", seen(2, Stage::Starting)));
    assert_eq!(
        told(&actions),
        ["readmitted w start", "state w activating/start"]
    );
    assert_eq!(
        told(&state.step(at(5), changed("w.service", seen(2, Stage::Running)))),
        ["state w active/running"]
    );
}

#[test]
fn who_was_excluded_before_this_life_of_the_daemon_is_known() {
    let before = || {
        Event::Configured(
            Box::new(config(CONF)),
            Box::default(),
            vec!["w".into(), "gone".into()],
        )
    };
    let mut state = ready();
    let _ = state.step(at(1), before());
    let _ = state.step(at(2), changed("w.service", seen(1, Stage::Ended)));
    let actions = state.step(at(3), changed("w.service", seen(2, Stage::Starting)));
    assert_eq!(
        told(&actions),
        ["readmitted w start", "state w activating/start"]
    );
    let mut state = ready();
    let _ = state.step(at(1), before());
    let actions = state.step(at(2), changed("w.service", seen(2, Stage::Running)));
    assert!(
        told(&actions).is_empty(),
        "it was up when it was met: nobody saw its start"
    );
}

#[test]
fn a_death_limit_excludes() {
    let mut state = ready();
    let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
    let _ = state.step(at(2), changed("w.service", seen(1, Stage::Ended)));
    let given_up = Some(crate::edge::record::GivenUp::Exclude);
    let died = End {
        pid: Some(7),
        limit_reached: true,
        given_up,
        ..End::killed(1_700_000_000_000)
    };
    let chain = |run: InvocationId, ended| Chain {
        invocation: run.to_string(),
        died: died.clone(),
        attempts: vec![],
        ended,
    };
    // The run was up when the unit was met: earlier recoveries are left to the catch-up.
    let recoveries = vec![
        chain(run(9), Ended::Up),
        chain(run(1), Ended::GivenUp(GivenUp::Exclude)),
    ];
    let testimony = Some(testimony(Evidence::Unasked));
    let witness = Witness {
        unit: "w.service".into(),
        invocation: run(1),
        testimony,
        recoveries,
        under_way: None,
    };
    let actions = state.step(at(3), Event::Record(Box::new(witness)));
    assert_eq!(
        told(&actions),
        [
            "death w SIG 9 (Killed) true",
            "recovery w excluded",
            "excluded w limit SIG 9 (Killed)"
        ]
    );
    let actions = state.step(at(4), changed("w.service", seen(2, Stage::Starting)));
    assert_eq!(
        told(&actions),
        ["readmitted w start", "state w activating/start"]
    );
}

#[test]
fn the_service_is_told_how_things_stand_when_that_changes() {
    let facts = |actions: &[Action]| {
        actions
            .iter()
            .filter(|action| matches!(action, Action::Know(_)))
            .count()
    };
    let mut state = ready();
    assert_eq!(facts(&state.step(at(1), Event::Tick)), 0);
    let actions = state.step(at(2), Event::Archive(Tale::Waiting(3)));
    assert_eq!(facts(&actions), 1);
    for action in &actions {
        if let Action::Know(facts) = action {
            assert_eq!(
                (
                    facts.pending_reports,
                    facts.wards.get("w").map(String::as_str)
                ),
                (3, Some("w.service"))
            );
        }
    }
}
