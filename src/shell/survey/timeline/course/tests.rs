//! Tests of documents made from the history.

use super::*;
use crate::core::crash::observation::InvocationId;
use crate::edge::history::entry::{Fate, Key, Severity, StoredDeath, StoredRecovery, Witness};
use crate::shell::survey::timeline::Document;

const DIED: u64 = 1_738_838_543_963;

const RECORD: &str = r#"{"nodeId":"n","ward":"fs-nfs2","invocation":"9e3779b97f4a7c15f39cc0605cedc835","reason":"SIG 9 (Killed)","timestamp":1738838543963,"steps":[{"condition":"OnDeath","step":"Execute","argument":"/usr/bin/umount -l /armle-v7","result":"failed","ms":12},{"condition":"OnDeath","step":"Execute","argument":"/usr/bin/umount -l /armle-v7","result":"ok","ms":9},{"condition":"OnDeath","step":"Restart","argument":"inetd.service","result":"ok","ms":1500}],"outcome":"recovered","restarts":2,"downtimeMs":284,"recoveryMs":1812}"#;
const COURSE: &str = r#"{"first":[{"begun":1738838543970,"steps":[1738838543985],"failed":1738838544000},{"begun":1738838544010,"backoffMs":200,"steps":[1738838544221],"main":1738838544247,"up":1738838545775}]}"#;
const CUT: &str = r#"{"first":[{"begun":1738838543970,"steps":[1738838543985]}],"attemptsLeftOut":7,"stepsLeftOut":1,"last":[{"steps":[1738838545774]}]}"#;

fn told(record: &str, course: Option<&str>) -> Told {
    let invocation = InvocationId::parse("9e3779b97f4a7c15f39cc0605cedc835").unwrap();
    let key = Key {
        boot: "7".repeat(32),
        unit: "fs-nfs2.service".into(),
        invocation,
    };
    let recovery = StoredRecovery {
        death: key.clone(),
        ward: "fs-nfs2".into(),
        outcome: "recovered".into(),
        at: DIED + 1812,
        record: record.into(),
        course: course.map(str::to_owned),
    };
    let death = StoredDeath {
        key,
        name: "fs-nfs2".into(),
        severity: Severity::Crash,
        pid: Some(1234),
        reason: "SIG 9 (Killed)".into(),
        at: DIED,
        backtrace: None,
        witness: Witness::Bus,
        fate: Fate::Silent,
    };
    let recovery = Some(recovery);
    Told {
        id: 1,
        death,
        report: None,
        recovery,
        recovery_report: None,
        restart: None,
        led_to: None,
    }
}

#[test]
fn the_document_has_the_keys_that_the_manual_describes() {
    let recoveries = [told(RECORD, Some(COURSE)), told(RECORD, None)]
        .iter()
        .filter_map(stored)
        .collect();
    let document = Document {
        now: DIED + 60_000,
        recoveries,
        ..Document::default()
    };
    let path = "src/shell/survey/timeline/fixtures/document.json";
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    if std::env::var_os("UNITWARD_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(text, include_str!("../fixtures/document.json"));
    assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document);
}

#[test]
fn attempts_that_were_left_out_take_their_steps_with_them() {
    let recovery = stored(&told(RECORD, Some(CUT))).unwrap();
    let steps = |attempt: &Attempt| {
        attempt
            .steps
            .iter()
            .map(|step| step.step.clone())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let shown: Vec<_> = recovery.attempts.iter().map(steps).collect();
    assert_eq!(
        (recovery.attempts_left_out, shown),
        (7, vec!["Execute".to_owned(), "Restart".to_owned()])
    );
}

#[test]
fn times_that_do_not_belong_to_the_steps_are_not_believed() {
    for course in [r#"{"first":[{"steps":[1,2]}]}"#, "{}", "nonsense"] {
        let recovery = stored(&told(RECORD, Some(course))).unwrap();
        assert_eq!(recovery.times, Times::DurationsOnly, "{course}");
        assert!(
            recovery.attempts[0]
                .steps
                .iter()
                .all(|step| step.begin_ms.is_none())
        );
    }
}

#[test]
fn a_record_that_cannot_be_read_still_is_a_recovery() {
    let recovery = stored(&told("{", None)).unwrap();
    assert_eq!(
        (recovery.restarts, recovery.attempts.len(), recovery.end_ms),
        (0, 0, Some(1812))
    );
}
