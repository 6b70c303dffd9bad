//! A line of the start that fails ends the service: PID 1 stops a main process that is well. The line is the cause.

use crate::host::Host;
use crate::on_both;
use crate::report::{cloud, guard};
use serde_json::Value;

const OWN: &str = "ExecStartPost=/bin/sh -c 'echo $$$$ >/run/line; sleep 0.2; exit 6'\n";

fn check(host: &Host, report: &Value, reason: &str) {
    assert_eq!(report["reason"], reason, "{report}");
    assert_eq!(report["pid"], host.read("/run/line").trim(), "the line's: {report}");
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
        let condition = "[OnDeath]\nDoNow=yes\nOnStepFailure=fail\nRestart=%n\nExecute=+/bin/sh -c 'sleep 0.2; exit 7'\n";
        guard(&host, "web", "web || true", &format!("[Service]\nExecStart=sleep infinity\nRestart=no\n{condition}"));
        let report = &reports.wait_for_count(1)[0];
        assert!(report["reason"].as_str().is_some_and(|reason| reason.starts_with("EXIT ")), "{report}");
        assert_ne!(report["reason"], "EXIT 0", "{report}");
    }

    fn a_main_process_that_died_before_the_line_failed_is_the_cause(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "web", "web || true", "[Service]\nExecStart=/bin/sh -c 'sleep 0.1; exit 4'\nRestart=no\nExecStartPost=/bin/sh -c 'sleep 0.5; exit 6'\n");
        assert_eq!(reports.wait_for_count(1)[0]["reason"], "EXIT 4");
    }
}
