//! A made-up host for the tests of documents and tables.

use super::pid1::{Details, UnitSeen};
use super::scene::{Book, Scene};
use crate::core::config::{Assembly, ReadWard};
use crate::core::config::{Config, SourceFile, SourceFiles, Stacks, Ward, read_stack, read_ward};
use crate::core::recovery::Series;
use crate::core::recovery::series::LastEnd;
use crate::edge::exclusion::{By, Exclusion};
use crate::edge::record::{End, GivenUp, Outcome, RunRecord, StartKind, StepResult, Totals, Up};
use std::path::Path;

/// The present of the sample: 2025-02-06 10:42:23 UTC.
pub(super) const NOW: u64 = 1_738_838_543_000;
const STACK: &str = "[Stack]\nName=OpenSync\n";
const NFS: &str = "[Ward]\nStack=opensync\n[OnDeath]\nExecute=/usr/bin/umount -l /armle-v7\nRestart=%n\nWaitFor=2s\n\
    Execute=/usr/bin/mount /armle-v7\nElseLog=could not mount armle-v7\n[OnDeath once]\nOnce=yes\nLog=for the first time\n";

fn files(name: &str, kind: &str, text: &str) -> SourceFiles {
    let path = Path::new("/etc/unitward")
        .join(format!("{name}.{kind}"))
        .into();
    SourceFiles {
        name: name.to_owned(),
        files: vec![SourceFile {
            path,
            text: text.to_owned(),
        }],
    }
}

fn stacks() -> Stacks {
    Stacks::settle(read_stack(&files("opensync", "stack", STACK))).0
}

/// Makes a ward of this text, which may name the stack `opensync`.
pub(super) fn ward(name: &str, text: &str) -> Ward {
    let text = if text.contains("Unit=") {
        text.to_owned()
    } else {
        format!("[Service]\nExecStart=/usr/sbin/{name}\n{text}")
    };
    let stacks = stacks();
    let read: ReadWard = read_ward(&files(name, "ward", &text), &stacks).unwrap();
    let (ward, problems) = Assembly::beside(&stacks).admit(read);
    assert_eq!(problems, []);
    ward.unwrap()
}

pub(super) fn unit(load: &str, active: &str, sub: &str) -> UnitSeen {
    let [load, active, sub] = [load, active, sub].map(str::to_owned);
    UnitSeen {
        load,
        active,
        sub,
        ..UnitSeen::default()
    }
}

/// Makes a death, `ago` milliseconds ago.
pub(super) fn died(ago: u64) -> End {
    End {
        status: "SEGV".into(),
        pid: Some(4711),
        ..End::killed(NOW - ago)
    }
}

/// Makes the record of a run that has begun, with this number.
pub(super) fn run(ward: &Ward, number: u64, start: StartKind) -> RunRecord {
    let follows = (start != StartKind::First).then(|| id(number - 1));
    RunRecord {
        follows,
        ..RunRecord::new(ward.name.as_str(), ward.unit().as_str(), &id(number), start)
    }
}

/// Returns the ID of the run with this number.
fn id(number: u64) -> String {
    format!("{number:032x}")
}

pub(super) fn step(step: &str, action: &str, outcome: Outcome) -> StepResult {
    let status = if outcome == Outcome::Ok { 0 } else { 32 };
    let (condition, step, action) = ("OnDeath".into(), step.into(), action.into());
    StepResult {
        condition,
        step,
        action,
        argument: String::new(),
        outcome,
        status,
        at: NOW - 58_000,
        ms: 41,
    }
}

/// Makes a ward's book of these runs, newest first.
pub(super) fn book(runs: Vec<RunRecord>) -> Book {
    let mut totals = Totals::default();
    runs.iter().rev().for_each(|run| totals.count(run));
    Book {
        totals,
        runs,
        ..Book::default()
    }
}

/// Makes the sample host. `fs-nfs2` died twice in the last minute and is back; `worker` is
/// excluded; `telldus` adopts a unit that does not exist; `new` was written after the last
/// daemon-reload.
pub(super) fn scene() -> Scene {
    let nfs = ward("fs-nfs2", NFS);
    let wards = vec![
        nfs,
        ward("new", ""),
        ward("telldus", "[Ward]\nUnit=telldusd.service\n"),
        ward("worker", ""),
    ];
    let mut config = Config {
        stacks: stacks().into_vec(),
        ..Config::default()
    };
    config.wards = wards;
    let mut scene = Scene {
        epoch: NOW,
        boot: 100_000,
        config,
        ..Scene::default()
    };
    scene.stale.insert(scene.config.wards[1].unit(), Vec::new());
    place_nfs(&mut scene);
    scene.place("telldusd.service", unit("not-found", "inactive", "dead"));
    let worker = scene.config.wards[3].clone();
    let ended = End {
        given_up: Some(GivenUp::Exclude),
        limit_reached: true,
        ..died(3_600_000)
    };
    let last = RunRecord {
        end: Some(ended),
        ..run(&worker, 9, StartKind::AfterAbnormalDeath)
    };
    let why = "its death limit was reached".to_owned();
    let exclusion = Some(Exclusion {
        at: NOW - 3_600_000,
        by: By::Limit,
        why,
        triggers: Vec::new(),
    });
    scene.place("worker.service", unit("loaded", "failed", "failed"));
    let kept = Book {
        exclusion,
        ..book(vec![last])
    };
    scene.place_book("worker", kept);
    let stack = UnitSeen {
        changed: Some(NOW - 7_200_000),
        ..unit("loaded", "active", "active")
    };
    scene.place("opensync.target", stack);
    scene.place("unitwardd.service", unit("loaded", "active", "running"));
    scene
}

