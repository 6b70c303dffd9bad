//! A stack of six managers written in C, which ask for full restarts by libunitward.

use crate::development;
use crate::host::{Host, Subscriber};
use crate::on_both;
use crate::report::{cloud, keys};
use serde_json::Value;
use std::thread;
use std::time::{Duration, SystemTime};

const MANAGERS: [&str; 6] = ["cm", "dm", "nm", "om", "sm", "wm"];

/// Where their programs are.
const FOLDER: &str = "/usr/opensync/bin";

/// The time in which whatever there is to be reported has been.
const QUIET: Duration = Duration::from_secs(3);

/// Guards the managers and starts them; `service` is added to the first one's section, `stack` to the stack's.
fn managers(host: &Host, service: &str, stack: &str) {
    host.write(
        "/etc/unitward/opensync.stack",
        &format!("[Stack]\nName=OpenSync\n{stack}"),
    );
    development::install(host, "manager.c", "/usr/opensync/manager");
    for manager in MANAGERS {
        let more = if manager == MANAGERS[0] { service } else { "" };
        // Copies, for a program is known by its file.
        host.sh(&format!(
            "install -D /usr/opensync/manager {FOLDER}/{manager}"
        ));
        let noted = format!("ExecStartPre=+/bin/sh -c 'echo {manager} >>/run/starts'");
        host.write(
            &format!("/etc/unitward/{manager}.ward"),
            &format!(
                "[Ward]\nStack=opensync\n[Service]\nExecStart={FOLDER}/{manager}\n{noted}\n{more}"
            ),
        );
    }
    development::install(host, "ask.c", "/usr/local/bin/ask");
    host.sh(
        "systemctl daemon-reload; systemctl start unitward-stack@opensync.socket opensync.target",
    );
    // Until they catch SIGUSR1 it would kill them.
    let waiting = format!(
        "for pid in {}; do grep -q '^SigCgt:.*2..$' /proc/$pid/status; done",
        main_pids()
    );
    host.wait_for("all managers in their main loops", || {
        host.try_run(&["bash", "-ec", &waiting])
            .status
            .success()
            .then_some(())
    });
}

/// A shell's words for the main processes of all managers.
fn main_pids() -> String {
    format!(
        "$(systemctl show --value --property=MainPID {})",
        MANAGERS.join(" ")
    )
}

fn pids(host: &Host) -> Vec<String> {
    host.sh(&format!("echo {}", main_pids()))
        .split(' ')
        .map(str::to_owned)
        .collect()
}

/// Waits until all managers run, each as another process than before.
fn wait_for_all(host: &Host, before: &[String]) {
    host.wait_for("the full restart", || {
        let now = pids(host);
        let is_new = |(now, before): (&String, &String)| now != "0" && now != before;
        now.iter().zip(before).all(is_new).then_some(())
    });
}

/// Has these managers ask at the same time.
fn ask(host: &Host, pids: &[String]) {
    host.sh(&format!("kill -USR1 {}", pids.join(" ")));
}

/// The only report there is, and there will be no other.
fn only_report(reports: &Subscriber) -> Value {
    let mut messages = reports.wait_for_count(1);
    reports.assert_no_more_within(QUIET);
    let report = messages.remove(0);
    assert_eq!(report["pid"], "<NA>");
    assert_eq!(report["name"], "OpenSync");
    assert_eq!(
        report["reason"],
        "OpenSync restarted by cm2_trigger_restart_managers"
    );
    report
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("it is later than 1970");
    u64::try_from(since.as_millis()).expect("it is not that late")
}

/// What a program of the host that is run by `who` gets for asking.
fn asked_by(host: &Host, who: &str, stack: &str) -> String {
    host.sh(&format!("runuser -u {who} -- ask {stack}"))
}

