//! What the tests of the way to the broker have in common.

use crate::host::{Host, Subscriber};
use crate::report::{kill, wait_for_restart};
use serde_json::Value;
use std::time::Duration;

/// Enough for the daemon's rests to come round a few times.
pub(crate) const SEVERAL_TRIES: Duration = Duration::from_secs(90);
/// A door that leads to the host's own broker.
pub(crate) const OPEN_DOOR: &str =
    "exec 3<>/dev/tcp/127.0.0.1/1883 4<&0; cat <&3 & cat <&4 >&3 & wait -n; kill $(jobs -p); wait";

/// The unit `web`, written and started.
pub(crate) fn watch_web(host: &Host) {
    watch(host, "web");
}

/// A unit without a ward that is watched and comes back whatever happens: of it there are crashes and no recoveries, so the
/// numbers of reports are plain.
pub(crate) fn watch(host: &Host, unit: &str) {
    host.write(
        "/etc/unitward/unitward.conf.d/watch.conf",
        "[Watch]\nUnits=web.service long-*.service\n",
    );
    host.write(
        &format!("/etc/systemd/system/{unit}.service"),
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=sleep infinity\nRestart=always\nRestartSec=0\n",
    );
    host.sh(&format!("systemctl daemon-reload; systemctl start {unit}"));
    // What dies before the daemon has read that it is to be watched is found in the journal, which does not know its pid.
    host.wait_for("the daemon's watch", || {
        (!host
            .systemctl_show("unitwardd", "StatusText")
            .contains("watching 0 units"))
        .then_some(())
    });
}

/// Lets `web` die so many times, and gives the pids.
pub(crate) fn die(host: &Host, times: usize) -> Vec<String> {
    let deaths = (0..times).map(|_| {
        let (pid, run) = kill(host, "web");
        wait_for_restart(host, "web", &run);
        pid
    });
    deaths.collect()
}

/// What the present run of the daemon said about the broker being away: MESSAGE_ID and text.
pub(crate) fn told(host: &Host) -> Vec<(String, String)> {
    let run = format!(
        "_SYSTEMD_INVOCATION_ID={}",
        host.systemctl_show("unitwardd", "InvocationID")
    );
    let field = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let entries = host.journal_json(&[&run]);
    let entries = entries
        .iter()
        .filter(|entry| entry["UNITWARD_CAUSE"].is_string());
    // On one host a broker that wants a certificate may hang up so quickly that its reason is not heard each time.
    let entries = entries.filter(|entry| {
        !field(entry, "UNITWARD_CAUSE").contains("(does it want CertFile= and KeyFile=")
    });
    entries
        .map(|entry| (field(entry, "MESSAGE_ID"), field(entry, "MESSAGE")))
        .collect()
}

/// Waits until the daemon has said this once, and asserts that it is all it said.
pub(crate) fn wait_for_word(host: &Host, id: &str, word: &str) {
    let said = host.wait_for_within(SEVERAL_TRIES, &format!("the words {word:?}"), || {
        Some(told(host)).filter(|said| !said.is_empty())
    });
    let expect = format!("trying again: {word}");
    assert!(
        said.len() == 1 && said[0].0 == id && said[0].1.contains(&expect),
        "not ({id}, {word:?}) alone: {said:?}"
    );
}

