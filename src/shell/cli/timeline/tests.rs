//! Drawings of documents, kept as fixtures; `UNITWARD_BLESS=1 cargo test --lib timeline` rewrites them.

use super::*;
use crate::shell::survey::timeline::{Attempt, FullRestart, Member, Recovery, Step, Times};
use quick_xml::Reader;
use quick_xml::events::Event;

const DIED: u64 = 1_738_838_543_963;

fn step(at: (u64, u64), words: (&str, &str), result: &str) -> Step {
    Step {
        condition: "OnDeath".into(),
        step: words.0.into(),
        argument: words.1.into(),
        result: result.into(),
        begin_ms: Some(at.0),
        ms: at.1,
    }
}

fn recovery(attempts: Vec<Attempt>) -> Recovery {
    let up = attempts
        .last()
        .and_then(|attempt| attempt.main_ms.zip(attempt.up_ms));
    Recovery {
        ward: "fs-nfs2".into(),
        unit: "fs-nfs2.service".into(),
        invocation: "9e3779b97f4a7c15f39cc0605cedc835".into(),
        timestamp: DIED,
        reason: Some("SIG 9 (Killed)".into()),
        outcome: "recovered".into(),
        restarts: attempts.len() as u64,
        downtime_ms: up.map(|up| up.0),
        recovery_ms: up.map(|up| up.1),
        end_ms: up.map(|up| up.1),
        down_ms: up.map(|up| up.0),
        is_down: false,
        times: Times::Known,
        attempts_left_out: 0,
        attempts,
        led_to: None,
    }
}

fn up(begin: u64, main: u64, until: u64) -> Attempt {
    Attempt {
        begin_ms: Some(begin),
        main_ms: Some(main),
        up_ms: Some(until),
        ..Attempt::default()
    }
}

fn one(recovery: Recovery) -> Document {
    Document {
        since: None,
        now: DIED + 100_000,
        recoveries: vec![recovery],
        full_restarts: Vec::new(),
    }
}

fn one_step() -> Document {
    let steps = vec![step(
        (31, 153),
        ("Execute", "/usr/bin/umount -l /armle-v7"),
        "ok",
    )];
    one(recovery(vec![Attempt {
        steps,
        ..up(22, 184, 203)
    }]))
}

fn twelve_steps() -> Document {
    let mut at = 230;
    let mut steps = vec![step(
        (31, 53),
        ("Execute", "/usr/bin/umount -l /armle-v7"),
        "ok",
    )];
    for number in 1..=5 {
        steps.push(step(
            (at, 400),
            ("WaitFor", &format!("path:/dev/nfs{number} 2s")),
            "ok",
        ));
        let (result, ms) = if number == 3 {
            ("failed", 1_900)
        } else {
            ("ok", 41)
        };
        steps.push(step(
            (at + 402, ms),
            (
                "Execute",
                &format!("/usr/bin/mount -t nfs 10.12.1.115:/a{number} /a{number}"),
            ),
            result,
        ));
        at += 404 + ms;
        if number == 3 {
            steps.push(step((at, 2), ("ElseLog", "could not mount /a3"), "ok"));
            at += 3;
        }
    }
    steps.push(step((at, 640), ("Restart", "inetd.service"), "ok"));
    let attempts = vec![Attempt {
        steps,
        ..up(20, 190, at + 650)
    }];
    one(Recovery {
        outcome: "step-failed".into(),
        ..recovery(attempts)
    })
}

fn four_failed_attempts() -> Document {
    let failed = |begin: u64, backoff_ms: u64, failed: u64| Attempt {
        begin_ms: Some(begin),
        backoff_ms,
        failed_ms: Some(failed),
        steps: vec![step(
            (begin + backoff_ms + 4, 21),
            ("Execute", "/usr/sbin/check-disk"),
            "ok",
        )],
        ..Attempt::default()
    };
    let attempts = vec![
        failed(12, 0, 70),
        failed(90, 7_500, 7_660),
        failed(7_690, 15_000, 22_800),
        failed(22_830, 30_000, 52_920),
        Attempt {
            backoff_ms: 30_000,
            ..up(52_950, 82_990, 83_010)
        },
    ];
    one(recovery(attempts))
}

/// The clock was set back by a minute during the second start.
fn clock_set_back() -> Document {
    let restart = |at: u64| step((at, 640), ("Restart", "inetd.service"), "ok");
    let first = Attempt {
        begin_ms: Some(12),
        failed_ms: Some(61_700),
        steps: vec![restart(61_000)],
        ..Attempt::default()
    };
    one(recovery(vec![
        first,
        Attempt {
            steps: vec![restart(2_300)],
            ..up(61_800, 2_100, 3_000)
        },
    ]))
}

