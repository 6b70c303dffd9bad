//! Tests of the output from a history that the store has made.

mod one_death;
mod selected;

use super::table::Paint;
use super::*;
use crate::core::crash::backtrace::Addresses;
use crate::core::crash::observation::InvocationId;
use crate::core::full_restart::RestartOutcome;
use crate::core::full_restart::request::Cause;
use crate::edge::history::entry::{
    Change, Channel, Fate, Key, Severity, StoredDeath, StoredRecovery, StoredReport, StoredRestart,
    StoredRestartEnd, Witness,
};
use crate::edge::history::{Bounds, History};
use crate::shell::cli::desk::Sheet;
use std::time::Duration;

const PLAIN: Sheet = Sheet {
    paint: Paint::Plain,
    width: None,
};
pub(super) const NOW: u64 = 1_738_838_543_963;
const BOUNDS: Bounds = Bounds {
    max_use: 1 << 20,
    max_age: Duration::from_secs(3600),
};

/// A root directory with a history in it.
pub(super) struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("var/lib/unitward")).unwrap();
        Self(root)
    }

    fn history(&self) -> History {
        History::open(&self.path(), BOUNDS, NOW).unwrap().history
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("var/lib/unitward/reports.db")
    }

    fn reader(&self) -> Reader {
        open(self.0.path(), Addresses::Shown).unwrap().unwrap()
    }

    pub(super) fn all(&self) -> Vec<Document> {
        self.reader()
            .deaths(&Wanted::default())
            .unwrap()
            .iter()
            .map(Document::new)
            .collect()
    }
}

fn key(number: u64) -> Key {
    let invocation =
        InvocationId::parse(&format!("{:08x}{number:024x}", number * 0x1111_1111)).unwrap();
    Key {
        boot: "7f8e9ad4c3b2a1908f7e6d5c4b3a2918".into(),
        unit: "web.service".into(),
        invocation,
    }
}

fn death(number: u64, fate: Fate) -> StoredDeath {
    StoredDeath {
        key: key(number),
        name: "web".into(),
        severity: Severity::Crash,
        pid: Some(1000 + u32::try_from(number).unwrap()),
        reason: "EXIT 3".into(),
        at: NOW + number * 1000,
        backtrace: None,
        witness: Witness::Record,
        fate,
    }
}

fn crash(number: u64, fate: Fate) -> Change {
    Change::Death(Box::new(death(number, fate)))
}

fn report(seq: u64, number: u64, channel: Channel) -> Change {
    let id = format!("{seq:032x}");
    let report = StoredReport {
        seq,
        id,
        lane: "web".into(),
        channel,
        death: key(number),
        payload: b"{}".to_vec(),
    };
    Change::Report(Box::new(report))
}

const RECORD: &str = r#"{"nodeId":"n","ward":"web","invocation":"i","reason":"EXIT 3","timestamp":1738838544963,"steps":[{"condition":"OnDeath","step":"Execute","argument":"/usr/bin/mount /a","result":"ok","ms":41},{"condition":"OnDeath","step":"WaitFor","argument":"path:/a 2s","result":"failed","ms":2000}],"outcome":"recovered","restarts":1,"downtimeMs":184,"recoveryMs":4312}"#;

fn recovery(number: u64, outcome: &str) -> Change {
    Change::Recovery(Box::new(StoredRecovery {
        death: key(number),
        ward: "web".into(),
        outcome: outcome.into(),
        at: NOW + number * 1000 + 4312,
        record: if outcome == "recovered" {
            RECORD.into()
        } else {
            "{}".into()
        },
        course: None,
    }))
}

/// The full restart that death 8 led to.
fn full_restart() -> Change {
    let cause = Cause {
        unit: key(8).unit,
        invocation: key(8).invocation,
    };
    let caller = "web (5 deaths in 60 s)".into();
    Change::Restart(Box::new(StoredRestart {
        death: key(9),
        stack: "os".into(),
        caller,
        ended: None,
        cause: Some(cause),
    }))
}

