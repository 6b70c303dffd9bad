//! Tests of the history on a full disk and in a damaged file.

mod log;

use super::*;
use std::os::unix::fs::FileExt as _;

/// Generator of pseudo-random numbers, reproducible by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// 300 deaths: a third reported, a third that waits, a third held; recoveries of every second.
fn filled(place: &Place) {
    let mut history = place.open().history;
    for number in 0..100 {
        let [a, b, c] = [3 * number, 3 * number + 1, 3 * number + 2];
        let mut batch = vec![
            death(a, Fate::Reported),
            report(a),
            sent(2 * a + 1),
            death(b, Fate::Reported),
            report(b),
        ];
        batch.extend([death(c, Fate::Held), recovery(b), recovery_report(b)]);
        history.apply(NOW, &batch).unwrap();
    }
    history.apply(NOW, &[Change::Cursor("s=1".into())]).unwrap();
}

fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.directory.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Opens a damaged history and checks that it works.
fn usable(place: &Place, what: &str) -> Opened {
    // Without a limit of age: a death with a damaged time may seem very old.
    let bounds = Bounds {
        max_age: Duration::MAX,
        ..BOUNDS
    };
    let mut opened = History::open(&place.path(), bounds, NOW)
        .unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let before = opened.history.tallies().unwrap();
    opened.history.waiting("fs-nfs2", 0, 1000).unwrap();
    let next = 10_000;
    assert!(opened.next_seq <= next, "{what}");
    opened
        .history
        .apply(
            NOW,
            &[
                death(next, Fate::Reported),
                report(next),
                sent(2 * next + 1),
            ],
        )
        .unwrap();
    assert_eq!(
        opened.history.tallies().unwrap().deaths,
        before.deaths + 1,
        "{what}"
    );
    opened
}

#[test]
fn a_full_disk_stores_nothing_of_a_batch_and_the_same_batch_works_later() {
    let place = Place::new();
    let mut history = place.open().history;
    history.apply(NOW, &[death(1, Fate::Silent)]).unwrap();
    let pages = count(&history, "SELECT page_count FROM pragma_page_count");
    history
        .connection
        .pragma_update_and_check(None, "max_page_count", pages + 5, |_| Ok(()))
        .unwrap();
    let batch: Vec<Change> = (2..202)
        .flat_map(|n| [death(n, Fate::Reported), report(n)])
        .collect();
    let before = history.tallies().unwrap();
    for _ in 0..3 {
        let error = history.apply(NOW, &batch).unwrap_err();
        assert!(matches!(error, HistoryError::Full(_)), "{error:?}");
        assert_eq!(history.tallies().unwrap(), before);
    }
    history.apply(NOW, &[death(300, Fate::Silent)]).unwrap();
    history
        .connection
        .pragma_update_and_check(None, "max_page_count", 1 << 20, |_| Ok(()))
        .unwrap();
    history.apply(NOW, &batch).unwrap();
    assert_eq!(
        history.tallies().unwrap(),
        Tallies {
            deaths: 202,
            waiting: 200,
            ..Tallies::default()
        }
    );
}

#[test]
fn what_is_no_database_is_set_aside() {
    let place = Place::new();
    for (turn, garbage) in [&b"not a database at all"[..], &[0; 8192], &[0xff; 100_000]]
        .into_iter()
        .enumerate()
    {
        fs::write(place.path(), garbage).unwrap();
        let now = NOW + turn as u64;
        let opened = History::open(&place.path(), BOUNDS, now).unwrap();
        let set_aside = opened.set_aside.unwrap();
        assert_eq!(
            set_aside.to,
            place
                .directory
                .path()
                .join(format!("reports.db.damaged-{now}"))
        );
        assert_eq!(
            (set_aside.salvaged, opened.next_seq, opened.cursor),
            (0, 1, None)
        );
        assert_eq!(fs::read(&set_aside.to).unwrap(), garbage);
        drop(opened.history);
        // Only the last one is kept.
        assert_eq!(
            names(&place),
            ["reports.db", &format!("reports.db.damaged-{now}")]
        );
        drop(usable(&place, "garbage"));
    }
}

