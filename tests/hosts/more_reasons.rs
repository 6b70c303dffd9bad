//! The harder reasons: time limits of every kind, memory, a program that is not there; heard at once, and heard afterwards
//! when the daemon was away.

use crate::host::{Host, Subscriber};
use crate::on_both;
use crate::report::{cloud, guard};
use rustix::fs::{XattrFlags, setxattr};
use serde_json::Value;
use std::time::Duration;

/// Name, `[Service]` and reason.
const WAYS: [(&str, &str, &str); 10] = [
    (
        "watchdog",
        "Type=notify\nNotifyAccess=all\nWatchdogSec=1s\nTimeoutAbortSec=5s\n\
         ExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep infinity'",
        "Watchdog timeout (1s)",
    ),
    (
        "slow-start",
        "Type=notify\nTimeoutStartSec=1s\nExecStart=/bin/sleep infinity",
        "Start timeout (1s)",
    ),
    // It ends by itself when it is up, and a child does not want to go with it.
    (
        "slow-stop",
        "TimeoutStopSec=1s\nExecStart=/bin/sh -c 'sh -c \"trap : TERM; touch /run/stays; while :; do sleep 1; done\" & \
         until test -e /run/stays && systemctl is-active --quiet slow-stop; do sleep 0.05; done; exit 0'",
        "Stop timeout (1s)",
    ),
    (
        "long-run",
        "RuntimeMaxSec=1s\nExecStart=/bin/sleep infinity",
        "Runtime timeout (1s)",
    ),
    (
        "exits",
        "ExecStart=/bin/sh -c 'sleep 0.1; exit 3'",
        "EXIT 3",
    ),
    ("absent", "ExecStart=/usr/bin/not-there", "EXIT 203 (EXEC)"),
    (
        "aborts",
        "ExecStart=/bin/sh -c 'sleep 0.1; kill -ABRT $$$$'",
        "SIG 6 (Aborted)",
    ),
    (
        "killed",
        "ExecStart=/bin/sh -c 'sleep 0.1; kill -KILL $$$$'",
        "SIG 9 (Killed)",
    ),
    (
        "pre-crashes",
        "ExecStartPre=/bin/sh -c 'kill -SEGV $$$$'\nExecStart=/bin/sleep infinity",
        "SIG 11 (Segmentation fault)",
    ),
    (
        "not-up",
        "Type=forking\nTimeoutStartSec=1s\nExecStart=/bin/sleep infinity",
        "Start timeout (1s)",
    ),
];

fn ward(service: &str) -> String {
    format!("[Service]\n{service}\nRestart=no\nLimitCORE=1\n")
}

/// The one report of this name.
fn report_of(host: &Host, reports: &Subscriber, name: &str) -> Value {
    host.wait_for(&format!("the report of {name}"), || {
        reports
            .messages()
            .into_iter()
            .find(|report| report["name"] == name)
    })
}

fn start_all(host: &Host) {
    for (name, service, _) in WAYS {
        host.write(&format!("/etc/unitward/{name}.ward"), &ward(service));
    }
    let names = WAYS.map(|(name, ..)| name).join(" ");
    host.sh(&format!(
        "systemctl daemon-reload; systemctl start --no-block {names}"
    ));
}

