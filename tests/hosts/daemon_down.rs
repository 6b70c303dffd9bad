//! Crashes that nobody listened to: what happens while the daemon is stopped, killed, masked or not yet up is found at its next
//! start, with its true time and reason, and told once.

use crate::host::{Host, Subscriber};
use crate::on_both;
use crate::report::{cloud, guard, ids, kill, told, wait_for_restart};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const QUIET: Duration = Duration::from_secs(2);

/// Leaves cleanly when asked by a file.
const LEAVES: &str = "#!/bin/sh\nuntil [ -e /run/leave ]; do sleep 0.05; done\nrm /run/leave\n";

/// A death, and what its report must say.
#[derive(Debug)]
struct Death {
    run: String,
    name: &'static str,
    reason: &'static str,
    /// `None`: no witness knows.
    pid: Option<String>,
    /// Before and after it, in milliseconds since the epoch.
    between: (u64, u64),
}

fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970");
    since.as_millis().try_into().expect("milliseconds fit")
}

/// A ward, one that tells clean ends too, a unit without ward, and two that will be stopped by hand.
fn population(host: &Host) -> Subscriber {
    host.script("/usr/sbin/leaves", LEAVES);
    let enabled = "[Install]\nWantedBy=multi-user.target\n";
    let plain =
        format!("[Service]\nExecStart=sleep infinity\nRestart=always\nRestartSec=0\n{enabled}");
    host.write("/etc/systemd/system/watched.service", &plain);
    host.sh("systemctl enable --quiet watched");
    let reports = cloud(host, "[Watch]\nUnits=watched.service\n");
    for name in ["web", "asked", "again"] {
        let ward = format!(
            "[Service]\nExecStart=sleep infinity\n{enabled}[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n"
        );
        host.write(&format!("/etc/unitward/{name}.ward"), &ward);
    }
    let leaves = format!(
        "[Ward]\nReport=death\n[Service]\nExecStart=/usr/sbin/leaves\nRestart=always\n{enabled}"
    );
    guard(host, "leaves", "web asked again watched leaves", &leaves);
    reports
}

/// All of them end, in their different ways; gives those that must be told.
fn die(host: &Host) -> Vec<Death> {
    let mut deaths = Vec::new();
    for name in ["web", "watched", "web"] {
        let before = now();
        let (pid, run) = kill(host, name);
        wait_for_restart(host, name, &run);
        let pid = (name == "web").then_some(pid);
        deaths.push(Death {
            run,
            name,
            reason: "SIG 9 (Killed)",
            pid,
            between: (before, now()),
        });
    }
    let (pid, run) = (
        host.systemctl_show("leaves", "MainPID"),
        host.systemctl_show("leaves", "InvocationID"),
    );
    let before = now();
    host.sh("touch /run/leave");
    wait_for_restart(host, "leaves", &run);
    deaths.push(Death {
        run,
        name: "leaves",
        reason: "EXIT 0",
        pid: Some(pid),
        between: (before, now()),
    });
    host.sh("systemctl stop asked; systemctl restart again; systemctl start asked");
    deaths
}

/// Each is told once, with the truth, and nothing else is.
fn check(host: &Host, reports: &Subscriber, deaths: &[Death]) {
    let count = deaths.len();
    reports.wait_for_count(count);
    reports.assert_no_more_within(QUIET);
    let received: Vec<(String, Value)> = ids(reports).into_iter().zip(reports.messages()).collect();
    for death in deaths {
        let (_, report) = received
            .iter()
            .find(|(id, _)| *id == death.run)
            .unwrap_or_else(|| panic!("no {death:?} in {received:#?}"));
        assert_eq!(
            (&report["name"], &report["reason"]),
            (&death.name.into(), &death.reason.into()),
            "{death:?}"
        );
        let at = report["timestamp"].as_u64().expect("a number");
        assert!(
            death.between.0 <= at && at <= death.between.1,
            "{report} for {death:?}"
        );
        match &death.pid {
            Some(pid) => assert_eq!(report["pid"], pid.as_str(), "{death:?}"),
            None => assert_ne!(report["pid"], "", "{death:?}"),
        }
    }
    let known = told(host).unwrap_or_else(|why| panic!("unitward reports --json: {why}"));
    let known: BTreeSet<_> = known
        .iter()
        .filter_map(|entry| entry["invocation"].as_str())
        .collect();
    assert!(
        deaths
            .iter()
            .all(|death| known.contains(death.run.as_str())),
        "the history knows them, too"
    );
    // They have been told now, and a second start tells nothing again.
    host.run(&["systemctl", "restart", "unitwardd"]);
    reports.assert_no_more_within(QUIET);
}

