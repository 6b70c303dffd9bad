//! Tests of the list as text, from the document that is kept as a fixture.

use super::*;
use crate::shell::cli::desk::fixture;
use crate::shell::survey::{DownBy, ExclusionTold, StepAt};

const PLAIN: Sheet = Sheet {
    paint: Paint::Plain,
    width: None,
};

#[test]
fn the_list_is_aligned_and_says_what_is_to_be_done() {
    let list: List = fixture::document("list.json");
    fixture::check("list.txt", &text(&list, PLAIN), &sum(&list));
    let narrow = text(
        &list,
        Sheet {
            paint: Paint::Ansi,
            width: Some(60),
        },
    );
    fixture::check("list-narrow.txt", &narrow, "");
}

#[test]
fn without_wards_it_says_how_one_is_written() {
    let mut list: List = fixture::document("list.json");
    list.wards.clear();
    list.stacks.clear();
    list.watched.clear();
    list.daemon = Daemon {
        state: State::Stopped,
        status: None,
        reports_waiting: Some(2),
        history_problem: Some("it is damaged".into()),
    };
    fixture::check("list-empty.txt", &text(&list, PLAIN), &sum(&list));
}

#[test]
fn of_many_units_without_a_ward_only_those_in_trouble_have_a_line() {
    let mut list: List = fixture::document("list.json");
    let one = list.watched[0].clone();
    let many = |number: usize| Watched {
        unit: format!("u{number}.service"),
        ..one.clone()
    };
    list.watched = (0..MANY).map(many).collect();
    assert!(
        text(&list, PLAIN).contains("\nu19.service   running"),
        "{}",
        text(&list, PLAIN)
    );
    list.watched.push(Watched {
        state: State::Failed,
        ..many(MANY)
    });
    let told = text(&list, PLAIN);
    assert!(
        told.contains("\nu20.service   failed") && !told.contains("u19.service"),
        "{told}"
    );
    assert!(
        sum(&list).contains("Without a ward, watched only: 21 units, --json names them."),
        "{}",
        sum(&list)
    );
}

#[test]
fn a_state_tells_what_it_waits_for() {
    let list: List = fixture::document("list.json");
    let (now, any) = (list.timestamp, &list.wards[0]);
    let check = |ward: Line, expect: &str| assert_eq!(super::state(&ward, now), expect);
    let step = StepAt {
        condition: "OnDeath".into(),
        step: "2".into(),
        of: 4,
        action: "Execute".into(),
        argument: "/bin/mount".into(),
        since: now,
    };
    let by_hand = ExclusionTold {
        timestamp: now,
        by: "hand".into(),
        why: None,
    };
    check(
        Line {
            needs_reload: true,
            ..any.clone()
        },
        "running, changed",
    );
    let restarting = |until| Line {
        state: State::Restarting,
        until: Some(until),
        ..any.clone()
    };
    check(restarting(now + 3_200), "restarting (in 3s)");
    check(restarting(now), "restarting (in less than 1s)");
    check(
        Line {
            state: State::Recovering,
            step: Some(step),
            ..any.clone()
        },
        "recovering (step 2 of 4: Execute)",
    );
    check(
        Line {
            state: State::Recovering,
            ..any.clone()
        },
        "recovering",
    );
    check(
        Line {
            state: State::Excluded,
            exclusion: Some(by_hand),
            ..any.clone()
        },
        "excluded (by hand)",
    );
}

#[test]
fn a_stopped_ward_tells_what_took_it_down() {
    let list: List = fixture::document("list.json");
    let (now, any) = (list.timestamp, &list.wards[0]);
    let check = |ward: Line, expect: &str| assert_eq!(super::state(&ward, now), expect);
    let down = |by, unit: Option<&str>, reason: Option<&str>| {
        Some(Down {
            by,
            unit: unit.map(str::to_owned),
            reason: reason.map(str::to_owned),
        })
    };
    let stopped = |down| Line {
        state: State::Stopped,
        down,
        ..any.clone()
    };
    check(stopped(down(DownBy::Request, None, None)), "stopped");
    check(
        stopped(down(DownBy::Itself, None, Some("EXIT 0"))),
        "ended by itself (EXIT 0)",
    );
    check(
        stopped(down(DownBy::Unit, Some("db.service"), None)),
        "pulled down (by db.service)",
    );
}

#[test]
fn a_ward_that_is_left_out_has_a_line_that_says_what_to_do() {
    let mut list: List = fixture::document("list.json");
    list.wards.clear();
    list.stacks.clear();
    list.watched.clear();
    list.left_out = vec![LeftOut {
        name: "web".into(),
        file: Some("/etc/unitward/web.ward".into()),
        why: Why::Removed,
        problem: None,
        unit: Some("web.service".into()),
        state: Some(State::Running),
        guarded: true,
    }];
    assert_eq!(
        text(&list, PLAIN),
        "LEFT OUT  WHY           UNIT         STATE    GUARDED\nweb       file removed  web.service  running  as before\n"
    );
    let sum = sum(&list);
    assert!(
        sum.starts_with("There are no wards that count.\nweb: /etc/unitward/web.ward is gone; "),
        "{sum}"
    );
}
