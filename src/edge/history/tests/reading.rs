//! Tests of reading the history with and without the daemon.

use super::*;
use crate::core::crash::backtrace::Addresses;
use crate::edge::history::read::{Reader, Told, Wanted, Whose};

fn reader(place: &Place) -> Reader {
    Reader::open(&place.path()).unwrap().expect("a history")
}

fn numbers(told: &[Told]) -> Vec<u64> {
    told.iter().map(|told| told.death.at - NOW).collect()
}

fn all(reader: &Reader) -> Vec<u64> {
    numbers(&reader.deaths(&Wanted::default()).unwrap())
}

fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.directory.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn where_nothing_was_written_there_is_no_history() {
    let place = Place::new();
    assert!(Reader::open(&place.path()).unwrap().is_none());
    fs::write(place.path(), "").unwrap();
    assert!(Reader::open(&place.path()).unwrap().is_none());
    assert_eq!(names(&place), ["reports.db"]);
}

#[test]
fn a_reader_sees_what_is_written_and_notices_it() {
    let place = Place::new();
    let mut history = place.open().history;
    history.apply(NOW, &[death(1, Fate::Silent)]).unwrap();
    let mut reader = reader(&place);
    assert_eq!(all(&reader), [1]);
    let seen = reader.version().unwrap();
    assert_eq!(reader.version().unwrap(), seen);
    for number in 2..200 {
        history.apply(NOW, &[death(number, Fate::Silent)]).unwrap();
    }
    assert_ne!(reader.version().unwrap(), seen);
    assert_eq!(all(&reader), (1..200).collect::<Vec<_>>());
    assert_eq!(reader.tallies().unwrap(), history.tallies().unwrap());
}

#[test]
fn a_reader_leaves_no_trace_beside_a_history_that_nobody_writes() {
    let place = Place::new();
    let mut history = place.open().history;
    history.apply(NOW, &[death(1, Fate::Silent)]).unwrap();
    drop(history);
    assert_eq!(names(&place), ["reports.db"]);
    let mut reader = reader(&place);
    assert_eq!(all(&reader), [1]);
    let seen = reader.version().unwrap();
    assert_eq!(names(&place), ["reports.db"]);
    // The daemon begins.
    let mut history = place.open().history;
    history.apply(NOW, &[death(2, Fate::Silent)]).unwrap();
    assert_ne!(reader.version().unwrap(), seen);
    assert_eq!(all(&reader), [1, 2]);
}

#[test]
fn what_lies_in_the_log_alone_is_read() {
    let place = Place::new();
    let mut history = place.open().history;
    history.apply(NOW, &[death(1, Fate::Silent)]).unwrap();
    history.apply(NOW, &[death(2, Fate::Silent)]).unwrap();
    // As after a power cut.
    let left = Place::new();
    fs::copy(place.path(), left.path()).unwrap();
    fs::copy(room::log_of(&place.path()), room::log_of(&left.path())).unwrap();
    assert_eq!(all(&reader(&left)), [1, 2]);
}

#[test]
fn a_history_that_was_replaced_is_noticed() {
    let place = Place::new();
    let mut history = place.open().history;
    history.apply(NOW, &[death(1, Fate::Silent)]).unwrap();
    let mut reader = reader(&place);
    let seen = reader.version().unwrap();
    schema::keep_as_is(&history.connection);
    drop(history);
    fs::write(place.directory.path().join("garbage"), "garbage").unwrap();
    fs::rename(place.directory.path().join("garbage"), place.path()).unwrap();
    let mut opened = place.open();
    assert!(opened.set_aside.is_some());
    opened
        .history
        .apply(NOW, &[death(5, Fate::Silent)])
        .unwrap();
    assert_ne!(reader.version().unwrap(), seen);
    // The first was saved out of the log.
    assert_eq!(all(&reader), [1, 5]);
}

