//! Upgrades, downgrades and what a purge leaves, while wards run and a report waits for its broker.

use crate::development::package;
use crate::host::{Access, Bare, Debian, Host};
use crate::on_both;
use crate::report::{self, kill, told, wait_for_restart};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// As unattended upgrades do it: what the administrator has changed stays.
const INSTALL: &str = "DEBIAN_FRONTEND=noninteractive dpkg --force-confold --install /root/packages/*.deb </dev/null 2>&1; rm /root/packages/*";

#[track_caller]
fn install(host: &Host, files: &[PathBuf]) -> String {
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy();
        host.write_mode(
            &format!("/root/packages/{name}"),
            &fs::read(file).unwrap(),
            Access {
                mode: 0o644,
                uid: 0,
            },
        );
    }
    host.sh(INSTALL)
}

/// The packages of an older version, in the folder that the environment names.
fn older() -> Vec<PathBuf> {
    let folder = env::var_os("UNITWARD_TEST_PREVIOUS")
        .expect("make upgrade says where the older packages are");
    let files = fs::read_dir(Path::new(&folder))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let wanted = ["unitward_", "libunitward0_"];
    files
        .filter(|file| {
            wanted.iter().any(|name| {
                file.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with(name)
            }) && file.extension().is_some_and(|is| is == "deb")
        })
        .collect()
}

fn newer() -> Vec<PathBuf> {
    vec![package("unitward"), package("libunitward0")]
}

/// A guarded service, a crash that was sent and one that waits for the broker, and a setting of the administrator's.
#[track_caller]
fn live(host: &Host) {
    report::point_at_broker(host, "ClientId=mine\n");
    report::guard(
        host,
        "web",
        "web",
        "[Service]\nExecStart=sleep infinity\nRestart=always\n",
    );
    let (_, run) = kill(host, "web");
    wait_for_restart(host, "web", &run);
    wait_for_states(host, &["sent"]);
    host.run(&["systemctl", "stop", "mosquitto"]);
    let (_, run) = kill(host, "web");
    wait_for_restart(host, "web", &run);
    wait_for_states(host, &["sent", "waiting"]);
    host.wait_for("both recoveries", || {
        let deaths = told(host).ok()?;
        deaths
            .iter()
            .all(|death| death["recovery"]["outcome"] == "recovered")
            .then_some(())
    });
}

#[track_caller]
fn wait_for_states(host: &Host, states: &[&str]) {
    host.wait_for(&format!("the reports to be {states:?}"), || {
        let deaths = told(host).ok()?;
        let is: Vec<_> = deaths
            .iter()
            .map(|death| death["report"].as_str().unwrap_or_default().to_owned())
            .collect();
        (is == states).then_some(())
    });
}

/// What must not change: the process, its run, the settings, and what the history says of each death.
fn kept(host: &Host) -> Vec<String> {
    let mut kept = vec![
        host.sh("systemctl show web -P MainPID -P InvocationID"),
        host.read("/etc/unitward/unitward.conf"),
    ];
    kept.push(host.sh("ls /run/unitward/wards/web/runs"));
    let deaths = told(host).expect("the history");
    kept.extend(deaths.iter().map(|death| {
        format!(
            "{} {} {}",
            death["invocation"], death["timestamp"], death["recovery"]["outcome"]
        )
    }));
    kept
}

fn starts_of_the_daemon(host: &Host) -> usize {
    let started = "MESSAGE_ID=39f53479d3a045ac8e11786248231fbf";
    host.journal(&["-o", "cat", "-u", "unitwardd", started])
        .lines()
        .count()
}

/// An upgrade from `before` to `after` with all of it looked at.
#[track_caller]
fn upgrade(host: &Host, after: &[PathBuf]) {
    let (was, starts) = (kept(host), starts_of_the_daemon(host));
    let said = install(host, after);
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(kept(host), was);
    assert_eq!(starts_of_the_daemon(host), starts + 1, "restarted once");
    host.run(&["systemctl", "start", "mosquitto"]);
    wait_for_states(host, &["sent", "sent"]);
    let (_, run) = kill(host, "web");
    wait_for_restart(host, "web", &run);
    wait_for_states(host, &["sent", "sent", "sent"]);
    assert_eq!(host.failed_units(), [""; 0]);
}

