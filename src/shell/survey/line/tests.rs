//! Tests of a ward's state, from its unit's states, its records and its exclusion.

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
    scene.place(("web.service", unit), Some(("web", book)));
    line(&scene, &ward)
}

/// Makes a book whose latest run began like this, after one that died 3 s ago.
fn after(start: StartKind) -> Book {
    let ward = sample::ward("web", TEXT);
    let before = RunRecord {
        end: Some(died(3_000)),
        ..run(&ward, (1, StartKind::First))
    };
    let backoff_ms = (start != StartKind::First).then_some(10_000);
    let latest = RunRecord {
        begun: Some(NOW - 1_000),
        backoff_ms,
        ..run(&ward, (2, start))
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
fn a_restart_waits_and_then_recovers() {
    let helper = "/usr/lib/unitward/unitward-step";
    let begin = seen(
        "loaded activating start-pre",
        &format!("{helper} begin web web.service"),
    );
    let waits = stands(begin.clone(), after(StartKind::AfterAbnormalDeath), false);
    assert_eq!(
        (waits.state, waits.since, waits.until),
        (State::Restarting, Some(NOW - 3_000), Some(NOW + 9_000))
    );
    assert_eq!(
        stands(begin, after(StartKind::First), false).state,
        State::Starting
    );
    let own = stands(
        seen("loaded activating auto-restart", ""),
        after(StartKind::First),
        false,
    );
    assert_eq!(
        (own.state, own.until),
        (State::Restarting, Some(NOW + 3_000))
    );
    let mounts = format!("{helper} step web OnDeath 2 Execute /bin/mount /a");
    let recovers = stands(
        seen("loaded activating start-post", &mounts),
        after(StartKind::AfterAbnormalDeath),
        false,
    );
    assert_eq!(
        (recovers.state, recovers.since, recovers.until),
        (State::Recovering, Some(NOW - 3_000), None)
    );
    let step = recovers.step.unwrap();
    assert_eq!(
        (
            step.step.as_str(),
            step.of,
            step.action.as_str(),
            step.argument.as_str()
        ),
        ("2", 2, "Execute", "/bin/mount /a")
    );
    let stops = stands(
        seen(
            "loaded deactivating stop-post",
            &format!("{helper} step web OnStop 1 Log bye"),
        ),
        Book::default(),
        false,
    );
    assert_eq!(
        (stops.state, stops.step.map(|step| step.argument)),
        (State::Stopping, Some("bye".to_owned()))
    );
}

#[test]
fn where_systemd_has_forgotten_its_line_over_a_reload_the_record_tells() {
    let reloaded = |sub: &str| seen(&format!("loaded activating {sub}"), "");
    let mut book = after(StartKind::AfterAbnormalDeath);
    let waits = stands(
        reloaded("start-pre"),
        after(StartKind::AfterAbnormalDeath),
        false,
    );
    assert_eq!(
        (waits.state, waits.until),
        (State::Restarting, Some(NOW + 9_000))
    );
    book.runs[0].backoff_ms = Some(500);
    assert_eq!(
        stands(reloaded("start-pre"), book, false).state,
        State::Recovering
    );
    let done = |book: &mut Book, step: &str, status: i32| {
        let outcome = if status == 0 {
            Outcome::Ok
        } else {
            Outcome::Failed
        };
        book.runs[0].results.push(StepResult {
            status,
            at: NOW - 400,
            ..sample::step(step, "Execute", outcome)
        });
    };
    let mut book = after(StartKind::AfterAbnormalDeath);
    book.runs[0].results.clear();
    done(&mut book, "2", KILLED);
    let recovers = stands(reloaded("start-post"), book, false);
    let step = recovers
        .step
        .map(|step| (step.step, step.action, step.since));
    assert_eq!(
        (recovers.state, step),
        (
            State::Recovering,
            Some(("2".into(), "Execute".into(), NOW - 400))
        )
    );
    let mut book = after(StartKind::AfterAbnormalDeath);
    done(&mut book, "2", 0);
    assert_eq!(stands(reloaded("start-post"), book, false).step, None);
    let mut book = after(StartKind::AfterAbnormalDeath);
    done(&mut book, "2", KILLED);
    book.runs[0].end = Some(died(100));
    assert_eq!(
        stands(seen("loaded deactivating stop-post", ""), book, false).step,
        None,
        "it was killed"
    );
    let mut book = after(StartKind::First);
    done(&mut book, "1", KILLED);
    book.runs[0].results[0].condition = r"OnStop".into();
    book.runs[0].end = Some(End {
        asked: true,
        ..died(100)
    });
    let stops = stands(seen("loaded deactivating stop-post", ""), book, false);
    assert_eq!(
        stops.step.map(|step| (step.action, step.argument)),
        Some(("Log".into(), "bye".into()))
    );
}

#[test]
fn who_has_died_and_goes_down_is_restarting_unless_it_stays_down() {
    let ward = sample::ward("web", TEXT);
    let check = |restart: &str, job: Option<&str>, end: End, expect: State| {
        let mut goes = UnitSeen {
            job: job.map(str::to_owned),
            ..seen("loaded deactivating stop-post", "")
        };
        goes.details.as_mut().unwrap().restart = restart.into();
        let run = RunRecord {
            end: Some(end),
            ..run(&ward, (1, StartKind::First))
        };
        let told = stands(goes, sample::book(vec![run]), false);
        assert_eq!(
            (told.state, told.until),
            (expect, None),
            "{restart} {job:?}"
        );
    };
    let exit = |result: &str| End {
        result: result.into(),
        ..died(3_000)
    };
    check("on-failure", None, died(3_000), State::Restarting);
    check("on-failure", None, exit("success"), State::Stopping);
    check("always", None, exit("success"), State::Restarting);
    check("on-abnormal", None, died(3_000), State::Restarting);
    check("on-abnormal", None, exit("exit-code"), State::Stopping);
    check("on-abort", None, exit("core-dump"), State::Restarting);
    check("on-watchdog", None, exit("exit-code"), State::Stopping);
    check("no", None, died(3_000), State::Stopping);
    check("on-failure", Some("stop"), died(3_000), State::Stopping);
    check(
        "on-failure",
        None,
        End {
            asked: true,
            ..died(3_000)
        },
        State::Stopping,
    );
    check(
        "on-failure",
        None,
        End {
            given_up: Some(GivenUp::Exclude),
            ..died(3_000)
        },
        State::Stopping,
    );
}

#[test]
fn while_a_start_has_no_record_yet_systemds_own_counter_tells_whether_it_is_a_restart() {
    let ward = sample::ward("web", TEXT);
    let died = || {
        sample::book(vec![RunRecord {
            end: Some(died(3_000)),
            ..run(&ward, (1, StartKind::First))
        }])
    };
    let check = |restarts: u64, book: Book, expect: (State, Option<u64>)| {
        let mut begin = seen(
            "loaded activating start-pre",
            "/usr/lib/unitward/unitward-step begin web web.service",
        );
        begin.details.as_mut().unwrap().restarts = Some(restarts);
        let told = stands(begin, book, false);
        assert_eq!((told.state, told.until), expect, "{restarts}");
    };
    check(1, died(), (State::Restarting, None));
    check(0, died(), (State::Starting, None));
    check(
        1,
        after(StartKind::AfterAbnormalDeath),
        (State::Restarting, Some(NOW + 9_000)),
    );
    check(0, after(StartKind::First), (State::Starting, None));
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
            ..run(&ward, (1, StartKind::First))
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
            ..run(&ward, (1, StartKind::First))
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
        ..run(&ward, (1, StartKind::First))
    }]);
    let done = stands(seen("loaded inactive dead", ""), finished, false);
    assert_eq!((done.state, done.last_death), (State::Done, None));
}
