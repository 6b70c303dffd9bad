//! `make demo`: the main job on a booted host, visible. The packages are installed, a service is guarded, dies, is
//! recovered step by step, and an MQTT subscriber receives the report; then a stack is restarted as a whole.

#[path = "mod.rs"]
mod host;

use host::{Debian, Host};
use std::time::Instant;

const WARD: &str = "\
[Unit]
Description=NFS client file system

[Service]
ExecStart=/usr/sbin/fs-nfs2

[OnDeath]
Execute=/usr/local/bin/umount -l /armle-v7
Restart=%n
WaitFor=1s
Execute=/usr/local/bin/mount -t nfs 10.12.1.115:/armle-v7 /armle-v7
ElseLog=could not mount armle-v7
WaitFor=1s
Execute=/usr/local/bin/mount -t nfs 10.12.1.115:/web /web
Restart=inetd.service
";

fn main() {
    let begun = Instant::now();
    say("A new Debian 12 host boots, with the packages installed");
    let host = Host::boot(Debian::Bookworm);
    print(&host.sh("systemctl --version | head -1; systemctl status --no-pager unitwardd | head -4; dpkg -s unitward | grep Version"));
    stand_ins(&host);
    guard(&host);
    let reports = host.subscribe("Crash/Reports");
    let recoveries = host.subscribe("Crash/Recoveries");
    let pid = host.systemctl_show("fs-nfs2", "MainPID");
    say("The service dies: kill -KILL, three seconds of recovery by PID 1");
    host.sh(&format!(
        "rm -f /var/log/stand-ins; echo \"$(date +%T.%3N) kill -KILL {pid}\" >/var/log/stand-ins; kill -KILL {pid}"
    ));
    host.wait_for("the last step", || {
        host.read("/var/log/stand-ins")
            .contains("inetd")
            .then_some(())
    });
    host.wait_for_property("fs-nfs2", "ActiveState", "active");
    print(&host.read("/var/log/stand-ins"));
    say("What an MQTT subscriber on Crash/Reports received");
    reports.wait_for_count(1);
    let message = reports.received().remove(0);
    print(message.payload());
    print(&format!(
        "(QoS {}, report-id {})",
        message.qos(),
        message.user_property("report-id").unwrap_or("none")
    ));
    say("And on Crash/Recoveries, when the last step was done");
    recoveries.wait_for_count(1);
    print(recoveries.received()[0].payload());
    say("unitward reports");
    print(&host.sh("unitward reports 2>&1"));
    say("systemctl status fs-nfs2");
    print(&host.sh("systemctl status --no-pager --lines=0 fs-nfs2"));
    say("journalctl -u fs-nfs2: the report and the recovery");
    print(&host.sh("journalctl --no-pager -o short-precise -u fs-nfs2 | tail -8 | cut -c1-150"));
    say("The service is stopped by hand: that is no crash, and nothing is reported");
    host.run(&["systemctl", "stop", "fs-nfs2"]);
    reports.assert_no_more_within(std::time::Duration::from_secs(1));
    print(&host.sh("systemctl show unitwardd -P StatusText"));
    restart_a_stack(&host);
    say(&format!("Done in {:.1} s", begun.elapsed().as_secs_f64()));
}

/// Two managers that only work together, restarted together by a script.
fn restart_a_stack(host: &Host) {
    let reports = host.subscribe("Crash/Reports");
    say("A stack: two managers that are restarted together, by a script that has lost the cloud");
    host.write("/etc/unitward/opensync.stack", "[Stack]\nName=OpenSync\n");
    for manager in ["cm", "wm"] {
        let ward = "[Service]\nExecStart=/usr/bin/sleep infinity\n\n[Ward]\nStack=opensync\n";
        host.write(&format!("/etc/unitward/{manager}.ward"), ward);
    }
    host.script(
        "/usr/local/bin/cloud-is-gone",
        "#!/bin/sh\nunitward restart-stack opensync --wait\n",
    );
    host.sh("systemctl daemon-reload; systemctl start opensync.target");
    let pids = || host.sh("systemctl show cm wm -P MainPID | paste -sd' '");
    let before = pids();
    print(&host.sh("/usr/local/bin/cloud-is-gone 2>&1"));
    print(&format!("processes before and after: {before}, {}", pids()));
    say("One report, like a crash's, with who did it");
    reports.wait_for_count(1);
    print(reports.received()[0].payload());
    print(&host.sh("unitward reports 2>&1"));
}

/// Commands that only say when they ran, in place of a file server and its mounts.
fn stand_ins(host: &Host) {
    let note = "echo \"$(date +%T.%3N) $(basename $0) $*\" >>/var/log/stand-ins";
    for command in ["/usr/local/bin/mount", "/usr/local/bin/umount"] {
        host.script(command, &format!("#!/bin/sh\n{note}\n"));
    }
    for daemon in ["/usr/sbin/fs-nfs2", "/usr/sbin/inetd"] {
        host.script(daemon, &format!("#!/bin/sh\n{note}\nexec sleep infinity\n"));
    }
    host.write(
        "/etc/systemd/system/inetd.service",
        "[Service]\nExecStart=/usr/sbin/inetd\n",
    );
}

fn guard(host: &Host) {
    host.write(
        "/etc/unitward/unitward.conf",
        "[Node]\nNodeId=ABCDEF1234\n\n[MQTT]\nBroker=mqtt://127.0.0.1:1883\n",
    );
    say("The ward, /etc/unitward/fs-nfs2.ward");
    host.write("/etc/unitward/fs-nfs2.ward", WARD);
    print(WARD);
    say("unitward check; systemctl daemon-reload; systemctl start fs-nfs2 inetd");
    print(&host.sh("unitward check 2>&1; systemctl daemon-reload; systemctl start fs-nfs2 inetd"));
    say("systemctl cat fs-nfs2: the recovery is ordinary unit lines");
    print(&host.sh("systemctl cat fs-nfs2 | grep -E '^Exec'"));
}

fn say(what: &str) {
    println!("\n== {what}");
}

fn print(text: &str) {
    for line in text.trim_end().lines() {
        println!("   {line}");
    }
}