/// All files but those that come and go on any host.
fn files(host: &Host) -> Vec<String> {
    let passing = "/proc /sys /dev /tmp /root /var/log /var/cache /var/tmp /var/lib/dpkg /var/lib/apt /var/lib/systemd/catalog \
        /var/lib/systemd/timers /var/lib/systemd/coredump /run/systemd /run/mosquitto /run/log /run/udev /run/user /run/credentials /run/lock";
    let pruned: Vec<_> = passing
        .split_whitespace()
        .map(|path| format!("-path {path}"))
        .collect();
    host.sh(&format!(
        "find / \\( {} \\) -prune -o -print | sort",
        pruned.join(" -o ")
    ))
    .lines()
    .map(str::to_owned)
    .collect()
}

on_both! {
    fn an_upgrade_keeps_history_settings_records_and_processes(host: Host) {
        live(&host);
        upgrade(&host, &newer());
    }

    fn a_history_of_a_newer_version_is_left_alone_and_said(host: Host) {
        live(&host);
        host.run(&["systemctl", "stop", "unitwardd"]);
        // Where SQLite keeps user_version, the number of the schema.
        host.sh("printf '\\0\\0\\0\\143' | dd of=/var/lib/unitward/reports.db bs=1 seek=60 conv=notrunc status=none");
        let before = host.sh("sha256sum /var/lib/unitward/reports.db");
        let reports = host.sh("systemctl start unitwardd mosquitto; unitward reports 2>&1 || true");
        assert!(reports.contains("newer version"), "{reports}");
        host.wait_for("a word about it", || {
            host.sh("journalctl --no-pager -u unitwardd -o cat").contains("written by a newer version").then_some(())
        });
        let cloud = host.subscribe("Crash/Reports");
        let (pid, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        host.wait_for("the report of the crash", || {
            cloud.received().iter().any(|message| message.json()["pid"] == pid.as_str()).then_some(())
        });
        assert_eq!(host.sh("sha256sum /var/lib/unitward/reports.db"), before);
    }

    fn purge_leaves_the_host_as_it_was(host: Bare) {
        let before = files(&host);
        install(&host, &newer());
        assert!(files(&host).len() > before.len() + 20);
        host.write("/etc/unitward/opensync.stack", "[Stack]\n");
        report::guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\nRestart=always\n[Ward]\nStack=opensync\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        host.wait_for("the death", || told(&host).ok().filter(|deaths| deaths.len() == 1));
        host.sh("rm /etc/unitward/web.ward /etc/unitward/opensync.stack; systemctl daemon-reload; systemctl stop web");
        host.run(&["dpkg", "--purge", "unitward", "libunitward0"]);
        let left: Vec<_> = files(&host).into_iter().filter(|file| !before.contains(file)).collect();
        assert_eq!(left, [""; 0]);
        assert_eq!(host.failed_units(), [""; 0]);
    }

    fn the_packages_own_test_passes(host: Host) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("debian/tests");
        let control = fs::read_to_string(folder.join("control")).unwrap();
        let tests: Vec<_> = control.lines().filter_map(|line| line.strip_prefix("Tests: ")).collect();
        assert_eq!(tests, ["guard", "remove"]);
        host.run(&["dpkg", "--purge", "libunitward0"]);
        for test in tests {
            host.script(&format!("/root/{test}"), &fs::read_to_string(folder.join(test)).unwrap());
            host.sh(&format!("mkdir -p /root/tmp; AUTOPKGTEST_TMP=/root/tmp timeout 90 /root/{test} 2>&1"));
        }
    }
}

#[test]
#[ignore = "needs the packages of an older version: make upgrade"]
fn an_upgrade_from_an_older_version_keeps_them_too_and_the_way_back_is_told() {
    for debian in [Debian::Bookworm, Debian::Trixie] {
        let host = Host::bare(debian);
        install(&host, &older());
        live(&host);
        upgrade(&host, &newer());
        let said = install(&host, &older());
        assert!(said.contains("downgrading unitward"), "{said}");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        install(&host, &newer());
        host.wait_for("all four crashes", || {
            told(&host).ok().filter(|deaths| deaths.len() == 4)
        });
    }
}
