//! Death limit and back-off: the same on systemd 252 and 257.

use crate::host::Host;
use crate::on_all;
use crate::report::wait_for_restart_or_end;

/// A service that runs until it is killed, with `recovery` in `[Recovery]`.
fn set_up(host: &Host, recovery: &str) {
    host.write(
        "/etc/unitward/web.ward",
        &format!(
            "[Service]\nExecStart=sleep infinity\n[Recovery]\n{recovery}\n\
             [OnLimit]\nExecute=/bin/sh -c 'echo limit >>/var/log/limit'\nLog=web is given up\n\
             [OnStart]\nExecute=/bin/sh -c 'echo start >>/var/log/starts'\n"
        ),
    );
    host.sh("systemctl daemon-reload; systemctl start web");
}

/// Kills the service's present run and waits for what follows.
fn kill(host: &Host) {
    let run = host.systemctl_show("web", "InvocationID");
    host.sh("systemctl kill --kill-whom=main --signal=KILL web");
    wait_for_restart_or_end(host, "web", &run);
}

on_all! {
    fn five_deaths_are_restarted_and_the_sixth_ends_it(host: Host) {
        set_up(&host, "MaxDelaySec=0");
        for death in 1..=5 {
            kill(&host);
            assert_eq!(host.systemctl_show("web", "ActiveState"), "active", "after death {death}");
        }
        kill(&host);
        host.wait_for_property("web", "ActiveState", "failed");
        assert_eq!(host.systemctl_show("web", "Result"), "signal");
        assert_eq!(host.systemctl_show("web", "NRestarts"), "5");
        host.wait_for("the [OnLimit] steps", || host.has("/var/log/limit").then_some(()));
        host.wait_for_property("unitward-web-OnLimit.service", "ActiveState", "inactive");
        assert_eq!(host.read("/var/log/limit"), "limit\n");
        let said = host.journal(&["-o", "cat", "-t", "unitward-step"]);
        assert!(said.contains("web is given up") && said.contains("unitward readmit web"), "{said}");
    }

    fn deaths_while_pid_1_executes_itself_anew_count_like_all_others(host: Host) {
        set_up(&host, "MaxDelaySec=0\nDeathLimit=3");
        for _ in 0..4 {
            let run = host.systemctl_show("web", "InvocationID");
            host.sh("kill -KILL $(systemctl show -P MainPID web); systemctl daemon-reexec");
            host.wait_for("the next run or the end", || {
                let shown = host.try_run(&["systemctl", "show", "--value", "-p", "ActiveState,InvocationID", "web"]);
                let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
                (shown.contains("failed") || (shown.contains("\nactive") || shown.starts_with("active")) && !shown.contains(&run)).then_some(())
            });
        }
        assert_eq!(host.systemctl_show("web", "ActiveState"), "failed");
        assert_eq!(host.systemctl_show("web", "Result"), "signal");
        let said = host.journal(&["-o", "cat", "-t", "unitward-step"]);
        assert!(said.contains("died more than 3 times") && !said.contains("Failed to"), "{said}");
    }

    fn a_readmission_works_at_once_and_counts_from_zero(host: Host) {
        set_up(&host, "MaxDelaySec=0\nDeathLimit=2");
        for _ in 0..3 { kill(&host); }
        host.wait_for_property("web", "ActiveState", "failed");
        host.run(&["unitward", "readmit", "web"]);
        assert_eq!(host.read("/var/log/starts"), "start\nstart\n", "that is a first start");
        for death in 1..=2 {
            kill(&host);
            assert_eq!(host.systemctl_show("web", "ActiveState"), "active", "death {death} of the new count");
        }
        kill(&host);
        host.wait_for_property("web", "ActiveState", "failed");
        host.wait_for("the second time", || (host.read("/var/log/limit") == "limit\nlimit\n").then_some(()));
    }

    fn manual_restarts_never_count(host: Host) {
        set_up(&host, "DeathLimit=1");
        for _ in 0..8 { host.run(&["systemctl", "restart", "web"]); }
        assert_eq!(host.systemctl_show("web", "ActiveState"), "active");
        assert!(!host.has("/var/log/limit"));
    }

    fn the_back_off_doubles(host: Host) {
        set_up(&host, "MaxDelaySec=800ms\nDeathLimit=0");
        let mut waits = Vec::new();
        for _ in 0..6 {
            kill(&host);
            // From the old main process's end to the new one's start, as PID 1 saw it.
            let shown = host.journal_json(&["-u", "web", "-t", "unitward-step"]);
            let said = shown.iter().rev().find_map(|entry| entry["MESSAGE"].as_str().filter(|m| m.starts_with("Restarting")));
            waits.push(said.map(str::to_owned).unwrap_or_default());
        }
        let span = |text: &str| text.split(" in ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("none").to_owned();
        assert_eq!(waits.iter().map(|w| span(w)).collect::<Vec<_>>(), ["none", "100ms", "200ms", "400ms", "800ms", "800ms"], "{waits:?}");
    }

    fn a_stop_interrupts_the_back_off(host: Host) {
        set_up(&host, "DelaySec=1h\nMaxDelaySec=1h\nDeathLimit=0");
        host.sh("systemctl kill --kill-whom=main --signal=KILL web");
        host.wait_for_property("web", "SubState", "condition");
        host.run(&["systemctl", "stop", "web"]);
        assert_eq!(host.systemctl_show("web", "ActiveState"), "inactive");
        // A manual start does not wait.
        host.run(&["systemctl", "start", "web"]);
    }

    fn a_start_that_always_fails_reaches_the_limit_too(host: Host) {
        host.write("/etc/unitward/web.ward", "[Service]\nType=notify\nExecStart=/bin/false\n[Recovery]\nMaxDelaySec=0\nDeathLimit=3\n[OnLimit]\nExecute=/bin/touch /var/log/limit\n");
        host.sh("systemctl daemon-reload");
        assert!(!host.try_run(&["systemctl", "start", "web"]).status.success());
        host.wait_for("the [OnLimit] steps", || host.has("/var/log/limit").then_some(()));
        host.wait_for_property("web", "ActiveState", "failed");
        assert_eq!(host.systemctl_show("web", "Result"), "exit-code");
        assert_eq!(host.systemctl_show("web", "NRestarts"), "3");
    }

    fn an_adopted_unit_has_the_same_limit(host: Host) {
        host.write("/etc/systemd/system/web.service", "[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=1h\n[Service]\nExecStart=sleep infinity\nRestart=always\nRestartSec=1ms\n");
        host.write("/etc/unitward/web-guard.ward", "[Ward]\nUnit=web.service\n[Recovery]\nMaxDelaySec=0\nDeathLimit=3\n");
        host.sh("systemctl daemon-reload; systemctl start web");
        for death in 1..=3 {
            kill(&host);
            assert_eq!(host.systemctl_show("web", "ActiveState"), "active", "after death {death}");
        }
        kill(&host);
        host.wait_for_property("web", "ActiveState", "failed");
        assert_eq!(host.systemctl_show("web", "Result"), "signal");
    }

    fn a_reboot_for_the_limit_is_refused_soon_after_boot(host: Host) {
        set_up(&host, "MaxDelaySec=0\nDeathLimit=1\nOnLimit=reboot");
        kill(&host);
        kill(&host);
        host.wait_for_property("web", "ActiveState", "failed");
        assert!(host.journal(&["-o", "cat", "-t", "unitward-step"]).contains("Not rebooting"));
        host.wait_for("the [OnLimit] steps", || host.has("/var/log/limit").then_some(()));
    }
}