fn excluded() -> Document {
    let attempts = vec![Attempt {
        begin_ms: Some(11),
        failed_ms: Some(48),
        ..Attempt::default()
    }];
    one(Recovery {
        outcome: "excluded".into(),
        end_ms: Some(48),
        ..recovery(attempts)
    })
}

/// Given up at its first death, and not started since.
fn still_down() -> Document {
    let left = Recovery {
        outcome: "excluded".into(),
        end_ms: Some(0),
        down_ms: Some(100_000),
        ..recovery(vec![])
    };
    one(Recovery {
        is_down: true,
        ..left
    })
}

/// Given up at its first death, and started by hand after a minute.
fn back_later() -> Document {
    one(Recovery {
        outcome: "excluded".into(),
        end_ms: Some(0),
        down_ms: Some(60_000),
        ..recovery(vec![])
    })
}

/// systemd needed 5 s for the processes that were left, and waited for `RestartSec=` then.
fn waits_of_systemd() -> Document {
    let failed = Attempt {
        failed_ms: Some(7_400),
        ..Attempt::default()
    };
    let failed = Attempt {
        begin_ms: Some(7_030),
        down_ms: Some(5_010),
        ..failed
    };
    let up = Attempt {
        down_ms: Some(7_420),
        backoff_ms: 100,
        ..up(9_440, 9_560, 9_600)
    };
    one(recovery(vec![failed, up]))
}

fn under_way() -> Document {
    let attempts = vec![Attempt {
        begin_ms: Some(11),
        backoff_ms: 6_400,
        ..Attempt::default()
    }];
    Document {
        now: DIED + 3_000,
        ..one(Recovery {
            outcome: "under-way".into(),
            ..recovery(attempts)
        })
    }
}

fn of_an_older_version() -> Document {
    let mut steps = vec![
        step((0, 12), ("Execute", "/usr/bin/umount -l /armle-v7"), "ok"),
        step((0, 1_500), ("Restart", "inetd.service"), "ok"),
    ];
    for step in &mut steps {
        step.begin_ms = None;
    }
    let attempts = vec![Attempt {
        steps,
        main_ms: Some(184),
        up_ms: Some(1_812),
        ..Attempt::default()
    }];
    one(Recovery {
        times: Times::DurationsOnly,
        ..recovery(attempts)
    })
}

fn full_restart() -> Document {
    let member = |number: u64| Member {
        ward: format!("manager{number}"),
        unit: format!("manager{number}.service"),
        down_ms: Some(12 + 9 * number),
        begin_ms: Some(240 + 5 * number),
        up_ms: Some(300 + 130 * number),
    };
    let restart = FullRestart {
        stack: "opensync".into(),
        name: "OpenSync".into(),
        unit: "opensync.target".into(),
        invocation: "0".repeat(32),
        timestamp: DIED,
        caller: "cm2_trigger_restart_managers".into(),
        cause: None,
        outcome: Some("restarted".into()),
        trouble: None,
        end_ms: Some(1_510),
        members: (0..8).map(member).collect(),
    };
    Document {
        since: None,
        now: DIED + 100_000,
        recoveries: Vec::new(),
        full_restarts: vec![restart],
    }
}

/// 40 recoveries of 20 wards within an hour.
fn many() -> Document {
    let mut recoveries: Vec<_> = (0..40)
        .map(|number: u64| {
            let down = 90 + 37 * (number % 7) * number;
            let whole = recovery(vec![up(20, down, down + 900 * (number % 3))]);
            let outcome = [
                "recovered",
                "recovered",
                "recovered",
                "step-failed",
                "excluded",
            ][(number % 5) as usize];
            let gone = outcome == "excluded";
            Recovery {
                ward: format!("ward{:02}", number * 7 % 20),
                invocation: format!("{:08x}{number:024x}", number * 0x0123_4567),
                timestamp: DIED + number * 89_000,
                outcome: outcome.into(),
                downtime_ms: whole.downtime_ms.filter(|_| !gone),
                recovery_ms: whole.recovery_ms.filter(|_| !gone),
                ..whole
            }
        })
        .collect();
    recoveries.sort_by_key(|recovery| recovery.timestamp);
    let full_restarts = full_restart().full_restarts;
    Document {
        since: Some(DIED - 60_000),
        now: DIED + 3_600_000,
        recoveries,
        full_restarts,
    }
}

fn zone() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(1))
}

