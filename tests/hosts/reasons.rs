//! The right reason for each way to die, and each told once.

use crate::host::Host;
use crate::on_both;
use crate::report::{cloud, guard};
use std::time::Duration;

on_both! {
    fn each_way_to_die_has_its_reason(host: Host) {
        let reports = cloud(&host, "");
        for (name, service, reason) in [
            ("exits", "ExecStart=/bin/sh -c 'sleep 0.1; exit 3'", "EXIT 3"),
            ("aborts", "ExecStart=/bin/sh -c 'sleep 0.1; kill -ABRT $$$$'\nLimitCORE=0", "SIG 6 (Aborted)"),
            ("segfaults", "ExecStart=/bin/sh -c 'sleep 0.1; kill -SEGV $$$$'\nLimitCORE=0", "SIG 11 (Segmentation fault)"),
            ("absent", "ExecStart=/usr/bin/not-there", "EXIT 203 (EXEC)"),
            ("nobody", "User=no-such-user\nExecStart=/bin/true", "EXIT 217 (USER)"),
            ("hangs", "Type=notify\nNotifyAccess=all\nWatchdogSec=1s\nTimeoutAbortSec=5s\nExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep infinity'", "Watchdog timeout (1s)"),
            ("slow", "Type=notify\nTimeoutStartSec=1s\nExecStart=/bin/sleep infinity", "Start timeout (1s)"),
            ("notify-dies", "Type=notify\nExecStart=/bin/sh -c 'sleep 0.1; exit 4'", "EXIT 4"),
            ("pre-fails", "ExecStartPre=/bin/sh -c 'exit 7'\nExecStart=/bin/sleep infinity", "EXIT 7"),
            ("fork-fails", "Type=forking\nExecStart=/bin/sh -c 'exit 8'", "EXIT 8"),
            ("fork-dies", "Type=forking\nExecStart=/bin/sh -c 'sleep 0.5 & exit 0'\nExecStartPost=/bin/true\nGuessMainPID=yes\nRestart=no", ""),
        ] {
            guard(&host, name, &format!("--no-block {name}"), &format!("[Service]\n{service}\nRestart=no\nLimitCORE=0\n"));
            if reason.is_empty() {
                // A forked child that ends cleanly is a death, which nobody wants to hear of by default.
                continue;
            }
            let told = host.wait_for(&format!("the report of {name}"), || reports.messages().into_iter().find(|report| report["name"] == name));
            assert_eq!(told["reason"], reason, "{told}");
        }
        reports.assert_no_more_within(Duration::from_secs(1));
        let mut names: Vec<_> = reports.messages().iter().map(|report| report["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), reports.messages().len(), "none is told twice: {names:?}");
    }
}
