//! Tests of a ward's state, from its unit's states, its records and its exclusion.

mod restarts;

use super::*;
use crate::edge::exclusion::{By, Exclusion};
use crate::edge::record::{GivenUp, KILLED, Outcome, StepResult};
use crate::shell::survey::sample::{self, NOW, died, run, unit};
use std::time::Duration;

const TEXT: &str =
    "[Recovery]\nDelaySec=10s\n[OnDeath]\nRestart=%n\nExecute=/bin/mount /a\n[OnStop]\nLog=bye\n";

/// Makes a unit from `load active sub`, and the line that runs.
fn seen(words: &str, line: &str) -> UnitSeen {
    let words: Vec<&str> = words.split(' ').collect();
    let line =
        (!line.is_empty()).then(|| (line.split(' ').map(str::to_owned).collect(), NOW - 1_000));
    let details = Details {
        line,
        restart_delay: Duration::from_secs(5),
        ..Details::default()
    };
    UnitSeen {
        details: Some(details),
        changed: Some(NOW - 2_000),
        ..unit(words[0], words[1], words[2])
    }
}

fn stands(unit: UnitSeen, book: Book, stale: bool) -> Line {
    let mut scene = sample::scene();
    let ward = sample::ward("web", TEXT);
    if stale {
        scene.stale.insert(ward.unit(), Vec::new());
    }
    scene.place("web.service", unit);
    scene.place_book("web", book);
    line(&scene, &ward)
}

/// Makes a book whose latest run began like this, after one that died 3 s ago.
fn after(start: StartKind) -> Book {
    let ward = sample::ward("web", TEXT);
    let before = RunRecord {
        end: Some(died(3_000)),
        ..run(&ward, 1, StartKind::First)
    };
    let backoff_ms = (start != StartKind::First).then_some(10_000);
    let latest = RunRecord {
        begun: Some(NOW - 1_000),
        backoff_ms,
        ..run(&ward, 2, start)
    };
    sample::book(vec![latest, before])
}

#[test]
fn every_state_of_a_unit_has_its_word() {
    let check = |words: &str, expect: State| {
        assert_eq!(
            stands(seen(words, ""), Book::default(), false).state,
            expect,
            "{words}"
        );
    };
    check("loaded active running", State::Running);
    check("loaded active exited", State::Done);
    check("loaded reloading reload", State::Running);
    check("loaded activating start", State::Starting);
    check("loaded activating auto-restart", State::Restarting);
    check("loaded activating auto-restart-queued", State::Restarting);
    check("loaded deactivating stop-sigterm", State::Stopping);
    check("loaded inactive dead", State::Stopped);
    check("loaded failed failed", State::Failed);
    check("masked inactive dead", State::Masked);
    check("masked active running", State::Running);
    check("not-found inactive dead", State::Missing);
    check("bad-setting inactive dead", State::Broken);
    check("error inactive dead", State::Broken);
}

#[test]
fn what_systemd_has_not_read_is_not_loaded() {
    let unread = stands(seen("not-found inactive dead", ""), Book::default(), true);
    assert_eq!(
        (unread.state, unread.needs_reload),
        (State::NotLoaded, true)
    );
    let old = stands(seen("loaded active running", ""), Book::default(), true);
    assert_eq!((old.state, old.needs_reload), (State::Running, true));
}

#[test]
fn a_record_knows_better_since_when_than_a_unit_that_changes_often() {
    let up = |at| {
        Some(crate::edge::record::Up {
            main: at,
            at,
            since_boot: None,
        })
    };
    let book = |end| {
        let ward = sample::ward("web", TEXT);
        sample::book(vec![RunRecord {
            up: up(NOW - 9_000),
            end,
            ..run(&ward, 1, StartKind::First)
        }])
    };
    assert_eq!(
        stands(seen("loaded active running", ""), book(None), false).since,
        Some(NOW - 9_000)
    );
    assert_eq!(
        stands(
            seen("loaded active running", ""),
            book(Some(died(5_000))),
            false
        )
        .since,
        Some(NOW - 2_000)
    );
    assert_eq!(
        stands(
            seen("loaded inactive dead", ""),
            book(Some(died(5_000))),
            false
        )
        .since,
        Some(NOW - 5_000)
    );
}

#[test]
fn who_is_stopped_was_asked_to_ended_by_itself_or_was_pulled_down() {
    let ward = sample::ward("web", TEXT);
    let clean = |end: End| End {
        result: "success".into(),
        code: "exited".into(),
        status: "0".into(),
        ..end
    };
    let check = |end: Option<End>, expect: (&str, Option<&str>)| {
        let run = RunRecord {
            end,
            ..run(&ward, 1, StartKind::First)
        };
        let told = stands(
            seen("loaded inactive dead", ""),
            sample::book(vec![run]),
            false,
        );
        let more = told
            .down
            .as_ref()
            .and_then(|down| down.unit.as_deref().or(down.reason.as_deref()));
        assert_eq!((told.state, (told.word(), more)), (State::Stopped, expect));
    };
    check(None, ("stopped", None));
    check(
        Some(End {
            asked: true,
            ..died(5_000)
        }),
        ("stopped", None),
    );
    check(
        Some(End {
            restart_follows: Some(false),
            ..clean(died(5_000))
        }),
        ("ended by itself", Some("EXIT 0")),
    );
    check(
        Some(End {
            restart_follows: None,
            ..clean(died(5_000))
        }),
        ("ended by itself", Some("EXIT 0")),
    );
    check(Some(clean(died(5_000))), ("stopped", None));
    let pulled = End {
        asked: true,
        pulled_by: Some("db.service".into()),
        ..died(5_000)
    };
    check(Some(pulled), ("pulled down", Some("db.service")));
}

#[test]
fn excluded_is_who_is_down_and_marked_and_done_who_has_finished() {
    let exclusion = Some(Exclusion {
        at: NOW - 7_000,
        by: By::Hand,
        why: String::new(),
        triggers: Vec::new(),
    });
    let excluded = stands(
        seen("loaded inactive dead", ""),
        Book {
            exclusion,
            ..Book::default()
        },
        false,
    );
    assert_eq!(
        (excluded.state, excluded.since),
        (State::Excluded, Some(NOW - 7_000))
    );
    assert_eq!(excluded.exclusion.unwrap().why, None);
    let ward = sample::ward("web", TEXT);
    let end = Some(End {
        finished: true,
        result: "success".into(),
        ..died(5_000)
    });
    let finished = sample::book(vec![RunRecord {
        end,
        ..run(&ward, 1, StartKind::First)
    }]);
    let done = stands(seen("loaded inactive dead", ""), finished, false);
    assert_eq!((done.state, done.last_death), (State::Done, None));
}
