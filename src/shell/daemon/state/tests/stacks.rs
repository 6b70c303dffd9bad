//! Tests of full restarts, from their records.

mod by_hand;

use super::super::super::archive::{HandMade, Notes};
use super::*;
use crate::core::config::{Form, Stack, StackName};
use crate::core::full_restart::RestartOutcome;
use crate::edge::full_restart::record::{Asker, DeathRef, RestartEnd, RestartRecord};
use crate::edge::history::entry::{Key, RestartKnown};

const UNIT: &str = "os.target";

/// Returns a ready daemon with a stack, whose unit is up in run 1.
fn guarding(report: bool) -> State {
    let mut state = ready();
    let mut config = config(CONF);
    config.stacks.push(Stack {
        name: StackName::new("os").unwrap(),
        path: std::path::Path::new("/etc/unitward/os.stack").into(),
        identifier: "OpenSync".into(),
        form: Form::Defined,
        inhibit_file: Some("/run/no-restart".into()),
        restart_script: None,
        timeout: Stack::TIMEOUT,
        report,
    });
    let _ = state.step(
        at(1),
        Event::Configured(Box::new(config), Box::default(), Vec::new()),
    );
    let actions = state.step(at(1), Event::Bus(Sight::Listed(vec![])));
    let asked =
        |action: &Action| matches!(action, Action::Ask(Question::Stack(at)) if at.unit == UNIT);
    assert!(actions.iter().any(asked), "{actions:?}");
    let _ = state.step(
        at(1),
        Event::Bus(Sight::Unanswered(Question::Find("w.service".into()))),
    );
    let _ = state.step(at(1), recalled(vec![]));
    assert!(told(&mut state, &[up(1)]).is_empty());
    state
}

fn stack(is_up: bool, number: u32, job: Option<u32>) -> Event {
    let seen = StackSeen {
        is_up,
        run: Some(run(number)),
        job,
        left_active: 1_700_000_001_000_000,
        requires: None,
    };
    Event::Bus(Sight::StackChanged(UNIT.into(), seen))
}

fn up(number: u32) -> Event {
    stack(true, number, None)
}

fn down(number: u32, job: u32) -> Event {
    stack(false, number, Some(job))
}

fn done() -> Event {
    Event::Bus(Sight::JobDone(job(UNIT, 5), "done".into()))
}

fn job(unit: &str, id: u32) -> JobAt {
    JobAt {
        unit: unit.into(),
        id,
        path: String::new(),
    }
}

/// Returns the reports of these events; the archive has no records.
fn told(state: &mut State, events: &[Event]) -> Vec<String> {
    let mut all = Vec::new();
    for event in events {
        let event = match event {
            Event::Bus(Sight::StackChanged(unit, seen)) => {
                Event::Bus(Sight::StackChanged(unit.clone(), seen.clone()))
            }
            Event::Bus(Sight::JobDone(unit, result)) => {
                Event::Bus(Sight::JobDone(unit.clone(), result.clone()))
            }
            other => panic!("{other:?}"),
        };
        let actions = state.step(at(1_000), event);
        if actions
            .iter()
            .any(|action| matches!(action, Action::Order(Order::Restarts(_))))
        {
            all.extend(reports(&state.step(at(1_000), records(vec![]))));
        }
        all.extend(reports(&actions));
    }
    all
}

fn records(records: Vec<(RestartRecord, RestartKnown)>) -> Event {
    Event::Archive(Tale::Restarts(Notes {
        records,
        inhibited: vec![],
    }))
}

fn record(ended: u32) -> RestartRecord {
    RestartRecord {
        id: run(0xf00).to_string(),
        stack: "os".into(),
        name: "OpenSync".into(),
        unit: UNIT.into(),
        boot: boot(),
        ended: Some(run(ended).to_string()),
        members: vec![],
        caller: "cm2_trigger_restart_managers".into(),
        backtrace: Some("0 > 0x1: f 0x2 /usr/bin/cm\n".into()),
        cause: Some(DeathRef {
            unit: "w.service".into(),
            invocation: run(7).to_string(),
        }),
        by: Asker {
            pid: 7,
            uid: 0,
            unit: None,
        },
        at: at(900).epoch_ms,
        joined: vec![],
        end: None,
    }
}

