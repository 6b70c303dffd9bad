//! Tests with the journals of two real hosts, and with made-up entries for what cannot be provoked.

use super::*;
use std::collections::HashMap;

const RECORDED: [(&str, &str); 2] = [
    (include_str!("recorded/systemd-252.jsonl"), "252"),
    (include_str!("recorded/systemd-257.jsonl"), "257"),
];

fn entries(text: &str) -> Vec<Entry> {
    let read = |line: &str| {
        let fields: HashMap<String, String> = serde_json::from_str(line).unwrap();
        Entry::read(&|name| fields.get(name).map(String::as_str))
    };
    text.lines().filter_map(read).collect()
}

/// Renders an end: origin, result, process and the rest that is known.
fn words(end: &JournalEnd) -> String {
    let told = &end.testimony;
    let unit = end.unit.strip_suffix(".service").unwrap_or(&end.unit);
    let process = match told.process {
        Some(ProcessEnd::Exited(status)) => format!(" exited {status}"),
        Some(ProcessEnd::Killed(signal)) => format!(" killed {signal}"),
        Some(ProcessEnd::Dumped(signal)) => format!(" dumped {signal}"),
        None => String::new(),
    };
    let waited = told
        .waited
        .map(|waited| format!(" while {waited:?}"))
        .unwrap_or_default();
    let pid = told.pid.map(|_| " pid").unwrap_or_default();
    let activity = if end.activity == Activity::NotSeen {
        " never up"
    } else {
        ""
    };
    format!(
        "{unit} {:?} {:?}{process}{waited}{pid}{activity}",
        told.evidence, told.result
    )
}

fn ends(entries: impl IntoIterator<Item = Entry>) -> Vec<JournalEnd> {
    let mut witness = Witness::default();
    entries.into_iter().for_each(|entry| witness.take(entry));
    witness.finish().0
}

/// The ends that were provoked on both hosts.
const BROUGHT_ABOUT: [&str; 34] = [
    "kill Unasked Signal killed 9",
    "kill Asked Success",
    "kill Asked Success",
    "clean Unasked Success",
    "cleanback Unasked Success",
    "cleanback Asked Success",
    "once Unasked Success never up",
    "oncefail Unasked ExitCode exited 7 never up",
    "starttimeout Unasked Timeout while Start never up",
    "runtimeout Unasked Timeout",
    "stoptimeout Asked Timeout killed 9 while Stop",
    "stopfail Asked ExitCode exited 3",
    "pre Unasked ExitCode exited 4 never up",
    // Its failed reload, which came before, does not count.
    "reload Unasked Signal killed 9",
    "dump Unasked CoreDump dumped 11 pid",
    "dump Asked Success",
    // systemd's start limit then writes "Failed" once more, for the same run.
    "loop Unasked ExitCode exited 5",
    "loop Unasked ExitCode exited 5",
    "direct Unasked Signal killed 9",
    "direct Asked Success",
    "wd Unasked Watchdog dumped 6 pid",
    "execfail Unasked ExitCode exited 203",
    "cond Unasked ExecCondition never up",
    // Stopped by hand while it waited for its restart.
    "waiting Unasked Success",
    "limit Unasked Signal killed 9",
    // The death limit stopped it after a clean end: only the run record can tell.
    "limit Asked Success",
    "bad.mount Unasked ExitCode exited 32 never up",
    "lasting Asked Success",
    "often.timer Asked Success",
    "forking Unasked Signal killed 9",
    "tr Unasked ExitCode exited 9",
    "sc.scope Unasked Success",
    // It ended during the shutdown, before its turn to be stopped.
    "falls Asked ExitCode exited 9",
    "slow Asked Success",
];

#[test]
fn recorded_hosts_give_the_ends_that_were_brought_about() {
    for (text, version) in RECORDED {
        assert_eq!(
            ends(entries(text)).iter().map(words).collect::<Vec<_>>(),
            BROUGHT_ABOUT,
            "{version}"
        );
    }
}

