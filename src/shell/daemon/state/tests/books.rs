//! Tests of the facts that the history, the run records, the journal and core dumps add to those of
//! the bus.

use super::super::super::archive::{Memory, Recalled};
use super::super::super::cores::Found;
use super::*;
use crate::core::crash::tracker::Activity;
use crate::edge::history::entry::{Fate, Key};

fn memory(boot: &str, number: u32, unit: &str) -> Memory {
    let key = Key {
        boot: boot.to_owned(),
        unit: unit.to_owned(),
        invocation: run(number),
    };
    Memory::End(Recalled {
        key,
        testimony: testimony(Evidence::Unasked),
        activity: Activity::Seen,
        witness: entry::Witness::Journal,
    })
}

#[test]
fn the_books_tell_what_the_bus_did_not_and_before_what_it_told_meanwhile() {
    let mut state = recalling();
    let _ = state.step(at(1), changed("x.service", seen(3, Stage::Running)));
    let actions = state.step(at(2), changed("x.service", seen(3, Stage::Ended)));
    assert!(reports(&actions).is_empty(), "held back: {actions:?}");
    let memories = vec![
        memory("earlier", 1, "w.service"),
        memory(&boot(), 2, "x.service"),
        memory(&boot(), 9, "y.service"),
    ];
    let actions = state.step(at(3), recalled(memories));
    assert_eq!(
        reports(&actions),
        ["w SIG 9 (Killed)", "x SIG 9 (Killed)", "x EXIT 3"]
    );
    let cursor = |action: &Action| matches!(action, Action::Order(Order::Store(changes)) if matches!(&changes[..], [Change::Cursor(_)]));
    assert_eq!(actions.iter().filter(|action| cursor(action)).count(), 1);
}

#[test]
fn what_two_witnesses_tell_is_told_once() {
    let mut state = recalling();
    let _ = state.step(at(1), changed("x.service", seen(1, Stage::Running)));
    let _ = state.step(at(2), changed("x.service", seen(1, Stage::Ended)));
    assert_eq!(
        reports(&state.step(at(3), recalled(vec![memory(&boot(), 1, "x.service")]))),
        ["x EXIT 3"]
    );
    let mut actions = state.step(at(1_004), Event::Bus(Sight::ManagerReplaced));
    actions.extend(state.step(at(1_005), Event::Bus(Sight::Listed(vec![]))));
    actions.extend(state.step(
        at(1_006),
        Event::Bus(Sight::Unanswered(Question::Find("w.service".into()))),
    ));
    assert!(actions.iter().any(is_recall), "{actions:?}");
    assert!(
        reports(&state.step(at(1_007), recalled(vec![memory(&boot(), 1, "x.service")]))).is_empty()
    );
}

#[test]
fn runs_that_went_by_unseen_are_looked_for_in_the_books() {
    let mut state = ready();
    let _ = state.step(at(1_001), changed("x.service", seen(1, Stage::Running)));
    let actions = state.step(
        at(1_002),
        changed(
            "x.service",
            Observation {
                restarts: 5,
                ..seen(6, Stage::Running)
            },
        ),
    );
    assert!(actions.iter().any(is_recall), "{actions:?}");
}

#[test]
fn books_that_do_not_open_hold_no_report_back_for_ever() {
    let mut state = recalling();
    let _ = state.step(at(1), changed("x.service", seen(1, Stage::Running)));
    let _ = state.step(at(2), changed("x.service", seen(1, Stage::Ended)));
    let late = state.deadline().expect("it waits");
    let actions = state.step(at(u64::try_from(late.as_millis()).unwrap()), Event::Tick);
    assert_eq!(reports(&actions), ["x EXIT 3"]);
    assert!(is_ready(&actions));
}

/// Returns the fates of stored deaths, in order.
fn fates(actions: &[Action]) -> Vec<Fate> {
    let changes = actions.iter().filter_map(|action| match action {
        Action::Order(Order::Store(changes)) => Some(changes),
        _ => None,
    });
    let fate = |change: &Change| match change {
        Change::Death(death) => Some(death.fate),
        Change::Fate { fate, .. } => Some(*fate),
        _ => None,
    };
    changes.flatten().filter_map(fate).collect()
}

fn dumped(number: u32) -> Observation {
    let mut seen = seen(number, Stage::Ended);
    seen.result = ServiceResult::CoreDump;
    seen.main.end = Some(ProcessEnd::Dumped(11));
    seen
}

