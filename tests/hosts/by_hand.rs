//! Full restarts by hand in the history, and where no daemon was there to see them.

use crate::host::{Host, Subscriber};
use crate::on_both;
use crate::report::{cloud, ids, told};
use serde_json::Value;
use std::time::Duration;

const UNIT: &str = "opensync.target";
const MEMBERS: [&str; 3] = ["am", "bm", "cm"];

/// A stack of three, up, whose reports are listened for.
fn stack(host: &Host) -> Subscriber {
    let reports = cloud(host, "");
    host.write("/etc/unitward/opensync.stack", "[Stack]\nName=OpenSync\n");
    for name in MEMBERS {
        let ward = "[Service]\nExecStart=sleep infinity\n[Ward]\nStack=opensync\n";
        host.write(&format!("/etc/unitward/{name}.ward"), ward);
    }
    host.sh(&format!("systemctl daemon-reload; systemctl start {UNIT}"));
    reports
}

fn runs(host: &Host) -> Vec<String> {
    MEMBERS
        .iter()
        .map(|name| host.systemctl_show(name, "InvocationID"))
        .collect()
}

fn reasons(reports: &[Value]) -> Vec<&str> {
    reports
        .iter()
        .map(|report| report["reason"].as_str().expect("a reason"))
        .collect()
}

const BY_HAND: &str = "OpenSync restarted by systemctl";

on_both! {
    fn it_is_told_once_with_the_run_it_ended(host: Host) {
        let reports = stack(&host);
        let ended = host.systemctl_show(UNIT, "InvocationID");
        let before = runs(&host);
        host.run(&["systemctl", "restart", UNIT]);
        let report = &reports.wait_for_count(1)[0];
        assert_eq!(report["pid"], "<NA>");
        assert_eq!((&report["name"], &report["reason"]), (&"OpenSync".into(), &BY_HAND.into()));
        assert_eq!(report["backtrace"], "<NA>");
        assert_eq!(ids(&reports), std::slice::from_ref(&ended));
        assert!(before.iter().zip(runs(&host)).all(|(before, now)| *before != now), "all members are other runs");
        reports.assert_no_more_within(Duration::from_secs(3));
        let known = told(&host).expect("the history");
        assert_eq!((known.len(), &known[0]["severity"]), (1, &"full-restart".into()));
        assert_eq!(known[0]["fullRestart"]["outcome"], "restarted");
    }

    fn one_that_happened_while_the_daemon_was_down_is_found_in_the_journal(host: Host) {
        let reports = stack(&host);
        host.run(&["systemctl", "stop", "unitwardd"]);
        let ended = host.systemctl_show(UNIT, "InvocationID");
        host.sh(&format!("systemctl restart {UNIT}; systemctl stop {UNIT}; systemctl start {UNIT}"));
        host.sh("journalctl --sync; systemctl start unitwardd");
        let seen = reports.wait_for_count(1);
        assert_eq!(reasons(&seen), [BY_HAND]);
        assert_eq!(ids(&reports), [ended]);
        host.run(&["systemctl", "restart", "unitwardd"]);
        reports.assert_no_more_within(Duration::from_secs(3));
    }

    fn one_that_was_asked_for_is_not_taken_for_one_by_hand_when_the_history_is_lost(host: Host) {
        let reports = stack(&host);
        host.run(&["unitward", "restart-stack", "opensync", "--caller", "f", "--wait"]);
        assert_eq!(reasons(&reports.wait_for_count(1)), ["OpenSync restarted by f"]);
        host.wait_for("the record's removal", || host.sh("find /var/lib/unitward/restarts -name '*.json'").is_empty().then_some(()));
        host.sh("systemctl stop unitwardd; rm /var/lib/unitward/reports.db*; journalctl --sync; systemctl start unitwardd");
        reports.assert_no_more_within(Duration::from_secs(3));
        host.run(&["systemctl", "restart", UNIT]);
        assert_eq!(reasons(&reports.wait_for_count(2))[1], BY_HAND);
    }

    fn one_with_the_inhibit_file_there_is_not_told(host: Host) {
        let reports = stack(&host);
        host.write("/etc/unitward/opensync.stack.d/inhibit.conf", "[Stack]\nInhibitFile=/run/calm\n");
        host.sh(&format!("systemctl daemon-reload; touch /run/calm; systemctl restart {UNIT}"));
        host.wait_for("the daemon's word", || {
            let said = host.journal(&["-t", "unitwardd", "-o", "cat"]);
            said.contains("was restarted by hand while its InhibitFile= exists").then_some(())
        });
        reports.assert_no_more_within(Duration::from_secs(2));
        host.sh(&format!("rm /run/calm; systemctl restart {UNIT}"));
        assert_eq!(reasons(&reports.wait_for_count(1)), [BY_HAND]);
    }
}