#[test]
fn a_pid_is_that_of_the_main_process_though_all_of_a_service_dumped_core() {
    for (text, version) in RECORDED {
        let dumps = entries(text)
            .into_iter()
            .filter_map(|entry| match entry.fact {
                Fact::Run {
                    unit,
                    event: RunEvent::Dumped { pid, .. },
                    ..
                } => Some((unit, pid)),
                _ => None,
            });
        let told = ends(entries(text));
        let with_pid = told
            .iter()
            .filter_map(|end| Some((end.unit.clone(), end.testimony.pid?)));
        assert_eq!(
            with_pid.collect::<Vec<_>>(),
            dumps.collect::<Vec<_>>(),
            "{version}"
        );
        assert_eq!(
            text.matches("\"COREDUMP_UNIT\":\"wd.service\"").count(),
            2,
            "{version}"
        );
    }
}

#[test]
fn times_are_those_of_the_processes_end() {
    for (text, version) in RECORDED {
        let recorded = entries(text);
        let at = |wanted: &RunEvent| {
            let found = recorded
                .iter()
                .find(|entry| matches!(&entry.fact, Fact::Run { event, .. } if event == wanted));
            found.map(|entry| entry.at)
        };
        let killed = at(&RunEvent::Exited(Role::Main, ProcessEnd::Killed(9))).unwrap();
        assert_eq!(ends(recorded.clone())[0].testimony.at, killed, "{version}");
        assert!(killed > 1_795_000_000_000, "milliseconds");
    }
}

fn run(number: usize) -> InvocationId {
    InvocationId::parse(&format!("{number:032x}")).unwrap()
}

/// Events of `u.service` in run 1, in boot a.
fn happened(event: RunEvent) -> Entry {
    Entry {
        boot: "a".into(),
        at: 5,
        fact: Fact::Run {
            unit: "u.service".into(),
            invocation: run(1),
            event,
        },
    }
}

fn fact(fact: Fact) -> Entry {
    Entry {
        boot: "a".into(),
        at: 5,
        fact,
    }
}

fn check(entries: Vec<Entry>, expect: &[&str]) {
    assert_eq!(
        ends(entries.clone()).iter().map(words).collect::<Vec<_>>(),
        expect,
        "{entries:?}"
    );
}

const KILLED: RunEvent = RunEvent::Exited(Role::Main, ProcessEnd::Killed(9));
const FAILED: RunEvent = RunEvent::Ended(ServiceResult::Signal);

#[test]
fn a_stop_that_comes_when_the_process_is_dead_already_did_not_end_it() {
    check(
        [RunEvent::Stopping, KILLED, FAILED].map(happened).into(),
        &["u Asked Signal killed 9"],
    );
    check(
        [KILLED, RunEvent::Stopping, FAILED].map(happened).into(),
        &["u Unasked Signal killed 9"],
    );
    check(
        [KILLED, FAILED, RunEvent::Stopped].map(happened).into(),
        &["u Unasked Signal killed 9"],
    );
}

#[test]
fn what_falls_while_the_host_goes_down_was_asked_to_unless_it_had_fallen_before() {
    let down = || fact(Fact::GoingDown);
    check(
        vec![down(), happened(KILLED), happened(FAILED)],
        &["u Asked Signal killed 9"],
    );
    check(
        vec![happened(KILLED), down(), happened(FAILED)],
        &["u Unasked Signal killed 9"],
    );
    check(
        vec![
            down(),
            fact(Fact::ComeUp),
            happened(KILLED),
            happened(FAILED),
        ],
        &["u Unasked Signal killed 9"],
    );
    let later = |event| Entry {
        boot: "b".into(),
        ..happened(event)
    };
    check(
        vec![down(), later(KILLED), later(FAILED)],
        &["u Unasked Signal killed 9"],
    );
}