#[test]
fn a_report_waits_for_its_backtrace_and_holds_up_those_behind_it_but_not_for_ever() {
    let found = |number| Found {
        unit: "x.service".into(),
        invocation: run(number),
        pid: Some(7),
        backtrace: Some("0 > f".into()),
    };
    let mut state = ready();
    let die = |state: &mut State, number, observation| {
        let _ = state.step(at(1), changed("x.service", seen(number, Stage::Running)));
        state.step(at(2), changed("x.service", observation))
    };
    let actions = die(&mut state, 1, dumped(1));
    assert_eq!(
        (reports(&actions), fates(&actions)),
        (vec![], vec![Fate::Open])
    );
    assert!(
        actions.iter().any(
            |action| matches!(action, Action::SeekCore { key, .. } if key.invocation == run(1))
        )
    );
    let actions = die(&mut state, 2, seen(2, Stage::Ended));
    assert_eq!(
        (reports(&actions), fates(&actions)),
        (vec![], vec![Fate::Open]),
        "it waits its turn"
    );
    let actions = state.step(at(3), Event::Core(found(1)));
    assert_eq!(
        reports(&actions),
        ["x SIG 11 (Segmentation fault)", "x EXIT 3"]
    );
    assert_eq!(fates(&actions), [Fate::Reported, Fate::Reported]);
    assert_eq!(incident(&actions).backtrace.as_deref(), Some("0 > f"));

    let mut state = ready();
    let _ = die(&mut state, 1, dumped(1));
    assert_eq!(
        reports(&state.step(at(10_002), Event::Tick)),
        ["x SIG 11 (Segmentation fault)"]
    );
    assert!(reports(&state.step(at(10_003), Event::Core(found(1)))).is_empty());
}

#[test]
fn what_the_last_life_left_unfinished_is_finished() {
    let death = |number, fate| entry::StoredDeath {
        key: Key {
            boot: boot(),
            unit: "x.service".into(),
            invocation: run(number),
        },
        name: "x".into(),
        severity: entry::Severity::Crash,
        pid: Some(7),
        reason: "SIG 11 (Segmentation fault)".into(),
        at: 5,
        backtrace: None,
        witness: entry::Witness::Bus,
        fate,
    };
    let mut state = State::new(boot(), None, at(0));
    let _ = state.step(at(0), configured(CONF));
    let unfinished = vec![
        death(1, Fate::Open),
        death(2, Fate::Held),
        death(3, Fate::Held),
    ];
    let actions = state.step(at(0), opened(unfinished));
    assert!(
        reports(&actions).is_empty(),
        "all of it waits for the backtrace of the first"
    );
    assert!(
        actions.iter().any(
            |action| matches!(action, Action::SeekCore { key, .. } if key.invocation == run(1))
        )
    );
    let told = reports(&state.step(at(10_000), Event::Tick));
    assert_eq!(
        told,
        [
            "x SIG 11 (Segmentation fault)",
            "x SIG 11 (Segmentation fault), 2 more in 60 s"
        ]
    );
}

#[test]
fn what_the_bus_held_back_is_told_where_it_happened() {
    let mut state = ready();
    let _ = state.step(at(1_001), changed("w.service", seen(1, Stage::Running)));
    let actions = state.step(
        at(1_002),
        changed(
            "w.service",
            Observation {
                restarts: 2,
                ..seen(3, Stage::Running)
            },
        ),
    );
    assert!(
        actions.iter().any(is_recall),
        "run 2 went by unseen: {actions:?}"
    );
    let actions = state.step(at(1_003), record(Some(testimony(Evidence::Unasked))));
    assert!(
        reports(&actions).is_empty(),
        "the end of run 1 is held back: {actions:?}"
    );
    let books = vec![
        memory(&boot(), 1, "w.service"),
        memory(&boot(), 2, "w.service"),
    ];
    let actions = state.step(at(1_004), recalled(books));
    let ids = actions.iter().filter_map(|action| match action {
        Action::Publish(report) => Some(report.id.clone()),
        _ => None,
    });
    assert_eq!(
        ids.collect::<Vec<_>>(),
        [run(1).to_string(), run(2).to_string()]
    );
}

#[test]
fn crashes_that_were_far_apart_are_no_burst_when_they_are_told_together() {
    let hours = |number: u32| {
        let Memory::End(mut recalled) = memory("earlier", number, "x.service") else {
            unreachable!()
        };
        recalled.testimony.at += u64::from(number) * 3_600_000;
        Memory::End(recalled)
    };
    let mut state = recalling();
    let actions = state.step(at(3), recalled((1..=5).map(hours).collect()));
    assert_eq!(reports(&actions), ["x SIG 9 (Killed)"; 5]);
    let mut state = recalling();
    let at_once = (1..=5)
        .map(|number| memory("earlier", number, "x.service"))
        .collect();
    let told = reports(&state.step(at(70_000), recalled(at_once)));
    assert_eq!(
        told,
        [
            "x SIG 9 (Killed)",
            "x SIG 9 (Killed)",
            "x SIG 9 (Killed), 3 more in 60 s"
        ]
    );
    assert_eq!(state.ends.size(), 0, "nothing is left behind");
}

