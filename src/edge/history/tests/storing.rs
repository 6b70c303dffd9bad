//! Tests of the history as the daemon uses it.

use super::*;

#[test]
fn what_was_stored_is_there_after_opening_again() {
    let place = Place::new();
    let mut history = place.open().history;
    let batch = [
        death(1, Fate::Reported),
        report(1),
        recovery(1),
        recovery_report(1),
        Change::Cursor("s=1;i=2".into()),
    ];
    history.apply(NOW, &batch).unwrap();
    history
        .apply(
            NOW,
            &[
                death(2, Fate::Held),
                death(3, Fate::Open),
                death(4, Fate::Silent),
            ],
        )
        .unwrap();
    drop(history);
    let opened = place.open();
    assert_eq!(
        (opened.next_seq, opened.cursor.as_deref(), opened.set_aside),
        (5, Some("s=1;i=2"), None)
    );
    assert_eq!(opened.lanes, ["fs-nfs2"]);
    let unfinished: Vec<Change> = opened
        .unfinished
        .into_iter()
        .map(|death| Change::Death(Box::new(death)))
        .collect();
    assert_eq!(unfinished, [death(2, Fate::Held), death(3, Fate::Open)]);
    assert_eq!(
        stored(opened.history.waiting("fs-nfs2", 0, 10).unwrap()),
        [report(1), recovery_report(1)]
    );
}

#[test]
fn an_empty_history_begins_with_report_1() {
    let place = Place::new();
    let opened = place.open();
    assert_eq!(
        (opened.next_seq, opened.cursor, opened.set_aside),
        (1, None, None)
    );
    assert_eq!((opened.lanes.len(), opened.unfinished.len()), (0, 0));
    assert_eq!(opened.history.tallies().unwrap(), Tallies::default());
}

#[test]
fn telling_the_same_twice_changes_nothing() {
    let place = Place::new();
    let mut history = place.open().history;
    let batch = [
        death(1, Fate::Reported),
        report(1),
        sent(3),
        recovery(1),
        recovery_report(1),
    ];
    history.apply(NOW, &batch).unwrap();
    let before = history.tallies().unwrap();
    history.apply(NOW, &batch).unwrap();
    let mut other = report(1);
    let Change::Report(again) = &mut other else {
        unreachable!()
    };
    // The same report under a number of its own, as after a restart.
    again.seq = 99;
    history.apply(NOW, &[death(1, Fate::Open), other]).unwrap();
    assert_eq!(history.tallies().unwrap(), before);
    assert_eq!(
        before,
        Tallies {
            deaths: 1,
            waiting: 1,
            sent: 1,
            recoveries: 1,
            ..Tallies::default()
        }
    );
    assert_eq!(ask::unfinished(&history.connection).unwrap(), []);
}

#[test]
fn a_change_about_something_unknown_changes_nothing() {
    let place = Place::new();
    let mut history = place.open().history;
    let batch = [
        decided(9, Fate::Local),
        report(9),
        recovery(9),
        sent(9),
        refused(9),
        Change::SummedUp { unit: "x".into() },
    ];
    history.apply(NOW, &batch).unwrap();
    assert_eq!(history.tallies().unwrap(), Tallies::default());
}

#[test]
fn what_is_found_later_is_added_and_what_is_not_found_takes_nothing_away() {
    let place = Place::new();
    let mut history = place.open().history;
    let found = Change::Fate {
        key: key(1),
        fate: Fate::Held,
        backtrace: Some("0 > main".into()),
        pid: Some(7),
    };
    history
        .apply(NOW, &[death(1, Fate::Open), found, decided(1, Fate::Open)])
        .unwrap();
    let stored = &ask::unfinished(&history.connection).unwrap()[0];
    assert_eq!(
        (stored.backtrace.as_deref(), stored.pid, stored.fate),
        (Some("0 > main"), Some(7), Fate::Open)
    );
}

#[test]
fn summing_up_takes_the_held_ones_of_its_unit() {
    let place = Place::new();
    let mut history = place.open().history;
    let mut elsewhere = death(4, Fate::Held);
    let Change::Death(other) = &mut elsewhere else {
        unreachable!()
    };
    other.key.unit = "other.service".into();
    let batch = [
        death(1, Fate::Held),
        death(2, Fate::Held),
        death(3, Fate::Open),
        elsewhere,
    ];
    history.apply(NOW, &batch).unwrap();
    history
        .apply(
            NOW,
            &[
                Change::SummedUp {
                    unit: "fs-nfs2.service".into(),
                },
                report(2),
            ],
        )
        .unwrap();
    let left = ask::unfinished(&history.connection).unwrap();
    assert_eq!(
        left.iter().map(|death| death.fate).collect::<Vec<_>>(),
        [Fate::Open, Fate::Held]
    );
    // The death that its report stands for waits with it.
    assert_eq!(count(&history, "SELECT sum(done) FROM deaths"), 1);
}

#[test]
fn a_report_that_is_settled_waits_no_more_and_keeps_no_payload() {
    let place = Place::new();
    let mut history = place.open().history;
    let two = [
        death(1, Fate::Reported),
        report(1),
        death(2, Fate::Reported),
        report(2),
    ];
    history.apply(NOW, &two).unwrap();
    assert_eq!(count(&history, "SELECT count(*) FROM payloads"), 2);
    history
        .apply(NOW, &[sent(3), refused(5), refused(3), sent(5)])
        .unwrap();
    assert_eq!(history.waiting("fs-nfs2", 0, 9).unwrap(), []);
    let tallies = history.tallies().unwrap();
    assert_eq!((tallies.sent, tallies.refused), (1, 1));
    assert_eq!(count(&history, "SELECT count(*) FROM payloads"), 0);
    assert_eq!(count(&history, "SELECT sum(done) FROM deaths"), 2);
}