#[test]
fn a_page_overwritten_costs_what_lies_in_it() {
    let place = Place::new();
    filled(&place);
    let sound = fs::read(place.path()).unwrap();
    let pages = sound.len() / 4096;
    let (mut deaths, mut waiting, mut cursors) = (0, 0, 0);
    for page in 1..pages {
        let mut damaged = sound.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xaa);
        fs::write(place.path(), &damaged).unwrap();
        let opened = usable(&place, &format!("page {page}"));
        let tallies = opened.history.tallies().unwrap();
        if let Some(set_aside) = &opened.set_aside {
            assert_eq!(set_aside.salvaged + 1, tallies.deaths);
        }
        deaths += tallies.deaths - 1;
        waiting += tallies.waiting;
        cursors += usize::from(opened.cursor.is_some());
        assert_eq!(
            opened.unfinished.len() as i64,
            count(
                &opened.history,
                "SELECT count(*) FROM deaths WHERE fate < 2"
            )
        );
        // The second of each three had a report that waits. The last of all is new.
        let untold =
            "SELECT count(*) FROM deaths d WHERE id % 3 = 2 AND id < (SELECT max(id) FROM deaths) AND fate <> 0
                      AND NOT EXISTS (SELECT 1 FROM reports WHERE death = d.id AND channel = 0 AND state = 0)";
        assert_eq!(
            count(&opened.history, untold),
            0,
            "page {page}: what waited waits, or is told anew"
        );
    }
    // With 300 deaths and 200 reports in so few pages, one page is a large part; the root of a
    // table is all of it.
    let turns = pages as u64 - 1;
    println!(
        "{turns} pages; on average {} deaths and {} reports are left",
        deaths / turns,
        waiting / turns
    );
    assert!(
        deaths / turns > 270 && waiting / turns > 180,
        "{} {}",
        deaths / turns,
        waiting / turns
    );
    assert_eq!(cursors, pages - 2);
}

#[test]
fn flipped_bits_never_cost_the_history() {
    let place = Place::new();
    filled(&place);
    let sound = fs::read(place.path()).unwrap();
    let (mut set_aside, mut salvaged) = (0, Vec::new());
    for seed in 0..100 {
        let mut random = Random(seed);
        let mut damaged = sound.clone();
        for _ in 0..=random.below(6) {
            damaged[random.below(sound.len() as u64) as usize] ^= 1 << random.below(8);
        }
        fs::write(place.path(), &damaged).unwrap();
        let opened = usable(&place, &format!("seed {seed}"));
        if let Some(found) = &opened.set_aside {
            set_aside += 1;
            salvaged.push(found.salvaged);
        }
        let again = usable_again(opened, &place);
        assert_eq!(again.set_aside, None, "seed {seed}");
    }
    salvaged.sort_unstable();
    println!("{set_aside} of 100 set aside; deaths left: {salvaged:?}");
    // A bit in the list of the tables may cost all rows of one; reports that wait are kept even
    // then.
    assert!(
        set_aside > 20 && salvaged[0] >= 100 && salvaged[1] > 200,
        "{salvaged:?}"
    );
}

fn usable_again(opened: Opened, place: &Place) -> Opened {
    drop(opened);
    place.open()
}

#[test]
fn a_flipped_bit_in_the_header_never_costs_the_history() {
    let place = Place::new();
    filled(&place);
    let sound = fs::read(place.path()).unwrap();
    for byte in 0..100 {
        for bit in [0, 3, 7] {
            let mut damaged = sound.clone();
            damaged[byte] ^= 1 << bit;
            fs::write(place.path(), &damaged).unwrap();
            if i32::from_be_bytes(damaged[60..64].try_into().unwrap()) > schema::LATEST as i32 {
                // As a newer version would write it.
                assert!(History::open(&place.path(), BOUNDS, NOW).is_err());
                assert_eq!(fs::read(place.path()).unwrap(), damaged);
                continue;
            }
            drop(usable(&place, &format!("byte {byte} bit {bit}")));
        }
    }
}

