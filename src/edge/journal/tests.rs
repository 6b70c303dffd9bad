//! Trust in entries, limits, and fields of lines; the reading itself is tested on real hosts.

use super::*;
use crate::core::crash::tracker::Evidence;
use crate::edge::record::{End, StartKind};
use serde_json::{Value, json};

const RECORDED: [&str; 2] = [
    include_str!("../../core/crash/witness/recorded/systemd-252.jsonl"),
    include_str!("../../core/crash/witness/recorded/systemd-257.jsonl"),
];

fn fields(entry: &Value) -> Fields {
    Fields::parse(entry.to_string().as_bytes()).unwrap()
}

/// Entry that the helper writes at the end of a run of `web.service`, as journald stores it, with
/// `changes`.
fn of_helper(changes: &[(&str, Option<Value>)]) -> Fields {
    let record = RunRecord::new(
        "web",
        "web.service",
        "0123456789abcdef0123456789abcdef",
        StartKind::First,
    );
    let mut entry = json!({
        "__CURSOR": "s=1", "__REALTIME_TIMESTAMP": "5000", "_BOOT_ID": "b", "_PID": "7", "_UID": "0",
        "_EXE": "/usr/lib/unitward/unitward-step", "_SYSTEMD_UNIT": "web.service", "MESSAGE_ID": messages::ENDED,
        "_COMM": "unitward-step", "_TRANSPORT": "journal",
        "UNITWARD_RUN": serde_json::to_string(&record).unwrap(),
    });
    for (name, value) in changes {
        match value {
            Some(value) => entry[name] = value.clone(),
            None => drop(entry.as_object_mut().unwrap().remove(*name)),
        }
    }
    fields(&entry)
}

#[test]
fn a_record_is_believed_of_the_helper_in_its_own_unit_and_of_nobody_else() {
    let believed = |changes: &[(&str, Option<Value>)]| entry::run(&of_helper(changes)).is_some();
    assert!(believed(&[]));
    assert!(believed(&[(
        "MESSAGE_ID",
        Some(messages::RESTARTED.into())
    )]));
    assert!(
        believed(&[("_EXE", None)]),
        "it had ended when journald came to its message"
    );
    for (field, lie) in [
        ("_UID", Some("65534".into())),
        ("_UID", None),
        ("_EXE", Some("/usr/bin/logger".into())),
        ("_SYSTEMD_UNIT", Some("other.service".into())),
        ("_COMM", Some("sudo".into())),
        ("_TRANSPORT", Some("stdout".into())),
        ("_TRANSPORT", None),
        (
            "MESSAGE_ID",
            Some("98e322203f7a4ed290d09fe03c09fe15".into()),
        ),
        ("UNITWARD_RUN", Some("{}".into())),
        ("UNITWARD_RUN", None),
        ("_BOOT_ID", None),
    ] {
        assert!(!believed(&[(field, lie.clone())]), "{field} {lie:?}");
    }
}

#[test]
fn the_words_of_pid_1_and_its_companions_are_theirs_alone() {
    for text in RECORDED {
        for line in text.lines() {
            let mut entry: Value = serde_json::from_str(line).unwrap();
            let before = entry::fact(&fields(&entry));
            assert_eq!(
                before.is_some(),
                entry["UNITWARD_RUN"].is_null() && is_of_main_process(&entry),
                "{line}"
            );
            (entry["_PID"], entry["_SYSTEMD_UNIT"]) = ("77".into(), "evil.service".into());
            assert_eq!(entry::fact(&fields(&entry)), None, "{line}");
        }
    }
}

/// Returns false for the core dump of a child, true for all other entries.
fn is_of_main_process(entry: &Value) -> bool {
    entry["COREDUMP_PROC_STATUS"]
        .as_str()
        .is_none_or(|status| status.contains("PPid:\t1\n"))
}

