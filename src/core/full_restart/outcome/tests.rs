//! Tests of the fate of each unit, and of the result of the whole restart.

use super::*;

const OLD: Part<'_> = Part::Member(Some("old"));
const DOWN: Part<'_> = Part::Member(None);

fn look(stage: Stage) -> Look {
    Look {
        unit: "cm.service".into(),
        load: Load::Loaded,
        stage,
        run: Some("new".into()),
        job: Job::None,
        work: Work::Lasting,
        result: ServiceResult::Success,
        process: None,
        limits: TimeLimits {
            start: Some(Duration::from_secs(90)),
            ..TimeLimits::default()
        },
    }
}

fn failed(result: &str, process: Option<ProcessEnd>) -> Look {
    Look {
        result: ServiceResult::parse(result),
        process,
        ..look(Stage::Ended)
    }
}

#[test]
fn who_runs_in_another_run_is_back() {
    for stage in [Stage::Running, Stage::Exited, Stage::Reloading] {
        assert_eq!(look(stage).fate(OLD), Fate::Back, "{stage:?}");
        assert_eq!(look(stage).fate(DOWN), Fate::Back, "{stage:?}");
        assert_eq!(
            look(stage).fate(Part::Member(Some("new"))),
            Fate::Missing("was not restarted".into())
        );
        assert_eq!(
            look(stage).fate(Part::Whole(None)),
            Fate::Back,
            "a script need not touch it"
        );
        assert_ne!(look(stage).fate(Part::Whole(Some("new"))), Fate::Back);
    }
}

#[test]
fn who_has_nothing_to_do_any_more_is_back() {
    let oneshot = Look {
        work: Work::Oneshot,
        ..look(Stage::Ended)
    };
    assert_eq!(oneshot.fate(OLD), Fate::Back);
    assert_eq!(
        Look {
            run: None,
            ..oneshot.clone()
        }
        .fate(DOWN),
        Fate::Back
    );
    assert_eq!(
        oneshot.fate(Part::Member(Some("new"))),
        Fate::Missing("did not come back".into())
    );
    assert_eq!(
        Look {
            work: Work::Skipped,
            ..look(Stage::Ended)
        }
        .fate(OLD),
        Fate::Back
    );
    assert_eq!(
        failed("exec-condition", Some(ProcessEnd::Exited(1))).fate(OLD),
        Fate::Back
    );
    assert_eq!(
        look(Stage::Ended).fate(DOWN),
        Fate::Back,
        "it was down and still is"
    );
}

#[test]
fn who_was_excluded_meanwhile_did_not_die() {
    let cut_off = Look {
        work: Work::Excluded,
        ..failed("signal", Some(ProcessEnd::Killed(15)))
    };
    let never_started = Look {
        work: Work::Excluded,
        run: Some("old".into()),
        ..look(Stage::Ended)
    };
    for look in [cut_off, never_started] {
        assert_eq!(
            look.fate(OLD),
            Fate::Missing("was excluded meanwhile".into())
        );
    }
    let never_up = Look {
        work: Work::Excluded,
        run: None,
        ..look(Stage::Ended)
    };
    assert_eq!(never_up.fate(DOWN), Fate::Back, "it was down and still is");
}

#[test]
fn who_is_on_its_way_is_waited_for() {
    let pending = Look {
        job: Job::Pending,
        ..look(Stage::Running)
    };
    for (look, words) in [
        (look(Stage::Starting), "is still starting"),
        (look(Stage::Stopping), "is still stopping"),
        (pending, "still waits to be restarted"),
    ] {
        assert_eq!(look.fate(OLD), Fate::OnItsWay(words));
    }
    let dying = Look {
        stage: Stage::Restarting,
        ..failed("signal", Some(ProcessEnd::Killed(11)))
    };
    assert_eq!(
        dying.fate(OLD),
        Fate::Dying("keeps dying (SIG 11 (Segmentation fault))".into())
    );
}

#[test]
fn who_is_not_back_has_its_cause_told() {
    let missing = |look: Look, words: &str| {
        assert_eq!(look.fate(OLD), Fate::Missing(words.into()), "{look:?}")
    };
    missing(
        failed("exit-code", Some(ProcessEnd::Exited(203))),
        "did not come back (EXIT 203 (EXEC))",
    );
    missing(
        failed("success", Some(ProcessEnd::Exited(0))),
        "did not come back (EXIT 0)",
    );
    missing(
        failed("timeout", Some(ProcessEnd::Killed(15))),
        "did not come back (Start timeout (90s))",
    );
    missing(
        failed("resources", None),
        "did not come back (Start failed (resources))",
    );
    missing(failed("exit-code", None), "did not come back");
    missing(look(Stage::Ended), "did not come back");
    missing(
        Look {
            load: Load::Missing("masked".into()),
            ..look(Stage::Ended)
        },
        "did not come back (masked)",
    );
    let whole = failed("exit-code", Some(ProcessEnd::Exited(1)));
    assert_eq!(
        whole.fate(Part::Whole(None)),
        Fate::Missing("did not come back (EXIT 1)".into())
    );
}

#[test]
fn troubles_are_told_in_one_sentence_of_bounded_length() {
    let minutes = Duration::from_secs(300);
    assert_eq!(
        had_to_be_killed("web.service", Some(Duration::from_secs(90))),
        "web.service had to be killed, it ignored SIGTERM for 1min 30s"
    );
    assert_eq!(not_over(minutes), "it was not over after 5min");
    assert_eq!(
        script_ended(ProcessEnd::Exited(1)),
        "the restart script ended with status 1"
    );
    assert_eq!(
        script_ended(ProcessEnd::Killed(9)),
        "the restart script died: SIG 9 (Killed)"
    );
    assert_eq!(
        script_killed(minutes),
        "the restart script was killed after 5min"
    );
    let troubles: Vec<_> = (1..=6)
        .map(|number| format!("{number}.service did not come back"))
        .collect();
    assert_eq!(together(&troubles[..1]), "1.service did not come back");
    assert!(together(&troubles).ends_with("4.service did not come back, and 2 more"));
}