on_both! {
    fn the_report_names_the_function_and_shows_how_it_was_reached(host: Host) {
        let reports = cloud(&host, "");
        managers(&host, "", "");
        let before = pids(&host);
        ask(&host, &before[..1]);
        wait_for_all(&host, &before);
        let report = only_report(&reports);
        assert_eq!(keys(reports.received()[0].payload()), ["nodeId", "locationId", "firmwareVersion", "model", "pid", "name",
            "reason", "timestamp", "backtrace"]);
        let backtrace = report["backtrace"].as_str().unwrap();
        let lines: Vec<_> = backtrace.lines().collect();
        for (place, function) in
            ["cm2_trigger_restart_managers", "cm2_connection_req_stability_check", "cm2_update_state", "main"].iter().enumerate()
        {
            let indent = if place == 0 { "" } else { " " };
            let (number, rest) = lines[place].split_once(" > 0x").unwrap();
            assert_eq!(number, format!("{indent}{place}"), "{backtrace}");
            let (_, rest) = rest.split_once(": ").unwrap();
            let offset = rest.strip_prefix(&format!("{function} 0x")).unwrap_or_else(|| panic!("{function}: {backtrace}"));
            let (offset, object) = offset.split_once(' ').unwrap();
            assert!(u64::from_str_radix(offset, 16).unwrap() > 0 && object == "/usr/opensync/bin/cm", "{backtrace}");
        }
        assert!(backtrace.contains(": __libc_start_main 0x") && backtrace.ends_with('\n'), "{backtrace}");
    }

    fn all_members_call_at_once_and_there_is_one_restart(host: Host) {
        let reports = cloud(&host, "");
        managers(&host, "", "");
        let before = pids(&host);
        ask(&host, &before);
        wait_for_all(&host, &before);
        only_report(&reports);
        let starts = host.read("/run/starts");
        for manager in MANAGERS {
            assert_eq!(starts.lines().filter(|line| *line == manager).count(), 2, "{starts}");
        }
    }

    fn a_call_while_no_daemon_runs_is_reported_with_its_time(host: Host) {
        let reports = cloud(&host, "");
        managers(&host, "", "");
        host.run(&["systemctl", "stop", "unitwardd"]);
        let before = pids(&host);
        let earliest = milliseconds(SystemTime::now());
        ask(&host, &before[..1]);
        wait_for_all(&host, &before);
        let latest = milliseconds(SystemTime::now());
        // So that the time of the report can be told from that of the call.
        thread::sleep(Duration::from_secs(1));
        host.run(&["systemctl", "start", "unitwardd"]);
        let timestamp = only_report(&reports)["timestamp"].as_u64().unwrap();
        assert!((earliest..=latest).contains(&timestamp), "{earliest} {timestamp} {latest}");
    }

    fn a_daemon_that_is_killed_after_the_call_still_reports_it_once(host: Host) {
        let reports = cloud(&host, "");
        managers(&host, "", "");
        let before = pids(&host);
        let daemon = host.systemctl_show("unitwardd", "MainPID");
        host.sh(&format!("kill -USR1 {}; kill -KILL {daemon}", before[0]));
        wait_for_all(&host, &before);
        only_report(&reports);
        assert_ne!(host.systemctl_show("unitwardd", "MainPID"), daemon);
    }

    fn a_member_may_ask_whatever_its_user_and_others_may_not(host: Host) {
        let reports = cloud(&host, "");
        managers(&host, "User=nobody\n", "");
        let before = pids(&host);
        assert_eq!(asked_by(&host, "nobody", "opensync"), "-13");
        let told = host.journal(&["-o", "cat", "-u", "unitward-stack@opensync.service"]);
        assert!(told.contains("65534") || told.contains("nobody"), "{told}");
        reports.assert_no_more_within(QUIET);
        assert_eq!(pids(&host), before);
        ask(&host, &before[..1]);
        wait_for_all(&host, &before);
        only_report(&reports);
    }

    fn the_call_returns_what_became_of_the_request(host: Host) {
        let reports = cloud(&host, "");
        host.script("/usr/local/bin/rescue", "#!/bin/sh\n. /run/rescue\n");
        managers(&host, "", "InhibitFile=/run/inhibit\nRestartScript=/usr/local/bin/rescue\nTimeoutSec=20s\n");
        let before = pids(&host);
        assert_eq!(asked_by(&host, "root", "opensunk"), "-2");
        host.write("/run/inhibit", "");
        assert_eq!(asked_by(&host, "root", "opensync"), "-125");
        reports.assert_no_more_within(QUIET);
        host.run(&["rm", "/run/inhibit"]);
        host.write("/run/rescue", "exit 1\n");
        assert_eq!(asked_by(&host, "root", "opensync"), "-5");
        host.write("/run/rescue", "sleep 9\n");
        assert_eq!(asked_by(&host, "root", "opensync"), "-115");
        let over = || (host.systemctl_show("unitward-stack@opensync.service", "ActiveState") == "inactive").then_some(());
        host.wait_for_within(Duration::from_secs(60), "the end of the script and of who waits for it", over);
        assert_eq!(pids(&host), before, "neither script has restarted anything");
        host.write("/run/rescue", "exec systemctl restart opensync.target\n");
        assert_eq!(asked_by(&host, "root", "opensync"), "0");
        wait_for_all(&host, &before);
    }
}
