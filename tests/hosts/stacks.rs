//! Full restarts of a stack, whoever asks for them: each is one report, the members' ends in it are none, and what is no full
//! restart is not reported as one.

use crate::host::{Host, Subscriber};
use crate::on_both;
use crate::report::{cloud, keys, kill, told, wait_for_restart};
use serde_json::Value;
use std::time::{Duration, SystemTime};

const MEMBERS: [&str; 3] = ["cm", "dm", "wm"];
/// A member that runs until it is killed, and is restarted at once.
const MEMBER: &str = "[Service]\nExecStart=sleep infinity\nRestart=always\n[Ward]\nStack=opensync\n[Recovery]\nMaxDelaySec=0\n";

/// The stack `opensync` with its members, up, and its reports. `more` are other files of the configuration.
pub(crate) fn set_up(host: &Host, stack: &str, more: &[(&str, &str)]) -> Subscriber {
    let reports = cloud(host, "");
    host.write(
        "/etc/unitward/opensync.stack",
        &format!("[Stack]\nName=OpenSync\n{stack}"),
    );
    for member in MEMBERS {
        host.write(&format!("/etc/unitward/{member}.ward"), MEMBER);
    }
    for (file, text) in more {
        host.write(&format!("/etc/unitward/{file}"), text);
    }
    let unit = stack
        .trim()
        .strip_prefix("Unit=")
        .unwrap_or("opensync.target");
    assert!(
        host.sh("unitward check 2>&1")
            .ends_with(" and 1 stack in effect, no problem found.")
    );
    host.sh(&format!("systemctl daemon-reload; systemctl start {unit}"));
    reports
}

pub(crate) fn pids(host: &Host) -> [String; 3] {
    MEMBERS.map(|member| host.systemctl_show(member, "MainPID"))
}

/// Waits until every member runs in another process than then.
pub(crate) fn wait_for_others(host: &Host, then: &[String; 3]) {
    host.wait_for("the members' return", || {
        let up = MEMBERS
            .iter()
            .all(|member| host.systemctl_show(member, "ActiveState") == "active");
        let others = pids(host)
            .iter()
            .zip(then)
            .all(|(now, then)| now != then && now != "0");
        (up && others).then_some(())
    });
}

/// The reports of full restarts among these.
pub(crate) fn full_restarts(reports: &[Value]) -> Vec<Value> {
    reports
        .iter()
        .filter(|report| report["pid"] == "<NA>")
        .cloned()
        .collect()
}

/// Waits for so many reports, of which exactly one is of a full restart, by this caller.
fn wait_for_one(reports: &Subscriber, count: usize, caller: &str) -> Value {
    let all = reports.wait_for_count(count);
    let mut found = full_restarts(&all);
    assert_eq!(found.len(), 1, "{all:#?}");
    let report = found.remove(0);
    assert_eq!(report["name"], "OpenSync");
    assert_eq!(report["reason"], format!("OpenSync restarted by {caller}"));
    report
}

/// In the history, and in what is printed of either.
fn the_last_death_and_the_restart_name_each_other(host: &Host) {
    // The report leaves when the restart begins; what came of it is known later.
    let (death, restart) = &host.wait_for("what came of both", || {
        let known = told(host).ok()?;
        let restart = known.iter().find(|row| row["severity"] == "full-restart")?;
        let death = known.iter().rfind(|row| row["severity"] == "crash")?;
        let is_known = restart["fullRestart"]["outcome"].is_string()
            && death["recovery"]["outcome"].is_string();
        is_known.then(|| (death.clone(), restart.clone()))
    });
    assert_eq!(death["ledTo"], restart["invocation"]);
    assert_eq!(
        restart["fullRestart"]["cause"]["invocation"],
        death["invocation"]
    );
    assert_eq!(
        (
            &restart["fullRestart"]["outcome"],
            &death["recovery"]["outcome"]
        ),
        (&"restarted".into(), &"stack-restarted".into())
    );
    let show = |row: &Value| {
        host.sh(&format!(
            "unitward reports show {}",
            row["invocation"].as_str().expect("an id")
        ))
    };
    assert!(
        show(death).contains(restart["invocation"].as_str().unwrap()),
        "{}",
        show(death)
    );
    assert!(
        show(restart).contains(death["invocation"].as_str().unwrap()),
        "{}",
        show(restart)
    );
}

fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("the clock is set");
    u64::try_from(since.as_millis()).expect("a time of this age")
}

