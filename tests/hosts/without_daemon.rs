//! The daemon is not needed: whatever becomes of it, PID 1 recovers.

use crate::host::Host;
use crate::on_both;
use crate::report::{cloud, guard, kill, wait_for_restart};
use std::time::Duration;

on_both! {
    fn every_recovery_happens_with_the_daemon_masked(host: Host) {
        host.sh("systemctl stop unitwardd; systemctl mask unitwardd; test $(systemctl is-active unitwardd) = inactive");
        host.script("/usr/local/bin/note", "#!/bin/sh\necho \"$*\" >>/var/log/notes\n");
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n[Recovery]\nDeathLimit=2\nMaxDelaySec=200ms\n\
            [OnDeath]\nExecute=/usr/local/bin/note before\nRestart=%n\nExecute=/usr/local/bin/note after\nExecute=/bin/false\nElseExecute=/usr/local/bin/note else\n\
            [OnLimit]\nExecute=/usr/local/bin/note limit\n");
        for _ in 0..2 {
            let (_, run) = kill(&host, "web");
            wait_for_restart(&host, "web", &run);
        }
        kill(&host, "web");
        host.wait_for("the last note", || host.read("/var/log/notes").ends_with("limit\n").then_some(()));
        assert_eq!(host.read("/var/log/notes"), "before\nafter\nelse\nbefore\nafter\nelse\nlimit\n");
        host.wait_for_property("web", "ActiveState", "failed");
    }

    fn a_killed_daemon_is_back_and_reports_again(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n");
        for _ in 0..3 {
            let (_, run) = kill(&host, "unitwardd");
            wait_for_restart(&host, "unitwardd", &run);
        }
        kill(&host, "web");
        assert_eq!(reports.wait_for_count(1)[0]["name"], "web");
        reports.assert_no_more_within(Duration::from_millis(500));
    }

    fn a_restarted_bus_and_a_re_executed_manager_are_survived(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n[Recovery]\nDeathLimit=0\n");
        for (number, disturbance) in ["systemctl restart dbus", "systemctl daemon-reexec", "systemctl kill --signal=KILL dbus; systemctl start dbus"].iter().enumerate() {
            host.sh(disturbance);
            host.wait_for("the bus", || host.try_run(&["busctl", "--system", "status", "org.freedesktop.systemd1"]).status.success().then_some(()));
            let (_, run) = kill(&host, "web");
            wait_for_restart(&host, "web", &run);
            reports.wait_for_count(number + 1);
        }
        reports.assert_no_more_within(Duration::from_secs(1));
    }

    fn garbage_in_the_configuration_does_not_kill_the_daemon(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n");
        host.write("/etc/unitward/broken.ward", "[Service]\nRestart=sometimes\n[[[\n");
        host.write("/etc/unitward/unitward.conf.d/x.conf", "[MQTT]\nBroker=\u{7}nonsense\n[Reports]\nBurst=many\n");
        host.sh("systemctl daemon-reload; systemctl reload unitwardd");
        host.wait_for("the mistakes in the journal", || {
            let said = host.journal(&["-u", "unitwardd", "-o", "cat"]);
            (said.contains("/etc/unitward/broken.ward:2:") && said.contains("x.conf:4:")).then_some(())
        });
        kill(&host, "web");
        assert_eq!(reports.wait_for_count(1)[0]["name"], "web");
        assert_eq!(host.systemctl_show("unitwardd", "NRestarts"), "0");
    }
}
