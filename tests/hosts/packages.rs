//! The Debian packages: installed, upgraded, removed and purged under a running ward.

use crate::development::{self, package};
use crate::host::{Access, Host};
use crate::on_both;
use crate::report::{kill, told, wait_for_restart};

fn with_a_running_ward(host: &Host) -> String {
    host.write(
        "/etc/unitward/web.ward",
        "[Service]\nExecStart=sleep infinity\n[OnDeath]\nExecute=/bin/touch /run/recovered\n",
    );
    host.sh("systemctl daemon-reload; systemctl start web");
    host.systemctl_show("web", "MainPID")
}

fn reinstall(host: &Host) {
    host.write_mode(
        "/root/unitward.deb",
        &std::fs::read(package("unitward")).unwrap(),
        Access {
            mode: 0o644,
            uid: 0,
        },
    );
    host.run(&["dpkg", "--install", "/root/unitward.deb"]);
}

on_both! {
    fn a_new_host_has_a_running_daemon_and_its_files(host: Host) {
        assert_eq!(host.sh("systemctl is-enabled unitwardd; systemctl is-active unitwardd"), "enabled\nactive");
        for file in ["/usr/bin/unitward", "/usr/lib/unitward/unitwardd", "/usr/lib/unitward/unitward-step",
            "/usr/lib/systemd/system-generators/unitward-generator", "/etc/unitward/unitward.conf", "/usr/share/man/man5/unitward.ward.5.gz"] {
            assert!(host.has(file), "{file}");
        }
        assert_eq!(host.sh("unitward check 2>&1"), "0 wards in effect, no problem found.");
        let exposure = host.sh("systemd-analyze security --no-pager unitwardd.service | tail -1");
        assert!(exposure.contains("1.") || exposure.contains("0."), "{exposure}");
    }

    fn an_upgrade_keeps_wards_running_and_guarded(host: Host) {
        let pid = with_a_running_ward(&host);
        let daemon = host.systemctl_show("unitwardd", "MainPID");
        reinstall(&host);
        assert_eq!(host.systemctl_show("web", "MainPID"), pid, "the ward was not touched");
        assert_ne!(host.systemctl_show("unitwardd", "MainPID"), daemon, "the daemon is the new one");
        host.sh(&format!("kill -KILL {pid}"));
        host.wait_for("the recovery", || host.has("/run/recovered").then_some(()));
    }

    fn removal_leaves_services_and_purge_leaves_nothing(host: Host) {
        let pid = with_a_running_ward(&host);
        host.run(&["dpkg", "--remove", "unitward"]);
        assert_eq!(host.sh("ls /run/systemd/generator | grep -c web || true"), "0", "no generated unit is left");
        assert!(host.try_run(&["kill", "-0", &pid]).status.success(), "the service runs on");
        assert!(host.has("/etc/unitward/web.ward") && host.has("/etc/unitward/unitward.conf"));
        assert!(!host.try_run(&["systemctl", "is-active", "unitwardd"]).status.success());
        host.run(&["dpkg", "--purge", "unitward", "libunitward0"]);
        assert_eq!(host.sh("find / -xdev -iname '*unitward*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/var/log/*' -not -path '/var/lib/systemd/*' 2>/dev/null || true"),
            "/etc/unitward", "only the folder with the administrator's own ward stays");
        assert_eq!(host.sh("ls /etc/unitward"), "web.ward");
        reinstall(&host);
        assert_eq!(host.systemctl_show("web", "MainPID"), pid, "guarded again without a restart");
        host.sh(&format!("kill -KILL {pid}"));
        host.wait_for("the recovery", || host.has("/run/recovered").then_some(()));
    }

    fn after_a_purge_a_new_installation_tells_no_old_death_anew(host: Host) {
        with_a_running_ward(&host);
        for count in 1..=3 {
            let (_, run) = kill(&host, "web");
            wait_for_restart(&host, "web", &run);
            host.wait_for("its row", || told(&host).is_ok_and(|told| told.len() == count).then_some(()));
        }
        host.run(&["dpkg", "--purge", "unitward"]);
        reinstall(&host);
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        let after = host.wait_for("the new death", || told(&host).ok().filter(|told| !told.is_empty()));
        let runs: Vec<_> = after.iter().map(|death| death["invocation"].as_str().unwrap_or_default()).collect();
        assert_eq!(runs, [run.as_str()]);
    }

    fn the_library_and_the_rest_do_without_each_other(host: Host) {
        let installed = host.sh("dpkg-query --show --showformat '${Package} ${Status}\\n' '*unitward*'");
        assert_eq!(installed, "libunitward0 install ok installed\nunitward install ok installed");
        development::install(&host, "ask.c", "/opt/ask");
        assert_eq!(host.sh("/opt/ask opensync; /opt/ask ../x"), "-2\n-22");
        host.run(&["dpkg", "--purge", "unitward"]);
        assert_eq!(host.sh("/opt/ask opensync"), "-2");
        reinstall(&host);
        host.run(&["dpkg", "--purge", "libunitward0"]);
        assert!(!host.try_run(&["/opt/ask", "opensync"]).status.success());
        assert_eq!(host.sh("systemctl is-active unitwardd; unitward check 2>&1"), "active\n0 wards in effect, no problem found.");
    }
}