/// One death of every kind.
pub(super) fn every_kind() -> Root {
    let root = Root::new();
    let mut segfault = death(1, Fate::Reported);
    segfault.reason = "SIG 11 (Segmentation fault)".into();
    segfault.backtrace = Some(
        "0 > 0xb6bcca00: main 0x34 /usr/sbin/web\n 1 > 0xb6bcca10: (null) 0 /lib/libc.so.6\n"
            .into(),
    );
    segfault.witness = Witness::Bus;
    let mut clean = death(7, Fate::Silent);
    clean.key.unit = "other.service".into();
    (clean.name, clean.severity, clean.pid) = ("other".into(), Severity::Death, None);
    (clean.reason, clean.witness) = ("<NA>".into(), Witness::Journal);
    let mut restarted = death(9, Fate::Local);
    (restarted.name, restarted.pid) = ("OpenSync".into(), None);
    restarted.reason = "OpenSync restarted by web (5 deaths in 60 s)".into();
    let batch = [
        Change::Death(Box::new(segfault)),
        report(1, 1, Channel::Crash),
        Change::Sent {
            seq: 1,
            at: NOW + 1005,
        },
        recovery(1, "recovered"),
        report(2, 1, Channel::Recovery),
        crash(2, Fate::Reported),
        report(3, 2, Channel::Crash),
        Change::Refused {
            seq: 3,
            at: NOW + 2005,
            why: "Packet too large".into(),
        },
        recovery(2, "excluded"),
        crash(3, Fate::Open),
        crash(4, Fate::Held),
        crash(5, Fate::SummedUp),
        crash(6, Fate::Local),
        Change::Death(Box::new(clean)),
        crash(8, Fate::Reported),
        report(4, 8, Channel::Crash),
        Change::Death(Box::new(restarted)),
        full_restart(),
        Change::RestartOver {
            death: key(9),
            end: StoredRestartEnd {
                at: NOW + 12_000,
                outcome: RestartOutcome::Failed,
                trouble: "web.service did not come back".into(),
            },
        },
    ];
    root.history().apply(NOW, &batch).unwrap();
    root
}

pub(super) fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

pub(super) fn check(found: &str, expect: &str) {
    assert_eq!(
        found.trim_end(),
        expect.trim_matches('\n').trim_end(),
        "found:\n{found}"
    );
}

#[test]
fn a_list_has_a_line_for_each_death_newest_last() {
    let root = every_kind();
    let found = root.all();
    let expect = "
TIME                     ID        WARD      REASON                                        PID   REPORT        RECOVERY
2025-02-06 11:42:24.963  11111111  web       SIG 11 (Segmentation fault)                   1001  sent          recovered, 184ms down
2025-02-06 11:42:25.963  22222222  web       EXIT 3                                        1002  refused       excluded
2025-02-06 11:42:26.963  33333333  web       EXIT 3                                        1003  waiting       -
2025-02-06 11:42:27.963  44444444  web       EXIT 3                                        1004  held          -
2025-02-06 11:42:28.963  55555555  web       EXIT 3                                        1005  summed up     -
2025-02-06 11:42:29.963  66666666  web       EXIT 3                                        1006  local         -
2025-02-06 11:42:30.963  77777777  other     -                                             -     not reported  -
2025-02-06 11:42:31.963  88888888  web       EXIT 3                                        1008  waiting       -
2025-02-06 11:42:32.963  99999999  OpenSync  OpenSync restarted by web (5 deaths in 60 s)  -     local         failed
";
    check(&Table::new(PLAIN).lines(&found, &zone()), expect);
    check(
        &table::sum(&found, root.reader().tallies().ok()),
        "8 deaths, 1 full restart, 1 report sent, 2 waiting, 1 refused.",
    );
}

#[test]
fn an_empty_history_is_no_mistake() {
    let root = Root::new();
    drop(root.history());
    let found = root.all();
    check(
        &Table::new(Sheet {
            paint: Paint::Ansi,
            width: None,
        })
        .lines(&found, &zone()),
        "",
    );
    check(
        &table::sum(&found, root.reader().tallies().ok()),
        "0 deaths, 0 reports sent, 0 waiting.",
    );
}