/// Makes the runs of `fs-nfs2`, newest first.
fn runs_of_nfs(nfs: &Ward) -> Vec<RunRecord> {
    let first = RunRecord {
        up: Some(Up {
            main: NOW - 7_200_000,
            at: NOW - 7_200_000,
            since_boot: None,
        }),
        end: Some(died(61_000)),
        ..run(nfs, 1, StartKind::First)
    };
    let failed = RunRecord {
        end: Some(died(60_500)),
        results: vec![step("1", "Execute", Outcome::Ok)],
        ..run(nfs, 2, StartKind::AfterAbnormalDeath)
    };
    let again = ["1 Execute", "3 WaitFor", "4 Execute", "4.1 ElseLog"].map(|words| {
        let (number, action) = words.split_once(' ').unwrap();
        step(
            number,
            action,
            if number == "4" {
                Outcome::Failed
            } else {
                Outcome::Ok
            },
        )
    });
    let up = RunRecord {
        restarts: 2,
        results: again.into(),
        up: Some(Up {
            main: NOW - 60_000,
            at: NOW - 57_500,
            since_boot: None,
        }),
        ..run(nfs, 3, StartKind::AfterAbnormalDeath)
    };
    vec![up, failed, first]
}

fn place_nfs(scene: &mut Scene) {
    let nfs = scene.config.wards[0].clone();
    let series = Series {
        restarts: 2,
        deaths: vec![39_000, 41_000],
        nrestarts: 2,
        open: true,
        up_since: Some(42_500),
        last_end: LastEnd::Unknown,
        died_in: None,
        restart_due: None,
        limit_at: 0,
        spent: ["OnDeath-once".to_owned()].into(),
    };
    let details = Details {
        pid: Some(4713),
        files: vec!["/run/systemd/generator/fs-nfs2.service".into()],
        file_state: "generated".into(),
        restart: "on-failure".into(),
        ..Details::default()
    };
    let seen = UnitSeen {
        description: "NFS client file system".into(),
        changed: Some(NOW - 57_500),
        details: Some(details),
        ..unit("loaded", "active", "running")
    };
    scene.place("fs-nfs2.service", seen);
    let kept = Book {
        series,
        ..book(runs_of_nfs(&nfs))
    };
    scene.place_book("fs-nfs2", kept);
}

/// Compares a document with its fixture, as text; `UNITWARD_BLESS=1` rewrites the fixture. The
/// fixture must also parse to the same document.
pub(super) fn check<
    D: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
>(
    file: &str,
    document: &D,
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/shell/survey/fixtures")
        .join(file);
    let text = serde_json::to_string_pretty(document).unwrap() + "\n";
    if std::env::var_os("UNITWARD_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, kept, "{}", path.display());
    assert_eq!(serde_json::from_str::<D>(&kept).unwrap(), *document);
}

/// Every key of these documents is described in the manual.
#[test]
fn every_key_is_in_the_man_page() {
    fn keys(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| {
                found.insert(key.clone());
                keys(value, found);
            }),
            serde_json::Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/man/unitward.1")).unwrap();
    let section = page
        .split_once(".Sh JSON OF LIST, STATUS AND TREE")
        .unwrap()
        .1
        .split_once(".Sh ")
        .unwrap()
        .0;
    let described: Vec<&str> = section.split_whitespace().collect();
    let mut found = std::collections::BTreeSet::new();
    for file in [
        "list.json",
        "status-ward.json",
        "status-stack.json",
        "tree.json",
    ] {
        let text =
            std::fs::read_to_string(root.join("src/shell/survey/fixtures").join(file)).unwrap();
        keys(&serde_json::from_str(&text).unwrap(), &mut found);
    }
    let missing: Vec<_> = found
        .iter()
        .filter(|key| !described.contains(&key.as_str()))
        .collect();
    assert_eq!(missing, [] as [&String; 0]);
}
