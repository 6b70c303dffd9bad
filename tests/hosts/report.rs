//! What the tests that look at reports have in common.

use crate::host::{Host, Subscriber};
use serde_json::Value;

/// Points the daemon at the host's own broker, with `more` settings, and listens for its reports.
pub(crate) fn cloud(host: &Host, more: &str) -> Subscriber {
    let node = "[Node]\nNodeId=ABCDEF1234\nLocationId=12345667898090\nFirmwareVersion=7.0.0\nModel=OS123\n";
    host.write("/etc/unitward/unitward.conf", &format!("{node}[MQTT]\nBroker=mqtt://127.0.0.1:1883\n{more}"));
    let reports = host.subscribe("Crash/Reports");
    host.run(&["systemctl", "daemon-reload"]);
    host.run(&["systemctl", "restart", "unitwardd"]);
    reports
}

/// A ward written, read by systemd and by the daemon, and its unit started.
pub(crate) fn guard(host: &Host, ward: &str, unit: &str, text: &str) {
    host.write(&format!("/etc/unitward/{ward}.ward"), text);
    host.sh(&format!("systemctl daemon-reload; systemctl start {unit}"));
}

/// Kills the main process and gives its pid and the run it was.
pub(crate) fn kill(host: &Host, unit: &str) -> (String, String) {
    let run = host.systemctl_show(unit, "InvocationID");
    let pid = host.systemctl_show(unit, "MainPID");
    host.sh(&format!("kill -KILL {pid}"));
    (pid, run)
}

/// Waits until the unit is up again in another run.
pub(crate) fn wait_for_restart(host: &Host, unit: &str, run: &str) {
    host.wait_for("the restart", || {
        let up = host.systemctl_show(unit, "ActiveState") == "active";
        (up && host.systemctl_show(unit, "InvocationID") != run).then_some(())
    });
}

/// A report's keys in their order.
pub(crate) fn keys(payload: &str) -> Vec<String> {
    let whole: Value = serde_json::from_str(payload).expect("a report is JSON");
    let mut keys: Vec<_> = whole.as_object().expect("an object").keys().cloned().collect();
    keys.sort_by_key(|key| payload.find(&format!("\"{key}\":")));
    keys
}