#[test]
fn a_restart_that_systemd_schedules_was_asked_for_by_nobody() {
    let clean = RunEvent::Ended(ServiceResult::Success);
    let restarted = [clean.clone(), RunEvent::RestartScheduled, RunEvent::Stopped];
    check(restarted.map(happened).into(), &["u Unasked Success"]);
    check(
        [clean, RunEvent::Stopped].map(happened).into(),
        &["u Asked Success"],
    );
}

#[test]
fn a_core_dump_that_is_told_late_still_gives_its_pid() {
    let dumped = RunEvent::Exited(Role::Main, ProcessEnd::Dumped(11));
    let core = |signal| RunEvent::Dumped { pid: 7, signal };
    let late = |signal| {
        [
            dumped.clone(),
            RunEvent::Ended(ServiceResult::CoreDump),
            core(signal),
        ]
    };
    check(
        late(11).map(happened).into(),
        &["u Unasked CoreDump dumped 11 pid"],
    );
    check(
        late(6).map(happened).into(),
        &["u Unasked CoreDump dumped 11"],
    );
    check(
        [
            core(11),
            dumped.clone(),
            RunEvent::Ended(ServiceResult::CoreDump),
        ]
        .map(happened)
        .into(),
        &["u Unasked CoreDump dumped 11 pid"],
    );
}

#[test]
fn one_run_has_one_end_and_a_beginning_alone_has_none() {
    check([FAILED, FAILED].map(happened).into(), &["u Unasked Signal"]);
    check(
        [
            RunEvent::Starting,
            RunEvent::Started,
            RunEvent::Stopping,
            KILLED,
        ]
        .map(happened)
        .into(),
        &[],
    );
}

#[test]
fn what_began_before_the_witness_was_asked_and_was_cut_off_after_it_is_told_once() {
    let mut witness = Witness::default();
    let over = |event| Entry {
        fact: Fact::Run {
            unit: "over.service".into(),
            invocation: run(2),
            event,
        },
        ..happened(RunEvent::Started)
    };
    [
        over(KILLED),
        over(FAILED),
        happened(RunEvent::Starting),
        happened(KILLED),
    ]
    .into_iter()
    .for_each(|entry| witness.take(entry));
    witness.begin_here();
    witness.take(over(FAILED));
    witness.take(Entry {
        boot: "b".into(),
        ..fact(Fact::ComeUp)
    });
    assert_eq!(
        witness.finish().0.iter().map(words).collect::<Vec<_>>(),
        ["u Unasked Signal killed 9 never up"]
    );
}

#[test]
fn memory_is_bounded_and_the_newest_ends_are_kept() {
    let mut witness = Witness::default();
    for number in 1..=ENDS_KEPT + 10 {
        let run = |event| Entry {
            fact: Fact::Run {
                unit: format!("run-{number}.service"),
                invocation: run(number),
                event,
            },
            ..happened(RunEvent::Started)
        };
        witness.take(run(RunEvent::Starting));
        witness.take(run(FAILED));
    }
    assert!(witness.runs.len() <= UNITS_FOLLOWED + 1);
    let (ends, left_out) = witness.finish();
    assert_eq!((ends.len(), left_out), (ENDS_KEPT, 10));
    assert_eq!(ends.last().unwrap().invocation, run(ENDS_KEPT + 10));
}

#[test]
fn an_entry_that_lacks_what_it_needs_says_nothing() {
    let (text, _) = RECORDED[0];
    for line in text.lines() {
        let fields: HashMap<String, String> = serde_json::from_str(line).unwrap();
        for lost in fields.keys() {
            let _ = Entry::read(&|name| {
                fields
                    .get(name)
                    .filter(|_| name != lost)
                    .map(String::as_str)
            });
            let _ = Entry::read(&|name| {
                if name == lost {
                    Some("\u{7}")
                } else {
                    fields.get(name).map(String::as_str)
                }
            });
        }
    }
    assert_eq!(Entry::read(&|_| None), None);
}
