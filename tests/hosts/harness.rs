//! What the test host itself promises.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::{Access, Bare, Debian, Host};
use crate::on_both;

on_both! {
    fn a_service_runs(host: Bare) {
        host.script("/usr/local/bin/answer", "#!/bin/sh\necho 42 >/run/answer\nexec sleep infinity\n");
        host.write("/etc/systemd/system/answer.service", "[Service]\nExecStart=/usr/local/bin/answer\n");
        host.run(&["systemctl", "start", "answer"]);
        host.wait_for("the service's answer", || (host.has("/run/answer") && host.read("/run/answer") == "42\n").then_some(()));
        assert_eq!(fs::read_to_string(host.path("/run/answer")).expect("the host is up"), "42\n");
        assert_eq!(host.systemctl_show("answer", "ActiveState"), "active");
    }

    fn a_file_has_the_mode_and_the_owner_asked_for(host: Bare) {
        host.write_mode("/etc/deep/down/secret", b"x\0y", Access { mode: 0o600, uid: 7 });
        assert_eq!(host.sh("stat -c '%a %u %s' /etc/deep/down/secret"), "600 7 3");
    }

    fn a_message_comes_through_the_broker(host: Bare) {
        let subscriber = host.subscribe("Crash/#");
        host.run(&["mosquitto_pub", "-V", "5", "-q", "1", "-t", "Crash/Reports", "-m", "{\"stack\":\"a\\nb\"}",
            "-D", "publish", "user-property", "trace", "17"]);
        assert_eq!(subscriber.wait_for_count(1)[0]["stack"], "a\nb");
        subscriber.assert_no_more_within(Duration::from_millis(100));
        let message = &subscriber.received()[0];
        assert_eq!((message.topic(), message.qos(), message.is_retained()), ("Crash/Reports", 1, false));
        assert_eq!(message.user_property("trace"), Some("17"));
    }

    fn a_reboot_keeps_the_disk_and_the_journal(mut host: Bare) {
        host.write("/etc/kept", "still here\n");
        host.run(&["systemd-cat", "echo", "before the reboot"]);
        let machine_id = host.read("/etc/machine-id");
        host.reboot();
        assert_eq!(host.read("/etc/kept"), "still here\n");
        assert_eq!(host.read("/etc/machine-id"), machine_id);
        assert!(host.journal(&["--boot=-1"]).contains("before the reboot"));
        assert!(!host.journal(&["--boot"]).contains("before the reboot"));
        assert_eq!(host.failed_units(), [""; 0]);
    }

    fn a_power_cut_leaves_no_time_to_stop(mut host: Bare) {
        host.write("/etc/systemd/system/polite.service", "[Service]\nExecStart=sleep infinity\nExecStopPost=touch /etc/stopped\n");
        host.run(&["systemctl", "start", "polite"]);
        host.power_cut();
        assert!(!host.has("/etc/stopped"));
        host.run(&["systemctl", "start", "polite"]);
        host.power_off();
        host.power_on();
        assert!(host.has("/etc/stopped"));
    }

    fn a_core_dump_reaches_its_host(host: Bare) {
        const COREDUMP: &str = "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1";
        host.write("/etc/systemd/system/crash.service", "[Service]\nExecStart=sleep infinity\nLimitCORE=infinity\n");
        host.run(&["systemctl", "start", "crash"]);
        let invocation = host.systemctl_show("crash", "InvocationID");
        let guard = host.capture_cores();
        host.run(&["systemctl", "kill", "--signal=ABRT", "crash"]);
        let entry = host.wait_for("the core dump's journal entry", || host.journal_json(&[COREDUMP]).pop());
        drop(guard);
        assert_eq!(entry["COREDUMP_UNIT"], "crash.service");
        assert!(entry["COREDUMP_ENVIRON"].to_string().contains(&invocation));
        assert!(entry["MESSAGE"].to_string().contains("#0 "), "{}", entry["MESSAGE"]);
    }

    fn hosts_do_not_share_anything(debian: Debian) {
        let (one, other) = (Host::bare(debian), Host::bare(debian));
        one.write("/etc/mine", "");
        assert!(!other.has("/etc/mine"));
        assert_ne!(one.read("/etc/machine-id"), other.read("/etc/machine-id"));
        let subscriber = other.subscribe("#");
        one.run(&["mosquitto_pub", "-t", "a", "-m", "1"]);
        subscriber.assert_no_more_within(Duration::from_millis(100));
    }

    fn nothing_is_left_of_a_dropped_host(debian: Debian) {
        let host = Host::bare(debian);
        let subscriber = host.subscribe("#");
        let leader = PathBuf::from(format!("/proc/{}", host.leader()));
        let group = unified_group(&leader).expect("the host is up");
        let group = group.strip_suffix("/machine/payload/init.scope").expect("PID 1 is where the keeper put it");
        drop((subscriber, host));

        assert!(!leader.exists());
        assert_eq!(processes_under(group), 0);
        let mounts = fs::read_to_string("/proc/self/mounts").expect("procfs is mounted");
        assert!(!mounts.lines().any(|line| line.starts_with("unitward-test ")), "{mounts}");
    }
}

fn unified_group(process: &Path) -> Option<String> {
    let groups = fs::read_to_string(process.join("cgroup")).ok()?;
    groups
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .map(str::to_owned)
}

fn processes_under(group: &str) -> usize {
    let entries = fs::read_dir("/proc").expect("procfs is mounted").flatten();
    entries
        .filter_map(|entry| unified_group(&entry.path()))
        .filter(|other| other.starts_with(group))
        .count()
}