on_both! {
    fn a_restart_by_hand_is_one_report_and_no_crash(host: Host) {
        let reports = set_up(&host, "", &[]);
        let (then, before) = (pids(&host), now());
        host.run(&["systemctl", "restart", "opensync.target"]);
        wait_for_others(&host, &then);
        let report = wait_for_one(&reports, 1, "systemctl");
        assert_eq!((&report["pid"], &report["backtrace"]), (&"<NA>".into(), &"<NA>".into()));
        assert!((before..=now()).contains(&report["timestamp"].as_u64().unwrap()), "{report}");
        let order = ["nodeId", "locationId", "firmwareVersion", "model", "pid", "name", "reason", "timestamp", "backtrace"];
        assert_eq!(keys(reports.received()[0].payload()), order);
        reports.assert_no_more_within(Duration::from_secs(2));
    }

    fn each_restart_by_hand_is_a_report_of_its_own(host: Host) {
        let reports = set_up(&host, "", &[]);
        for count in 1..=3 {
            let then = pids(&host);
            host.run(&["systemctl", "restart", "opensync.target"]);
            wait_for_others(&host, &then);
            assert_eq!(full_restarts(&reports.wait_for_count(count)).len(), count);
        }
        reports.assert_no_more_within(Duration::from_secs(1));
    }

    fn a_stop_a_start_a_reboot_and_the_restart_of_a_member_are_no_full_restart(mut host: Host) {
        let reports = set_up(&host, "", &[]);
        host.sh("systemctl stop opensync.target; systemctl start opensync.target");
        host.sh("systemctl stop opensync.target; systemctl daemon-reload; systemctl restart cm; systemctl start opensync.target");
        host.sh("systemctl restart dm; systemctl daemon-reload; systemctl daemon-reexec; systemctl start opensync.target");
        reports.assert_no_more_within(Duration::from_secs(1));
        assert_eq!(reports.count(), 0);
        drop(reports);
        host.reboot();
        let reports = host.subscribe("Crash/Reports");
        host.wait_for_property("unitwardd", "ActiveState", "active");
        for unit in ["opensync.target", "unitward-stack@opensync.socket", "cm", "dm", "wm"] {
            assert_eq!(host.systemctl_show(unit, "ActiveState"), "active", "{unit} is up after boot by itself");
        }
        reports.assert_no_more_within(Duration::from_secs(1));
        let told = host.journal(&["-t", "unitwardd", "-o", "cat"]);
        assert!(!told.contains("restarted by"), "nothing was reported before, during or after the reboot: {told}");
        // The proof that a report would have come.
        host.run(&["systemctl", "restart", "opensync.target"]);
        wait_for_one(&reports, 1, "systemctl");
    }

    fn a_member_that_was_down_comes_up_with_the_others(host: Host) {
        let reports = set_up(&host, "", &[]);
        host.run(&["systemctl", "stop", "wm"]);
        let then = pids(&host);
        assert_eq!(then[2], "0");
        host.run(&["systemctl", "restart", "opensync.target"]);
        wait_for_others(&host, &then);
        wait_for_one(&reports, 1, "systemctl");
    }

    fn a_member_that_dies_too_often_takes_the_stack_along(host: Host) {
        let tired = [("cm.ward.d/limit.conf", "[Recovery]\nOnLimit=restart-stack\n")];
        let reports = set_up(&host, "", &tired);
        let others = pids(&host);
        for _ in 0..5 {
            let (_, run) = kill(&host, "cm");
            wait_for_restart(&host, "cm", &run);
        }
        assert_eq!(pids(&host)[1..], others[1..], "five deaths in a minute are borne, and concern nobody else");
        let then = pids(&host);
        kill(&host, "cm");
        wait_for_others(&host, &then);
        wait_for_one(&reports, 7, "cm (6 deaths in 60 s)");
        let crashes = reports.messages().iter().filter(|report| report["name"] == "cm").count();
        assert_eq!(crashes, 6);
        reports.assert_no_more_within(Duration::from_secs(2));
        the_last_death_and_the_restart_name_each_other(&host);
        // The six deaths are forgotten.
        let (then, (_, run)) = (pids(&host), kill(&host, "cm"));
        wait_for_restart(&host, "cm", &run);
        let crashes = reports.wait_for_count(8);
        assert_eq!((&crashes[7]["name"], full_restarts(&crashes).len()), (&"cm".into(), 1));
        assert_eq!(pids(&host)[1..], then[1..]);
    }

    fn a_step_of_another_ward_restarts_the_stack(host: Host) {
        let database = "[Service]\nExecStart=sleep infinity\n[OnDeath]\nRestartStack=opensync\n";
        let reports = set_up(&host, "", &[("ovsdb.ward", database)]);
        host.run(&["systemctl", "start", "ovsdb"]);
        let then = pids(&host);
        let (pid, run) = kill(&host, "ovsdb");
        wait_for_restart(&host, "ovsdb", &run);
        wait_for_others(&host, &then);
        wait_for_one(&reports, 2, "ovsdb (OnDeath)");
        assert!(reports.messages().iter().any(|report| report["name"] == "ovsdb" && report["pid"] == pid.as_str()));
        reports.assert_no_more_within(Duration::from_secs(2));
    }

    fn a_step_of_a_member_restarts_it_with_the_others_once(host: Host) {
        let reports = set_up(&host, "", &[("cm.ward.d/step.conf", "[OnDeath]\nRestartStack=opensync\n")]);
        let then = pids(&host);
        let (_, run) = kill(&host, "cm");
        wait_for_others(&host, &then);
        wait_for_one(&reports, 2, "cm (OnDeath)");
        reports.assert_no_more_within(Duration::from_secs(2));
        assert_ne!(host.systemctl_show("cm", "InvocationID"), run);
    }

    fn a_service_may_stand_for_the_stack(host: Host) {
        host.write("/etc/systemd/system/managers.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n");
        let reports = set_up(&host, "Unit=managers.service\n", &[]);
        // The daemon hears of the reload a moment after systemctl returns, and follows this service from then on.
        host.run(&["systemctl", "restart", "unitwardd"]);
        let then = pids(&host);
        host.run(&["systemctl", "restart", "managers"]);
        wait_for_others(&host, &then);
        wait_for_one(&reports, 1, "systemctl");
        host.sh("systemctl stop managers; systemctl start managers; systemctl restart dm");
        reports.assert_no_more_within(Duration::from_secs(2));
        let then = pids(&host);
        host.run(&["unitward", "restart-stack", "opensync", "--caller", "somebody", "--wait"]);
        assert!(pids(&host).iter().zip(&then).all(|(now, then)| now != then), "--wait waits for them");
        let all = reports.wait_for_count(2);
        assert_eq!(all[1]["reason"], "OpenSync restarted by somebody");
        reports.assert_no_more_within(Duration::from_secs(1));
    }

    fn a_script_asks_in_its_own_name(host: Host) {
        let reports = set_up(&host, "", &[]);
        host.script("/usr/local/bin/rescue", "#!/bin/sh\nunitward restart-stack opensync --wait\necho \"it ended with $?\"\n");
        let then = pids(&host);
        assert!(host.sh("/usr/local/bin/rescue").ends_with("it ended with 0"));
        assert!(pids(&host).iter().zip(&then).all(|(now, then)| now != then), "--wait waits for them");
        let report = wait_for_one(&reports, 1, "rescue");
        assert_eq!(report["backtrace"], "<NA>");
        reports.assert_no_more_within(Duration::from_secs(2));
    }

    fn a_member_may_ask_and_a_stranger_may_not(host: Host) {
        // The member does so once, and the next run of it rests.
        host.script("/usr/local/bin/asks", "#!/bin/sh\nwhile [ ! -e /run/ask ]; do sleep 0.1; done\n\
            [ -e /tmp/asked ] || { touch /tmp/asked; unitward restart-stack opensync --caller wm_gives_up; }\nexec sleep infinity\n");
        let asks = [("wm.ward.d/asks.conf", "[Service]\nExecStart=\nExecStart=/usr/local/bin/asks\nUser=nobody\n")];
        let reports = set_up(&host, "", &asks);
        let then = pids(&host);
        let refused = host.try_run(&["runuser", "-u", "nobody", "--", "unitward", "restart-stack", "opensync"]);
        assert!(!refused.status.success() && !refused.stderr.is_empty(), "{refused:?}");
        let said = host.journal(&["-u", "unitward-stack@opensync.service", "-o", "cat"]);
        assert!(said.contains("nobody") || said.contains("65534"), "the journal tells who tried: {said}");
        reports.assert_no_more_within(Duration::from_secs(1));
        assert_eq!(pids(&host), then);
        host.write("/run/ask", "");
        wait_for_others(&host, &then);
        wait_for_one(&reports, 1, "wm_gives_up");
    }

    fn nothing_we_write_for_a_stack_displeases_systemd_analyze(host: Host) {
        host.write("/etc/systemd/system/managers.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n");
        set_up(&host, "", &[]);
        host.write("/etc/unitward/odd.stack", "[Stack]\nName=100% \"odd\" $HOME \\\\\n");
        host.write("/etc/unitward/other.stack", "[Stack]\nUnit=managers.service\n");
        host.write("/etc/unitward/other.ward", "[Service]\nExecStart=sleep infinity\n[Ward]\nStack=other\n");
        host.run(&["systemctl", "daemon-reload"]);
        assert_eq!(host.systemctl_show("odd.target", "Description"), "100% \"odd\" $HOME \\\\");
        assert_eq!(host.systemctl_show("other.service", "PartOf"), "managers.service");
        let units = "opensync.target odd.target cm.service other.service managers.service unitward-stack@opensync.socket";
        let verified = host.try_run(&["sh", "-c", &format!("SYSTEMD_UNIT_PATH=/run/systemd/generator: systemd-analyze verify --man=no --recursive-errors=yes {units} 2>&1")]);
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        let ours = |line: &&str| units.split(' ').any(|unit| line.contains(unit)) || line.contains("unitward");
        assert_eq!(said.lines().filter(ours).collect::<Vec<_>>(), [""; 0], "{said}");
    }
}