fn check_all(host: &Host, reports: &Subscriber) {
    let mut wrong = Vec::new();
    for (name, _, reason) in WAYS {
        let told = report_of(host, reports, name);
        if told["reason"] != reason {
            wrong.push(format!("{name}: {} instead of {reason}", told["reason"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    reports.assert_no_more_within(Duration::from_secs(1));
    assert_eq!(reports.count(), WAYS.len(), "none is told twice");
}

/// Makes a service die for want of memory. Where PID 1 has the memory controller the kernel kills it at `MemoryMax=`. Where
/// the machine keeps that controller in the old hierarchy PID 1 cannot see such a kill; there the marks are set that
/// systemd-oomd sets on a control group (`user.oomd_ooms`, `user.oomd_kill`), and PID 1 finds them when it is told of the kill.
fn run_out_of_memory(host: &Host, name: &str) {
    if host
        .read("/sys/fs/cgroup/cgroup.controllers")
        .split_whitespace()
        .any(|name| name == "memory")
    {
        println!("MemoryMax= and the kernel");
        let eats = "MemoryMax=20M\nMemorySwapMax=0\nExecStart=/usr/bin/perl -e '$$a = \"x\" x 200000000; sleep 60'";
        return guard(host, name, &format!("--no-block {name}"), &ward(eats));
    }
    println!("no memory controller here: the marks of systemd-oomd");
    guard(host, name, name, &ward("ExecStart=sleep infinity"));
    let group = host.path(&format!(
        "/sys/fs/cgroup{}",
        host.systemctl_show(name, "ControlGroup")
    ));
    for mark in ["user.oomd_ooms", "user.oomd_kill"] {
        setxattr(&group, mark, b"1", XattrFlags::empty())
            .expect("a control group takes attributes");
    }
    host.sh(&format!("systemctl kill --signal=KILL {name}"));
}

on_both! {
    fn each_way_to_die_has_its_reason_at_once(host: Host) {
        let reports = cloud(&host, "");
        start_all(&host);
        check_all(&host, &reports);
    }

    fn each_way_to_die_has_its_reason_afterwards(host: Host) {
        let reports = cloud(&host, "");
        host.run(&["systemctl", "stop", "unitwardd"]);
        start_all(&host);
        host.wait_for("the end of all", || {
            let over = |name: &str| matches!(host.systemctl_show(name, "ActiveState").as_str(), "failed" | "inactive");
            WAYS.iter().all(|(name, ..)| over(name) && host.systemctl_show(name, "InactiveEnterTimestampMonotonic") != "0").then_some(())
        });
        host.run(&["systemctl", "start", "unitwardd"]);
        check_all(&host, &reports);
    }

    fn a_start_time_out_over_the_limit_is_a_start_time_out(host: Host) {
        let reports = cloud(&host, "");
        let slow = "[Service]\nType=notify\nTimeoutStartSec=700ms\nExecStart=/bin/sleep infinity\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n";
        guard(&host, "slow", "--no-block slow", slow);
        host.wait_for_property("slow", "ActiveState", "failed");
        let told = reports.wait_for_count(2);
        assert_eq!([&told[0]["reason"], &told[1]["reason"]], ["Start timeout (700ms)"; 2]);
        reports.assert_no_more_within(Duration::from_secs(1));
        host.run(&["systemctl", "stop", "unitwardd"]);
        let before = host.systemctl_show("slow", "InvocationID");
        // As the manual says for a host on which the daemon cannot run.
        host.sh("rm /run/unitward/wards/slow/excluded.json; systemctl start --no-block slow");
        host.wait_for("the end of the second start", || {
            let [state, run] = host.systemctl_shows("slow", ["ActiveState", "InvocationID"]);
            (state == "failed" && run != before).then_some(())
        });
        host.run(&["systemctl", "start", "unitwardd"]);
        let told = reports.wait_for_count(4);
        assert_eq!([&told[2]["reason"], &told[3]["reason"]], ["Start timeout (700ms)"; 2], "heard afterwards");
        reports.assert_no_more_within(Duration::from_secs(1));
    }

    fn a_kill_for_want_of_memory_is_out_of_memory(host: Host) {
        let reports = cloud(&host, "");
        run_out_of_memory(&host, "eats");
        assert_eq!(report_of(&host, &reports, "eats")["reason"], "Out of memory");
        host.run(&["systemctl", "stop", "unitwardd"]);
        run_out_of_memory(&host, "eats-too");
        host.wait_for_property("eats-too", "ActiveState", "failed");
        host.run(&["systemctl", "start", "unitwardd"]);
        assert_eq!(report_of(&host, &reports, "eats-too")["reason"], "Out of memory");
        reports.assert_no_more_within(Duration::from_secs(1));
    }
}
