//! A service that has died, while systemd still ends what the run has left.

use crate::host::Host;
use crate::on_both;
use crate::report::{documents, guard, kill};
use serde_json::{Value, json};

/// Its child ignores SIGTERM, so that systemd waits for it.
const CLINGS: &str = "[Service]\nExecStart=/bin/sh -c '(trap \"\" TERM; while :; do sleep 1; done) & exec sleep infinity'\nTimeoutStopSec=15s\n";

fn line(host: &Host, ward: &str) -> Value {
    let list = documents(host, &["list"]).remove(0);
    let lines = list["wards"].as_array().expect("wards").clone();
    lines
        .into_iter()
        .find(|line| line["name"] == ward)
        .expect("the ward")
}

on_both! {
    fn a_crash_is_told_while_what_it_left_is_being_ended(host: Host) {
        guard(&host, "web", "web", CLINGS);
        guard(&host, "quiet", "quiet", &format!("{CLINGS}Restart=no\n"));
        for unit in ["web", "quiet"] {
            kill(&host, unit);
            host.wait_for_property(unit, "SubState", "stop-sigterm");
        }
        for (ward, state, word) in [("web", "restarting", "restarting (cleaning up)"), ("quiet", "dying", "dying (cleaning up)")] {
            let line = line(&host, ward);
            assert_eq!(
                json!([line["state"], line["cleaningUp"], line["deaths"], line["lastDeath"]["reason"]]),
                json!([state, true, 1, "SIG 9 (Killed)"]), "{line}"
            );
            let status = host.sh(&format!("unitward status {ward}"));
            assert!(status.contains(&format!("State: {word} since")), "{status}");
            assert!(status.contains("since boot 1 start, 0 restarts, 1 death, a crash"), "{status}");
            let report = host.wait_for("the report", || documents(&host, &["reports", "--ward", ward]).pop());
            assert_eq!(report["recoveryState"], "under-way", "{report}");
        }
        let timeline = documents(&host, &["timeline", "web"]).remove(0);
        assert_eq!(timeline["recoveries"][0]["outcome"], "under-way", "{timeline}");
        for (unit, state) in [("web", "active"), ("quiet", "failed")] {
            host.wait_for_within(std::time::Duration::from_secs(40), "the end", || {
                (host.systemctl_show(unit, "ActiveState") == state).then_some(())
            });
        }
        assert_eq!(line(&host, "web")["deaths"], 1);
        assert_eq!(line(&host, "quiet")["state"], "failed");
    }
}
