//! A ward without steps after the restart has no line that notes when it is up: PID 1 tells.

use crate::host::{Host, Subscriber};
use crate::on_both;
use crate::report::{guard, kill, point_at_broker, wait_for_restart};
use serde_json::Value;
use std::time::Duration;

const PLAIN: &str = "[Service]\nExecStart=sleep infinity\n";
const QUIET: Duration = Duration::from_secs(2);
/// What may lie between what is told and what PID 1 did, in milliseconds.
const NEAR: u64 = 100;

fn listen(host: &Host) -> Subscriber {
    point_at_broker(host, "");
    host.subscribe("Crash/Recoveries")
}

/// When PID 1 saw the restart, in milliseconds since the epoch: main process and unit.
fn restarted_at(host: &Host, unit: &str) -> (u64, u64) {
    let at = |property: &str| {
        let shown = host.sh(&format!("busctl get-property org.freedesktop.systemd1 $(busctl call --json=short org.freedesktop.systemd1 \
            /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager GetUnit s {unit} | sed 's/.*\\[\"//; s/\".*//') {property}"));
        shown
            .rsplit(' ')
            .next()
            .and_then(|word| word.trim().parse::<u64>().ok())
            .expect("a time")
            / 1_000
    };
    (
        at("org.freedesktop.systemd1.Service ExecMainStartTimestamp"),
        at("org.freedesktop.systemd1.Unit ActiveEnterTimestamp"),
    )
}

fn check(host: &Host, record: &Value, run: &str) {
    assert_eq!(
        (
            &record["invocation"],
            &record["outcome"],
            &record["restarts"]
        ),
        (&run.into(), &"recovered".into(), &1.into()),
        "{record}"
    );
    let (main, active) = restarted_at(host, "web.service");
    let died = record["timestamp"].as_u64().expect("a time");
    for (told, seen) in [("downtimeMs", main - died), ("recoveryMs", active - died)] {
        assert!(
            record[told]
                .as_u64()
                .is_some_and(|told| told.abs_diff(seen) <= NEAR),
            "{told} {seen}: {record}"
        );
    }
}

fn recover(host: &Host) -> String {
    let (_, run) = kill(host, "web");
    wait_for_restart(host, "web", &run);
    run
}

fn listed(host: &Host) -> Value {
    let list: Value = serde_json::from_str(&host.sh("unitward list --json")).expect("JSON");
    list["wards"][0].clone()
}

on_both! {
    fn the_unit_has_no_such_line(host: Host) {
        guard(&host, "web", "web", &format!("{PLAIN}[OnDeath]\nLog=before\nRestart=%n\n"));
        assert_eq!(host.systemctl_show("web", "ExecStartPost"), "");
        guard(&host, "more", "more", &format!("{PLAIN}[OnDeath]\nRestart=%n\nLog=after\n"));
        assert_ne!(host.systemctl_show("more", "ExecStartPost"), "");
    }

    fn its_recovery_is_told_at_once(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", PLAIN);
        for count in 1..=2 {
            let run = recover(&host);
            check(&host, &records.wait_for_count(count)[count - 1], &run);
        }
        records.assert_no_more_within(QUIET);
    }

    fn a_restart_that_skips_the_failed_state_is_told_too(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", &format!("{PLAIN}RestartMode=direct\n"));
        let run = recover(&host);
        check(&host, &records.wait_for_count(1)[0], &run);
        let run = recover(&host);
        check(&host, &records.wait_for_count(2)[1], &run);
    }

    fn a_daemon_that_starts_later_tells_it_once(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", PLAIN);
        host.run(&["systemctl", "stop", "unitwardd"]);
        let first = recover(&host);
        let second = recover(&host);
        host.run(&["systemctl", "start", "unitwardd"]);
        records.wait_for_count(2);
        assert_eq!(records.messages()[0]["invocation"], first.as_str());
        check(&host, &records.messages()[1], &second);
        host.run(&["systemctl", "restart", "unitwardd"]);
        records.assert_no_more_within(QUIET);
    }

    fn a_oneshot_that_has_done_its_work_has_recovered(host: Host) {
        let records = listen(&host);
        host.script("/usr/sbin/job", "#!/bin/sh\n[ -e /run/ok ] || { touch /run/ok; exit 3; }\n");
        host.write("/etc/unitward/web.ward", "[Service]\nType=oneshot\nExecStart=/usr/sbin/job\n");
        host.sh("systemctl daemon-reload; systemctl start web || true");
        let record = &records.wait_for_count(1)[0];
        assert_eq!((&record["outcome"], &record["reason"]), (&"recovered".into(), &"EXIT 3".into()), "{record}");
        assert!(record["recoveryMs"].is_u64(), "{record}");
    }

    fn a_recovery_before_a_power_cut_is_told_by_systemds_own_words(mut host: Host) {
        point_at_broker(&host, "");
        drop(host.subscribe_durably("witness", &["Crash/Recoveries"]));
        guard(&host, "web", "web", &format!("{PLAIN}[Install]\nWantedBy=multi-user.target\n"));
        host.run(&["systemctl", "mask", "--quiet", "--now", "unitwardd"]);
        let run = recover(&host);
        host.run(&["journalctl", "--sync"]);
        host.power_cut();
        let records = host.subscribe_durably("witness", &["Crash/Recoveries"]);
        host.sh("systemctl unmask --quiet unitwardd; systemctl start unitwardd");
        let record = &records.wait_for_count(1)[0];
        assert_eq!((&record["invocation"], &record["outcome"], &record["restarts"]), (&run.into(), &"recovered".into(), &1.into()), "{record}");
        records.assert_no_more_within(QUIET);
    }

    fn healthy_time_begins_the_count_of_deaths_afresh(host: Host) {
        guard(&host, "web", "web", &format!("{PLAIN}[Recovery]\nDeathLimit=1\nDeathLimitIntervalSec=1h\nResetAfterSec=4s\n"));
        recover(&host);
        assert_eq!(listed(&host)["deaths"], 1);
        host.wait_for("healthy time", || (listed(&host)["deaths"] == 0).then_some(()));
        recover(&host);
        assert_eq!(listed(&host)["deaths"], 1);
        kill(&host, "web");
        host.wait_for_property("web", "ActiveState", "failed");
    }

    fn views_tell_it_without_the_daemon(host: Host) {
        guard(&host, "web", "web", &format!("{PLAIN}[OnDeath]\nLog=before\nRestart=%n\n"));
        host.run(&["systemctl", "stop", "unitwardd"]);
        let run = recover(&host);
        let (main, active) = restarted_at(&host, "web.service");
        let course: Value = serde_json::from_str(&host.sh("unitward timeline --json")).expect("JSON");
        let recovery = &course["recoveries"][0];
        assert_eq!((&recovery["invocation"], &recovery["outcome"]), (&run.as_str().into(), &"recovered".into()), "{course}");
        let died = recovery["timestamp"].as_u64().expect("a time");
        assert!(recovery["recoveryMs"].as_u64().is_some_and(|told| told.abs_diff(active - died) <= NEAR), "{main} {active}: {course}");
        let line = listed(&host);
        assert_eq!(line["state"], "running");
        assert!(line["since"].as_u64().is_some_and(|since| since.abs_diff(active) <= NEAR), "{active}: {line}");
        host.wait_for_property("web", "SubState", "running");
        let status: Value = serde_json::from_str(&host.sh("unitward status web --json")).expect("JSON");
        assert!(status.to_string().contains("\"since\""), "{status}");
    }
}