#[test]
fn drops_are_told_below_the_list() {
    let sum = |dropped_sent, dropped_unsent| {
        table::sum(
            &[],
            Some(Tallies {
                dropped_sent,
                dropped_unsent,
                ..Tallies::default()
            }),
        )
    };
    check(
        &sum(9, 0),
        "0 deaths, 0 reports sent, 0 waiting. Dropped for HistoryMaxUse= so far: 9.",
    );
    check(
        &sum(9, 3),
        "0 deaths, 0 reports sent, 0 waiting. Dropped for HistoryMaxUse= so far: 12, 3 of them unsent.",
    );
}

#[test]
fn colours_are_for_what_needs_a_look() {
    let lines = Table::new(Sheet {
        paint: Paint::Ansi,
        width: None,
    })
    .lines(&every_kind().all(), &zone());
    let colours: Vec<&str> = lines
        .lines()
        .map(|line| line.split_once('m').unwrap_or_default().0)
        .collect();
    let (red, yellow) = ("\u{1b}[31", "\u{1b}[33");
    assert_eq!(
        colours[..5],
        [
            "\u{1b}[1",
            "2025-02-06 11:42:24.963  11111111  web       SIG 11 (Seg",
            red,
            yellow,
            yellow
        ]
    );
    assert!(lines.lines().nth(2).unwrap().ends_with("excluded\u{1b}[0m"));
}

#[test]
fn later_lines_keep_to_the_columns() {
    let found = every_kind().all();
    let mut table = Table::new(PLAIN);
    let first = table.lines(&found[1..2], &zone());
    let second = table.lines(&found[..1], &zone());
    let third = table.lines(&found[6..7], &zone());
    let expect = "
TIME                     ID        WARD  REASON  PID   REPORT   RECOVERY
2025-02-06 11:42:25.963  22222222  web   EXIT 3  1002  refused  excluded
2025-02-06 11:42:24.963  11111111  web   SIG 11 (Segmentation fault)  1001  sent     recovered, 184ms down
2025-02-06 11:42:30.963  77777777  other  -                            -     not reported  -
";
    check(&[first, second, third].concat(), expect);
}

#[test]
fn json_has_these_keys_in_this_order_for_ever() {
    let lines: String = every_kind()
        .all()
        .iter()
        .map(|told| format!("{}\n", told.to_json()))
        .collect();
    check(&lines, include_str!("fixtures/reports.jsonl"));
}

#[test]
fn what_the_daemon_answers_is_read_back_whole() {
    for told in every_kind().all() {
        assert_eq!(
            serde_json::from_str::<Document>(&told.to_json()).unwrap(),
            told
        );
    }
}

#[test]
fn every_key_is_in_the_man_page() {
    let page = include_str!("../../../../docs/man/unitward.1").replace("\\-", "-");
    let words: Vec<&str> = page.split([' ', '\n']).collect();
    let keys = include_str!("fixtures/reports.jsonl")
        .split("\":")
        .filter_map(|part| part.rsplit_once('"'));
    let mut count = 0;
    for (_, key) in keys {
        assert!(words.contains(&key), "{key} in unitward(1)");
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn where_there_is_nothing_to_read_a_sentence_says_why() {
    let root = Root::new();
    let shown = root.path().display().to_string();
    let why = || {
        open(root.0.path(), Addresses::Shown)
            .unwrap()
            .map(drop)
            .unwrap_err()
    };
    check(
        &why(),
        &format!("There is no history yet: unitwardd begins {shown} when it starts."),
    );
    std::fs::write(
        root.path(),
        "garbage, more than a hundred bytes of it".repeat(9),
    )
    .unwrap();
    check(
        &why(),
        &format!("{shown} is damaged. unitwardd saves what can be read of it when it starts."),
    );
}
