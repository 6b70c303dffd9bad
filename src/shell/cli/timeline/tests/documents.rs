//! The documents that are drawn.

use super::*;

pub(super) fn step(at: (u64, u64), words: (&str, &str), result: &str) -> Step {
    Step {
        condition: "OnDeath".into(),
        step: words.0.into(),
        argument: words.1.into(),
        result: result.into(),
        begin_ms: Some(at.0),
        ms: at.1,
    }
}

pub(super) fn recovery(attempts: Vec<Attempt>) -> Recovery {
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

pub(super) fn up(begin: u64, main: u64, until: u64) -> Attempt {
    Attempt {
        begin_ms: Some(begin),
        main_ms: Some(main),
        up_ms: Some(until),
        ..Attempt::default()
    }
}

pub(super) fn one(recovery: Recovery) -> Document {
    Document {
        since: None,
        now: DIED + 100_000,
        recoveries: vec![recovery],
        full_restarts: Vec::new(),
    }
}

pub(super) fn one_step() -> Document {
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

pub(super) fn twelve_steps() -> Document {
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

pub(super) fn four_failed_attempts() -> Document {
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
pub(super) fn clock_set_back() -> Document {
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

pub(super) fn excluded() -> Document {
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
pub(super) fn still_down() -> Document {
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
pub(super) fn back_later() -> Document {
    one(Recovery {
        outcome: "excluded".into(),
        end_ms: Some(0),
        down_ms: Some(60_000),
        ..recovery(vec![])
    })
}

/// systemd needed 5 s for the processes that were left, and waited for `RestartSec=` then.
pub(super) fn waits_of_systemd() -> Document {
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

pub(super) fn under_way() -> Document {
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

pub(super) fn of_an_older_version() -> Document {
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

pub(super) fn full_restart() -> Document {
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
pub(super) fn many() -> Document {
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
