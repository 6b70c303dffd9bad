//! Tests of the states around a restart.

use super::*;
use crate::core::crash::observation::ProcessEnd;
use crate::edge::dying::Shown;

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

/// Adds the result of a step to the latest run.
fn done(book: &mut Book, step: &str, status: i32) {
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
            ..run(&ward, 1, StartKind::First)
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
    check("on-failure", None, exit("success"), State::Dying);
    check("always", None, exit("success"), State::Restarting);
    check("on-abnormal", None, died(3_000), State::Restarting);
    check("on-abnormal", None, exit("exit-code"), State::Dying);
    check("on-abort", None, exit("core-dump"), State::Restarting);
    check("on-watchdog", None, exit("exit-code"), State::Dying);
    check("no", None, died(3_000), State::Dying);
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
        State::Dying,
    );
}

#[test]
fn while_a_start_has_no_record_yet_systemds_own_counter_tells_whether_it_is_a_restart() {
    let ward = sample::ward("web", TEXT);
    let died = || {
        sample::book(vec![RunRecord {
            end: Some(died(3_000)),
            ..run(&ward, 1, StartKind::First)
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
fn a_death_whose_left_over_is_being_ended_counts_before_a_line_records_it() {
    let ward = sample::ward("web", TEXT);
    let mut book = sample::book(vec![run(&ward, 1, StartKind::First)]);
    let dying = Shown {
        kind: "simple".into(),
        result: "exit-code".into(),
        restart: "no".into(),
        pid: Some(7),
        process: Some(ProcessEnd::Exited(3)),
        ended: 5_000_000,
        invocation: book.runs[0].invocation.clone(),
    };
    let deaths = book.series.deaths.len();
    book.dies(&dying);
    assert_eq!((book.totals.deaths, book.totals.crashes), (1, 1));
    assert_eq!(book.series.deaths.len(), deaths + 1);
    book.dies(&dying);
    assert_eq!(book.totals.deaths, 1, "once");
    let told = stands(seen("loaded deactivating stop-sigterm", ""), book, false);
    assert_eq!((told.state, told.cleaning_up), (State::Dying, true));
    assert_eq!(told.last_death.unwrap().reason.as_deref(), Some("EXIT 3"));
}
