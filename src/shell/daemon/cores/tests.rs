//! Which entry is whose, and what is remembered.

use super::*;

const RECORDED: &str = include_str!("../../../core/crash/recorded/coredump-252.txt");

fn core(unit: &str) -> Core {
    let unit = format!("\"COREDUMP_UNIT\":\"{unit}.service\"");
    let line = RECORDED.lines().find(|line| line.contains(&unit)).unwrap();
    Core::parse(line, Dumper::of(Path::new("/nowhere"))).unwrap()
}

fn seek(core: &Core) -> Seek {
    Seek {
        unit: core.unit.clone(),
        invocation: core.invocation.clone().unwrap_or_else(|| InvocationId::parse(&"a".repeat(32)).unwrap()),
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
        (Seek { pid: None, ..right.clone() }, true),
        (Seek { pid: Some(core.pid + 1), ..right.clone() }, false),
        (Seek { invocation: other_run.clone(), ..right.clone() }, false),
        (Seek { invocation: other_run, pid: None, ..right.clone() }, false),
        (Seek { unit: "other.service".into(), ..right.clone() }, false),
        // The run tells it, whatever the clocks say.
        (Seek { at: 0, ..right.clone() }, true),
        (Seek { at: u64::MAX, ..right }, true),
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
        (Seek { pid: None, ..right.clone() }, false),
        (Seek { pid: Some(core.pid + 1), ..right.clone() }, false),
        (Seek { unit: "other.service".into(), ..right.clone() }, false),
        (Seek { at: core.at_ms - SLACK, ..right.clone() }, true),
        (Seek { at: core.at_ms - SLACK - 1, ..right.clone() }, false),
        (Seek { at: core.at_ms + DUMP_TIME, ..right.clone() }, true),
        (Seek { at: core.at_ms + DUMP_TIME + 1, ..right }, false),
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
    assert_eq!(seen.take(|core| core.pid == 3).map(|core| core.pid), Some(3));
    assert_eq!(seen.take(|core| core.pid == 3), None);
    assert_eq!(seen.size, (fit - 1) * one.size());
}
