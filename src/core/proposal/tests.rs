//! Tables of units and the wards proposed for them.

use super::*;
use crate::core::config::{Assembly, SourceFile, SourceFiles, Stacks, read_ward};
use std::path::Path;

fn limit(burst: u32, interval: u64, action: &str) -> StartLimit {
    StartLimit {
        burst,
        interval: Duration::from_secs(interval),
        action: action.to_owned(),
    }
}

/// Returns a unit with the usual settings of Debian.
fn plain(kind: &str) -> Found {
    Found {
        unit: UnitName::new("web.service").unwrap(),
        kind: kind.to_owned(),
        restart: "no".to_owned(),
        restart_delay: Duration::from_millis(100),
        watchdog: None,
        pid_file: String::new(),
        remains: false,
        user: String::new(),
        main: Main::Down,
        triggers: Vec::new(),
        bound: Vec::new(),
        restarted_with: Vec::new(),
        start_limit: limit(5, 10, "none"),
        default_start_limit: limit(5, 10, ""),
    }
}

/// Returns the lines of the proposal that are no comments.
fn lines(found: &Found) -> Vec<String> {
    let Proposal { text, .. } = propose(found);
    let name = found.unit.stem().to_owned();
    let path = format!("/etc/unitward/{name}.ward");
    let file = SourceFile::decode(Path::new(&path).into(), text.clone().into_bytes());
    let read = read_ward(
        &SourceFiles {
            name,
            files: vec![file],
        },
        &Stacks::default(),
    )
    .unwrap();
    let (ward, problems) = Assembly::default().admit(read);
    assert!(
        ward.unwrap().unit() == found.unit && problems.is_empty(),
        "{text} {problems:?}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= WIDTH),
        "{text}"
    );
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn check(found: &Found, added: &[&str]) {
    let unit = format!("Unit={}", found.unit);
    assert_eq!(
        lines(found),
        [&["[Ward]", unit.as_str()], added].concat(),
        "{found:?}"
    );
}

#[test]
fn only_a_unit_that_nothing_restarts_gets_a_restart_and_never_one_that_systemd_refuses() {
    for (kind, value) in [
        ("simple", "on-failure"),
        ("exec", "on-failure"),
        ("idle", "on-failure"),
        ("dbus", "on-failure"),
        ("oneshot", "on-failure"),
        ("forking", "always"),
        ("notify", "always"),
        ("notify-reload", "always"),
    ] {
        check(&plain(kind), &["[Service]", &format!("Restart={value}")]);
    }
    for own in ["on-failure", "always", "on-abort"] {
        check(
            &Found {
                restart: own.to_owned(),
                ..plain("notify")
            },
            &[],
        );
    }
    let on_demand = Found {
        triggers: vec!["web.socket".to_owned()],
        ..plain("notify")
    };
    check(&on_demand, &["[Service]", "Restart=on-failure"]);
}

#[test]
fn a_start_limit_of_the_units_own_becomes_a_death_limit() {
    let restarted = |start_limit: StartLimit| Found {
        restart: "always".to_owned(),
        start_limit,
        ..plain("simple")
    };
    let within = |deaths: u32, time: &str| {
        [
            "[Recovery]".to_owned(),
            format!("DeathLimit={deaths}"),
            format!("DeathLimitIntervalSec={time}"),
        ]
    };
    let check = |found: Found, added: &[String]| {
        check(
            &found,
            &added.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    };
    check(restarted(limit(0, 10, "")), &within(0, "")[..2]);
    check(restarted(limit(5, 0, "")), &within(0, "")[..2]);
    check(restarted(limit(3, 300, "")), &within(2, "5min"));
    check(restarted(limit(1, 300, "")), &within(1, "5min"));
    check(
        restarted(StartLimit {
            interval: Duration::MAX,
            ..limit(3, 0, "")
        }),
        &within(2, "24h"),
    );
    // Ten deaths in thirty seconds need waits that do not double.
    let quick = [&within(9, "30s")[..], &["MaxDelaySec=0".to_owned()]].concat();
    check(restarted(limit(10, 30, "")), &quick);
    let reboots = [&within(2, "1min")[..], &["OnLimit=reboot".to_owned()]].concat();
    check(restarted(limit(3, 60, "reboot-force")), &reboots);
    check(
        restarted(limit(5, 10, "reboot")),
        &["[Recovery]".to_owned(), "OnLimit=reboot".to_owned()],
    );
}

#[test]
fn a_long_wait_of_the_units_own_makes_room_for_the_limit() {
    let waits = |seconds: u64| Found {
        restart: "always".to_owned(),
        restart_delay: Duration::from_secs(seconds),
        ..plain("simple")
    };
    check(&waits(5), &[]);
    let told = |seconds: u64| {
        propose(&waits(seconds))
            .findings
            .join(" ")
            .contains("restarted without end")
    };
    assert_eq!(
        [1, 5, 30].map(told),
        [false, true, false],
        "a limit that is new is told"
    );
    check(&waits(30), &["[Recovery]", "DeathLimitIntervalSec=5min"]);
}

#[test]
fn a_host_without_start_limits_is_told_that_the_ward_has_one() {
    let on_host = |restart: &str, (burst, interval): (u32, u64)| Found {
        restart: restart.to_owned(),
        start_limit: limit(burst, interval, "none"),
        default_start_limit: limit(burst, interval, ""),
        ..plain("simple")
    };
    let told = |found: Found| propose(&found).findings.join(" ");
    let off = told(on_host("always", (5, 0)));
    assert_eq!(
        off,
        "Start limits are off on this host (DefaultStartLimitIntervalSec=0), so it was restarted without end. Under the ward \
         more than 5 deaths within a minute end it; DeathLimit=0 in [Recovery] leaves it as it was."
    );
    assert!(told(on_host("always", (0, 10))).contains("DefaultStartLimitBurst=0"));
    assert_eq!(
        told(on_host("no", (5, 0))),
        "",
        "nothing restarted it before"
    );
    check(&on_host("always", (5, 0)), &[]);
}

#[test]
fn what_was_found_stands_in_the_ward_with_what_it_means() {
    let found = Found {
        unit: UnitName::new("web@a.service").unwrap(),
        pid_file: "/run/web.pid".to_owned(),
        watchdog: Some(Duration::from_secs(30)),
        user: "www-data".to_owned(),
        triggers: vec!["web.socket".to_owned()],
        bound: vec!["log.service".to_owned(), "probe.service".to_owned()],
        restarted_with: vec!["site.target".to_owned()],
        start_limit: limit(5, 10, "poweroff"),
        ..plain("forking")
    };
    let expect = "\
# web@a.ward: guards web@a.service.
# An instance of web@.service: this ward guards web@a.service alone, other instances need their
# own.
# Type=forking, PIDFile=/run/web.pid: the end of the process that is named there is the death.
# WatchdogSec=30s: systemd kills it when it has been silent for so long. That is a death like
# any other.
# Started by web.socket. Connections wait while it is restarted. Excluding the ward stops it
# too.
# log.service and probe.service are bound to it (BindsTo=): each death stops each of them, and
# only a step starts each of them again. \"unitward check\" names the step.
# site.target is restarted with it (Requires=, Requisite=, PartOf=).
# User=www-data: commands of steps run as www-data, as the service does. Execute=+/path runs one
# as root.
# StartLimitAction=poweroff has no effect under a ward, which replaces the start limit: steps of
# [OnLimit] run instead.

[Ward]
Unit=web@a.service

# web@a.service has Restart=no, so nothing restarts it. on-failure, not always: it is started on
# demand, and may end when there is nothing to do.
[Service]
Restart=on-failure
";
    let proposal = propose(&found);
    assert_eq!(proposal.text, expect);
    assert_eq!(proposal.findings.len(), 8);
}

#[test]
fn foreign_text_adds_no_line() {
    let found = Found {
        pid_file: "/run/a\n[Service]\nRestart=always".to_owned(),
        ..plain("forking")
    };
    check(&found, &["[Service]", "Restart=always"]);
}

#[test]
fn a_service_without_a_main_process_is_told_to_be_one() {
    let told = |found: Found| propose(&found).findings.join(" ");
    assert!(
        told(Found {
            main: Main::Unknown,
            ..plain("forking")
        })
        .contains("nobody sees it die")
    );
    assert!(
        told(Found {
            remains: true,
            main: Main::Unknown,
            ..plain("oneshot")
        })
        .contains("only a start that fails")
    );
    assert_eq!(
        told(Found {
            main: Main::Process(7),
            ..plain("notify")
        }),
        ""
    );
}