fn over(outcome: RestartOutcome, trouble: &str) -> RestartRecord {
    RestartRecord {
        end: Some(RestartEnd {
            outcome,
            trouble: trouble.into(),
            at: at(2_000).epoch_ms,
        }),
        ..record(1)
    }
}

#[test]
fn a_restart_that_somebody_asked_for_is_told_once_with_its_caller() {
    let mut state = guarding(true);
    let actions = state.step(at(1_000), records(vec![(record(1), RestartKnown::No)]));
    assert_eq!(
        reports(&actions),
        ["OpenSync OpenSync restarted by cm2_trigger_restart_managers"]
    );
    let said = incident(&actions);
    assert_eq!(
        (said.pid, said.at, said.key.invocation.clone()),
        (None, at(900).epoch_ms, run(0xf00))
    );
    assert!(said.backtrace.is_some());
    let linked = |action: &Action| match action {
        Action::Order(Order::Store(changes)) => match &changes[..] {
            [Change::Restart(restart)] => restart.cause.clone(),
            _ => None,
        },
        _ => None,
    };
    assert_eq!(
        actions
            .iter()
            .find_map(linked)
            .map(|cause| cause.invocation),
        Some(run(7))
    );
    assert!(
        reports(&state.step(at(1_001), records(vec![(record(1), RestartKnown::Begun)]))).is_empty()
    );
    // The job of the restarter is not one by hand, also if the record is gone by then.
    assert_eq!(
        told(
            &mut state,
            &[down(1, 5), stack(true, 2, Some(5)), done(), up(2)]
        ),
        [""; 0]
    );
    let ended = over(RestartOutcome::Restarted, "");
    let actions = state.step(
        at(2_000),
        records(vec![(ended.clone(), RestartKnown::Begun)]),
    );
    assert!(reports(&actions).is_empty(), "all went well: {actions:?}");
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Order(Order::Restarts(_)))),
        "to be removed: {actions:?}"
    );
    assert!(
        reports(&state.step(at(2_001), records(vec![(ended, RestartKnown::Begun)]))).is_empty()
    );
}

#[test]
fn a_restart_that_went_wrong_is_told_again() {
    for (outcome, text) in [
        (
            RestartOutcome::Failed,
            "OpenSync restart by cm2_trigger_restart_managers failed: x",
        ),
        (
            RestartOutcome::Restarted,
            "OpenSync restarted by cm2_trigger_restart_managers, but x",
        ),
    ] {
        let mut state = guarding(true);
        let actions = state.step(
            at(2_000),
            records(vec![(over(outcome, "x"), RestartKnown::No)]),
        );
        let told = reports(&actions);
        assert_eq!(
            told,
            [
                "OpenSync OpenSync restarted by cm2_trigger_restart_managers",
                &format!("OpenSync {text}")
            ]
        );
        let ids = actions.iter().filter_map(|action| match action {
            Action::Publish(report) => Some(report.id.clone()),
            _ => None,
        });
        assert_eq!(
            ids.collect::<Vec<_>>(),
            [run(0xf00).to_string(), format!("{}-over", run(0xf00))]
        );
    }
}

#[test]
fn a_stack_that_is_not_to_be_reported_is_not() {
    let mut state = guarding(false);
    let failed = over(RestartOutcome::Failed, "x");
    assert!(reports(&state.step(at(2_000), records(vec![(failed, RestartKnown::No)]))).is_empty());
    assert!(
        told(
            &mut state,
            &[down(2, 5), stack(true, 3, Some(5)), done(), up(3)]
        )
        .is_empty()
    );
}
