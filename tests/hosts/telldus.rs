//! The ordinary daemons: a forking one with a pid file, a simple one with a user and an environment.

use crate::host::Host;
use crate::on_both;
use crate::report::{cloud, guard, keys, kill, wait_for_restart};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TELLDUS: &str = "[Unit]\nDescription=Telldus daemon\n[Service]\nType=forking\nPIDFile=/run/telldusd.pid\n\
    ExecStart=/usr/sbin/telldusd\nRestart=always\n[Install]\nWantedBy=multi-user.target\n";

on_both! {
    fn a_killed_forking_daemon_is_back_and_reported_once(host: Host) {
        host.script("/usr/sbin/telldusd", "#!/bin/sh\nsleep infinity &\necho $! >/run/telldusd.pid\n");
        host.write("/etc/systemd/system/telldusd.service", TELLDUS);
        let reports = cloud(&host, "");
        guard(&host, "telldus", "telldusd", "# the daemon of the Telldus stick\n[Ward]\nUnit=telldusd.service\n");
        let (pid, run) = kill(&host, "telldusd");
        wait_for_restart(&host, "telldusd", &run);
        let report = &reports.wait_for_count(1)[0];
        assert_eq!((&report["pid"], &report["reason"]), (&pid.as_str().into(), &"SIG 9 (Killed)".into()));
        assert_eq!((&report["nodeId"], &report["backtrace"]), (&"ABCDEF1234".into(), &"<NA>".into()));
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        assert!(report["timestamp"].as_u64().unwrap().abs_diff(now) < 20_000, "{report}");
        let message = &reports.received()[0];
        assert_eq!(keys(message.payload()), ["nodeId", "locationId", "firmwareVersion", "model", "pid", "name", "reason", "timestamp", "backtrace"]);
        assert_eq!(message.qos(), 1);
        assert!(message.user_property("report-id").is_some_and(|id| id.contains(&run)), "{:?}", message.user_property("report-id"));
        reports.assert_no_more_within(Duration::from_secs(1));
    }

    fn a_killed_simple_daemon_keeps_its_user_and_environment(host: Host) {
        host.script("/usr/sbin/web", "#!/bin/sh\necho \"$(id -un) $PYTHONPATH\" >>/tmp/who\nexec sleep infinity\n");
        let reports = cloud(&host, "");
        guard(&host, "cherrytelldus", "cherrytelldus",
            "[Unit]\nAfter=network.target\n[Service]\nType=simple\nUser=nobody\nEnvironment=\"PYTHONPATH=/usr/local/bin/setup\"\nExecStart=/usr/sbin/web\nRestart=always\n");
        let (pid, run) = kill(&host, "cherrytelldus");
        wait_for_restart(&host, "cherrytelldus", &run);
        let report = &reports.wait_for_count(1)[0];
        assert_eq!((&report["pid"], &report["name"], &report["reason"]), (&pid.as_str().into(), &"cherrytelldus".into(), &"SIG 9 (Killed)".into()));
        host.wait_for("the second run", || (host.read("/tmp/who") == "nobody /usr/local/bin/setup\n".repeat(2)).then_some(()));
    }

    fn every_report_is_in_the_journal_too(host: Host) {
        let _reports = cloud(&host, "");
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n");
        let (pid, run) = kill(&host, "web");
        let entry = host.wait_for("the journal's entry", || host.journal_json(&["-t", "unitwardd", "UNITWARD_WARD=web", "MESSAGE_ID=8d2b6f0a5c7e4f3f9a1d64e0b7c35281"]).pop());
        for (field, value) in [("UNITWARD_REASON", "SIG 9 (Killed)"), ("UNITWARD_PID", pid.as_str()), ("UNITWARD_INVOCATION_ID", run.as_str())] {
            assert_eq!(entry[field], value, "{entry}");
        }
        let id = entry["MESSAGE_ID"].as_str().expect("a MESSAGE_ID");
        assert!(!host.sh(&format!("journalctl --dump-catalog {id}")).is_empty());
    }

    fn without_a_broker_the_reports_stay_local(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n");
        host.run(&["systemctl", "reload", "unitwardd"]);
        kill(&host, "web");
        host.wait_for("the journal's entry", || host.journal_json(&["-t", "unitwardd", "UNITWARD_WARD=web", "MESSAGE_ID=8d2b6f0a5c7e4f3f9a1d64e0b7c35281"]).pop());
        assert_eq!(host.systemctl_show("unitwardd", "ActiveState"), "active");
    }

    fn a_watched_unit_needs_no_ward(host: Host) {
        host.write("/etc/systemd/system/plain.service", "[Service]\nExecStart=sleep infinity\nRestart=on-failure\n");
        let reports = cloud(&host, "[Watch]\nUnits=pl*.service\n");
        host.run(&["systemctl", "start", "plain"]);
        let (pid, _) = kill(&host, "plain");
        let report = &reports.wait_for_count(1)[0];
        assert_eq!((&report["pid"], &report["name"]), (&pid.as_str().into(), &"plain".into()));
        reports.assert_no_more_within(Duration::from_millis(500));
    }
}
