//! A `/run` that is full: nothing can be written down, and the death limit goes by what systemd counts.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart, wait_for_restart_or_end};
use std::time::Duration;

const WARD: &str = "[Service]\nExecStart=sleep infinity\nRestart=always\n\
    [Recovery]\nMaxDelaySec=0\nDeathLimit=2\nDeathLimitIntervalSec=1s\n";

/// Puts the records into a file system without room.
fn fill(host: &Host) {
    host.sh("mkdir /run/kept; cp -a /run/unitward/wards/. /run/kept; \
         mount -t tmpfs -o size=256k full /run/unitward/wards; cp -a /run/kept/. /run/unitward/wards; \
         dd if=/dev/zero of=/run/unitward/wards/fill bs=1k 2>/dev/null || true");
}

/// Waits until the run has lasted longer than the interval of the limit.
fn outlast(host: &Host) {
    host.wait_for("more than a second", || {
        let since: f64 = host
            .systemctl_show("web", "ActiveEnterTimestampMonotonic")
            .parse()
            .ok()?;
        let now: f64 = host.read("/proc/uptime").split(' ').next()?.parse().ok()?;
        (now - since / 1e6 > 1.2).then_some(())
    });
}

on_both! {
    fn a_healthy_service_that_was_restarted_before_comes_back_and_a_loop_ends(host: Host) {
        guard(&host, "web", "web", WARD);
        for _ in 0..3 {
            let (_, run) = kill(&host, "web");
            wait_for_restart(&host, "web", &run);
            outlast(&host);
        }
        assert_eq!(host.systemctl_show("web", "NRestarts"), "3");
        fill(&host);
        let (_, run) = kill(&host, "web");
        wait_for_restart_or_end(&host, "web", &run);
        assert_eq!(host.systemctl_show("web", "ActiveState"), "active", "it is the first death in a second");
        for _ in 0..6 {
            if host.systemctl_show("web", "ActiveState") == "active" {
                let (_, run) = kill(&host, "web");
                wait_for_restart_or_end(&host, "web", &run);
            }
        }
        assert_eq!(host.systemctl_show("web", "ActiveState"), "failed");
        host.sh("umount /run/unitward/wards");
    }

    fn a_loop_that_no_line_runs_in_ends_too(host: Host) {
        host.write(
            "/etc/systemd/system/web.service",
            "[Service]\nExecStart=sleep infinity\nUser=web\nRestart=always\nRestartSec=100ms\n",
        );
        host.sh("useradd --system web");
        guard(&host, "web", "web", "[Ward]\nUnit=web.service\n[Recovery]\nDeathLimit=3\nDeathLimitIntervalSec=60s\n");
        fill(&host);
        host.sh("sed -i s/User=web/User=ghost/ /etc/systemd/system/web.service; systemctl daemon-reload");
        let (_, _) = kill(&host, "web");
        host.wait_for_within(Duration::from_secs(60), "the end of the loop", || {
            let is_excluded = host.has("/run/unitward/wards/web/excluded.json");
            let is_down = matches!(&*host.systemctl_show("web", "ActiveState"), "failed" | "inactive");
            (is_excluded && is_down).then_some(())
        });
        // The stop has put systemd's own counter back to 0.
        let said = host.journal(&["-o", "cat", "-u", "web"]);
        let restarts = said.matches("Scheduled restart job").count();
        assert!((3..=8).contains(&restarts), "{restarts} restarts");
        host.sh("umount /run/unitward/wards");
    }
}
