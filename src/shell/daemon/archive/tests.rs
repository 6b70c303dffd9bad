//! Tests of the archive with a real file, without its thread.

use super::search::Phase;
use super::*;
use crate::core::crash::observation::{InvocationId, ServiceResult};
use crate::core::crash::tracker::{Activity, Evidence};
use crate::core::crash::verdict::Testimony;
use crate::edge::history::entry::{Channel, Fate, Key, Severity, Witness};
use std::sync::Weak;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

fn key(number: u64) -> Key {
    let invocation = InvocationId::parse(&format!("{number:032x}")).unwrap();
    Key {
        boot: "b".repeat(32),
        unit: "x.service".into(),
        invocation,
    }
}

fn death(number: u64) -> Vec<Change> {
    let key = key(number);
    let death = StoredDeath {
        key: key.clone(),
        name: "x".into(),
        severity: Severity::Crash,
        pid: Some(7),
        reason: "EXIT 3".into(),
        at: number,
        backtrace: None,
        witness: Witness::Bus,
        fate: Fate::Reported,
    };
    let report = StoredReport {
        seq: number,
        id: key.invocation.to_string(),
        lane: "x".into(),
        channel: Channel::Crash,
        death: key,
        payload: b"{}".to_vec(),
    };
    vec![
        Change::Death(Box::new(death)),
        Change::Report(Box::new(report)),
    ]
}

const BOUNDS: Bounds = Bounds {
    max_use: 1 << 20,
    max_age: Duration::from_secs(3600),
};

fn keeper(file: PathBuf) -> (Keeper, mpsc::Receiver<Tale>) {
    let (sender, tales) = mpsc::channel(TALES);
    (Keeper::new(file, sender, Search::new(Weak::new())), tales)
}

fn fetched(keeper: &mut Keeper, tales: &mut mpsc::Receiver<Tale>, limit: usize) -> Vec<u64> {
    keeper.answer(Order::Fetch {
        lane: "x".into(),
        after: 0,
        limit,
    });
    loop {
        if let Tale::Fetched { reports, .. } = tales.try_recv().unwrap() {
            return reports.iter().map(|report| report.seq).collect();
        }
    }
}

#[test]
fn what_was_stored_waits_until_it_was_sent_also_in_the_next_life() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("reports.db");
    let (mut first, mut tales) = keeper(file.clone());
    first.answer(Order::Rebound(BOUNDS));
    assert!(matches!(
        tales.try_recv(),
        Ok(Tale::Opened {
            next_seq: Some(1),
            ..
        })
    ));
    first.store([death(1), death(2), death(3)].concat());
    first.store(vec![Change::Sent { seq: 2, at: 9 }]);
    assert_eq!(fetched(&mut first, &mut tales, 16), [1, 3]);
    drop(first);
    let (mut second, mut tales) = keeper(file);
    second.answer(Order::Rebound(BOUNDS));
    let Ok(Tale::Opened {
        next_seq, lanes, ..
    }) = tales.try_recv()
    else {
        panic!("it opens")
    };
    assert_eq!((next_seq, lanes), (Some(4), vec!["x".to_owned()]));
    assert_eq!(fetched(&mut second, &mut tales, 1), [1]);
}

#[test]
fn without_a_disk_reports_wait_in_memory_and_are_stored_when_there_is_one() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("not-there-yet");
    let (mut keeper, mut tales) = keeper(directory.join("reports.db"));
    keeper.answer(Order::Rebound(BOUNDS));
    assert!(matches!(
        tales.try_recv(),
        Ok(Tale::Opened { next_seq: None, .. })
    ));
    keeper.store([death(1), death(2)].concat());
    assert_eq!(fetched(&mut keeper, &mut tales, 16), [1, 2]);
    assert!(keeper.trouble.is_some() && keeper.retry.is_some());
    keeper.store(vec![Change::Sent { seq: 1, at: 9 }]);
    std::fs::create_dir(&directory).unwrap();
    keeper.retry = Some(Instant::now());
    keeper.store(death(3));
    assert!(keeper.backlog.is_empty() && keeper.trouble.is_none() && keeper.retry.is_none());
    assert!(matches!(
        tales.try_recv(),
        Ok(Tale::Opened {
            next_seq: Some(1),
            ..
        })
    ));
    assert_eq!(fetched(&mut keeper, &mut tales, 16), [2, 3]);
    assert_eq!(fetched(&mut keeper, &mut tales, 1), [2]);
}

#[test]
fn a_history_that_breaks_while_in_use_is_begun_anew_and_loses_no_report() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("reports.db");
    let (mut keeper, mut tales) = keeper(file.clone());
    keeper.answer(Order::Rebound(BOUNDS));
    keeper.store(death(1));
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::write(&file, vec![0x55; usize::try_from(length).unwrap()]).unwrap();
    let _ = std::fs::remove_file(place.path().join("reports.db-wal"));
    keeper.history = None;
    keeper.store(death(2));
    assert!(keeper.backlog.is_empty(), "{:?}", keeper.trouble);
    assert!(fetched(&mut keeper, &mut tales, 16).contains(&2));
    let names = std::fs::read_dir(place.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name());
    assert!(
        names
            .into_iter()
            .any(|name| name.to_string_lossy().contains("damaged"))
    );
}

