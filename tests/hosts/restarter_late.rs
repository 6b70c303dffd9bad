//! systemd takes longer to start the restarter than anybody waits for its answer.

use crate::host::Host;
use crate::on_both;
use crate::restarter::{all_are_new, pids, records, set_up, the_record};
use crate::restarter_trouble::{end, run_of};
use std::time::Duration;

on_both! {
    fn a_ward_at_its_limit_can_wait_until_its_restarter_is_started(host: Host) {
        let web = "[Service]\nExecStart=sleep infinity\nRestart=always\n[Ward]\nStack=shop\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\nOnLimit=restart-stack\n";
        host.write("/etc/systemd/system/unitward-stack@.service.d/slow.conf", "[Service]\nExecStartPre=sleep 16\n");
        set_up(&host, "", &[("web.ward", web)]);
        let kill = |host: &Host| host.sh("systemctl kill --kill-whom=main --signal=KILL web");
        let first = host.systemctl_show("web", "InvocationID");
        kill(&host);
        host.wait_for("its next run", || (host.systemctl_show("web", "InvocationID") != first).then_some(()));
        host.wait_for_property("web", "ActiveState", "active");
        let (then, run) = (pids(&host), host.systemctl_show("web", "InvocationID"));
        kill(&host);
        host.wait_for_within(Duration::from_secs(60), "the full restart", || all_are_new(&host, &then).then_some(()));
        assert_eq!(end(&the_record(&host)), ("restarted", ""));
        assert_eq!(run_of(&host, "web", &run)["end"]["given_up"], "restart-stack", "it was not excluded");
    }

    fn a_member_whose_restarter_is_not_started_in_time_is_told_that_it_has_to_ask_again(host: Host) {
        host.script("/usr/local/bin/asks", "#!/bin/sh\n{ unitward restart-stack shop 2>&1; echo $?; } >/tmp/told\n\
            mv /tmp/told /tmp/said; exec sleep infinity\n");
        host.write("/etc/systemd/system/unitward-stack@.service.d/slow.conf", "[Service]\nExecStartPre=sleep 16\n");
        let asks = "[Service]\nExecStart=/usr/local/bin/asks\nUser=nobody\n[Ward]\nStack=shop\n";
        set_up(&host, "", &[("asks.ward", asks)]);
        let then = pids(&host);
        host.wait_for("what it is told", || host.has("/tmp/said").then_some(()));
        let said = host.read("/tmp/said");
        assert!(said.contains("dropped") && said.trim().ends_with("\n1"), "{said}");
        host.wait_for_property("unitward-stack@shop.service", "ActiveState", "active");
        host.wait_for_property("unitward-stack@shop.service", "ActiveState", "inactive");
        assert_eq!((pids(&host), records(&host).len()), (then, 0));
    }
}
