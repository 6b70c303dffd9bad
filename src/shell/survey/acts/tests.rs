//! Tests of the counters of steps.

use super::*;
use crate::edge::record::StepResult;
use crate::shell::survey::pid1::{Details, UnitSeen};
use crate::shell::survey::sample::{self, step};

const TEXT: &str = "[OnDeath]\nExecute=/bin/a\nRestart=%n\nWaitFor=1s\nLog=x\n";

/// Compares the steps, formatted as `step done/failed/skipped`.
fn check(run: impl FnOnce(&Ward) -> RunRecord, expect: [&str; 4]) {
    let mut scene = sample::scene();
    let ward = sample::ward("web", TEXT);
    let unit = sample::unit("loaded", "active", "running");
    scene.place("web.service", unit);
    scene.place_book("web", sample::book(vec![run(&ward)]));
    let told: Vec<_> = conditions(&scene, &ward)[0]
        .steps
        .iter()
        .map(|told| {
            format!(
                "{} {}/{}/{}",
                told.step, told.done, told.failed, told.skipped
            )
        })
        .collect();
    assert_eq!(told, expect);
}

fn restart(ward: &Ward) -> RunRecord {
    let results = vec![step("1", "Execute", Outcome::Failed)];
    RunRecord {
        results,
        ..sample::run(ward, 2, StartKind::AfterAbnormalDeath)
    }
}

#[test]
fn a_step_that_runs_has_not_failed() {
    let mut scene = sample::scene();
    let ward = sample::ward("web", TEXT);
    let killed = StepResult {
        status: KILLED,
        ..step("3", "WaitFor", Outcome::Failed)
    };
    let run = RunRecord {
        results: vec![step("1", "Execute", Outcome::Ok), killed],
        ..restart(&ward)
    };
    let words = "unitward-step end web web.service --step=OnDeath:3 WaitFor 1s"
        .split(' ')
        .map(str::to_owned)
        .collect();
    let details = Some(Details {
        line: Some((words, 1)),
        ..Details::default()
    });
    let unit = UnitSeen {
        details,
        ..sample::unit("loaded", "activating", "start-post")
    };
    scene.place("web.service", unit);
    scene.place_book("web", sample::book(vec![run]));
    let told = &conditions(&scene, &ward)[0].steps;
    assert_eq!(
        (told[2].running, told[2].failed, told[2].last.as_ref()),
        (true, 0, None)
    );
    assert_eq!(
        [told[0].running, told[3].running, told[3].skipped > 0],
        [false; 3]
    );
}

#[test]
fn a_restart_is_done_once_its_main_process_is_started() {
    let mut scene = sample::scene();
    let ward = sample::ward("web", TEXT);
    let book = sample::book(vec![RunRecord {
        results: Vec::new(),
        ..restart(&ward)
    }]);
    let unit = sample::unit("loaded", "activating", "condition");
    scene.place("web.service", unit);
    scene.place_book("web", book);
    assert_eq!(conditions(&scene, &ward)[0].steps[1].done, 0);
}

#[test]
fn what_is_yet_to_come_is_not_skipped() {
    check(restart, ["1 0/1/0", "2 1/0/0", "3 0/0/0", "4 0/0/0"]);
}

#[test]
fn what_a_run_that_is_over_did_not_do_was_skipped() {
    let ended = |ward: &Ward| RunRecord {
        end: Some(sample::died(1)),
        ..restart(ward)
    };
    check(ended, ["1 0/1/0", "2 1/0/0", "3 0/0/1", "4 0/0/1"]);
}

#[test]
fn a_condition_that_did_not_fire_skipped_nothing() {
    check(
        |ward| sample::run(ward, 1, StartKind::First),
        ["1 0/0/0", "2 0/0/0", "3 0/0/0", "4 0/0/0"],
    );
}

#[test]
fn a_step_does_not_get_the_counters_of_another_that_stood_in_its_place() {
    let other = |ward: &Ward| {
        let results = vec![
            step("1", "Start", Outcome::Ok),
            step("3", "WaitFor", Outcome::Ok),
        ];
        RunRecord {
            results,
            ..restart(ward)
        }
    };
    check(other, ["1 0/0/1", "2 1/0/0", "3 1/0/0", "4 0/0/0"]);
}