#[test]
fn a_recovery_is_stored_once_whichever_comes_first() {
    for batch in [
        [death(1, Fate::Silent), recovery(1), recovery_report(1)],
        [death(1, Fate::Silent), recovery_report(1), recovery(1)],
    ] {
        let place = Place::new();
        let mut history = place.open().history;
        history.apply(NOW, &batch).unwrap();
        assert_eq!(count(&history, "SELECT count(*) FROM payloads"), 0);
        assert_eq!(
            stored(history.waiting("fs-nfs2", 0, 9).unwrap()),
            [recovery_report(1)]
        );
    }
}

#[test]
fn a_lane_is_read_in_order_and_in_portions() {
    let place = Place::new();
    let mut history = place.open().history;
    for number in [2, 1, 3] {
        history
            .apply(NOW, &[death(number, Fate::Reported), report(number)])
            .unwrap();
    }
    assert_eq!(
        stored(history.waiting("fs-nfs2", 0, 2).unwrap()),
        [report(1), report(2)]
    );
    assert_eq!(
        stored(history.waiting("fs-nfs2", 5, 2).unwrap()),
        [report(3)]
    );
    assert_eq!(history.waiting("fs-nfs2", 7, 2).unwrap(), []);
    assert_eq!(history.waiting("other", 0, 2).unwrap(), []);
}

#[test]
fn what_is_not_stored_is_told() {
    let place = Place::new();
    let mut history = place.open().history;
    history
        .apply(
            NOW,
            &[death(1, Fate::Silent), death(2, Fate::Silent), recovery(2)],
        )
        .unwrap();
    assert_eq!(
        history.known().unknown_deaths(keys([3, 2, 1, 4])).unwrap(),
        keys([3, 4])
    );
    assert_eq!(
        history.known().unknown_recoveries(keys([3, 2, 1])).unwrap(),
        keys([3, 1])
    );
}

#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let mut history = place.open().history;
    history.apply(NOW, &[death(1, Fate::Silent)]).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let file = place.directory.path().join(format!("reports.db{suffix}"));
        assert_eq!(
            fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o600,
            "{suffix}"
        );
    }
}

#[test]
fn odd_values_are_stored_too() {
    let place = Place::new();
    let mut history = place.open().history;
    let mut odd = death(1, Fate::Open);
    let Change::Death(inner) = &mut odd else {
        unreachable!()
    };
    (inner.key.boot, inner.key.unit) = ("not a boot".into(), "ä\u{0}\u{1f600}.service".into());
    (inner.reason, inner.pid, inner.at) = (String::new(), None, u64::MAX);
    history.apply(NOW, std::slice::from_ref(&odd)).unwrap();
    let read: Vec<Change> = ask::unfinished(&history.connection)
        .unwrap()
        .into_iter()
        .map(|death| Change::Death(Box::new(death)))
        .collect();
    let Change::Death(inner) = &mut odd else {
        unreachable!()
    };
    inner.at = i64::MAX as u64;
    assert_eq!(read, [odd]);
}

#[test]
fn two_reports_that_were_given_the_same_number_are_both_stored_and_neither_is_taken_for_sent() {
    let place = Place::new();
    let mut history = place.open().history;
    history
        .apply(NOW, &[death(1, Fate::Reported), report(1)])
        .unwrap();
    let mut late = report(2);
    let Change::Report(inner) = &mut late else {
        unreachable!()
    };
    inner.seq = 3;
    history
        .apply(NOW, &[death(2, Fate::Reported), late.clone(), sent(3)])
        .unwrap();
    // As after an answer that was lost.
    history.apply(NOW, &[late, refused(3)]).unwrap();
    let waiting = history.waiting("fs-nfs2", 0, 9).unwrap();
    let names: Vec<_> = waiting
        .iter()
        .map(|report| (report.seq, report.death.clone()))
        .collect();
    assert_eq!(names, [(3, key(1)), (4, key(2))]);
    assert_eq!(waiting[1].payload, payload(2));
    drop(history);
    let mut history = place.open().history;
    history.apply(NOW, &[sent(3), sent(4)]).unwrap();
    assert_eq!(history.tallies().unwrap().sent, 2);
}

#[test]
fn what_the_tables_do_not_take_is_left_out_of_its_batch_and_told_once() {
    let place = Place::new();
    let mut history = place.open().history;
    let mut never = report(1);
    let Change::Report(inner) = &mut never else {
        unreachable!()
    };
    inner.seq = 0;
    history
        .apply(
            NOW,
            &[
                death(1, Fate::Reported),
                never,
                death(2, Fate::Reported),
                report(2),
            ],
        )
        .unwrap();
    assert_eq!(
        history.tallies().unwrap(),
        Tallies {
            deaths: 2,
            waiting: 1,
            ..Tallies::default()
        }
    );
    let refused = history.take_refused().unwrap();
    assert!(
        refused.changes == 1 && refused.why.contains("seq BETWEEN"),
        "{refused:?}"
    );
    assert_eq!(history.take_refused(), None);
}
