//! A line of the start that fails ends the service: PID 1 stops a main process that is well. The line is the cause.

use crate::host::Host;
use crate::on_both;
use crate::report::{cloud, guard};
use serde_json::Value;

const OWN: &str = "ExecStartPost=/bin/sh -c 'echo $$$$ >/run/line; sleep 0.2; exit 6'\n";

fn check(host: &Host, report: &Value, reason: &str) {
    assert_eq!(report["reason"], reason, "{report}");
    assert_eq!(
        report["pid"],
        host.read("/run/line").trim(),
        "the line's: {report}"
    );
}

on_both! {
    fn it_is_told_of_a_ward(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "web", "web || true", &format!("[Service]\nExecStart=sleep infinity\nRestart=no\n{OWN}"));
        check(&host, &reports.wait_for_count(1)[0], "EXIT 6");
    }

    fn it_is_told_of_a_main_process_that_minds_the_stop(host: Host) {
        let reports = cloud(&host, "");
        host.script("/usr/sbin/minds", "#!/bin/sh\ntrap 'exit 9' TERM\nwhile :; do sleep 0.05; done\n");
        guard(&host, "web", "web || true", &format!("[Service]\nExecStart=/usr/sbin/minds\nRestart=no\n{OWN}"));
        check(&host, &reports.wait_for_count(1)[0], "EXIT 6");
    }

    fn it_is_told_of_a_watched_unit(host: Host) {
        let reports = cloud(&host, "[Watch]\nUnits=plain.service\n");
        host.write("/etc/systemd/system/plain.service", &format!("[Service]\nExecStart=sleep infinity\n{OWN}"));
        host.sh("systemctl daemon-reload; systemctl start plain || true");
        check(&host, &reports.wait_for_count(1)[0], "EXIT 6");
    }

    fn it_is_told_of_a_watched_unit_by_the_journal(host: Host) {
        let reports = cloud(&host, "[Watch]\nUnits=plain.service\n");
        host.write("/etc/systemd/system/plain.service", &format!("[Service]\nExecStart=sleep infinity\n{OWN}"));
        host.sh("systemctl daemon-reload; systemctl stop unitwardd; systemctl start plain || true; systemctl start unitwardd");
        assert_eq!(reports.wait_for_count(1)[0]["reason"], "EXIT 6");
    }

    fn a_step_that_fails_the_start_is_the_cause(host: Host) {
        let reports = cloud(&host, "");
        for (ward, steps) in [("below", "Restart=%n\nExecute=+/bin/sh -c 'sleep 0.2; exit 7'"), ("above", "Execute=+/bin/sh -c 'exit 7'\nRestart=%n")] {
            let condition = format!("[OnDeath]\nDoNow=yes\nOnStepFailure=fail\n{steps}\n");
            guard(&host, ward, &format!("{ward} || true"), &format!("[Service]\nExecStart=sleep infinity\nRestart=no\n{condition}"));
        }
        for report in &reports.wait_for_count(2)[..2] {
            assert_eq!(report["reason"], "EXIT 7", "{report}");
        }
    }

    fn a_required_step_above_the_restart_that_cannot_run_ends_in_the_limit(host: Host) {
        let reports = cloud(&host, "");
        let condition = "[Recovery]\nDeathLimit=2\nMaxDelaySec=0\n[OnDeath]\nDoNow=yes\nOnStepFailure=fail\nWaitFor=1ms\nRestart=%n\n";
        guard(&host, "web", "web || true", &format!("[Service]\nExecStart=sleep infinity\nUser=ghost\nRestart=always\nRestartSec=300ms\n{condition}"));
        for report in &reports.wait_for_count(3)[..3] {
            assert_eq!(report["reason"], "EXIT 217 (USER)", "{report}");
        }
        host.wait_for("the exclusion", || host.has("/run/unitward/wards/web/excluded.json").then_some(()));
    }

    fn a_main_process_that_died_before_the_line_failed_is_the_cause(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "web", "web || true", "[Service]\nExecStart=/bin/sh -c 'sleep 0.1; exit 4'\nRestart=no\nExecStartPost=/bin/sh -c 'sleep 0.5; exit 6'\n");
        assert_eq!(reports.wait_for_count(1)[0]["reason"], "EXIT 4");
    }
}
