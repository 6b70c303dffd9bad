//! The daemon among the services of a host: it is watched, tells how it is, reads anew and does not grow.

use crate::host::Host;
use crate::on_both;
use crate::report::{anonymous, cloud, guard, kill, wait_for_restart};
use std::time::Duration;

const WEB: &str = "[Service]\nExecStart=sleep infinity\n[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n";
/// `MESSAGE_ID=` of a mistake in the configuration.
const CONFIGURATION: &str = "MESSAGE_ID=34c1f86e9d0a42b7b5e3607a9fd218c6";

fn wait_for_status(host: &Host, status: &str) {
    host.wait_for_property("unitwardd", "StatusText", status);
}

fn problems(host: &Host) -> Vec<String> {
    let entries = host.journal_json(&["-u", "unitwardd", CONFIGURATION]);
    entries
        .iter()
        .map(|entry| entry["MESSAGE"].as_str().unwrap_or_default().to_owned())
        .collect()
}

on_both! {
    fn a_frozen_daemon_is_killed_by_its_watchdog_and_comes_back(host: Host) {
        host.write("/etc/systemd/system/unitwardd.service.d/short.conf", "[Service]\nWatchdogSec=6s\n");
        let reports = cloud(&host, "");
        guard(&host, "web", "web", WEB);
        let run = host.systemctl_show("unitwardd", "InvocationID");
        host.sh("systemctl kill --kill-whom=main --signal=STOP unitwardd");
        // Nothing waits for it meanwhile.
        let (_, web) = kill(&host, "web");
        wait_for_restart(&host, "web", &web);
        wait_for_restart(&host, "unitwardd", &run);
        assert_eq!(host.systemctl_show("unitwardd", "NRestarts"), "1");
        let said = host.journal(&["-o", "cat", "-u", "unitwardd", "_PID=1"]);
        assert!(said.contains("Watchdog timeout"), "{said}");
        let (pid, web) = kill(&host, "web");
        wait_for_restart(&host, "web", &web);
        host.wait_for("the report", || reports.messages().iter().any(|report| report["pid"] == pid.as_str()).then_some(()));
    }

    fn a_healthy_daemon_keeps_its_watchdog_fed(host: Host) {
        host.write("/etc/systemd/system/unitwardd.service.d/short.conf", "[Service]\nWatchdogSec=4s\n");
        let _reports = cloud(&host, "");
        let run = host.systemctl_show("unitwardd", "InvocationID");
        let begun = host.sh("systemctl show --property=WatchdogTimestampMonotonic --value unitwardd");
        let begun: u64 = begun.parse().expect("a number");
        host.wait_for("watchdog messages for more than two of its limits", || {
            let now: u64 = host.systemctl_show("unitwardd", "WatchdogTimestampMonotonic").parse().unwrap_or(0);
            (now > begun + 9_000_000).then_some(())
        });
        assert_eq!(host.systemctl_show("unitwardd", "InvocationID"), run);
    }

    fn the_status_tells_of_wards_watched_units_and_the_broker(host: Host) {
        host.write("/etc/systemd/system/plain.service", "[Service]\nExecStart=sleep infinity\n");
        wait_for_status(&host, "Guarding 0 wards, watching 0 units; 0 messages sent, 0 waiting; no broker, reports stay local");
        let reports = cloud(&host, "[Watch]\nUnits=plain.service\n");
        host.run(&["systemctl", "start", "plain"]);
        guard(&host, "web", "web", WEB);
        wait_for_status(&host, "Guarding 1 ward, watching 1 unit; 0 messages sent, 0 waiting; connected to mqtt://127.0.0.1:1883");
        kill(&host, "web");
        reports.wait_for_count(1);
        wait_for_status(&host, "Guarding 1 ward, watching 1 unit; 1 message sent, 0 waiting; connected to mqtt://127.0.0.1:1883");
        host.sh("systemctl stop mosquitto");
        host.wait_for("the loss of the broker in the status", || {
            let status = host.systemctl_show("unitwardd", "StatusText");
            status.contains("; not connected to mqtt://127.0.0.1:1883: ").then_some(())
        });
        assert!(host.sh("systemctl status --no-pager unitwardd").contains("Status: \"Guarding 1 ward, "));
    }

    fn a_reload_takes_over_the_settings_and_names_the_mistakes(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "web", "web", WEB);
        host.wait_for("the ward", || host.systemctl_show("unitwardd", "StatusText").starts_with("Guarding 1 ward,").then_some(()));
        let pid = host.systemctl_show("unitwardd", "MainPID");
        host.write("/etc/unitward/unitward.conf.d/50-node.conf", "[Node]\nNodeId=NEW\n[Reports]\nBurst=many\n[Nonsense]\nA=b\n");
        host.write("/etc/unitward/broken.ward", "[Service]\nExecStart=sleep infinity\n[OnDeath]\nFly=away\n");
        host.run(&["systemctl", "reload", "unitwardd"]);
        // systemd waits for the end of a reload only if it hears of its beginning before kill(1) has ended.
        let told = host.wait_for("the mistakes", || Some(problems(&host)).filter(|told| told.len() >= 3));
        for place in ["/etc/unitward/unitward.conf.d/50-node.conf:4:", "/etc/unitward/unitward.conf.d/50-node.conf:5:", "/etc/unitward/broken.ward:4:"] {
            assert_eq!(told.iter().filter(|line| line.contains(place)).count(), 1, "{place} in {told:?}");
        }
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(host.systemctl_show("unitwardd", "MainPID"), pid);
        kill(&host, "web");
        assert_eq!(reports.wait_for_count(1)[0]["nodeId"], "NEW");
        host.sh("rm -r /etc/unitward/unitward.conf.d /etc/unitward/broken.ward; systemctl reload unitwardd");
        assert_eq!(problems(&host).len(), 3, "no more mistakes");
        host.run(&["systemctl", "restart", "web"]);
        kill(&host, "web");
        assert_eq!(reports.wait_for_count(2)[1]["nodeId"], "ABCDEF1234");
    }

    fn many_reloads_of_the_daemon_itself_leave_it_running(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "web", "web", WEB);
        host.sh("for n in $(seq 30); do systemctl reload unitwardd; done");
        assert_eq!((host.systemctl_show("unitwardd", "NRestarts"), host.systemctl_show("unitwardd", "ActiveState")), ("0".into(), "active".into()));
        // And without waiting for the end of one.
        host.sh("for n in $(seq 100); do systemctl kill --kill-whom=main --signal=HUP unitwardd; done");
        let (pid, _) = kill(&host, "web");
        assert_eq!(reports.wait_for_count(1)[0]["pid"], pid.as_str());
        reports.assert_no_more_within(Duration::from_millis(500));
        host.wait_for_property("unitwardd", "ActiveState", "active");
        host.wait_for_property("unitwardd", "SubState", "running");
    }

    fn two_hundred_daemon_reloads_neither_kill_nor_feed_it(host: Host) {
        let reports = cloud(&host, "");
        for number in 0..20 { host.write(&format!("/etc/unitward/web{number}.ward"), WEB); }
        host.sh("systemctl daemon-reload; systemctl start web{0..19}");
        // What the first ones set aside is no growth.
        host.sh("for n in $(seq 10); do systemctl daemon-reload; done");
        let before = anonymous(&host);
        let pid = host.systemctl_show("unitwardd", "MainPID");
        for _ in 0..20 { host.sh("for n in $(seq 10); do systemctl daemon-reload; done"); }
        let (killed, run) = kill(&host, "web7");
        wait_for_restart(&host, "web7", &run);
        assert_eq!(reports.wait_for_count(1)[0]["pid"], killed.as_str());
        reports.assert_no_more_within(Duration::from_secs(1));
        assert_eq!(host.systemctl_show("unitwardd", "MainPID"), pid);
        let after = anonymous(&host);
        assert!(after < before + 3072, "{before} KiB grew to {after} KiB");
    }
}
