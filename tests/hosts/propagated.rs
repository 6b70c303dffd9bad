//! A stack whose unit requires a member is restarted with it: that is systemd's doing, and no full restart by hand.

use crate::host::Host;
use crate::on_both;
use crate::report::{cloud, kill, told, wait_for_restart};
use std::time::Duration;

const QUIET: Duration = Duration::from_secs(3);
const BY_HAND: &str = "OpenSync restarted by systemctl";

fn set_up(host: &Host, unit: &str) {
    host.write(
        "/etc/unitward/os.stack",
        &format!("[Stack]\nName=OpenSync\nUnit={unit}\n"),
    );
    for (name, more) in [("member", "RestartSec=100ms\n"), ("other", "")] {
        host.write(
            &format!("/etc/unitward/{name}.ward"),
            &format!("[Service]\nExecStart=sleep infinity\n{more}[Ward]\nStack=os\n"),
        );
    }
    let own = if unit.ends_with(".service") {
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n"
    } else {
        ""
    };
    host.write(
        &format!("/etc/systemd/system/{unit}"),
        &format!("[Unit]\nRequires=member.service\nAfter=member.service\n{own}"),
    );
    host.sh(&format!("systemctl daemon-reload; systemctl start {unit}"));
}

fn restart_by_crash(host: &Host, unit: &str) {
    let before = host.systemctl_show(unit, "InvocationID");
    let (_, run) = kill(host, "member");
    wait_for_restart(host, "member", &run);
    host.wait_for("the stack's restart", || {
        (host.systemctl_show(unit, "InvocationID") != before).then_some(())
    });
    host.wait_for_property(unit, "ActiveState", "active");
}

on_both! {
    fn the_crash_of_a_required_member_is_no_full_restart(host: Host) {
        let reports = cloud(&host, "");
        set_up(&host, "os.target");
        for count in 1..=2 {
            restart_by_crash(&host, "os.target");
            assert_eq!(reports.wait_for_count(count)[count - 1]["reason"], "SIG 9 (Killed)");
        }
        // Nor is it when that is asked for.
        host.run(&["systemctl", "restart", "member"]);
        reports.assert_no_more_within(QUIET);
        // One by hand is told as before.
        host.run(&["systemctl", "restart", "os.target"]);
        assert_eq!(reports.wait_for_count(3)[2]["reason"], BY_HAND);
        host.run(&["systemctl", "daemon-reload"]);
        reports.assert_no_more_within(QUIET);
        assert_eq!(told(&host).unwrap().len(), 3);
    }

    fn a_stack_that_is_a_service_is_restarted_with_its_member_too(host: Host) {
        let reports = cloud(&host, "");
        set_up(&host, "os.service");
        restart_by_crash(&host, "os.service");
        assert_eq!(reports.wait_for_count(1)[0]["reason"], "SIG 9 (Killed)");
        reports.assert_no_more_within(QUIET);
    }

    fn the_journal_tells_the_two_apart_when_the_daemon_was_down(host: Host) {
        let reports = cloud(&host, "");
        set_up(&host, "os.target");
        host.run(&["systemctl", "stop", "unitwardd"]);
        restart_by_crash(&host, "os.target");
        // More than a second lies between a crash and what somebody does by hand.
        let since = host.sh("date +%s");
        host.wait_for("two seconds", || (host.sh("date +%s").trim().parse::<u64>().unwrap() > since.trim().parse::<u64>().unwrap() + 2).then_some(()));
        host.run(&["systemctl", "restart", "os.target"]);
        host.run(&["systemctl", "start", "unitwardd"]);
        reports.wait_for_count(2);
        reports.assert_no_more_within(QUIET);
        let reasons: Vec<_> = reports.messages().iter().map(|report| report["reason"].as_str().unwrap().to_owned()).collect();
        assert_eq!(reasons, ["SIG 9 (Killed)", BY_HAND]);
    }
}