fn check(name: &str, document: &Document) {
    let zone = zone();
    let chart = Chart::of(document, &zone);
    let text = if document.since.is_some() {
        text::list(document, &zone)
    } else {
        text::text(&chart)
    };
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{name}: {line}");
    }
    for (kind, drawn) in [("txt", text), ("svg", svg::svg(&chart, &zone))] {
        let path = format!(
            "{}/src/shell/cli/timeline/fixtures/{name}.{kind}",
            env!("CARGO_MANIFEST_DIR")
        );
        if std::env::var_os("UNITWARD_BLESS").is_some() {
            std::fs::write(&path, &drawn).unwrap();
        }
        assert_eq!(drawn, std::fs::read_to_string(&path).unwrap(), "{path}");
    }
}

#[test]
fn a_recovery_with_one_step() {
    check("one-step", &one_step());
}

#[test]
fn a_recovery_with_twelve_steps_one_of_them_failed() {
    check("twelve-steps", &twelve_steps());
}

#[test]
fn a_recovery_that_took_five_restarts() {
    check("five-restarts", &four_failed_attempts());
}

#[test]
fn a_recovery_during_which_the_clock_was_set_back() {
    check("clock-set-back", &clock_set_back());
}

#[test]
fn a_ward_that_was_excluded() {
    check("excluded", &excluded());
}

#[test]
fn a_ward_that_is_down_since_it_was_given_up() {
    check("still-down", &still_down());
}

#[test]
fn a_ward_that_was_started_after_it_was_given_up() {
    check("back-later", &back_later());
}

#[test]
fn a_recovery_that_systemd_waited_in() {
    check("waits-of-systemd", &waits_of_systemd());
}

#[test]
fn all_that_was_down_is_in_the_sum() {
    let recoveries = [still_down(), back_later(), one_step()]
        .into_iter()
        .flat_map(|document| document.recoveries);
    let all = Document {
        since: Some(DIED),
        ..one(recovery(vec![]))
    };
    let all = Document {
        recoveries: recoveries.collect(),
        ..all
    };
    assert_eq!(
        Chart::of(&all, &zone()).summary,
        "down for 2min 40s altogether, 1 still down"
    );
    let unknown = Document {
        since: Some(DIED),
        ..excluded()
    };
    assert_eq!(
        Chart::of(&unknown, &zone()).summary,
        "of 1 it is not known how long"
    );
}

#[test]
fn a_recovery_that_is_under_way() {
    check("under-way", &under_way());
}

#[test]
fn a_recovery_that_an_older_version_stored() {
    check("older-version", &of_an_older_version());
}

#[test]
fn a_full_restart_with_its_members() {
    check("full-restart", &full_restart());
}

#[test]
fn all_recoveries_since_a_time() {
    check("many", &many());
}

#[test]
fn nothing_since_a_time_is_drawn_too() {
    let nothing = Document {
        since: Some(DIED),
        now: DIED + 5,
        ..Document::default()
    };
    let chart = Chart::of(&nothing, &zone());
    assert!(svg::svg(&chart, &zone()).contains("0 recoveries"));
    assert_eq!(text::list(&nothing, &zone()), "");
}

#[test]
fn whatever_names_hold_the_picture_is_xml() {
    let mut document = twelve_steps();
    let odd = "a<b>&\"'\u{1b}[31m\u{0}\u{fffe}\u{ffff}ä\u{1f600}]]>";
    let recovery = &mut document.recoveries[0];
    (recovery.ward, recovery.unit, recovery.reason) = (odd.into(), odd.into(), Some(odd.into()));
    for step in &mut recovery.attempts[0].steps {
        (step.condition, step.argument) = (odd.into(), odd.into());
    }
    let picture = svg::svg(&Chart::of(&document, &zone()), &zone());
    assert!(
        picture
            .chars()
            .all(|c| c == '\n' || !c.is_control() && c != '\u{fffe}' && c != '\u{ffff}')
    );
    let mut reader = Reader::from_str(&picture);
    reader.config_mut().check_end_names = true;
    let mut depth = 0_i32;
    let mut shown = false;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::GeneralRef(_) => shown = true,
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(depth == 0 && shown, "{picture}");
}

#[test]
fn times_that_make_no_sense_are_drawn_all_the_same() {
    let mut document = twelve_steps();
    let recovery = &mut document.recoveries[0];
    (recovery.end_ms, recovery.downtime_ms, recovery.recovery_ms) = (Some(0), Some(5_000), Some(3));
    recovery.attempts.push(Attempt {
        begin_ms: Some(900),
        main_ms: Some(1),
        up_ms: Some(0),
        ..Attempt::default()
    });
    document.now = 0;
    let chart = Chart::of(&document, &zone());
    assert!(svg::svg(&chart, &zone()).ends_with("</svg>\n"));
    assert!(!text::text(&chart).is_empty());
}