#[test]
fn what_is_wanted_is_found() {
    let place = Place::new();
    let mut other = death(3, Fate::Silent);
    let Change::Death(inner) = &mut other else {
        unreachable!()
    };
    inner.name = "other".into();
    // Stored late, died early.
    place
        .open()
        .history
        .apply(
            NOW,
            &[
                death(2, Fate::Silent),
                other,
                death(1, Fate::Reported),
                report(1),
            ],
        )
        .unwrap();
    let reader = reader(&place);
    let wanted = |wanted: Wanted| numbers(&reader.deaths(&wanted).unwrap());
    assert_eq!(wanted(Wanted::default()), [1, 2, 3]);
    assert_eq!(
        wanted(Wanted {
            after: 2,
            ..Wanted::default()
        }),
        [1]
    );
    assert_eq!(
        wanted(Wanted {
            since: NOW + 2,
            ..Wanted::default()
        }),
        [2, 3]
    );
    assert_eq!(
        wanted(Wanted {
            name: Some("other".into()),
            ..Wanted::default()
        }),
        [3]
    );
    let invocation = key(2).invocation.as_str().to_owned();
    let find = |id: &str| numbers(&reader.find(id).unwrap());
    assert_eq!(find(&invocation), [2]);
    assert_eq!(find(&invocation[..6]), [2]);
    assert_eq!(find(&invocation[..6].to_uppercase()), [2]);
    assert_eq!(find(&format!("{:032x}", 3)), [1]);
    assert_eq!(find("*"), [0; 0]);
    assert_eq!(find("reports"), [0; 0]);
}

#[test]
fn courses_are_found_by_name_unit_and_stack() {
    let place = Place::new();
    let mut history = place.open().history;
    let restart = StoredRestart {
        death: key(2),
        stack: "os".into(),
        caller: "f".into(),
        ended: None,
        cause: None,
    };
    let changes = [
        death(1, Fate::Silent),
        recovery(1),
        death(2, Fate::Silent),
        Change::Restart(Box::new(restart)),
    ];
    history.apply(NOW, &[death(0, Fate::Silent)]).unwrap();
    history.apply(NOW, &changes).unwrap();
    drop(history);
    let reader = reader(&place);
    let check = |name: &str, unit: &str, expect: &[u64]| {
        let whose = Whose {
            name: name.into(),
            unit: unit.into(),
        };
        assert_eq!(
            numbers(&reader.courses(0, Some(&whose)).unwrap()),
            expect,
            "{name} {unit}"
        );
        let latest = reader.latest_course(Some(&whose)).unwrap();
        assert_eq!(
            latest.map(|told| told.death.at - NOW).as_ref(),
            expect.last(),
            "{name} {unit}"
        );
    };
    check("os", "os.target", &[2]);
    check("fs-nfs2", "x.service", &[1, 2]);
    check("adopting", "fs-nfs2.service", &[1, 2]);
    check("other", "other.service", &[]);
    assert_eq!(
        numbers(&reader.courses(0, None).unwrap()),
        [1, 2],
        "a death that nothing recovered from is none"
    );
    assert_eq!(numbers(&reader.courses(NOW + 2, None).unwrap()), [2]);
}

#[test]
fn a_newer_or_damaged_history_is_told_and_left_alone() {
    let place = Place::new();
    let history = place.open().history;
    history
        .connection
        .pragma_update(None, "user_version", 4)
        .unwrap();
    drop(history);
    let error = Reader::open(&place.path()).unwrap_err();
    assert!(
        matches!(error, HistoryError::Other(Cause::Newer { found: 4, .. })),
        "{error:?}"
    );
    let garbage = [7; 9000];
    fs::write(place.path(), garbage).unwrap();
    let error = Reader::open(&place.path()).unwrap_err();
    assert!(matches!(error, HistoryError::Damaged(_)), "{error:?}");
    assert_eq!(fs::read(place.path()).unwrap(), garbage);
}

#[test]
fn full_restarts_are_read_with_what_led_to_them_and_how_they_went() {
    let place = Place::new();
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch(include_str!("../fixtures/version-1.sql"))
        .unwrap();
    let old = reader(&place).deaths(&Wanted::default()).unwrap();
    assert!(
        old.len() == 8
            && old
                .iter()
                .all(|told| told.restart.is_none() && told.led_to.is_none())
    );
    db.execute_batch(include_str!("../fixtures/version-2.sql"))
        .unwrap();
    drop(db);
    let told = reader(&place).deaths(&Wanted::default()).unwrap();
    assert_eq!(told[0].led_to, Some(key(3).invocation));
    let [begun, over] =
        [3, 6].map(|place: usize| told[place].restart.clone().expect("a full restart"));
    assert_eq!(
        (begun.restart.cause.map(|cause| cause.invocation), begun.end),
        (Some(key(0).invocation), None)
    );
    let end = over.end.expect("it is over");
    assert_eq!(
        (end.outcome, end.trouble.as_str()),
        (RestartOutcome::Failed, "cm.service did not come back")
    );
    assert_eq!(told.iter().filter(|told| told.restart.is_some()).count(), 2);
}

