//! Tests of the documents of `unitward status`.

use super::*;
use crate::core::crash::observation::InvocationId;
use crate::core::full_restart::RestartOutcome;
use crate::edge::history::entry::{
    Fate, Key, Severity, StoredDeath, StoredRecovery, StoredRestart, StoredRestartEnd, Witness,
};
use crate::edge::history::read::{Delivery, DeliveryState, ToldRestart};
use crate::shell::survey::sample::{self, NOW};

/// Makes death `number` of the history, `ago` milliseconds ago.
fn told(number: u64, ago: u64) -> Told {
    let invocation = InvocationId::parse(&format!("{number:032x}")).unwrap();
    let key = Key {
        boot: "b".repeat(32),
        unit: "fs-nfs2.service".into(),
        invocation,
    };
    let frames: Vec<_> = (0..6)
        .map(|n| format!("{n} > 0x{n}000: f{n} 0x34 /usr/sbin/fs-nfs2\n"))
        .collect();
    let death = StoredDeath {
        key,
        name: "fs-nfs2".into(),
        severity: Severity::Crash,
        pid: Some(4711),
        reason: "SIG 11 (Segmentation fault)".into(),
        at: NOW - ago,
        backtrace: Some(frames.join(" ")),
        witness: Witness::Bus,
        fate: Fate::Reported,
    };
    let report = Some(Delivery {
        id: "r".into(),
        state: DeliveryState::Sent { at: NOW },
    });
    Told {
        id: 1,
        death,
        report,
        recovery: None,
        recovery_report: None,
        restart: None,
        led_to: None,
    }
}

#[test]
fn the_document_of_a_ward_stays_as_it_is() {
    let scene = sample::scene();
    let history = Remembered {
        deaths: vec![told(2, 60_500)],
        waiting: Some(1),
        problem: None,
    };
    let mut status = of_ward(&scene, &scene.config.wards[0], &history);
    status
        .problems
        .push("/etc/unitward/fs-nfs2.ward:3:1: unknown key".to_owned());
    sample::check("status-ward.json", &Status::Ward(Box::new(status)));
}

#[test]
fn a_unit_whose_main_process_systemd_does_not_know_is_not_said_to_be_restarted() {
    let mut scene = sample::scene();
    let ward = scene.config.wards[0].clone();
    let status = |scene: &Scene| of_ward(scene, &ward, &Remembered::default());
    let details = Some(Details {
        restart: "always".into(),
        ..Details::default()
    });
    let mut place = |pid: Option<u32>, sub: &'static str| {
        let details = details.clone().map(|details| Details { pid, ..details });
        let unit = UnitSeen {
            details,
            ..sample::unit("loaded", "active", sub)
        };
        scene.place(ward.unit().as_str(), unit);
        let WardStatus { next, problems, .. } = status(&scene);
        (
            next.unwrap().restarts,
            problems
                .iter()
                .any(|text| text.contains("knows no main process")),
        )
    };
    assert_eq!(place(None, "running"), (false, true));
    assert_eq!(place(Some(7), "running"), (true, false));
    assert_eq!(place(None, "exited"), (true, false));
}

#[test]
fn without_a_history_the_records_tell_what_they_know() {
    let scene = sample::scene();
    let unknown = Remembered {
        problem: Some("it is damaged".into()),
        ..Remembered::default()
    };
    let status = of_ward(&scene, &scene.config.wards[0], &unknown);
    let ids: Vec<_> = status
        .crashes
        .iter()
        .map(|crash| crash.death.invocation.trim_start_matches('0'))
        .collect();
    assert_eq!(ids, ["2", "1"]);
    assert_eq!(
        status.last_recovery.map(|recovery| recovery.outcome),
        Some("step-failed".to_owned())
    );
    assert_eq!(
        (status.reports_waiting, status.history_problem.as_deref()),
        (None, Some("it is damaged"))
    );
    let worker = of_ward(&scene, &scene.config.wards[3], &unknown);
    assert_eq!(worker.next, None, "it is down");
    assert_eq!(
        worker.last_recovery.map(|recovery| recovery.outcome),
        None,
        "its beginning is not on record"
    );
}

#[test]
fn a_recovery_of_an_earlier_boot_is_the_historys_to_tell() {
    let scene = sample::scene();
    let death = told(7, 9_000_000);
    let record = r#"{"restarts":1,"downtimeMs":184,"recoveryMs":4312}"#.to_owned();
    let key = death.death.key.clone();
    let recovery = StoredRecovery {
        death: key,
        ward: "worker".into(),
        outcome: "recovered".into(),
        at: NOW - 1,
        course: None,
        record,
    };
    let history = Remembered {
        deaths: vec![Told {
            recovery: Some(recovery),
            ..death
        }],
        ..Remembered::default()
    };
    let recovery = of_ward(&scene, &scene.config.wards[3], &history)
        .last_recovery
        .unwrap();
    assert_eq!(
        (
            recovery.restarts,
            recovery.downtime_ms,
            recovery.recovery_ms
        ),
        (Some(1), Some(184), Some(4312))
    );
}

#[test]
fn the_document_of_a_stack_stays_as_it_is() {
    let scene = sample::scene();
    let mut status = of_stack(
        &scene,
        &scene.config.stacks[0],
        &Err("there is none yet".into()),
        &[],
    );
    let death = told(8, 7_200_000);
    let restart = StoredRestart {
        death: death.death.key.clone(),
        stack: "opensync".into(),
        caller: "cm2_trigger_restart_managers".into(),
        ended: None,
        cause: None,
    };
    let end = StoredRestartEnd {
        at: NOW,
        outcome: RestartOutcome::Failed,
        trouble: "wm did not come up".into(),
    };
    let restart = Some(ToldRestart {
        restart,
        end: Some(end),
    });
    status.full_restarts = full_restarts(&[Told { restart, ..death }], &[]);
    sample::check("status-stack.json", &Status::Stack(Box::new(status)));
}
