//! Adopting a unit changes nothing of how systemd treats it but what the ward says, and `unitward
//! check` tells beforehand what cannot be.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};
use std::time::Instant;

/// All that `unitward check` prints.
fn check(host: &Host) -> String {
    host.sh("unitward check 2>&1 || true")
}

fn has_line(said: &str, begin: &str, middle: &str) -> bool {
    said.lines()
        .any(|line| line.starts_with(begin) && line.contains(middle))
}

on_both! {
    fn a_pid_file_that_systemd_ignores_is_not_waited_for_and_is_gone_at_the_end(host: Host) {
        host.write("/etc/systemd/system/quick.service", "[Service]\nExecStart=sleep infinity\nPIDFile=/run/quick.pid\nRestart=always\n");
        let begun = Instant::now();
        guard(&host, "quick", "quick", "[Ward]\nUnit=quick.service\n[Service]\nTimeoutStartSec=20s\n[OnDeath]\nRestart=%n\nLog=back\n");
        assert!(begun.elapsed().as_secs() < 15, "the start waits for the file");
        let run = host.systemctl_show("quick", "InvocationID");
        host.sh("touch /run/quick.pid");
        kill(&host, "quick");
        wait_for_restart(&host, "quick", &run);
        assert!(!host.has("/run/quick.pid"), "systemd removes it where it is not adopted");
        // Of a template too, whose instance has a name that looks like a variable.
        host.write("/etc/systemd/system/quick@.service", "[Service]\nExecStart=sleep infinity\nEnvironment=X=victim\nPIDFile=/run/%I.pid\nRestart=always\n");
        host.write("/etc/unitward/quick@.ward", "[Ward]\nUnit=quick@.service\n[OnDeath]\nRestart=%n\nLog=back\n");
        let instance = host.sh("systemctl daemon-reload; systemd-escape --template=quick@.service '${X}'").trim().to_owned();
        host.sh(&format!("systemctl start '{instance}'; touch /run/victim.pid '/run/${{X}}.pid'"));
        let run = host.systemctl_show(&instance, "InvocationID");
        host.sh(&format!("systemctl kill --kill-whom=main --signal=KILL '{instance}'"));
        wait_for_restart(&host, &instance, &run);
        assert!(host.has("/run/victim.pid") && !host.has("/run/${X}.pid"), "{}", host.sh("ls /run/*.pid"));
        // With a line of the unit's own systemd heeds the file, and goes on doing so.
        host.write("/etc/systemd/system/quick.service.d/own.conf", "[Service]\nExecStartPost=/bin/true\nExecStartPre=touch /run/quick.pid\n");
        host.sh("systemctl daemon-reload");
        assert_eq!(host.systemctl_show("quick", "PIDFile"), "/run/quick.pid");
    }

    fn what_is_bound_to_a_ward_is_named_and_a_step_brings_it_back(host: Host) {
        host.write("/etc/systemd/system/web.service", "[Service]\nExecStart=sleep infinity\nRestart=always\nRestartSec=0\n");
        let bound = "[Unit]\nBindsTo=web.service\nAfter=web.service\n[Service]\nExecStart=sleep infinity\nRestart=always\n";
        host.write("/etc/systemd/system/wanted.service", &format!("{bound}[Install]\nWantedBy=multi-user.target\n"));
        host.write("/etc/systemd/system/other.service", bound);
        host.write("/etc/unitward/web.ward", "[Ward]\nUnit=web.service\n");
        let said = check(&host);
        assert!(has_line(&said, "/etc/unitward/web.ward:2:6: warning: wanted.service is bound to", "write Restart=wanted.service"), "{said}");
        assert!(has_line(&said, "/etc/unitward/web.ward:2:6: warning: other.service is bound to", "write Start=other.service"), "{said}");
        let told = host.sh("unitward plan --explain web").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("other.service and wanted.service, which are bound to web.service with BindsTo=, are stopped by its death"), "{told}");
        let steps = "[OnDeath]\nRestart=%n\nRestart=wanted.service\nStart=other.service\n";
        guard(&host, "web", "web", &format!("[Ward]\nUnit=web.service\n{steps}"));
        assert!(check(&host).contains("no problem found"));
        host.sh("systemctl enable --now wanted; systemctl start other");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        for unit in ["wanted", "other"] {
            host.wait_for_property(unit, "ActiveState", "active");
        }
        // What was down before the death stays down.
        host.sh("systemctl stop wanted");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        host.wait_for_property("other", "ActiveState", "active");
        assert_eq!(host.systemctl_show("wanted", "ActiveState"), "inactive");
    }

    fn a_step_of_the_bus_itself_does_not_wait_for_the_bus(host: Host) {
        host.sh("systemctl start dbus");
        guard(&host, "dbus", "dbus", "[Ward]\nUnit=dbus.service\n[Service]\nRestart=always\n[OnDeath]\nExecute=/bin/true\n");
        assert!(has_line(&check(&host), "/etc/unitward/dbus.ward:2:6: warning: dbus.service is the message bus", "Reboot=yes"));
        let begun = Instant::now();
        let (_, run) = kill(&host, "dbus");
        wait_for_restart(&host, "dbus", &run);
        assert!(begun.elapsed().as_secs() < 15, "the bus waits for PID 1, which waits for the line");
    }

    fn a_unit_that_another_generator_writes_keeps_its_time_out_and_is_known(host: Host) {
        host.script("/etc/systemd/system-generators/other", "#!/bin/sh\nprintf '[Service]\\nExecStart=sleep infinity\\nTimeoutStartSec=900\\nRestart=always\\n' >$1/quad.service\n");
        host.script("/etc/init.d/lsb", "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: lsb\n# Required-Start:\n# Required-Stop:\n# Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6\n# Short-Description: x\n### END INIT INFO\n# pidfile: /run/lsb.pid\n[ \"$1\" != start ] || { setsid sleep infinity & echo $! >/run/lsb.pid; }\n");
        host.write("/etc/unitward/lsb.ward", "[Ward]\nUnit=lsb.service\n[Service]\nRestart=always\n");
        guard(&host, "quad", "quad lsb", "[Ward]\nUnit=quad.service\n[OnDeath]\nWaitFor=path:/ 2min\n");
        assert_eq!(host.systemctl_show("quad", "TimeoutStartUSec"), "15min");
        assert_eq!(host.systemctl_show("lsb", "TimeoutStartUSec"), "5min 30s");
        for _ in 0..5 {
            host.sh("systemctl daemon-reload");
            assert_eq!(host.sh("unitward plan --diff"), "Nothing to do.");
        }
        assert!(check(&host).contains("no problem found"), "{}", check(&host));
        let told = host.sh("unitward plan --explain quad");
        assert!(told.contains("Restart=always"), "{told}");
        assert!(!host.sh("unitward list").contains("reload"));
        let (_, run) = kill(&host, "quad");
        wait_for_restart(&host, "quad", &run);
    }

    fn a_ward_by_which_systemd_would_refuse_its_unit_is_left_out(host: Host) {
        host.write("/etc/systemd/system/once.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n");
        guard(&host, "once", "once", "[Ward]\nUnit=once.service\n[Service]\nRestart=always\n");
        assert_eq!(host.systemctl_show("once", "LoadState"), "loaded");
        let said = check(&host);
        assert!(has_line(&said, "/etc/unitward/once.ward:4:9: Restart=\"always\" is not valid", "write on-failure"), "{said}");
        assert_eq!(host.sh("unitward list 2>/dev/null | tail -n +2"), "once      mistake  once.service  done   no");
        host.sh("sed -i s/always/on-failure/ /etc/unitward/once.ward; systemctl daemon-reload");
        assert!(check(&host).contains("no problem found"), "{}", check(&host));
        assert_eq!(host.systemctl_show("once", "LoadState"), "loaded");
    }

    fn what_a_unit_needs_and_the_host_lacks_is_named(host: Host) {
        host.write("/etc/unitward/own.ward", "[Service]\nExecStart=sleep infinity\nUser=ghost\nSupplementaryGroups=users ghosts\nWorkingDirectory=/opt/app\nEnvironmentFile=/etc/default/app\nEnvironmentFile=-/etc/default/none\n");
        host.write("/etc/systemd/system/app.service", "[Service]\nExecStart=sleep infinity\nGroup=ghosts\nRestart=always\n");
        host.write("/etc/unitward/app.ward", "[Ward]\nUnit=app.service\n");
        let said = check(&host);
        for (place, words) in [
            ("own.ward:3:6", "User=ghost: there is no user \"ghost\""),
            ("own.ward:4:21", "there is no group \"ghosts\""),
            ("own.ward:5:18", "the directory /opt/app does not exist"),
            ("own.ward:6:17", "the file /etc/default/app does not exist"),
            ("app.ward:2:6", "Group=ghosts of app.service (/etc/systemd/system/app.service:3:7): there is no group"),
        ] {
            assert!(has_line(&said, &format!("/etc/unitward/{place}: warning: "), words), "{place} {words} in {said}");
        }
        assert!(said.contains("5 problems found"), "{said}");
        host.sh("mkdir /opt/app; touch /etc/default/app; useradd --user-group ghost; groupadd ghosts");
        assert!(check(&host).contains("no problem found"), "{}", check(&host));
    }

    fn the_records_of_a_service_with_a_journal_of_its_own_are_in_the_hosts(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\nLogNamespace=web\n[OnDeath]\nLog=a step\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        host.wait_for("the restart's record", || {
            let said = host.journal(&["-t", "unitward-step", "-o", "cat"]);
            ["Noted the end of web.service", "a step", "Restarted web.service"].iter().all(|words| said.contains(words)).then_some(())
        });
    }
}