/// The lines that say which broker was reached, and in what version of MQTT.
pub(crate) fn connections(host: &Host) -> Vec<String> {
    let run = format!(
        "_SYSTEMD_INVOCATION_ID={}",
        host.systemctl_show("unitwardd", "InvocationID")
    );
    let entries = host.journal_json(&[&run, "MESSAGE_ID=1ac85e204d7f4b6b93e07c52f8a96d13"]);
    entries
        .iter()
        .map(|entry| entry["MESSAGE"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Waits for these reports, and no others, in this order.
pub(crate) fn wait_for_pids(host: &Host, reports: &Subscriber, pids: &[String]) {
    let enough = || Some(reports.messages()).filter(|got| got.len() >= pids.len());
    let got = host.wait_for_within(SEVERAL_TRIES, &format!("{} reports", pids.len()), enough);
    let got: Vec<_> = got
        .iter()
        .map(|report| report["pid"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(got, pids);
}

/// Waits until the daemon's status has this part.
pub(crate) fn wait_for_status(host: &Host, part: &str) {
    host.wait_for_within(
        SEVERAL_TRIES,
        &format!("{part:?} in the daemon's status"),
        || {
            host.systemctl_show("unitwardd", "StatusText")
                .contains(part)
                .then_some(())
        },
    );
}

/// A second broker, `front.service`, with these settings, that passes on all it gets to the host's own. It may be restarted
/// without a subscriber noticing.
pub(crate) fn front(host: &Host, settings: &str) {
    host.write(
        "/etc/systemd/system/front.service",
        "[Service]\nUser=mosquitto\nRuntimeDirectory=front\nRuntimeDirectoryPreserve=yes\nExecStart=/usr/sbin/mosquitto -c /etc/front/conf\n",
    );
    host.write(
        "/etc/front/conf",
        &format!(
            "per_listener_settings true\nlog_dest file /run/front/log\nlog_type all\n{settings}\nconnection own\naddress 127.0.0.1:1883\n\
             bridge_protocol_version mqttv50\ntopic # out 1\n"
        ),
    );
    host.sh("systemctl daemon-reload; systemctl restart front");
    for port in settings.lines().filter_map(|line| {
        line.strip_prefix("listener ")?
            .split(' ')
            .next()?
            .parse()
            .ok()
    }) {
        wait_for_listener(host, port);
    }
}

/// Waits until somebody listens at this port. Nobody knocks for it.
fn wait_for_listener(host: &Host, port: u16) {
    // See proc_net(5); 0A is the state of one that listens.
    let listens = format!(":{port:04X} 00000000:0000 0A ");
    host.wait_for(&format!("a listener at port {port}"), || {
        host.read("/proc/net/tcp").contains(&listens).then_some(())
    });
}

/// How often somebody knocked at this port of the second broker, as it tells it.
pub(crate) fn front_knocks(host: &Host, port: u16) -> usize {
    let log = host.read("/run/front/log");
    log.lines()
        .filter(|line| {
            line.contains("New connection from") && line.contains(&format!(" on port {port}"))
        })
        .count()
}

/// Asserts that, from now on, there are at most as many tries in some seconds as the rests between them allow, and that
/// waiting costs no time of the processor.
pub(crate) fn assert_patience(host: &Host, tries: impl Fn() -> usize) {
    const SECONDS: u64 = 6;
    let spent = || {
        host.systemctl_show("unitwardd", "CPUUsageNSec")
            .parse::<u64>()
            .expect("a number")
            / 1_000_000
    };
    let (before, cpu) = (tries(), spent());
    std::thread::sleep(Duration::from_secs(SECONDS));
    let (after, cpu) = (tries() - before, spent() - cpu);
    // From the first failure on: after 1 s, 1 to 2 s and 2 to 4 s, each perhaps in both versions of MQTT.
    assert!(
        after <= 8 && cpu < 600,
        "{after} tries and {cpu} ms of the processor in {SECONDS} s"
    );
}

/// A port, 1885, at which each connection gets a process of its own that runs this script.
pub(crate) fn make_door(host: &Host, script: &str) {
    host.write(
        "/etc/systemd/system/door.socket",
        "[Socket]\nListenStream=127.0.0.1:1885\nAccept=yes\nMaxConnections=200\n",
    );
    host.write(
        "/etc/systemd/system/door@.service",
        "[Unit]\nCollectMode=inactive-or-failed\n[Service]\nStandardInput=socket\nStandardError=journal\nExecStart=-/usr/local/bin/door\n",
    );
    change_door(host, script);
    host.sh("systemctl daemon-reload; systemctl start door.socket");
}

/// Lets the next connections run another script.
pub(crate) fn change_door(host: &Host, script: &str) {
    host.script(
        "/usr/local/bin/door",
        &format!("#!/bin/bash\necho knock >>/run/door.knocks\n{script}\n"),
    );
}

/// How often the door was opened.
pub(crate) fn door_knocks(host: &Host) -> usize {
    host.try_run(&["cat", "/run/door.knocks"])
        .stdout
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
}
