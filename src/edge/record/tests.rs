//! Tests: the last of a ward's records is found, and none outside its directory.

use super::*;
use std::fs;
use std::io;
use std::time::{Duration, SystemTime};

fn record(invocation: &str) -> RunRecord {
    RunRecord::new("a", "a.service", invocation, StartKind::First)
}

#[test]
fn a_saved_run_is_read_back() {
    let place = tempfile::tempdir().unwrap();
    let state = WardState::below(place.path(), "a");
    assert_eq!(state.run("i").unwrap_err().kind(), io::ErrorKind::NotFound);
    state.save_run(&record("i")).unwrap();
    assert_eq!(state.run("i").unwrap(), record("i"));
}

#[test]
fn a_name_that_leads_elsewhere_has_no_state() {
    let place = tempfile::tempdir().unwrap();
    let states = place.path().join("states");
    let elsewhere = place.path().join("evil");
    WardState::below(place.path(), "evil")
        .save_run(&record("i"))
        .unwrap();
    WardState::below(&states, "a")
        .save_run(&record("i"))
        .unwrap();
    for name in [
        "../evil",
        elsewhere.to_str().unwrap(),
        "",
        ".",
        "..",
        "a/",
        "a/../../evil",
        "a\0",
    ] {
        let state = WardState::below(&states, name);
        assert_eq!(
            (state.runs(), state.latest_run(), state.newest_runs().next()),
            (Vec::new(), None, None),
            "{name}"
        );
        assert!(
            state.run("i").is_err() && state.save_run(&record("j")).is_err(),
            "{name}"
        );
    }
    let state = WardState::below(&states, "a");
    for run in [
        "../../../etc/pwn",
        "../series",
        "",
        "a/b",
        elsewhere.to_str().unwrap(),
    ] {
        assert!(
            state.run(run).is_err() && state.save_run(&record(run)).is_err(),
            "{run}"
        );
    }
    assert_eq!(WardState::below(&states, "a").runs(), [record("i")]);
}

#[test]
fn the_latest_death_is_the_last_end_that_nobody_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let state = WardState::below(place.path(), "a");
    assert_eq!(state.latest_death(), None);
    let end = |at, asked| End {
        asked,
        ..End::killed(at)
    };
    for (run, end) in [
        ("1", Some(end(5, false))),
        ("2", Some(end(7, false))),
        ("3", Some(end(9, true))),
        ("4", None),
    ] {
        state.save_run(&RunRecord { end, ..record(run) }).unwrap();
    }
    assert_eq!(
        state.latest_death().map(|record| record.invocation),
        Some("2".to_owned())
    );
}

#[test]
fn of_runs_written_at_one_tick_of_the_clock_the_later_is_the_one_begun_later() {
    let place = tempfile::tempdir().unwrap();
    let state = WardState::below(place.path(), "a");
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let save = |run: &str, begun: Option<u64>, start: StartKind, at: SystemTime| {
        state
            .save_run(&RunRecord {
                begun,
                ..RunRecord::new("a", "a.service", run, start)
            })
            .unwrap();
        fs::File::options()
            .write(true)
            .open(state.run_path(run))
            .unwrap()
            .set_modified(at)
            .unwrap();
    };
    save("b", Some(5_000), StartKind::First, written);
    save("a", Some(5_001), StartKind::AfterDeath, written);
    save(
        "d",
        Some(9_000),
        StartKind::First,
        written - Duration::from_secs(9),
    );
    save(
        "c",
        None,
        StartKind::Condition,
        written + Duration::from_millis(1),
    );
    let newest: Vec<_> = state.newest_runs().map(|run| run.invocation).collect();
    assert_eq!(newest, ["a", "b", "c", "d"]);
    assert_eq!(
        state.latest_run().map(|run| run.invocation).as_deref(),
        Some("a")
    );
}