/// A full restart, death 2, that death 1 has caused.
fn restart(caller: &str) -> Change {
    let cause = Some(crate::core::full_restart::request::Cause {
        unit: "fs-nfs2.service".into(),
        invocation: key(1).invocation,
    });
    Change::Restart(Box::new(StoredRestart {
        death: key(2),
        stack: "os".into(),
        caller: caller.into(),
        ended: Some(key(5).invocation),
        cause,
    }))
}

/// The end of that restart.
fn over(at: u64) -> Change {
    let end = StoredRestartEnd {
        at,
        outcome: RestartOutcome::Restarted,
        trouble: String::new(),
    };
    Change::RestartOver { death: key(2), end }
}

#[test]
fn a_full_restart_is_stored_once_and_its_end_too() {
    let place = Place::new();
    let mut history = place.open().history;
    assert_eq!(
        history.known().restart_known(&key(2)).unwrap(),
        RestartKnown::No
    );
    history
        .apply(
            NOW,
            &[
                restart("nobody yet"),
                death(1, Fate::Silent),
                death(2, Fate::Silent),
            ],
        )
        .unwrap();
    for (change, known) in [
        (restart("f"), RestartKnown::Begun),
        (restart("g"), RestartKnown::Begun),
        (over(7), RestartKnown::Over),
        (over(9), RestartKnown::Over),
    ] {
        history.apply(NOW, &[change]).unwrap();
        assert_eq!(history.known().restart_known(&key(2)).unwrap(), known);
    }
    assert_eq!(
        history
            .known()
            .unknown_restarts(vec![key(5), key(6)])
            .unwrap(),
        [key(6)],
        "by the run that ended"
    );
    let told = reader(&place).deaths(&Wanted::default()).unwrap();
    let restart = told[1].restart.as_ref().unwrap();
    assert_eq!(
        (
            restart.restart.caller.as_str(),
            restart.end.as_ref().map(|end| end.at)
        ),
        ("f", Some(7))
    );
    assert_eq!(told[0].led_to, Some(key(2).invocation));
}

#[test]
fn a_history_that_is_gone_is_another_version_each_time() {
    let place = Place::new();
    let mut history = place.open().history;
    history.apply(NOW, &[death(1, Fate::Silent)]).unwrap();
    drop(history);
    let mut reader = reader(&place);
    fs::remove_file(place.path()).unwrap();
    let seen = [0; 3].map(|_| reader.version().unwrap());
    assert_eq!(std::collections::BTreeSet::from(seen).len(), 3, "{seen:?}");
}

#[test]
fn a_copy_that_cannot_be_opened_is_not_left_behind() {
    let place = Place::new();
    let garbage = "garbage of a history that is copied".repeat(99);
    fs::write(place.path(), &garbage).unwrap();
    fs::write(room::log_of(&place.path()), "garbage").unwrap();
    assert!(Reader::open(&place.path()).is_err());
    let left = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let mut copies = left.map(|entry| entry.path().join("reports.db"));
    assert!(!copies.any(|copy| fs::read_to_string(copy).is_ok_and(|text| text == garbage)));
}

#[test]
fn a_reader_that_masks_addresses_masks_them_in_whatever_it_tells() {
    let place = Place::new();
    let mut history = place.open().history;
    let Change::Death(mut stored) = death(1, Fate::Silent) else {
        panic!("a death")
    };
    stored.backtrace = Some("0 > 0x55d7cffb3f37: main 0x34 /usr/bin/prog\n".to_owned());
    history
        .apply(NOW, &[Change::Death(stored.clone())])
        .unwrap();
    for (addresses, expect) in [
        (
            Addresses::Shown,
            "0 > 0x55d7cffb3f37: main 0x34 /usr/bin/prog\n",
        ),
        (Addresses::Masked, "0 > 0x0: main 0x34 /usr/bin/prog\n"),
    ] {
        let mut reader = reader(&place).telling(addresses);
        let _ = reader.version().unwrap();
        let told = [
            reader.deaths(&Wanted::default()).unwrap(),
            reader.find(stored.key.invocation.as_str()).unwrap(),
            reader.last_deaths(&stored.name, 3).unwrap(),
        ];
        for told in told {
            assert_eq!(told[0].death.backtrace.as_deref(), Some(expect));
        }
    }
}
