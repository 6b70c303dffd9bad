//! Recoveries that somebody ends before the ward is up: each has its record too, and one only.

use crate::host::Host;
use crate::on_both;
use crate::recovery_records::{QUIET, listen, listen_again, listen_over_a_reboot, record, steps};
use crate::report::{guard, kill, told, wait_for_restart};
use serde_json::{Value, json};

/// systemd waits before it restarts this one.
const WAITS: &str = "[Service]\nExecStart=sleep infinity\nRestartSec=300\n";
/// The first line of the restart waits.
const BACKS_OFF: &str =
    "[Service]\nExecStart=sleep infinity\n[Recovery]\nDelaySec=300\n[OnDeath]\nExecute=/bin/true\n";
/// A step below the restart waits.
const STEPS: &str = "[Service]\nExecStart=sleep infinity\n[OnDeath]\nExecute=/bin/true\nRestart=%n\nWaitFor=300s\nExecute=/bin/true\n";

/// Kills the ward and waits until it is in this sub-state; gives the run that died.
fn die(host: &Host, sub_state: &str) -> String {
    let (_, run) = kill(host, "web");
    host.wait_for_property("web", "SubState", sub_state);
    run
}

#[track_caller]
fn check(record: &Value, run: &str, restarts: u64) {
    let told = [
        &record["outcome"],
        &record["invocation"],
        &record["restarts"],
        &record["reason"],
    ];
    assert_eq!(
        told,
        [
            &json!("ended"),
            &json!(run),
            &json!(restarts),
            &json!("SIG 9 (Killed)")
        ],
        "{record}"
    );
    assert_eq!(
        (&record["downtimeMs"], &record["recoveryMs"]),
        (&Value::Null, &Value::Null),
        "{record}"
    );
}

on_both! {
    fn a_stop_ends_a_recovery_wherever_it_is(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", WAITS);
        let run = die(&host, "auto-restart");
        host.run(&["systemctl", "stop", "web"]);
        check(&record(&records, 1), &run, 0);
        guard(&host, "web", "web", BACKS_OFF);
        let run = die(&host, "condition");
        host.run(&["systemctl", "stop", "web"]);
        check(&record(&records, 2), &run, 1);
        guard(&host, "web", "web", STEPS);
        let run = die(&host, "start-post");
        host.wait_for("the step that waits", || host.sh("unitward status web").contains("WaitFor").then_some(()));
        host.run(&["systemctl", "stop", "web"]);
        let record = record(&records, 3);
        check(&record, &run, 1);
        assert_eq!(steps(&record), json!([
            ["OnDeath", "Execute", "/bin/true", "ok"], ["OnDeath", "WaitFor", "5min", "failed"],
        ]));
        records.assert_no_more_within(QUIET);
        let stored = told(&host).expect("a history");
        let outcomes: Vec<_> = stored.iter().map(|death| death["recovery"]["outcome"].clone()).collect();
        assert_eq!(outcomes, ["ended", "ended", "ended"]);
        let said = host.journal(&["-o", "cat", "-t", "unitwardd"]);
        let told = "The recovery of web.service from SIG 9 (Killed) was ended before the unit was up.";
        assert_eq!(said.matches(told).count(), 1, "{said}");
    }

    fn a_start_by_hand_in_place_of_the_restart_ends_a_recovery_and_begins_none(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", WAITS);
        let run = die(&host, "auto-restart");
        host.run(&["systemctl", "restart", "web"]);
        check(&record(&records, 1), &run, 0);
        records.assert_no_more_within(QUIET);
    }

    fn an_exclusion_by_hand_ends_a_recovery(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", WAITS);
        let run = die(&host, "auto-restart");
        host.run(&["unitward", "exclude", "web"]);
        check(&record(&records, 1), &run, 0);
        host.run(&["unitward", "readmit", "web"]);
        records.assert_no_more_within(QUIET);
    }

    fn the_removal_of_a_ward_ends_its_recovery(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", WAITS);
        let run = die(&host, "auto-restart");
        host.sh("rm /etc/unitward/web.ward; systemctl daemon-reload");
        check(&record(&records, 1), &run, 0);
        records.assert_no_more_within(QUIET);
    }

    fn a_recovery_that_is_ended_while_nobody_listens_is_told_afterwards_and_once(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", WAITS);
        host.run(&["systemctl", "stop", "unitwardd"]);
        let run = die(&host, "auto-restart");
        host.sh("systemctl stop web; systemctl start unitwardd");
        check(&record(&records, 1), &run, 0);
        host.run(&["systemctl", "start", "web"]);
        host.run(&["systemctl", "stop", "unitwardd"]);
        let run = die(&host, "auto-restart");
        host.sh("systemctl restart web; systemctl start unitwardd");
        check(&record(&records, 2), &run, 0);
        host.run(&["systemctl", "restart", "unitwardd"]);
        records.assert_no_more_within(QUIET);
    }

    fn a_shutdown_ends_a_recovery(mut host: Host) {
        listen_over_a_reboot(&host);
        guard(&host, "web", "web", &format!("{WAITS}[Install]\nWantedBy=multi-user.target\n"));
        let run = die(&host, "auto-restart");
        host.run(&["systemctl", "reboot"]);
        host.comes_back();
        let records = listen_again(&host);
        host.wait_for_property("web", "ActiveState", "active");
        host.wait_for("the record", || (!records.received().is_empty()).then_some(()));
        check(&record(&records, 1), &run, 0);
        records.assert_no_more_within(QUIET);
    }

    fn a_death_that_nothing_answers_begins_no_recovery(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\nRestart=no\n");
        kill(&host, "web");
        host.wait_for_property("web", "ActiveState", "failed");
        records.assert_no_more_within(QUIET);
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        assert_eq!(record(&records, 1)["outcome"], "recovered");
        records.assert_no_more_within(QUIET);
    }
}