#[test]
fn a_truncated_file_keeps_what_is_left() {
    let place = Place::new();
    filled(&place);
    let sound = fs::read(place.path()).unwrap();
    let mut most = 0;
    for length in (1..sound.len()).step_by(7001) {
        fs::write(place.path(), &sound[..length]).unwrap();
        let opened = usable(&place, &format!("{length} bytes"));
        if sound[length..].iter().all(|byte| *byte == 0) {
            // Bytes that are cut off the end of an empty page are no loss.
            assert_eq!(opened.set_aside, None);
            continue;
        }
        let salvaged = opened
            .set_aside
            .unwrap_or_else(|| panic!("{length} bytes"))
            .salvaged;
        most = most.max(salvaged);
    }
    assert!(most > 200, "{most}");
}

#[test]
fn a_waiting_report_outlives_its_death() {
    let place = Place::new();
    filled(&place);
    let db = Connection::open(place.path()).unwrap();
    db.execute_batch("PRAGMA foreign_keys = off; DELETE FROM deaths WHERE id <= 150")
        .unwrap();
    drop(db);
    let opened = usable(&place, "no deaths");
    let set_aside = opened.set_aside.unwrap();
    assert_eq!(
        (set_aside.salvaged, set_aside.why.as_str()),
        (200, "a row is missing that another refers to")
    );
    let waiting = opened.history.waiting("fs-nfs2", 0, 1000).unwrap();
    let expect: Vec<Change> = (0..100)
        .flat_map(|n| [report(3 * n + 1), recovery_report(3 * n + 1)])
        .collect();
    let keyless = |changes: Vec<Change>| -> Vec<(u64, Vec<u8>)> {
        let reports = changes.into_iter().filter_map(|change| match change {
            Change::Report(report) => Some((report.seq, report.payload)),
            _ => None,
        });
        reports.collect()
    };
    assert_eq!(keyless(stored(waiting)), keyless(expect));
    let made = opened.history.connection.query_row(
        "SELECT name, reason, pid, at FROM deaths ORDER BY id LIMIT 1",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
    );
    let expect = (
        "fs-nfs2".to_owned(),
        "SIG 11 (Segmentation fault)".to_owned(),
        1234,
        NOW as i64 + 1,
    );
    assert_eq!(made, Ok(expect));
}

#[test]
fn damage_while_it_is_open_is_told_and_opening_again_mends_it() {
    let place = Place::new();
    filled(&place);
    let mut old = place.open().history;
    let file = fs::OpenOptions::new()
        .write(true)
        .open(place.path())
        .unwrap();
    let length = file.metadata().unwrap().len();
    for page in 2..length / 4096 {
        file.write_all_at(&[0x55; 4096], page * 4096).unwrap();
    }
    // Nothing is read from memory any more.
    old.connection.release_memory().unwrap();
    let batch: Vec<Change> = (1000..1300)
        .flat_map(|n| [death(n, Fate::Reported), report(n)])
        .collect();
    let error = old.apply(NOW, &batch).unwrap_err();
    assert!(matches!(error, HistoryError::Damaged(_)), "{error:?}");
    let mut new = place.open();
    assert!(new.set_aside.is_some());
    new.history.apply(NOW, &batch).unwrap();
    // The end of the old connection must not remove the log of the new one.
    drop(old);
    let before = new.history.tallies().unwrap();
    drop(new);
    assert_eq!(place.open().history.tallies().unwrap(), before);
    assert_eq!(before.deaths, 300);
}
