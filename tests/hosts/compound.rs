//! Compound restart: the fs-nfs2 ward with stand-ins that log what they do and when.

use crate::host::Host;
use crate::on_both;
use std::time::Duration;

/// A stand-in for a command: appends its name and arguments to the log, with the time in milliseconds.
const STAND_IN: &str = "#!/bin/sh\necho \"$(date +%s%3N) $(basename $0) $*\" >>/var/log/steps\n[ ! -e /run/fail-$(basename $0)-$1 ]\n";

const WARD: &str = "[Unit]\nDescription=NFS client file system\n\n[Service]\nExecStart=/usr/sbin/fs-nfs2\n\n\
    [OnDeath]\nExecute=/usr/local/bin/umount -l /armle-v7\nRestart=%n\nWaitFor=300ms\n\
    Execute=/usr/local/bin/mount armle-v7\nElseLog=could not mount armle-v7, 100% sure\nWaitFor=300ms\n\
    Execute=/usr/local/bin/mount web\nRestart=inetd.service\n";

/// Writes the ward (with `more` in its condition), the daemon and the service it resets, and starts them.
fn set_up(host: &Host, more: &str) {
    host.script(
        "/usr/sbin/fs-nfs2",
        &STAND_IN.replace("[ !", "exec sleep infinity\n[ !"),
    );
    host.script("/usr/local/bin/mount", STAND_IN);
    host.script("/usr/local/bin/umount", STAND_IN);
    host.script(
        "/usr/local/bin/inetd",
        &STAND_IN.replace("[ !", "exec sleep infinity\n[ !"),
    );
    host.write(
        "/etc/systemd/system/inetd.service",
        "[Service]\nExecStart=/usr/local/bin/inetd\n",
    );
    host.write(
        "/etc/unitward/fs-nfs2.ward",
        &WARD.replace("[OnDeath]\n", &format!("[OnDeath]\n{more}")),
    );
    host.sh("systemctl daemon-reload; systemctl start inetd");
    wait_for_steps(host, 1);
    host.run(&["systemctl", "start", "fs-nfs2"]);
    // Else its first line could come after a test has emptied the log.
    wait_for_steps(host, 2);
}

/// What the stand-ins did since the log was last emptied: times and words, without the first start of inetd.
fn steps(host: &Host) -> Vec<(u64, String)> {
    let log = if host.has("/var/log/steps") {
        host.read("/var/log/steps")
    } else {
        String::new()
    };
    let split = |line: &str| {
        line.split_once(' ')
            .map(|(at, what)| (at.parse().expect("a time"), what.trim().to_owned()))
    };
    log.lines().filter_map(split).collect()
}

/// The same, once it is so much: systemd calls a service started before its program has done anything.
fn wait_for_steps(host: &Host, count: usize) -> Vec<(u64, String)> {
    host.wait_for("what the stand-ins do", || {
        Some(steps(host)).filter(|done| done.len() >= count)
    })
}

fn names(steps: &[(u64, String)]) -> Vec<&str> {
    steps.iter().map(|(_, what)| what.as_str()).collect()
}

/// Kills the daemon and waits until the recovery, its last step included, is done.
fn die_and_recover(host: &Host, count: usize) -> Vec<(u64, String)> {
    host.sh("rm -f /var/log/steps; systemctl kill --kill-whom=main --signal=KILL fs-nfs2");
    host.wait_for("the whole recovery", || {
        let done = steps(host);
        let up = host.systemctl_show("fs-nfs2", "ActiveState") == "active";
        (up && done.len() >= count).then_some(done)
    })
}

const WHOLE: [&str; 5] = [
    "umount -l /armle-v7",
    "fs-nfs2",
    "mount armle-v7",
    "mount web",
    "inetd",
];

