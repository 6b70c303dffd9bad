//! Tests with files of older and newer versions.

use super::*;

/// Makes a file from the SQL in `fixtures/`.
fn made_by(sql: &str) -> Place {
    let place = Place::new();
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch(sql).unwrap();
    place
}

/// The tallies of the file of version 1.
const OF_VERSION_1: Tallies = Tallies {
    deaths: 8,
    waiting: 2,
    sent: 2,
    refused: 1,
    recoveries: 2,
    dropped_sent: 40,
    dropped_unsent: 2,
};

#[test]
fn a_history_of_version_1_is_read_whole() {
    let place = made_by(include_str!("../fixtures/version-1.sql"));
    let opened = place.open();
    assert_eq!(
        (opened.next_seq, opened.cursor.as_deref(), opened.set_aside),
        (7, Some("s=4b;i=2a"), None)
    );
    assert_eq!(opened.lanes, ["fs-nfs2"]);
    let unfinished: Vec<Change> = opened
        .unfinished
        .into_iter()
        .map(|death| Change::Death(Box::new(death)))
        .collect();
    assert_eq!(unfinished, [death(3, Fate::Open), death(4, Fate::Held)]);
    let mut history = opened.history;
    assert_eq!(
        stored(history.waiting("fs-nfs2", 0, 10).unwrap()),
        [recovery_report(0), report(1)]
    );
    assert_eq!(history.tallies().unwrap(), OF_VERSION_1);
    let other = Key {
        unit: "other.service".into(),
        ..key(7)
    };
    assert_eq!(
        history
            .known()
            .unknown_deaths(vec![other, key(6), key(9)])
            .unwrap(),
        keys([9])
    );
    assert_eq!(
        history.known().unknown_recoveries(keys([0, 1, 2])).unwrap(),
        keys([1])
    );
    history
        .apply(
            NOW,
            &[
                sent(2),
                sent(3),
                decided(3, Fate::Local),
                death(9, Fate::Silent),
            ],
        )
        .unwrap();
    assert_eq!(
        history.tallies().unwrap(),
        Tallies {
            deaths: 9,
            waiting: 0,
            sent: 4,
            ..OF_VERSION_1
        }
    );
    assert_eq!(
        count(&history, "PRAGMA user_version"),
        schema::LATEST as i64
    );
}

#[test]
fn a_history_of_version_2_is_read_whole() {
    let place = made_by(concat!(
        include_str!("../fixtures/version-1.sql"),
        include_str!("../fixtures/version-2.sql")
    ));
    let opened = place.open();
    let known = |number| opened.history.known().restart_known(&key(number)).unwrap();
    assert_eq!(
        [3, 6, 7].map(known),
        [RestartKnown::Begun, RestartKnown::Over, RestartKnown::No]
    );
    assert_eq!(
        count(&opened.history, "PRAGMA user_version"),
        schema::LATEST as i64
    );
}

#[test]
fn a_history_of_version_3_is_read_whole() {
    let place = made_by(concat!(
        include_str!("../fixtures/version-1.sql"),
        include_str!("../fixtures/version-2.sql"),
        include_str!("../fixtures/version-3.sql")
    ));
    let courses = |place: &Place| -> Vec<Option<String>> {
        let reader = read::Reader::open(&place.path()).unwrap().unwrap();
        let found = reader.deaths(&read::Wanted::default()).unwrap();
        found
            .into_iter()
            .filter_map(|told| told.recovery)
            .map(|recovery| recovery.course)
            .collect()
    };
    let expect = [
        None,
        Some(
            r#"{"first":[{"begun":1738838544000,"steps":[1738838544100],"main":1738838544149,"up":1738838548277}]}"#
                .to_owned(),
        ),
    ];
    assert_eq!(courses(&place), expect);
    drop(place.open());
    assert_eq!(courses(&place), expect);
}

#[test]
fn a_reader_does_without_the_times_that_version_2_did_not_keep() {
    let place = made_by(concat!(
        include_str!("../fixtures/version-1.sql"),
        include_str!("../fixtures/version-2.sql")
    ));
    let reader = read::Reader::open(&place.path()).unwrap().unwrap();
    let found = reader.deaths(&read::Wanted::default()).unwrap();
    let recoveries: Vec<_> = found.into_iter().filter_map(|told| told.recovery).collect();
    assert!(
        recoveries.len() == 2 && recoveries.iter().all(|recovery| recovery.course.is_none()),
        "{recoveries:?}"
    );
}

#[test]
fn the_steps_from_version_to_version_are_sound() {
    schema::MIGRATIONS.validate().unwrap();
}

#[test]
fn a_history_of_a_newer_version_is_left_as_it_is() {
    let place = Place::new();
    let mut history = place.open().history;
    history.apply(NOW, &[death(1, Fate::Silent)]).unwrap();
    history
        .connection
        .pragma_update(None, "user_version", 4)
        .unwrap();
    // With a log beside it, as after a power cut.
    let files = || {
        ["", "-wal"].map(|suffix| fs::read(format!("{}{suffix}", place.path().display())).unwrap())
    };
    schema::keep_as_is(&history.connection);
    drop(history);
    let before = files();
    let error = History::open(&place.path(), BOUNDS, NOW).unwrap_err();
    let HistoryError::Other(why) = error else {
        panic!("{error:?}")
    };
    let expect = format!(
        "{} was written by a newer version (schema 4, this one knows 3); it is left as it is",
        place.path().display()
    );
    assert_eq!(why.to_string(), expect);
    assert_eq!(files(), before);
}

#[test]
fn a_file_that_may_not_be_made_is_told() {
    let place = Place::new();
    let missing = place.directory.path().join("missing/reports.db");
    let error = History::open(&missing, BOUNDS, NOW).unwrap_err();
    assert!(
        matches!(error, HistoryError::Other(Cause::File { .. })),
        "{error:?}"
    );
}