#[test]
fn a_history_that_is_removed_while_in_use_is_begun_anew() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("reports.db");
    let (mut keeper, mut tales) = keeper(file.clone());
    keeper.answer(Order::Rebound(BOUNDS));
    keeper.store(death(1));
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(place.path().join(format!("reports.db{suffix}")));
    }
    keeper.store(death(2));
    assert!(
        file.exists() && keeper.backlog.is_empty(),
        "{:?}",
        keeper.trouble
    );
    assert_eq!(fetched(&mut keeper, &mut tales, 16), [2]);
}

#[test]
fn what_is_no_file_is_no_history_and_the_cause_is_said() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("reports.db");
    std::fs::create_dir(&file).unwrap();
    let (mut keeper, _tales) = keeper(file);
    keeper.answer(Order::Rebound(BOUNDS));
    let said = keeper.trouble.clone().unwrap();
    assert!(
        said.contains("reports.db") && said.contains("not a regular file"),
        "{said}"
    );
}

#[test]
fn a_change_that_can_never_be_stored_does_not_hold_up_the_others() {
    let place = tempfile::tempdir().unwrap();
    let (mut keeper, mut tales) = keeper(place.path().join("reports.db"));
    keeper.answer(Order::Rebound(BOUNDS));
    let mut never = death(2);
    let Change::Report(report) = &mut never[1] else {
        unreachable!()
    };
    report.seq = 0;
    keeper.store([death(1), never, death(3)].concat());
    assert!(keeper.backlog.is_empty() && keeper.retry.is_none());
    assert_eq!(fetched(&mut keeper, &mut tales, 16), [1, 3]);
}

#[test]
fn the_books_are_read_by_one_at_a_time_and_once_more_if_somebody_asks_meanwhile() {
    let place = tempfile::tempdir().unwrap();
    let (mut keeper, mut tales) = keeper(place.path().join("reports.db"));
    keeper.answer(Order::Rebound(BOUNDS));
    assert!(matches!(tales.try_recv(), Ok(Tale::Opened { .. })));
    (0..3).for_each(|_| keeper.answer(Order::Recall));
    assert_eq!(keeper.search.phase, Phase::Again);
    keeper.store(death(1));
    assert_eq!(
        fetched(&mut keeper, &mut tales, 16),
        [1],
        "the disk goes on"
    );
    keeper.answer(Order::Gathered(Box::default()));
    assert!(
        matches!(tales.try_recv(), Ok(Tale::Recalled(_)))
            && keeper.search.phase == Phase::Searching
    );
    keeper.answer(Order::Gathered(Box::default()));
    assert!(
        matches!(tales.try_recv(), Ok(Tale::Recalled(_))) && keeper.search.phase == Phase::Idle
    );
}

#[test]
fn a_search_holds_nothing_open() {
    let (orders, waiting) = queue();
    let orders = Arc::new(orders);
    let mut search = Search::new(Arc::downgrade(&orders));
    drop(orders);
    search.begin(None).unwrap();
    assert!(
        waiting
            .try_next()
            .is_err_and(|error| error == TryRecvError::Disconnected)
    );
}

#[test]
fn what_a_history_that_can_only_be_read_knows_is_not_told_again() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("reports.db");
    let (mut first, _tales) = keeper(file.clone());
    first.answer(Order::Rebound(BOUNDS));
    first.store([death(1), vec![Change::Cursor("c".into())]].concat());
    drop(first);
    // As on a full disk: it cannot be opened for writing, because the file beside it cannot be
    // made.
    std::fs::create_dir(place.path().join("reports.db-shm")).unwrap();
    let (mut second, mut tales) = keeper(file);
    second.answer(Order::Rebound(BOUNDS));
    assert!(matches!(
        tales.try_recv(),
        Ok(Tale::Opened { next_seq: None, .. })
    ));
    second.answer(Order::Recall);
    assert_eq!(second.cursor.as_deref(), Some("c"));
    let memories = [1, 2].map(|number| Memory::End(recalled(number))).into();
    second.answer(Order::Gathered(Box::new(Recollection {
        memories,
        ..Recollection::default()
    })));
    let Ok(Tale::Recalled(told)) = tales.try_recv() else {
        panic!("it answers")
    };
    let [Memory::End(only)] = &told.memories[..] else {
        panic!("{told:?}")
    };
    assert_eq!(only.key, key(2));
}

fn recalled(number: u64) -> Recalled {
    let (evidence, result) = (Evidence::Unasked, ServiceResult::Signal);
    let testimony = Testimony {
        evidence,
        result,
        process: None,
        pid: None,
        at: number,
        waited: None,
    };
    Recalled {
        key: key(number),
        testimony,
        activity: Activity::Seen,
        witness: Witness::Journal,
    }
}