on_both! {
    fn after_each_death_the_steps_run_in_their_order(host: Host) {
        set_up(&host, "");
        assert_eq!(names(&wait_for_steps(&host, 2)), ["inetd", "fs-nfs2"], "a first start runs no step");
        for death in 1..=3 {
            let done = die_and_recover(&host, WHOLE.len());
            assert_eq!(names(&done), WHOLE, "death {death}");
            let pause = |from: usize, to: usize| done[to].0 - done[from].0;
            // Not of fs-nfs2: it writes its time at some moment after its start, when the wait has begun already.
            assert!(pause(0, 2) >= 300, "waited before the first mount: {done:?}");
            assert!(pause(2, 3) >= 300, "waited before the second mount: {done:?}");
            assert_eq!(host.systemctl_show("inetd", "ActiveState"), "active");
        }
        assert_eq!(host.systemctl_show("fs-nfs2", "NRestarts"), "3");
    }

    fn a_manual_restart_runs_no_step(host: Host) {
        set_up(&host, "");
        host.sh("rm -f /var/log/steps; systemctl restart fs-nfs2");
        assert_eq!(names(&wait_for_steps(&host, 1)), ["fs-nfs2"]);
        die_and_recover(&host, WHOLE.len());
        host.sh("rm -f /var/log/steps; systemctl stop fs-nfs2; systemctl start fs-nfs2");
        assert_eq!(names(&wait_for_steps(&host, 1)), ["fs-nfs2"]);
    }

    fn do_now_runs_the_steps_at_the_first_start_too(host: Host) {
        set_up(&host, "DoNow=yes\n");
        assert_eq!(names(&wait_for_steps(&host, 6)), ["inetd", "umount -l /armle-v7", "fs-nfs2", "mount armle-v7", "mount web", "inetd"]);
    }

    fn a_failing_step_lets_the_rest_go_on_and_its_else_speaks(host: Host) {
        set_up(&host, "");
        host.write("/run/fail-mount-armle-v7", "");
        assert_eq!(names(&die_and_recover(&host, WHOLE.len())), WHOLE);
        let said = host.journal(&["-u", "fs-nfs2", "-o", "cat", "-t", "unitward-step"]);
        assert!(said.contains("could not mount armle-v7, 100% sure"), "{said}");
        let shown = host.systemctl_show("fs-nfs2", "ExecStartPost");
        assert!(shown.contains("status=1"), "systemctl shows the truth: {shown}");
    }

    fn a_successful_step_leaves_its_else_alone(host: Host) {
        set_up(&host, "");
        die_and_recover(&host, WHOLE.len());
        let said = host.journal(&["-u", "fs-nfs2", "-o", "cat"]);
        assert!(!said.contains("could not mount"), "{said}");
    }

    fn break_skips_the_rest_and_the_ward_stays_up(host: Host) {
        set_up(&host, "OnStepFailure=break\n");
        host.write("/run/fail-mount-armle-v7", "");
        assert_eq!(names(&die_and_recover(&host, 3)), WHOLE[..3]);
        assert_eq!(host.systemctl_show("fs-nfs2", "SubState"), "running");
        let said = host.journal(&["-u", "fs-nfs2", "-o", "cat"]);
        assert!(said.contains("could not mount"), "{said}");
        host.sh("rm /run/fail-mount-armle-v7");
        assert_eq!(names(&die_and_recover(&host, WHOLE.len())), WHOLE, "the next death has all its steps again");
    }

    fn fail_lets_the_start_fail_and_the_restart_policy_try_again(host: Host) {
        set_up(&host, "OnStepFailure=fail\n");
        host.write("/run/fail-mount-armle-v7", "");
        host.sh("rm -f /var/log/steps; systemctl kill --kill-whom=main --signal=KILL fs-nfs2");
        host.wait_for("a second attempt", || (host.systemctl_show("fs-nfs2", "NRestarts").parse::<u32>().unwrap() >= 2).then_some(()));
        host.sh("rm /run/fail-mount-armle-v7");
        host.wait_for_property("fs-nfs2", "ActiveState", "active");
        let done = steps(&host);
        assert_eq!(names(&done)[done.len() - WHOLE.len()..], WHOLE, "{done:?}");
        assert!(!names(&done)[..done.len() - WHOLE.len()].contains(&"mount web"), "{done:?}");
        let said = host.journal(&["-u", "fs-nfs2", "-o", "cat"]);
        assert!(said.contains("could not mount"), "{said}");
    }

    fn the_recovery_is_visible_where_an_administrator_looks(host: Host) {
        set_up(&host, "");
        let shown = host.sh("systemctl cat fs-nfs2");
        assert!(shown.contains("\n    --step=OnDeath:4 Execute /usr/local/bin/mount armle-v7 \\\n"), "{shown}");
        assert_eq!(host.systemctl_show("fs-nfs2", "SourcePath"), "/etc/unitward/fs-nfs2.ward");
    }

    fn a_dependant_ordered_after_the_ward_is_reset_without_a_dead_lock(host: Host) {
        set_up(&host, "");
        host.write("/etc/systemd/system/inetd.service.d/after.conf", "[Unit]\nAfter=fs-nfs2.service\n");
        host.sh("systemctl daemon-reload");
        let done = die_and_recover(&host, WHOLE.len());
        assert_eq!(names(&done), WHOLE);
        assert!(done[4].0 - done[3].0 < Duration::from_secs(5).as_millis().try_into().unwrap(), "{done:?}");
    }
}
