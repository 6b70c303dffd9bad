//! Tests: the history keeps within its bounds.

use super::*;

const SMALL: Bounds = Bounds {
    max_use: 1 << 20,
    ..BOUNDS
};

/// Returns the bytes of all files in the history's directory.
fn on_disk(place: &Place) -> u64 {
    fs::read_dir(place.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

/// A death that is done.
fn done(number: u64) -> [Change; 3] {
    [
        death(number, Fate::Reported),
        report(number),
        sent(2 * number + 1),
    ]
}

/// A death whose report waits.
fn waits(number: u64) -> [Change; 2] {
    [death(number, Fate::Reported), report(number)]
}

/// The same of this unit.
fn waits_of(number: u64, unit: &str) -> [Change; 2] {
    let mut changes = waits(number);
    let [Change::Death(death), Change::Report(report)] = &mut changes else {
        unreachable!()
    };
    death.key.unit = unit.into();
    report.death = death.key.clone();
    changes
}

fn large(number: u64, bytes: usize) -> [Change; 1] {
    let mut large = death(number, Fate::Silent);
    let Change::Death(inner) = &mut large else {
        unreachable!()
    };
    inner.backtrace = Some("x".repeat(bytes));
    [large]
}

#[test]
fn ten_thousand_deaths_with_reports_and_recoveries_fit_into_16_mib() {
    let place = Place::new();
    let mut history = place.open().history;
    for hundred in 0..100 {
        let numbers = hundred * 100..(hundred + 1) * 100;
        let batch: Vec<Change> = numbers
            .flat_map(|n| {
                [
                    death(n, Fate::Reported),
                    report(n),
                    recovery(n),
                    recovery_report(n),
                ]
            })
            .collect();
        assert_eq!(history.apply(NOW, &batch).unwrap(), Dropped::default());
        assert!(on_disk(&place) <= BOUNDS.max_use);
    }
    let tallies = history.tallies().unwrap();
    assert_eq!(
        (tallies.deaths, tallies.waiting, tallies.recoveries),
        (10_000, 20_000, 10_000)
    );
    assert_eq!(history.unsent().unwrap(), 20_000);
    drop(history);
    println!(
        "payload {} bytes, record {} bytes",
        payload(1).len(),
        record(1).len()
    );
    println!("all waiting: {} bytes", on_disk(&place));
    let mut history = place.open().history;
    for hundred in 0..200 {
        let batch: Vec<Change> = (hundred * 100 + 1..=(hundred + 1) * 100)
            .map(sent)
            .collect();
        history.apply(NOW, &batch).unwrap();
    }
    let free = count(
        &history,
        "SELECT freelist_count * 4096 FROM pragma_freelist_count",
    );
    println!("all sent: {free} bytes free");
    assert!(free > 5 << 19, "{free}");
}

#[test]
fn the_oldest_that_is_done_goes_first_and_then_the_oldest() {
    let place = Place::new();
    let mut history = History::open(&place.path(), SMALL, NOW).unwrap().history;
    let mut all = Dropped::default();
    // 500 deaths that wait, then more and more that are done: of those the oldest are dropped.
    history
        .apply(NOW, &(0..500).flat_map(waits).collect::<Vec<_>>())
        .unwrap();
    for number in (500..3000).step_by(4) {
        let dropped = history
            .apply(
                NOW,
                &(number..number + 4).flat_map(done).collect::<Vec<_>>(),
            )
            .unwrap();
        (all.sent, all.unsent) = (all.sent + dropped.sent, all.unsent + dropped.unsent);
        assert!(
            on_disk(&place) <= SMALL.max_use,
            "{} bytes after {number}",
            on_disk(&place)
        );
    }
    let tallies = history.tallies().unwrap();
    assert_eq!((all.unsent, tallies.waiting), (0, 500));
    assert_eq!(
        (tallies.dropped_sent, tallies.dropped_unsent),
        (all.sent, 0)
    );
    assert_eq!(tallies.deaths + all.sent, 3000);
    assert!(tallies.deaths > 1000, "{tallies:?}");
    let left = count(&history, "SELECT min(at) FROM deaths WHERE done = 1");
    assert_eq!(left, i64::try_from(NOW + 500 + all.sent).unwrap());
    // No death is done any more: the oldest waiting one is dropped.
    for number in (3000..6000).step_by(4) {
        history
            .apply(
                NOW,
                &(number..number + 4).flat_map(waits).collect::<Vec<_>>(),
            )
            .unwrap();
        assert!(
            on_disk(&place) <= SMALL.max_use,
            "{} bytes after {number}",
            on_disk(&place)
        );
    }
    let tallies = history.tallies().unwrap();
    assert_eq!(tallies.sent, 0);
    assert!(tallies.dropped_unsent > 500, "{tallies:?}");
    assert_eq!(
        tallies.deaths + tallies.dropped_sent + tallies.dropped_unsent,
        6000
    );
    let waiting = history.waiting("fs-nfs2", 0, 10_000).unwrap();
    assert_eq!(waiting.last().map(|report| report.seq), Some(2 * 5999 + 1));
    assert_eq!(waiting.len() as u64, tallies.waiting);
    drop(history);
    let tallies_again = place.open().history.tallies().unwrap();
    assert_eq!(tallies_again, tallies, "counted in the file");
}

#[test]
fn a_unit_that_dies_again_and_again_does_not_cost_another_its_report() {
    let place = Place::new();
    let mut history = History::open(&place.path(), SMALL, NOW).unwrap().history;
    let quiet = (0..4).flat_map(|number| waits_of(number, "quiet.service"));
    history.apply(NOW, &quiet.collect::<Vec<_>>()).unwrap();
    // All instances of a template count as one unit.
    let loud = |number| waits_of(number, &format!("loud@{number}.service"));
    for number in (4..6000).step_by(4) {
        let batch: Vec<_> = (number..number + 4).flat_map(loud).collect();
        history.apply(NOW, &batch).unwrap();
    }
    assert!(history.tallies().unwrap().dropped_unsent > 500);
    let left = count(
        &history,
        "SELECT count(*) FROM deaths WHERE unit = 'quiet.service'",
    );
    assert_eq!(left, 4);
}

#[test]
fn what_was_dropped_is_not_taken_for_new() {
    let place = Place::new();
    let mut history = History::open(&place.path(), SMALL, NOW).unwrap().history;
    for number in (0..4000).step_by(10) {
        history
            .apply(
                NOW,
                &(number..number + 10).flat_map(done).collect::<Vec<_>>(),
            )
            .unwrap();
    }
    let dropped = history.tallies().unwrap().dropped_sent;
    assert!(dropped > 500);
    assert_eq!(
        history
            .known()
            .unknown_deaths(keys(dropped - 200..dropped + 5))
            .unwrap(),
        []
    );
    assert_eq!(
        history
            .known()
            .unknown_recoveries(keys(dropped - 200..dropped))
            .unwrap(),
        []
    );
    assert_eq!(
        history.known().unknown_deaths(keys([4001])).unwrap(),
        keys([4001])
    );
    assert!(count(&history, "SELECT count(*) FROM dropped") <= 256);
}

#[test]
fn one_death_larger_than_the_bound_goes_and_nothing_hangs() {
    let place = Place::new();
    let mut history = History::open(&place.path(), SMALL, NOW).unwrap().history;
    history.apply(NOW, &done(1)).unwrap();
    let dropped = history.apply(NOW, &large(2, 5 << 20)).unwrap();
    assert_eq!(dropped, Dropped { sent: 2, unsent: 0 });
    history.apply(NOW, &done(3)).unwrap();
    assert_eq!(history.tallies().unwrap().deaths, 1);
    assert!(on_disk(&place) <= SMALL.max_use, "{}", on_disk(&place));
}

#[test]
fn a_bound_made_smaller_shrinks_the_file() {
    let place = Place::new();
    let mut history = place.open().history;
    let batch: Vec<Change> = (0..10_000).flat_map(waits).collect();
    history.apply(NOW, &batch).unwrap();
    history.apply(NOW, &[]).unwrap();
    let before = on_disk(&place);
    history.rebound(SMALL);
    let dropped = history.apply(NOW, &[]).unwrap();
    let after = on_disk(&place);
    println!("{before} bytes, then {after}");
    assert!(
        before > 5 << 20 && after <= SMALL.max_use,
        "{before} {after}"
    );
    assert_eq!(dropped.unsent + history.tallies().unwrap().deaths, 10_000);
    assert!(history.tallies().unwrap().deaths > 500);
}

#[test]
fn the_smallest_bound_still_holds_something() {
    let place = Place::new();
    let least = Bounds {
        max_use: 0,
        ..BOUNDS
    };
    let mut history = History::open(&place.path(), least, NOW).unwrap().history;
    for number in 0..1000 {
        history.apply(NOW, &done(number)).unwrap();
        assert!(
            on_disk(&place) <= 256 * 1024,
            "{} bytes after {number}",
            on_disk(&place)
        );
    }
    assert!(history.tallies().unwrap().deaths > 0);
}

#[test]
fn age_takes_only_what_is_done_and_is_not_counted() {
    let place = Place::new();
    let mut history = place.open().history;
    let day = 24 * 3600 * 1000;
    let batch: Vec<Change> = done(1)
        .into_iter()
        .chain(waits(2))
        .chain([death(3, Fate::Held)])
        .collect();
    history.apply(NOW + 29 * day, &batch).unwrap();
    assert_eq!(history.tallies().unwrap().deaths, 3);
    assert_eq!(
        history.apply(NOW + 31 * day, &[]).unwrap(),
        Dropped::default()
    );
    assert_eq!(
        history.tallies().unwrap(),
        Tallies {
            deaths: 2,
            waiting: 1,
            ..Tallies::default()
        }
    );
    assert_eq!(history.known().unknown_deaths(keys([1, 2])).unwrap(), []);
}

#[test]
fn a_host_without_a_clock_loses_nothing_it_has_not_reported() {
    let place = Place::new();
    let mut history = place.open().history;
    history.apply(NOW, &done(1)).unwrap();
    // It boots in 1970, a service dies, and then the clock is set.
    let mut early = waits(2);
    let Change::Death(inner) = &mut early[0] else {
        unreachable!()
    };
    inner.at = 60_000;
    history.apply(60_000, &early).unwrap();
    assert_eq!(history.tallies().unwrap().deaths, 2);
    history.apply(NOW, &[]).unwrap();
    assert_eq!(history.waiting("fs-nfs2", 0, 9).unwrap().len(), 1);
}

#[test]
fn a_burst_of_backtraces_in_one_batch_stays_within_the_bound() {
    let place = Place::new();
    let mut history = History::open(&place.path(), SMALL, NOW).unwrap().history;
    for batch in 0..50 {
        let deaths: Vec<Change> = (batch * 20..batch * 20 + 20)
            .flat_map(|n| large(n, 4000))
            .collect();
        history.apply(NOW, &deaths).unwrap();
        assert!(
            on_disk(&place) <= SMALL.max_use,
            "{} bytes after {batch}",
            on_disk(&place)
        );
    }
}

#[test]
fn a_reader_without_end_does_not_let_the_log_grow_without_end() {
    let place = Place::new();
    let mut history = History::open(&place.path(), SMALL, NOW).unwrap().history;
    history.apply(NOW, &done(0)).unwrap();
    let reader = Connection::open(place.path()).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM deaths")
        .unwrap();
    let mut numbers = 1..10_000;
    let error = numbers
        .find_map(|number| history.apply(NOW, &done(number)).err())
        .unwrap();
    assert!(
        matches!(error, HistoryError::Full(Cause::Reader)),
        "{error:?}"
    );
    assert!(on_disk(&place) <= 2 * SMALL.max_use, "{}", on_disk(&place));
    let stored = history.tallies().unwrap().deaths;
    assert!(stored > 5, "{stored}");
    reader.execute_batch("END").unwrap();
    history.apply(NOW, &done(20_000)).unwrap();
    assert_eq!(history.tallies().unwrap().deaths, stored + 1);
    assert!(on_disk(&place) <= SMALL.max_use, "{}", on_disk(&place));
}

#[test]
fn how_many_reports_wait_is_known_without_reading_the_others() {
    let history = Place::new().open().history;
    let plan = "EXPLAIN QUERY PLAN SELECT count(*) FROM reports WHERE state = 0";
    let plan: String = history
        .connection
        .query_row(plan, [], |row| row.get(3))
        .unwrap();
    assert!(plan.contains("reports_waiting"), "{plan}");
}

#[test]
fn what_was_stamped_before_the_clock_was_right_does_not_go_at_once() {
    let place = Place::new();
    let mut history = place.open().history;
    let stamped = |number: u64, at: u64| {
        let mut all = done(number);
        let Change::Death(inner) = &mut all[0] else {
            unreachable!()
        };
        inner.at = at;
        all
    };
    history.apply(70_000, &stamped(1, 60_000)).unwrap();
    history.apply(NOW, &done(2)).unwrap();
    assert_eq!(
        history.tallies().unwrap().deaths,
        2,
        "the clock is right now"
    );
    let later = NOW + u64::try_from(BOUNDS.max_age.as_millis()).unwrap() + 10;
    history.apply(later, &stamped(3, later)).unwrap();
    assert_eq!(
        history.tallies().unwrap().deaths,
        1,
        "what came after it is too old"
    );
}
