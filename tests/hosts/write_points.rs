//! The daemon is killed at each point at which it writes anything, to the disk or to the network, while it deals with one crash:
//! the report arrives whole, once, or twice with one id when it was killed between sending it and noting that.

use crate::host::Host;
use crate::on_both;
use crate::report::{cloud, guard, ids, keys, kill, told, wait_for_restart};
use std::time::Duration;

/// What takes effect outside of the process.
const WRITES: &str = "pwrite64,write,writev,sendto,sendmsg,fdatasync,fsync,ftruncate,unlink,rename";
/// More than there are, so that a daemon that never rests ends the test.
const MOST: usize = 300;
/// When it has been quiet for so long the crash is dealt with.
const QUIET: Duration = Duration::from_millis(1500);
const KEYS: [&str; 9] = [
    "nodeId",
    "locationId",
    "firmwareVersion",
    "model",
    "pid",
    "name",
    "reason",
    "timestamp",
    "backtrace",
];

/// What one round came to.
enum Round {
    /// The daemon was killed at a write.
    Killed,
    /// It had dealt with the crash before it came to so many writes.
    Passed,
}

/// One crash, while strace lies in wait for the `number`th write of any thread.
fn one_round(host: &Host, number: usize) -> Round {
    host.wait_for("the connection to the broker", || {
        host.systemctl_show("unitwardd", "StatusText")
            .contains("; connected to")
            .then_some(())
    });
    // What it has not noted as sent it would send again.
    host.wait_for("the end of the round before", || {
        told(host)
            .is_ok_and(|known| known.iter().all(|row| row["report"] == "sent"))
            .then_some(())
    });
    let reports = host.subscribe("Crash/Reports");
    let inject = format!("inject={WRITES}:signal=SIGKILL:when={number}");
    let daemon = host.systemctl_show("unitwardd", "MainPID");
    let mut tracer = host.trace(&daemon, &["-e", &format!("trace={WRITES}"), "-e", &inject]);
    let (pid, run) = kill(host, "web");
    let mut count = 0;
    let round = loop {
        if tracer.ended_within(QUIET).is_some() {
            break Round::Killed;
        }
        // It may deal with something for longer than that.
        let before = std::mem::replace(&mut count, reports.count());
        if before == count && count > 0 {
            break Round::Passed;
        }
    };
    drop(tracer);
    host.wait_for_within(
        Duration::from_secs(40),
        &format!("the report after the kill at write {number}"),
        || (reports.count() > 0).then_some(()),
    );
    reports.wait_for_silence(QUIET);
    let (received, ids) = (reports.received(), ids(&reports));
    assert!(
        ids.iter().all(|id| *id == run),
        "write {number}: {ids:?} and not {run}"
    );
    assert!(
        ids.len() <= if matches!(round, Round::Killed) { 2 } else { 1 },
        "write {number}: {ids:?}"
    );
    for message in &received {
        assert_eq!(keys(message.payload()), KEYS, "write {number}");
        let report = message.json();
        assert_eq!(
            (&report["name"], &report["reason"]),
            (&"web".into(), &"SIG 9 (Killed)".into()),
            "write {number}"
        );
        // The journal, too, may have been the only witness; but the run record knows the pid.
        assert_eq!(report["pid"], pid.as_str(), "write {number}");
    }
    wait_for_restart(host, "web", &run);
    if received.len() > 1 {
        println!("write {number}: a twin");
    }
    round
}

on_both! {
    fn a_kill_at_any_write_loses_no_report(host: Host) {
        host.write("/etc/systemd/system/unitwardd.service.d/quick.conf", "[Service]\nRestartSec=100ms\n");
        drop(cloud(&host, "[Reports]\nBurst=1000\n"));
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n");
        let passed = (1..=MOST).find(|number| matches!(one_round(&host, *number), Round::Passed));
        let passed = passed.expect("the daemon is done after so many writes");
        println!("killed at each of {} writes", passed - 1);
        assert!(passed > 5, "it was killed at {} writes, fewer than one report takes", passed - 1);
    }
}