on_both! {
    fn what_happens_while_it_is_stopped_is_told_afterwards(host: Host) {
        let reports = population(&host);
        host.run(&["systemctl", "stop", "unitwardd"]);
        let deaths = die(&host);
        host.run(&["systemctl", "start", "unitwardd"]);
        check(&host, &reports, &deaths);
    }

    fn what_happens_between_its_kill_and_its_restart_is_told_afterwards(host: Host) {
        // It comes back when the test says so.
        host.write("/run/back", "");
        let wait = "[Service]\nExecStartPre=+/bin/sh -c 'until test -e /run/back; do sleep 0.05; done'\n";
        host.write("/etc/systemd/system/unitwardd.service.d/wait.conf", wait);
        let reports = population(&host);
        host.run(&["rm", "/run/back"]);
        let (_, run) = kill(&host, "unitwardd");
        let deaths = die(&host);
        assert_ne!(host.systemctl_show("unitwardd", "ActiveState"), "active", "it was away all the time");
        host.write("/run/back", "");
        wait_for_restart(&host, "unitwardd", &run);
        check(&host, &reports, &deaths);
    }

    fn what_happens_while_it_is_masked_and_over_a_reboot_is_told_afterwards(mut host: Host) {
        drop(population(&host));
        host.run(&["systemctl", "mask", "--quiet", "--now", "unitwardd"]);
        let mut deaths = die(&host);
        host.reboot();
        deaths.extend(die(&host));
        let reports = host.subscribe("Crash/Reports");
        host.sh("systemctl unmask --quiet unitwardd; systemctl start unitwardd");
        check(&host, &reports, &deaths);
    }

    fn what_happens_before_a_power_cut_while_it_is_stopped_is_told_afterwards(mut host: Host) {
        drop(population(&host));
        host.run(&["systemctl", "mask", "--quiet", "--now", "unitwardd"]);
        let deaths = die(&host);
        // What is in the journal counts; what never left the memory is gone.
        host.run(&["journalctl", "--sync"]);
        host.power_cut();
        let reports = host.subscribe("Crash/Reports");
        host.sh("systemctl unmask --quiet unitwardd; systemctl start unitwardd");
        check(&host, &reports, &deaths);
    }

    fn more_deaths_of_one_ward_than_records_are_kept_are_all_told_afterwards(host: Host) {
        const DEATHS: usize = 150;
        host.script("/usr/sbin/flap", &format!("#!/bin/sh\nn=$(wc -l </var/log/flap)\n[ \"$n\" -ge {DEATHS} ] && exec sleep infinity\necho $INVOCATION_ID >>/var/log/flap\nexit 3\n"));
        let reports = cloud(&host, "[Reports]\nBurst=1000\n");
        host.write("/var/log/flap", "");
        host.run(&["systemctl", "stop", "unitwardd"]);
        guard(&host, "flap", "--no-block flap", "[Service]\nExecStart=/usr/sbin/flap\n[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n");
        host.wait_for_within(Duration::from_secs(180), "all deaths", || (host.read("/var/log/flap").lines().count() >= DEATHS).then_some(()));
        host.wait_for_property("flap", "ActiveState", "active");
        host.run(&["systemctl", "start", "unitwardd"]);
        reports.wait_for_count(DEATHS);
        reports.assert_no_more_within(QUIET);
        let died: Vec<_> = host.read("/var/log/flap").lines().map(str::to_owned).collect();
        assert_eq!(ids(&reports), died, "all of them, in order");
        assert!(reports.messages().iter().all(|report| report["reason"] == "EXIT 3"));
    }

    fn the_crash_of_a_unit_that_stays_down_is_told_once_by_all_its_witnesses(host: Host) {
        // Record, journal and the unit's own state all tell of it at each start of the daemon.
        let reports = cloud(&host, "[Watch]\nUnits=watched.service\n");
        host.write("/etc/systemd/system/watched.service", "[Service]\nExecStart=sleep infinity\n");
        guard(&host, "web", "web watched", "[Service]\nExecStart=sleep infinity\nRestart=no\n");
        host.run(&["systemctl", "stop", "unitwardd"]);
        let runs = BTreeSet::from([kill(&host, "web").1, kill(&host, "watched").1]);
        for name in ["web", "watched"] { host.wait_for_property(name, "ActiveState", "failed"); }
        for _ in 0..3 {
            host.run(&["systemctl", "restart", "unitwardd"]);
            reports.wait_for_count(2);
            host.sh("systemctl daemon-reload; systemctl daemon-reexec");
            reports.assert_no_more_within(QUIET);
        }
        assert_eq!(BTreeSet::from_iter(ids(&reports)), runs);
    }
}
