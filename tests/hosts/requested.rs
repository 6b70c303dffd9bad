//! What somebody asked for is no crash.

use crate::host::Host;
use crate::on_both;
use crate::report::{cloud, guard, kill};
use std::time::Duration;

/// Ends with 3 when it is told to end.
const GRUMPY: &str = "#!/bin/sh\ntrap 'exit 3' TERM\nwhile :; do sleep 0.05; done\n";

on_both! {
    fn stops_restarts_reloads_and_a_reboot_are_no_crash(mut host: Host) {
        host.script("/usr/sbin/grumpy", GRUMPY);
        host.write("/etc/systemd/system/plain.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/usr/sbin/grumpy\nRestart=always\n[Install]\nWantedBy=multi-user.target\n");
        let reports = cloud(&host, "[Watch]\nUnits=plain.service\n");
        guard(&host, "grumpy", "grumpy", "[Service]\nExecStart=/usr/sbin/grumpy\nRestart=always\n[Ward]\nReport=death\n[Install]\nWantedBy=multi-user.target\n");
        host.sh("systemctl enable --now plain");
        for _ in 0..3 {
            host.sh("systemctl stop grumpy plain; systemctl daemon-reload; systemctl start grumpy plain");
            host.sh("systemctl restart grumpy plain; systemctl daemon-reload; systemctl daemon-reexec");
        }
        assert_eq!(host.systemctl_show("grumpy", "NRestarts"), "0");
        reports.assert_no_more_within(Duration::from_millis(500));
        host.sh("mosquitto_pub -q 1 -r -t marker -m '\"before\"'");
        drop(reports);
        host.reboot();
        let reports = host.subscribe("Crash/Reports");
        host.wait_for_property("unitwardd", "ActiveState", "active");
        assert_eq!(host.systemctl_show("grumpy", "ActiveState"), "active");
        let told = host.journal(&["-t", "unitwardd", "UNITWARD_WARD=grumpy", "+", "UNITWARD_WARD=plain", "-o", "cat"]);
        assert_eq!(told, "", "nothing was reported before, during or after the reboot");
        // The proof that a report would have come.
        kill(&host, "grumpy");
        assert_eq!(reports.wait_for_count(1)[0]["name"], "grumpy");
        reports.assert_no_more_within(Duration::from_millis(500));
    }

    fn a_clean_end_is_reported_only_where_it_is_asked_for(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "quiet", "quiet", "[Service]\nExecStart=sleep infinity\nRestart=always\n");
        guard(&host, "strict", "strict", "[Service]\nExecStart=sleep infinity\nRestart=always\n[Ward]\nReport=death\n");
        guard(&host, "mute", "mute", "[Service]\nExecStart=sleep infinity\nRestart=always\n[Ward]\nReport=no\n");
        kill(&host, "mute");
        host.sh("kill -TERM $(systemctl show -P MainPID quiet) $(systemctl show -P MainPID strict)");
        let report = &reports.wait_for_count(1)[0];
        assert_eq!(report["name"], "strict", "{report}");
        reports.assert_no_more_within(Duration::from_secs(1));
    }

    fn a_oneshot_that_has_done_its_work_is_no_death(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "work", "work", "[Service]\nType=oneshot\nExecStart=/bin/true\n[Ward]\nReport=death\n");
        guard(&host, "fail", "fail --no-block", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 5'\nRestart=no\n");
        let report = &reports.wait_for_count(1)[0];
        assert_eq!((&report["name"], &report["reason"]), (&"fail".into(), &"EXIT 5".into()));
        reports.assert_no_more_within(Duration::from_millis(500));
    }
}
