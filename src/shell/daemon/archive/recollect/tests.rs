//! Tests of the order of ends and recoveries from the journal and the run records.

use super::*;
use crate::core::crash::observation::{InvocationId, ServiceResult};
use crate::core::crash::tracker::Evidence;
use crate::core::recovery::account::Ended;
use crate::edge::journal::{JournalEnd, JournalRun};
use crate::edge::record::{End, GivenUp, RunRecord, StartKind, Up};

fn run(number: u64) -> InvocationId {
    InvocationId::parse(&format!("{number:032x}")).unwrap()
}

/// The end of run `number` of `x.service`.
fn end(boot: &str, number: u64, (place, at): (u64, u64)) -> JournalEnd {
    let (evidence, result) = (Evidence::Unasked, ServiceResult::Signal);
    let testimony = Testimony {
        evidence,
        result,
        process: None,
        pid: None,
        at,
        waited: None,
    };
    let (boot, unit) = (boot.to_owned(), "x.service".to_owned());
    JournalEnd {
        boot,
        unit,
        invocation: run(number),
        testimony,
        activity: Activity::Seen,
        place,
    }
}

/// Run `number` of the ward `x`, up at a time, and ended some time later.
fn record(number: u64, (up, ended): (Option<u64>, Option<u64>)) -> RunRecord {
    let end = ended.map(End::killed);
    let follows = (number > 1).then(|| run(number - 1).to_string());
    let up = up.map(|at| Up {
        main: at,
        at,
        since_boot: None,
    });
    RunRecord {
        follows,
        up,
        end,
        ..RunRecord::new("x", "x.service", run(number).as_str(), StartKind::First)
    }
}

fn told(boot: &str, record: RunRecord, (first, last): (u64, u64)) -> JournalRun {
    JournalRun {
        boot: boot.to_owned(),
        record,
        first,
        last,
    }
}

fn check(scan: Scan, records: Vec<RunRecord>, expect: &[&str]) {
    let memories = order::remember(&Runs::collect(scan, "now", records), "now");
    let words = |memory: &Memory| {
        let (what, key) = match memory {
            Memory::End(recalled) => ("end", &recalled.key),
            Memory::Recovery(key, chain) if matches!(chain.ended, Ended::Early(_)) => {
                ("ended", key)
            }
            Memory::Recovery(key, _) => ("recovery", key),
            Memory::UnderWay(key, _) => ("under way", key),
        };
        format!(
            "{what} {} {}",
            key.boot,
            key.invocation.as_str().trim_start_matches('0')
        )
    };
    assert_eq!(memories.iter().map(words).collect::<Vec<_>>(), expect);
}

#[test]
fn a_clock_that_is_set_back_changes_no_order() {
    let ends = vec![
        end("now", 1, (10, 5_000_000)),
        end("now", 2, (20, 70)),
        end("now", 3, (30, 60)),
    ];
    check(
        Scan {
            ends,
            ..Scan::default()
        },
        vec![],
        &["end now 1", "end now 2", "end now 3"],
    );
}

#[test]
fn boots_stand_in_the_order_of_the_journal_whoever_tells_of_them() {
    let runs = vec![told("first", record(1, (None, Some(900))), (1, 1))];
    let ends = vec![end("second", 8, (2, 100)), end("now", 9, (3, 50))];
    check(
        Scan {
            runs,
            ends,
            ..Scan::default()
        },
        vec![],
        &["end first 1", "ended first 1", "end second 8", "end now 9"],
    );
}

#[test]
fn a_recovery_follows_its_death_and_stands_before_the_next() {
    let runs = vec![
        told("now", record(1, (Some(80), Some(90))), (4, 9)),
        told("now", record(2, (Some(60), Some(70))), (14, 29)),
    ];
    let ends = vec![
        end("now", 1, (10, 90)),
        end("now", 8, (20, 65)),
        end("now", 2, (30, 70)),
    ];
    let expect = [
        "end now 1",
        "recovery now 1",
        "end now 8",
        "end now 2",
        "under way now 2",
    ];
    check(
        Scan {
            runs,
            ends,
            ..Scan::default()
        },
        vec![],
        &expect,
    );
}

#[test]
fn a_ward_that_is_given_up_died_before() {
    let mut last = record(1, (Some(80), Some(90)));
    last.end.as_mut().unwrap().given_up = Some(GivenUp::Exclude);
    let scan = Scan {
        runs: vec![told("now", last, (4, 9))],
        ends: vec![end("now", 1, (10, 90))],
        ..Scan::default()
    };
    check(scan, vec![], &["end now 1", "recovery now 1"]);
}

#[test]
fn what_only_the_run_records_tell_comes_last_by_its_time() {
    let records = vec![
        record(2, (Some(30), Some(40))),
        record(1, (Some(10), Some(20))),
    ];
    let ends = vec![end("now", 8, (3, 1_000))];
    let expect = [
        "end now 8",
        "end now 1",
        "recovery now 1",
        "end now 2",
        "under way now 2",
    ];
    check(
        Scan {
            ends,
            ..Scan::default()
        },
        records,
        &expect,
    );
}

#[test]
fn a_recovery_that_a_boot_has_not_finished_is_over_and_one_of_this_boot_goes_on() {
    let runs = vec![
        told("first", record(1, (Some(80), Some(90))), (4, 9)),
        told("first", record(2, (None, Some(95))), (10, 10)),
        told("now", record(1, (Some(80), Some(90))), (14, 29)),
    ];
    let expect = [
        "end first 1",
        "end first 2",
        "ended first 1",
        "end now 1",
        "under way now 1",
    ];
    check(
        Scan {
            runs,
            ..Scan::default()
        },
        vec![],
        &expect,
    );
}

#[test]
fn a_death_after_which_nothing_restarts_the_unit_begins_no_recovery() {
    let mut last = record(1, (Some(80), Some(90)));
    last.end.as_mut().unwrap().restart_follows = Some(false);
    check(
        Scan {
            runs: vec![told("first", last, (4, 9))],
            ..Scan::default()
        },
        vec![],
        &["end first 1"],
    );
}

#[test]
fn when_the_package_was_installed_stands_in_a_file_of_its_own() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("installed");
    assert_eq!(installed_at(&file), None);
    for (text, expect) in [
        ("1738838543\n", Some(1_738_838_543)),
        ("soon\n", None),
        ("", None),
    ] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(installed_at(&file), expect, "{text:?}");
    }
}
