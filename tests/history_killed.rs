//! The history survives being killed: at every single system call by which it writes.
//!
//! The test runs itself again under strace, which kills it at the Nth write, sync, truncation, rename … for each N until it
//! gets through. Whatever it had acknowledged is there afterwards, at most one batch more, and none in part.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use unitward::core::crash::observation::InvocationId;
use unitward::edge::history::entry::{
    Change, Channel, Fate, Key, Severity, StoredDeath, StoredRecovery, StoredReport, Witness,
};
use unitward::edge::history::{Bounds, History, Opened};

/// Names the directory of the run that is to be killed, and the number of batches it applies.
const CHILD: [&str; 2] = ["UNITWARD_TEST_HISTORY", "UNITWARD_TEST_BATCHES"];
/// Every way in which a file changes; `?`: not every machine has it.
const CALLS: [&str; 11] = [
    "pwrite64",
    "write",
    "fdatasync",
    "fsync",
    "ftruncate",
    "?unlink",
    "?unlinkat",
    "?rename",
    "?renameat",
    "?renameat2",
    "?linkat",
];
const NOW: u64 = 1_738_838_543_963;
/// So little that some of it is dropped, and that the log is emptied after nearly every batch.
const BOUNDS: Bounds = Bounds {
    max_use: 256 * 1024,
    max_age: Duration::from_secs(3600),
};

/// What is killed.
struct Case {
    /// The file it begins with; empty: none.
    start: Vec<u8>,
    batches: u64,
    /// What is stored after opening and after each batch when nothing is killed.
    states: Vec<String>,
}

fn key(number: u64) -> Key {
    let scattered = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let invocation = InvocationId::parse(&format!("{scattered:032x}")).unwrap();
    Key {
        boot: format!("{:032x}", 7),
        unit: "web.service".into(),
        invocation,
    }
}

fn death(number: u64, fate: Fate) -> Change {
    Change::Death(Box::new(StoredDeath {
        key: key(number),
        name: "web".into(),
        severity: Severity::Crash,
        pid: Some(7),
        reason: "SIG 11 (Segmentation fault)".into(),
        at: NOW + number,
        backtrace: Some("0 > 0xb6bcca00: main 0x34 /usr/sbin/web\n ".repeat(120)),
        witness: Witness::Bus,
        fate,
    }))
}

fn report(seq: u64, number: u64, channel: Channel) -> Change {
    let payload = if channel == Channel::Recovery {
        record(number)
    } else {
        format!("{number}").repeat(250)
    };
    let id = format!("{seq:032x}");
    let report = StoredReport {
        seq,
        id,
        lane: "web".into(),
        channel,
        death: key(number),
        payload: payload.into(),
    };
    Change::Report(Box::new(report))
}

fn record(number: u64) -> String {
    format!(
        r#"{{"ward":"web","invocation":"{}","steps":[]}}"#,
        key(number).invocation
    )
}

/// A batch with changes of all kinds, about three new deaths and some older ones.
fn batch(turn: u64) -> Vec<Change> {
    let [crash, open, held] = [3 * turn, 3 * turn + 1, 3 * turn + 2];
    let at = NOW + turn;
    let recovery = StoredRecovery {
        death: key(crash),
        ward: "web".into(),
        outcome: "recovered".into(),
        at,
        record: record(crash),
        course: None,
    };
    let before = key(open.saturating_sub(3));
    vec![
        death(crash, Fate::Reported),
        report(2 * turn + 1, crash, Channel::Crash),
        death(open, Fate::Open),
        death(held, Fate::Held),
        Change::Fate {
            key: before,
            fate: Fate::Local,
            backtrace: Some("late".into()),
            pid: Some(8),
        },
        Change::Recovery(Box::new(recovery)),
        report(2 * turn + 2, crash, Channel::Recovery),
        Change::Sent {
            seq: (2 * turn).saturating_sub(3),
            at,
        },
        Change::Refused {
            seq: (2 * turn).saturating_sub(6),
            at,
            why: "Quota exceeded".into(),
        },
        Change::SummedUp {
            unit: "web.service".into(),
        },
        Change::Cursor(format!("s={turn}")),
    ]
}

fn open(directory: &Path) -> Opened {
    History::open(&directory.join("reports.db"), BOUNDS, NOW).unwrap()
}

/// All rows of all tables.
fn dump(directory: &Path) -> String {
    let db = Connection::open(directory.join("reports.db")).unwrap();
    let mut text = String::new();
    for table in [
        "deaths",
        "reports",
        "payloads",
        "recoveries",
        "dropped",
        "ledger",
    ] {
        let mut query = db
            .prepare(&format!("SELECT * FROM {table} ORDER BY 1"))
            .unwrap();
        let columns = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<ValueRef<'_>> = (0..columns)
                .map(|column| row.get_ref(column).unwrap())
                .collect();
            text.push_str(&format!("{table} {values:?}\n"));
        }
    }
    text
}

