//! Services that die as fast as systemd starts them: every death is reported, none twice.

use crate::host::Host;
use crate::on_both;
use crate::report::cloud;
use std::collections::BTreeSet;
use std::time::Duration;

const DEATHS: usize = 100;

on_both! {
    fn three_hundred_deaths_make_three_hundred_reports(host: Host) {
        // Each run says who it is, until there have been enough.
        host.script("/usr/sbin/flap", &format!("#!/bin/sh\nn=$(wc -l <\"/var/log/$1\")\n[ \"$n\" -ge {DEATHS} ] && exec sleep infinity\necho $INVOCATION_ID >>\"/var/log/$1\"\nexit 3\n"));
        let reports = cloud(&host, "[Reports]\nBurst=1000\n");
        for name in ["flap-a", "flap-b", "flap-c"] {
            host.write(&format!("/var/log/{name}"), "");
            host.write(&format!("/etc/unitward/{name}.ward"), &format!("[Service]\nExecStart=/usr/sbin/flap {name}\n[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n"));
        }
        host.sh("systemctl daemon-reload; systemctl start --no-block flap-a flap-b flap-c");
        host.wait_for_within(Duration::from_secs(180), "all deaths", || {
            (host.sh("cat /var/log/flap-* | wc -l").trim() == (3 * DEATHS).to_string()).then_some(())
        });
        let received = reports.wait_for_count(3 * DEATHS);
        reports.assert_no_more_within(Duration::from_secs(2));
        assert!(received.iter().all(|report| report["reason"] == "EXIT 3"));
        let died: BTreeSet<String> = host.sh("cat /var/log/flap-*").lines().map(str::to_owned).collect();
        let told: Vec<String> = reports.received().iter().map(|m| m.user_property("report-id").expect("a report id").to_owned()).collect();
        for run in &died {
            assert_eq!(told.iter().filter(|id| id.contains(run.as_str())).count(), 1, "run {run}");
        }
        assert_eq!(died.len(), told.len());
    }

    fn fifty_wards_killed_at_once_are_all_back_and_all_reported(host: Host) {
        let reports = cloud(&host, "");
        host.sh("for n in $(seq 50); do printf '[Service]\\nExecStart=sleep infinity\\n' >/etc/unitward/storm-$n.ward; done; systemctl daemon-reload; systemctl start 'storm-'{1..50}");
        for round in 1..=3 {
            host.sh("systemctl kill --kill-whom=main --signal=KILL 'storm-*.service'");
            reports.wait_for_count(50 * round);
            host.wait_for("all of them", || (host.sh("systemctl list-units --state=running --plain --no-legend 'storm-*' | wc -l").trim() == "50").then_some(()));
        }
        reports.assert_no_more_within(Duration::from_secs(1));
    }
}
