//! What the tests that look at reports have in common.

use crate::host::{Host, Subscriber};
use serde_json::Value;

/// Points the daemon at the host's own broker, with `more` settings, and listens for its reports of crashes. Recoveries are
/// not sent, so that there is one report for each crash, wherever they are counted.
pub(crate) fn cloud(host: &Host, more: &str) -> Subscriber {
    let reports = host.subscribe("Crash/Reports");
    point_at_broker(host, &format!("{more}\n[Reports]\nRecoveries=no\n"));
    reports
}

/// The same with recoveries and without a subscriber.
pub(crate) fn point_at_broker(host: &Host, more: &str) {
    let node = "[Node]\nNodeId=ABCDEF1234\nLocationId=12345667898090\nFirmwareVersion=7.0.0\nModel=OS123\n";
    host.write(
        "/etc/unitward/unitward.conf",
        &format!("{node}[MQTT]\nBroker=mqtt://127.0.0.1:1883\n{more}"),
    );
    host.run(&["systemctl", "daemon-reload"]);
    host.run(&["systemctl", "restart", "unitwardd"]);
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
        let [state, next] = host.systemctl_shows(unit, ["ActiveState", "InvocationID"]);
        (state == "active" && next != run).then_some(())
    });
}

/// Waits until the unit is up again in another run, or has failed for good.
pub(crate) fn wait_for_restart_or_end(host: &Host, unit: &str, run: &str) {
    host.wait_for("the next run or the end", || {
        let [state, next] = host.systemctl_shows(unit, ["ActiveState", "InvocationID"]);
        ((next != run && state == "active") || state == "failed").then_some(())
    });
}

/// The documents that a command prints with `--json`, one a line.
pub(crate) fn documents(host: &Host, command: &[&str]) -> Vec<Value> {
    let output = host.run(&[&["unitward"], command, &["--json"]].concat());
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a document"))
        .collect()
}

/// A report's keys in their order.
pub(crate) fn keys(payload: &str) -> Vec<String> {
    let whole: Value = serde_json::from_str(payload).expect("a report is JSON");
    let mut keys: Vec<_> = whole
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    keys.sort_by_key(|key| payload.find(&format!("\"{key}\":")));
    keys
}

/// What the host itself knows of its deaths: `unitward reports --json`, or why there is none.
pub(crate) fn told(host: &Host) -> Result<Vec<Value>, String> {
    let output = host.try_run(&["unitward", "reports", "--json"]);
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned());
    }
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{error}: {line}")))
        .collect()
}

/// The daemon's share of the memory, in KiB.
pub(crate) fn pss(host: &Host) -> u64 {
    memory(host, "Pss")
}

/// The part of it that belongs to no file, in KiB. Unlike the rest it does not change with how many hosts run this program at
/// the same time and share its pages.
pub(crate) fn anonymous(host: &Host) -> u64 {
    memory(host, "Pss_Anon")
}

fn memory(host: &Host, kind: &str) -> u64 {
    let pid = host.systemctl_show("unitwardd", "MainPID");
    host.sh(&format!(
        "sed -n 's/^{kind}: *\\([0-9]*\\) kB/\\1/p' /proc/{pid}/smaps_rollup"
    ))
    .parse()
    .expect("a number")
}

/// The `report-id`s received so far, in their order.
pub(crate) fn ids(reports: &Subscriber) -> Vec<String> {
    let received = reports.received();
    received
        .iter()
        .map(|message| {
            message
                .user_property("report-id")
                .expect("a report has an id")
                .to_owned()
        })
        .collect()
}
