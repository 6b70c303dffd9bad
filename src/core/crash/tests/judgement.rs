//! The judgement on one end, with a run record and with control processes that failed.

use super::*;
use crate::core::crash::verdict::{FailedControl, Testimony, needs_control};

fn ended(text: &str) -> Ended {
    let mut tracker = Tracker::new(Duration::ZERO);
    let mut ended: Vec<_> = lines(text)
        .flat_map(|line| tracker.observe(&observation(line).1).ended)
        .collect();
    ended.pop().unwrap()
}

#[test]
fn the_run_record_overrules_the_bus() {
    let by_bus = ended(
        "u a active/running main pid=7\nu a failed/failed result=exit-code pid=7 exited=3 t=2000000",
    );
    let mut record = Testimony {
        evidence: Evidence::Asked,
        result: ServiceResult::ExitCode,
        process: Some(ProcessEnd::Exited(3)),
        pid: None,
        at: 1_234,
        waited: None,
    };
    let nature = &Nature::default();
    assert_eq!(judge(&by_bus, None, nature, None).verdict, Verdict::Crash);
    assert_eq!(
        judge(&by_bus, Some(&record), nature, None).verdict,
        Verdict::Requested
    );
    (record.evidence, record.result, record.process) = (
        Evidence::Unasked,
        ServiceResult::CoreDump,
        Some(ProcessEnd::Dumped(11)),
    );
    let death = judge(&by_bus, Some(&record), nature, None);
    assert_eq!(
        (death.verdict, death.pid, death.at),
        (Verdict::Crash, Some(7), Some(1_234))
    );
    assert_eq!(death.cause.to_string(), "SIG 11 (Segmentation fault)");
    assert_eq!(
        judge(&by_bus, None, nature, None).at,
        Some(2_000),
        "milliseconds"
    );
    record.result = ServiceResult::Timeout;
    assert_eq!(
        judge(&by_bus, Some(&record), nature, None)
            .cause
            .to_string(),
        "Runtime timeout"
    );
    record.waited = Some(Waited::Start);
    assert_eq!(
        judge(&by_bus, Some(&record), nature, None)
            .cause
            .to_string(),
        "Start timeout"
    );
}

#[test]
fn a_failed_control_process_is_the_cause_where_no_main_process_failed() {
    let failed = FailedControl {
        pid: 9,
        end: ProcessEnd::Exited(32),
        at: 1,
    };
    for (text, needed, reason) in [
        (
            "u a activating/start-pre control\nu a failed/failed result=exit-code",
            true,
            "EXIT 32",
        ),
        (
            "u a activating/start-post control pid=7 exited=0\nu a failed/failed result=exit-code pid=7 exited=0",
            true,
            "EXIT 32",
        ),
        (
            "u a active/running main pid=7\nu a failed/failed result=exit-code pid=7 exited=3",
            false,
            "EXIT 3",
        ),
    ] {
        let ended = ended(text);
        assert_eq!(needs_control(&ended, None), needed, "{text}");
        assert_eq!(
            judge(&ended, None, &Nature::default(), Some(failed))
                .cause
                .to_string(),
            reason,
            "{text}"
        );
    }
}

#[test]
fn a_line_that_failed_before_the_main_process_ended_is_the_cause_of_a_failed_start() {
    let line = FailedControl {
        pid: 9,
        end: ProcessEnd::Exited(6),
        at: 5,
    };
    for (text, at, expect) in [
        (
            "u a activating/start-post job=1 main pid=1\nu a failed/failed result=exit-code pid=1 killed=15 t=9",
            5,
            "EXIT 6",
        ),
        (
            "u a activating/start-post job=1 main pid=1\nu a failed/failed result=exit-code pid=1 exited=4 t=9",
            12,
            "EXIT 4",
        ),
        (
            "u a active/running main pid=1\nu a failed/failed result=exit-code pid=1 exited=4 t=9",
            5,
            "EXIT 4",
        ),
    ] {
        let mut tracker = Tracker::new(Duration::ZERO);
        let ended = lines(text)
            .flat_map(|line| tracker.observe(&observation(line).1).ended)
            .next()
            .unwrap();
        let line = FailedControl { at, ..line };
        assert_eq!(
            judge(&ended, None, &Nature::default(), Some(line))
                .cause
                .to_string(),
            expect,
            "{text}"
        );
    }
}