/// A short run may end between two signals: the catch-up finds some crashes of a burst, the bus
/// shows the others.
#[test]
fn crashes_of_one_burst_are_counted_together_whoever_told_them() {
    let told_late = |millis: u64, numbers: std::ops::RangeInclusive<u32>| {
        let late = |number| {
            let Memory::End(mut recalled) = memory(&boot(), number, "x.service") else {
                unreachable!()
            };
            recalled.testimony.at = at(millis).epoch_ms;
            Memory::End(recalled)
        };
        recalled(numbers.map(late).collect())
    };
    let mut state = recalling();
    assert_eq!(
        reports(&state.step(at(1_000), told_late(900, 1..=1))),
        ["x SIG 9 (Killed)"]
    );
    let _ = state.step(at(1_001), changed("x.service", seen(2, Stage::Running)));
    assert_eq!(
        reports(&state.step(at(1_002), changed("x.service", seen(2, Stage::Ended)))),
        ["x EXIT 3"]
    );
    let _ = state.step(
        at(1_003),
        changed(
            "x.service",
            Observation {
                restarts: 5,
                ..seen(6, Stage::Running)
            },
        ),
    );
    assert!(
        reports(&state.step(at(1_005), told_late(1_003, 3..=5))).is_empty(),
        "beyond the burst"
    );
    let until = state.deadline().expect("the interval's end");
    assert_eq!(until, at(60_900).monotonic);
    assert_eq!(
        reports(&state.step(at(60_900), Event::Tick)),
        ["x SIG 9 (Killed), 3 more in 60 s"]
    );
}

#[test]
fn a_summary_waits_for_those_before_it() {
    let mut state = ready();
    let die = |state: &mut State, millis: u64, number: u32, observation| {
        let _ = state.step(
            at(millis),
            changed("x.service", seen(number, Stage::Running)),
        );
        reports(&state.step(at(millis), changed("x.service", observation)))
    };
    assert_eq!(die(&mut state, 1, 1, seen(1, Stage::Ended)), ["x EXIT 3"]);
    assert!(die(&mut state, 55_000, 2, dumped(2)).is_empty());
    assert!(
        die(&mut state, 56_000, 3, seen(3, Stage::Ended)).is_empty(),
        "beyond the burst"
    );
    assert!(reports(&state.step(at(60_002), Event::Tick)).is_empty());
    let told = reports(&state.step(at(65_000), Event::Tick));
    assert_eq!(
        told,
        ["x SIG 11 (Segmentation fault)", "x EXIT 3, 1 more in 60 s"]
    );
}

#[test]
fn what_was_not_read_in_time_is_read_next_and_what_comes_after_it_is_held_back() {
    let mut state = recalling();
    let part = Recollection {
        boot: boot(),
        cursor: Some("c".into()),
        unfinished: true,
        ..Recollection::default()
    };
    let actions = state.step(at(1), Event::Archive(Tale::Recalled(Box::new(part))));
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Say(Remark::RecallUnfinished))),
        "{actions:?}"
    );
    let _ = state.step(at(2), changed("x.service", seen(2, Stage::Running)));
    assert!(reports(&state.step(at(3), changed("x.service", seen(2, Stage::Ended)))).is_empty());
    assert!(state.step(at(1_001), Event::Tick).iter().any(is_recall));
    let told = state.step(at(1_002), recalled(vec![memory(&boot(), 1, "x.service")]));
    assert_eq!(reports(&told).len(), 2, "{told:?}");
    assert!(is_ready(&told));
}

#[test]
fn an_end_that_nobody_saw_waits_for_books_that_were_opened_after_it() {
    let mut state = recalling();
    let _ = state.step(at(1), changed("x.service", seen(1, Stage::Running)));
    let _ = state.step(
        at(2),
        changed(
            "x.service",
            Observation {
                restarts: 1,
                ..seen(2, Stage::Running)
            },
        ),
    );
    let actions = state.step(at(3), recalled(vec![]));
    assert!(
        reports(&actions).is_empty(),
        "these books were opened before it ended: {actions:?}"
    );
    let next = state.deadline().expect("they are opened again");
    let now = u64::try_from(next.as_millis()).unwrap();
    let actions = state.step(at(now), Event::Tick);
    assert!(actions.iter().any(is_recall), "{actions:?}");
    let told = reports(&state.step(at(now + 1), recalled(vec![memory(&boot(), 1, "x.service")])));
    assert_eq!(told, ["x SIG 9 (Killed)"]);
}