fn place() -> tempfile::TempDir {
    // In memory where there is such a place: a killed process takes nothing of the page cache with it.
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

impl Case {
    fn new(start: Vec<u8>, batches: u64) -> Self {
        let mut case = Self {
            start,
            batches,
            states: Vec::new(),
        };
        let place = case.begin();
        let mut history = open(place.path()).history;
        case.states.push(dump(place.path()));
        for turn in 0..batches {
            history.apply(NOW, &batch(turn)).unwrap();
            case.states.push(dump(place.path()));
        }
        case
    }

    fn begin(&self) -> tempfile::TempDir {
        let place = place();
        if !self.start.is_empty() {
            fs::write(place.path().join("reports.db"), &self.start).unwrap();
        }
        place
    }
}

/// Runs the child on the directory; it is killed at the `nth` of the calls.
fn run(directory: &Path, batches: u64, place: (&str, u32)) -> Output {
    let (call, nth) = place;
    Command::new("timeout")
        .args(["30", "strace", "-f", "-o"])
        .arg(directory.join("strace"))
        .arg(format!("--trace={call}"))
        .arg(format!("--inject={call}:signal=SIGKILL:when={nth}"))
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "the_child",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(CHILD[0], directory)
        .env(CHILD[1], batches.to_string())
        .output()
        .unwrap()
}

/// Kills it everywhere; the number of places, for one kind of call.
fn kill_everywhere(case: &Case, call: &str) -> u32 {
    for nth in 1.. {
        let place = case.begin();
        let done = run(place.path(), case.batches, (call, nth));
        assert!(
            done.status.success() || done.status.signal() == Some(9),
            "{call} {nth}: {done:?}"
        );
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let acknowledged = said
            .lines()
            .filter(|line| line.starts_with("applied "))
            .count();
        let what = format!("{call} {nth}, {acknowledged} acknowledged\n{said}");
        let opened = open(place.path());
        let found = dump(place.path());
        let batches = case.states.iter().position(|state| *state == found);
        let batches = batches.unwrap_or_else(|| panic!("{what}: torn:\n{found}"));
        assert!(
            batches == acknowledged || batches == acknowledged + 1,
            "{what}: {batches} batches"
        );
        if done.status.success() {
            assert_eq!(acknowledged as u64, case.batches, "{what}");
            return nth - 1;
        }
        assert!(nth < 2000, "{what}");
        carry_on(opened, place.path(), (case, acknowledged));
        assert_eq!(leftovers(place.path()), [""; 0], "{what}");
    }
    unreachable!("it returns when the child gets through")
}

/// The batch that was not acknowledged is applied again, and the rest after it.
fn carry_on(mut opened: Opened, directory: &Path, so_far: (&Case, usize)) {
    let (case, acknowledged) = so_far;
    for turn in acknowledged as u64..case.batches {
        opened.history.apply(NOW, &batch(turn)).unwrap();
    }
    assert_eq!(Some(&dump(directory)), case.states.last());
}

/// Files beside the history, its companions, and what is set aside of it.
fn leftovers(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let known = ["reports.db", "reports.db-wal", "reports.db-shm", "strace"];
    names
        .filter(|name| !known.contains(&name.as_str()) && !name.starts_with("reports.db.damaged-"))
        .collect()
}

/// Kills it at every place of every call; how many there were.
fn places(case: &Case) -> impl Fn(&str) -> u32 {
    let places: Vec<(&str, u32)> = CALLS
        .iter()
        .map(|call| (*call, kill_everywhere(case, call)))
        .collect();
    println!("{places:?}");
    move |wanted| {
        places
            .iter()
            .find(|(call, _)| call.trim_start_matches('?') == wanted)
            .map_or(0, |(_, count)| *count)
    }
}

#[test]
#[ignore = "run by the tests that kill it"]
fn the_child() {
    let [Some(directory), Some(batches)] = CHILD.map(std::env::var_os) else {
        return;
    };
    let mut history = open(Path::new(&directory)).history;
    println!();
    for turn in 0..batches.to_string_lossy().parse().unwrap() {
        history.apply(NOW, &batch(turn)).unwrap();
        println!("applied {turn}");
    }
}

#[test]
fn killed_anywhere_it_keeps_every_batch_whole() {
    let case = Case::new(Vec::new(), 11);
    assert!(
        case.states.last().unwrap().contains("dropped "),
        "the batches are more than the bound takes"
    );
    let places = places(&case);
    assert!(places("pwrite64") > 100 && places("fdatasync") > 20 && places("ftruncate") > 2);
}

#[test]
fn killed_while_a_damaged_file_is_set_aside_it_is_set_aside_all_the_same() {
    let place = place();
    let mut history = open(place.path()).history;
    (0..6).for_each(|turn| drop(history.apply(NOW, &batch(turn))));
    drop(history);
    let mut damaged = fs::read(place.path().join("reports.db")).unwrap();
    let end = damaged.len() - 4096;
    damaged.truncate(end);
    let case = Case::new(damaged, 0);
    assert!(
        case.states[0]
            .lines()
            .filter(|line| line.starts_with("deaths "))
            .count()
            > 10,
        "{}",
        case.states[0]
    );
    let places = places(&case);
    let renames = places("rename") + places("renameat") + places("renameat2");
    assert!(places("pwrite64") > 20 && renames > 1 && places("linkat") == 1);
}
