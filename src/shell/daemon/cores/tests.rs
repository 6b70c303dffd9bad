//! Tests of matching entries and seeks, of the queue, and of remembered entries.

use super::*;

const RECORDED: &str = include_str!("../../../core/crash/recorded/coredump-252.txt");

fn core(unit: &str) -> Core {
    let unit = format!("\"COREDUMP_UNIT\":\"{unit}.service\"");
    let line = RECORDED.lines().find(|line| line.contains(&unit)).unwrap();
    Core::parse(line, Dumper::of(Path::new("/nowhere"))).unwrap()
}

/// Returns an entry of a unit, whose seek ends at this time.
fn waits(unit: &str, until: Instant) -> Entry {
    let core = core("caller");
    let seek = Seek {
        unit: unit.into(),
        until,
        ..seek(&core)
    };
    Entry { seek, core }
}

fn unit_of(found: Option<Entry>) -> Option<String> {
    found.map(|found| found.seek.unit)
}

#[test]
fn a_unit_that_crashes_all_the_time_holds_up_nobody_elses_backtrace() {
    let now = Instant::now();
    let later = now + Duration::from_secs(60);
    let mut queue = Queue::default();
    for unit in ["slow", "slow", "slow", "slow-too", "slow-too", "good"] {
        assert!(queue.push(waits(unit, later)).is_empty());
    }
    assert_eq!(unit_of(queue.next(now)).as_deref(), Some("slow"));
    assert_eq!(
        unit_of(queue.next(now)).as_deref(),
        Some("slow-too"),
        "one of a unit at a time"
    );
    assert_eq!(unit_of(queue.next(now)), None, "no more than two at once");
    queue.done("slow", LONGEST, now);
    assert_eq!(
        unit_of(queue.next(now)).as_deref(),
        Some("good"),
        "it has used no time yet"
    );
    queue.done("good", Duration::from_millis(20), now);
    assert_eq!(
        unit_of(queue.next(now)).as_deref(),
        Some("slow"),
        "nobody else waits"
    );
    queue.done("slow-too", LONGEST / 2, now);
    assert!(queue.push(waits("good", later)).is_empty());
    assert_eq!(unit_of(queue.next(now)).as_deref(), Some("good"));
    queue.done("good", Duration::from_millis(20), now);
    assert_eq!(unit_of(queue.next(now)).as_deref(), Some("slow-too"));
    queue.done("slow", LONGEST, now);
    queue.done("slow-too", LONGEST, now);
    assert_eq!(
        unit_of(queue.next(now + Duration::from_secs(1))).as_deref(),
        Some("slow")
    );
    assert_eq!(unit_of(queue.next(now)), None, "nothing is left");
}

#[test]
fn what_waits_for_its_look_up_has_bounds_and_whoever_has_most_loses_first() {
    let now = Instant::now();
    let later = now + Duration::from_secs(60);
    let mut queue = Queue::default();
    let fit = queue::SIZE / core("caller").size();
    assert!(queue.push(waits("good", later)).is_empty());
    for _ in 1..fit {
        assert!(queue.push(waits("many", later)).is_empty());
    }
    let dropped = queue.push(waits("good", later));
    assert_eq!(
        dropped
            .iter()
            .map(|found| found.seek.unit.as_str())
            .collect::<Vec<_>>(),
        ["many"]
    );
    let dropped = queue.push(waits("many", later));
    assert_eq!(
        dropped
            .iter()
            .map(|found| found.seek.unit.as_str())
            .collect::<Vec<_>>(),
        ["many"]
    );
    assert_eq!(
        unit_of(queue.next(later)),
        None,
        "nobody waits for them any more"
    );
    assert!(
        queue
            .push(waits("many", later + Duration::from_secs(1)))
            .is_empty()
    );
}

fn seek(core: &Core) -> Seek {
    Seek {
        unit: core.unit.clone(),
        invocation: core
            .invocation
            .clone()
            .unwrap_or_else(|| InvocationId::parse(&"a".repeat(32)).unwrap()),
        pid: Some(core.pid),
        at: core.at_ms,
        until: Instant::now() + Duration::from_secs(10),
    }
}

#[test]
fn unit_run_and_process_must_agree() {
    let core = core("caller");
    let right = seek(&core);
    let other_run = InvocationId::parse(&"b".repeat(32)).unwrap();
    for (seek, expect) in [
        (right.clone(), true),
        (
            Seek {
                pid: None,
                ..right.clone()
            },
            true,
        ),
        (
            Seek {
                pid: Some(core.pid + 1),
                ..right.clone()
            },
            false,
        ),
        (
            Seek {
                invocation: other_run.clone(),
                ..right.clone()
            },
            false,
        ),
        (
            Seek {
                invocation: other_run,
                pid: None,
                ..right.clone()
            },
            false,
        ),
        (
            Seek {
                unit: "other.service".into(),
                ..right.clone()
            },
            false,
        ),
        // The run decides, not the clocks.
        (
            Seek {
                at: 0,
                ..right.clone()
            },
            true,
        ),
        (
            Seek {
                at: u64::MAX,
                ..right
            },
            true,
        ),
    ] {
        assert_eq!(is_about(&core, &seek), expect, "{seek:?}");
    }
}

#[test]
fn without_a_run_the_process_and_the_time_must_agree() {
    let core = core("odd-bare");
    assert_eq!(core.invocation, None);
    let right = seek(&core);
    for (seek, expect) in [
        (right.clone(), true),
        (
            Seek {
                pid: None,
                ..right.clone()
            },
            false,
        ),
        (
            Seek {
                pid: Some(core.pid + 1),
                ..right.clone()
            },
            false,
        ),
        (
            Seek {
                unit: "other.service".into(),
                ..right.clone()
            },
            false,
        ),
        (
            Seek {
                at: core.at_ms - SLACK,
                ..right.clone()
            },
            true,
        ),
        (
            Seek {
                at: core.at_ms - SLACK - 1,
                ..right.clone()
            },
            false,
        ),
        (
            Seek {
                at: core.at_ms + DUMP_TIME,
                ..right.clone()
            },
            true,
        ),
        (
            Seek {
                at: core.at_ms + DUMP_TIME + 1,
                ..right
            },
            false,
        ),
    ] {
        assert_eq!(is_about(&core, &seek), expect, "{seek:?}");
    }
}

#[test]
fn the_latest_entries_are_remembered_and_each_is_given_once() {
    let mut seen = Seen::default();
    let one = core("caller");
    let fit = REMEMBERED / one.size();
    for pid in 0..u32::try_from(fit).unwrap() + 3 {
        let mut core = one.clone();
        core.pid = pid;
        seen.keep(core);
        assert!(seen.size <= REMEMBERED);
    }
    assert_eq!(seen.cores.len(), fit);
    assert_eq!(seen.take(|core| core.pid == 2), None);
    assert_eq!(
        seen.take(|core| core.pid == 3).map(|core| core.pid),
        Some(3)
    );
    assert_eq!(seen.take(|core| core.pid == 3), None);
    assert_eq!(seen.size, (fit - 1) * one.size());
}