#[test]
fn without_its_control_group_a_helper_is_believed_only_of_a_run_whose_end_pid_1_tells() {
    let helper = of_helper(&[
        ("_SYSTEMD_UNIT", None),
        ("_EXE", None),
        ("__CURSOR", Some("s=2".into())),
    ]);
    let end = |run: &str| {
        fields(&json!({
            "__CURSOR": "s=3", "__REALTIME_TIMESTAMP": "5000", "_BOOT_ID": "b", "_PID": "1", "UNIT": "web.service",
            "MESSAGE_ID": "d9b373ed55a64feb8242e02dbe79a49c", "INVOCATION_ID": run, "UNIT_RESULT": "signal",
        }))
    };
    let believed = |told: &[&Fields]| {
        let mut reader = Reader::default();
        told.iter().for_each(|fields| reader.take(fields));
        reader.finish(None).runs.len() == 1
    };
    assert!(!believed(&[&helper]));
    assert!(!believed(&[
        &helper,
        &end("ffffffffffffffffffffffffffffffff")
    ]));
    assert!(believed(&[
        &helper,
        &end("0123456789abcdef0123456789abcdef")
    ]));
}

/// Entries that PID 1 writes at the end of a run of `web.service`: killed.
fn of_pid_1() -> [Fields; 2] {
    let says = |place: &str, id: &str, of_it: Value| {
        let mut entry = json!({
            "__CURSOR": place, "__REALTIME_TIMESTAMP": "5000", "_BOOT_ID": "b", "_PID": "1", "UNIT": "web.service",
            "MESSAGE_ID": id, "INVOCATION_ID": "0123456789abcdef0123456789abcdef",
        });
        entry
            .as_object_mut()
            .unwrap()
            .extend(of_it.as_object().unwrap().clone());
        fields(&entry)
    };
    let exit = json!({"COMMAND": "ExecStart", "EXIT_CODE": "killed", "EXIT_STATUS": "KILL"});
    [
        says("s=8", "98e322203f7a4ed290d09fe03c09fe15", exit),
        says(
            "s=9",
            "d9b373ed55a64feb8242e02dbe79a49c",
            json!({"UNIT_RESULT": "signal"}),
        ),
    ]
}

/// An entry of the helper's with a record of this end.
fn entry(place: &str, end: Option<End>, executable: Option<Value>) -> Fields {
    let record = RunRecord::new(
        "web",
        "web.service",
        "0123456789abcdef0123456789abcdef",
        StartKind::First,
    );
    let record = serde_json::to_string(&RunRecord { end, ..record }).unwrap();
    of_helper(&[
        ("__CURSOR", Some(place.into())),
        ("_EXE", executable),
        ("UNITWARD_RUN", Some(record.into())),
    ])
}

/// Returns the ends in the records that count.
fn ends(told: &[Fields]) -> Vec<Option<End>> {
    let mut reader = Reader::default();
    told.iter().for_each(|fields| reader.take(fields));
    reader
        .finish(None)
        .runs
        .into_iter()
        .map(|run| run.record.end)
        .collect()
}

/// Ends that may be told of a kill, and whether PID 1 bears them out.
fn ends_told_of_a_kill() -> [(End, bool); 6] {
    let killed = End::killed(1);
    let at_the_limit = End {
        limit_reached: true,
        ..killed.clone()
    };
    let asked = End {
        asked: true,
        ..killed.clone()
    };
    let finished = End {
        finished: true,
        ..killed.clone()
    };
    let terminated = End {
        status: "TERM".into(),
        ..killed.clone()
    };
    let successful = End {
        result: "success".into(),
        ..killed.clone()
    };
    [
        (killed, true),
        (at_the_limit, true),
        (asked, false),
        (finished, false),
        (terminated, false),
        (successful, false),
    ]
}

#[test]
fn without_its_executable_a_helper_is_believed_of_an_end_only_as_pid_1_tells_it() {
    let killed = End::killed(1);
    for (end, is_believed) in ends_told_of_a_kill() {
        let [exit, failed] = of_pid_1();
        let told = ends(&[exit, entry("s=2", Some(end.clone()), None), failed]);
        assert_eq!(told, [Some(end.clone()).filter(|_| is_believed)], "{end:?}");
        assert_eq!(
            ends(&[entry("s=2", Some(end), None)]),
            [None],
            "PID 1 tells of no end"
        );
    }
    // Where its executable is known it is the helper, and nothing that comes later takes that away.
    let helper = || {
        entry(
            "s=1",
            Some(killed.clone()),
            Some("/usr/lib/unitward/unitward-step".into()),
        )
    };
    assert_eq!(ends(&[helper()]), [Some(killed.clone())]);
    for lie in [
        None,
        Some(End {
            asked: true,
            ..killed.clone()
        }),
    ] {
        let [exit, failed] = of_pid_1();
        assert_eq!(
            ends(&[exit, helper(), entry("s=2", lie, None), failed]),
            [Some(killed.clone())]
        );
    }
}

