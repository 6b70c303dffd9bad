//! Tests of damage to the write-ahead log, and of a power cut during an exchange of files.

use super::*;

#[test]
fn a_log_that_is_garbage_costs_only_what_was_in_it() {
    let place = Place::new();
    filled(&place);
    let before = place.open().history.tallies().unwrap();
    for (turn, garbage) in [&[][..], &[0; 100], &[0xff; 50_000]]
        .into_iter()
        .enumerate()
    {
        fs::write(room::log_of(&place.path()), garbage).unwrap();
        let opened = place.open();
        assert_eq!(
            (opened.set_aside, opened.history.tallies().unwrap()),
            (None, before),
            "turn {turn}"
        );
    }
}

#[test]
fn a_log_without_its_database_is_not_taken_for_the_new_ones() {
    let place = Place::new();
    let mut history = place.open().history;
    history.apply(NOW, &[death(1, Fate::Silent)]).unwrap();
    schema::keep_as_is(&history.connection);
    drop(history);
    fs::remove_file(place.path()).unwrap();
    assert!(fs::metadata(room::log_of(&place.path())).unwrap().len() > 0);
    let opened = usable(&place, "log alone");
    assert_eq!(
        (opened.set_aside, opened.history.tallies().unwrap().deaths),
        (None, 1)
    );
}

#[test]
fn flipped_bits_in_the_log_cost_at_most_the_last_batches() {
    let place = Place::new();
    let mut history = place.open().history;
    for number in 0..15 {
        history
            .apply(NOW, &[death(number, Fate::Reported), report(number)])
            .unwrap();
    }
    let log = fs::read(room::log_of(&place.path())).unwrap();
    let database = fs::read(place.path()).unwrap();
    assert!(log.len() > 15 * 7 * 4096, "{}", log.len());
    for seed in 0..40 {
        // As a power cut would leave them.
        let left = Place::new();
        let mut random = Random(seed);
        let mut damaged = log.clone();
        damaged[random.below(log.len() as u64) as usize] ^= 1 << random.below(8);
        fs::write(left.path(), &database).unwrap();
        fs::write(room::log_of(&left.path()), &damaged).unwrap();
        let opened = usable(&left, &format!("seed {seed}"));
        assert_eq!(opened.set_aside, None, "seed {seed}");
        let reports = opened.history.waiting("fs-nfs2", 0, 100).unwrap();
        let expect: Vec<Change> = (0..reports.len() as u64).map(report).collect();
        assert_eq!(stored(reports), expect, "seed {seed}");
    }
}

#[test]
fn a_power_cut_while_a_damaged_file_is_exchanged_loses_nothing() {
    let place = Place::new();
    filled(&place);
    let whole = place.open().history.tallies().unwrap();
    let sound = fs::read(place.path()).unwrap();
    let beside = |suffix: &str| place.directory.path().join(format!("reports.db{suffix}"));
    // Progress of the exchange: the log moved, then a second name given, then the first removed.
    for steps in 0..4 {
        fs::write(beside(".ready"), &sound).unwrap();
        fs::write(place.path(), [0x55; 8192]).unwrap();
        let log = if steps > 0 {
            beside(".damaged-1-wal")
        } else {
            beside("-wal")
        };
        fs::write(log, [0x55; 100]).unwrap();
        if steps > 1 {
            fs::hard_link(place.path(), beside(".damaged-1")).unwrap();
        }
        if steps > 2 {
            fs::remove_file(place.path()).unwrap();
        }
        let opened = place.open();
        assert_eq!(
            opened.history.tallies().unwrap(),
            whole,
            "after {steps} steps"
        );
        assert_eq!(opened.set_aside.unwrap().salvaged, whole.deaths);
        drop(opened.history);
        assert!(
            !names(&place).iter().any(|name| name.contains("ready")
                || name.starts_with("reports.db.damaged-1-")
                || name == "reports.db.damaged-1"),
            "{steps}"
        );
    }
}