fn ended(record: RunRecord) -> RunRecord {
    RunRecord {
        end: Some(End::killed(1)),
        ..record
    }
}

fn run(number: usize) -> Run {
    let record = RunRecord::new(
        "web",
        "web.service",
        &format!("{number:032x}"),
        StartKind::First,
    );
    of_boot("b", record)
}

fn of_boot(boot: &str, record: RunRecord) -> Run {
    let told = JournalRun {
        boot: boot.into(),
        record,
        first: 1,
        last: 1,
    };
    Run {
        told,
        author: Author::Helper,
        size: 100,
    }
}

#[test]
fn the_later_record_of_a_run_takes_the_place_of_the_earlier() {
    let mut reader = Reader::default();
    reader.keep(run(1));
    reader.keep(run(2));
    let later = JournalRun {
        record: ended(run(1).told.record),
        first: 7,
        last: 7,
        ..run(1).told
    };
    reader.keep(Run {
        told: later,
        size: 300,
        ..run(1)
    });
    reader.keep(of_boot("other", run(2).told.record));
    let place = |run: &JournalRun| (run.first, run.last);
    let told = reader.runs.iter().map(|run| &run.told);
    let kept: Vec<_> = told
        .map(|run| (run.boot.as_str(), run.record.end.is_some(), place(run)))
        .collect();
    assert_eq!(
        kept,
        [
            ("b", false, (1, 1)),
            ("b", true, (1, 7)),
            ("other", false, (1, 1))
        ]
    );
    assert_eq!(reader.size, 500);
}

#[test]
fn the_newest_records_are_kept_and_no_more_than_fit() {
    let mut reader = Reader::default();
    (0..RUNS_KEPT + 5).for_each(|number| reader.keep(run(number)));
    assert_eq!(
        (reader.runs.len(), reader.size),
        (RUNS_KEPT, RUNS_KEPT * 100)
    );
    (0..100).for_each(|number| {
        reader.keep(Run {
            size: RUNS_SIZE / 10,
            ..run(number + 1_000_000)
        })
    });
    assert!(
        reader.size <= RUNS_SIZE && reader.runs.len() <= 10,
        "{} of {}",
        reader.size,
        reader.runs.len()
    );
}

#[test]
fn the_entry_that_the_cursor_names_is_not_told_again() {
    let mut reader = Reader {
        after: Some("s=1".into()),
        ..Reader::default()
    };
    reader.take(&of_helper(&[]));
    assert_eq!((reader.runs.len(), reader.last.as_deref()), (0, None));
    reader.take(&of_helper(&[("__CURSOR", Some("s=2".into()))]));
    assert_eq!(
        (reader.runs.len(), reader.last.as_deref()),
        (1, Some("s=2"))
    );
}

#[test]
fn what_was_recorded_is_read_whole() {
    for text in RECORDED {
        let mut reader = Reader::default();
        for (number, line) in text.lines().enumerate() {
            let mut entry: Value = serde_json::from_str(line).unwrap();
            entry["__CURSOR"] = format!("s={number}").into();
            reader.take(&fields(&entry));
        }
        let Scan { runs, ends, .. } = reader.finish(None);
        let records: Vec<_> = runs.iter().map(|run| &run.record).collect();
        assert_eq!(records.len(), 2, "{records:?}");
        assert!(
            records
                .iter()
                .all(|record| record.end.as_ref().is_some_and(|end| !end.asked)),
            "{records:?}"
        );
        let limit = records[1].end.as_ref().unwrap();
        assert_eq!(
            (records[1].follows.as_deref(), limit.limit_reached),
            (Some(records[0].invocation.as_str()), true)
        );
        let of_limit = ends.iter().filter(|end| end.unit == "limit.service");
        assert_eq!(of_limit.clone().count(), 2);
        assert_eq!(
            of_limit.map(|end| end.testimony.evidence).next(),
            Some(Evidence::Unasked)
        );
    }
}
