//! How many reports there are, and what becomes of them with a broker that refuses, is away or hangs.

use crate::brokers::told;
use crate::host::{Access, Host};
use crate::on_both;
use crate::report::{cloud, guard, kill, wait_for_restart};
use serde_json::Value;
use std::time::Duration;

/// A ward `web` that may die as often as it likes.
const TOUGH: &str =
    "[Service]\nExecStart=sleep infinity\n[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n";
/// Enough for the daemon's back-off to come round a few times.
const SEVERAL_TRIES: Duration = Duration::from_secs(60);

/// A broker that lets anybody listen on port 1883, and on 1884 only those who know a password.
fn demand_a_password(host: &Host) {
    let file = "/etc/mosquitto/passwords";
    host.write(
        "/etc/mosquitto/conf.d/doors.conf",
        &format!(
            "per_listener_settings true\nlistener 1883 127.0.0.1\nallow_anonymous true\n\
             listener 1884 127.0.0.1\nallow_anonymous false\npassword_file {file}\n"
        ),
    );
    host.sh(&format!(
        "mosquitto_passwd -b -c {file} gateway open-sesame; chown mosquitto {file}; systemctl restart mosquitto"
    ));
}

fn set_password(host: &Host, password: &str) {
    host.write_mode(
        "/etc/unitward/broker.password",
        password.as_bytes(),
        Access {
            mode: 0o600,
            uid: 0,
        },
    );
}

const GATEWAY: &str = "Broker=mqtt://127.0.0.1:1884\nClientId=gw\nUsername=gateway\nPasswordFile=/etc/unitward/broker.password\n";

/// How often somebody knocked at the door with the password, as the broker tells it.
fn tries(host: &Host) -> usize {
    let log = host.read("/var/log/mosquitto/mosquitto.log");
    log.lines()
        .filter(|line| line.contains(" on port 1884."))
        .count()
}

/// What the present run of the daemon said about the broker being away.
fn disconnections(host: &Host) -> Vec<String> {
    told(host).into_iter().map(|(_, text)| text).collect()
}

fn die(host: &Host, times: usize) -> Vec<String> {
    let deaths = (0..times).map(|_| {
        let (pid, run) = kill(host, "web");
        wait_for_restart(host, "web", &run);
        pid
    });
    deaths.collect()
}

fn wait_for_status(host: &Host, part: &str) {
    host.wait_for(&format!("{part:?} in the daemon's status"), || {
        host.systemctl_show("unitwardd", "StatusText")
            .contains(part)
            .then_some(())
    });
}

fn pids(reports: &[Value]) -> Vec<String> {
    reports
        .iter()
        .map(|report| report["pid"].as_str().unwrap_or_default().to_owned())
        .collect()
}

on_both! {
    fn what_exceeds_the_burst_is_summed_up_in_one_report(host: Host) {
        let reports = cloud(&host, "[Reports]\nBurst=3\nBurstIntervalSec=10s\n");
        host.script("/usr/local/bin/dies-six-times", "#!/bin/sh\nn=$(cat /run/n 2>/dev/null || echo 0)\necho $((n + 1)) >/run/n\n\
            [ \"$n\" -ge 6 ] || kill -KILL $$\nexec sleep infinity\n");
        // The first run may be dead before its start is over.
        guard(&host, "web", "--no-block web", &TOUGH.replace("sleep infinity", "/usr/local/bin/dies-six-times"));
        let seen = reports.wait_for_count(4);
        let reasons: Vec<_> = seen.iter().map(|report| report["reason"].as_str().unwrap()).collect();
        let full = "SIG 9 (Killed)";
        assert_eq!(reasons, [full, full, full, "SIG 9 (Killed), 3 more in 10 s"]);
        assert!(seen.iter().map(|report| report["timestamp"].as_u64()).is_sorted(), "{seen:?}");
        host.wait_for("the seventh run", || (host.systemctl_show("web", "NRestarts") == "6").then_some(()));
        assert_ne!(seen[3]["pid"], seen[2]["pid"], "the summary has the pid of the last death");
        let summary = reports.received()[3].user_property("report-id").map(str::to_owned);
        assert!(summary.is_some_and(|id| id.ends_with("-more")));
        let (pid, _) = kill(&host, "web");
        let next = &reports.wait_for_count(5)[4];
        assert_eq!((&next["pid"], &next["reason"]), (&pid.as_str().into(), &full.into()));
        reports.assert_no_more_within(Duration::from_secs(3));
        // The journal has them in the same way.
        assert_eq!(host.journal_json(&["MESSAGE_ID=57f0c3e98b1d4d06a2e45b79cd1680fe"]).len(), 1);
    }

    fn two_wards_have_a_burst_each(host: Host) {
        let reports = cloud(&host, "[Reports]\nBurst=1\nBurstIntervalSec=1h\n");
        guard(&host, "web", "web", TOUGH);
        guard(&host, "other", "other", TOUGH);
        die(&host, 2);
        kill(&host, "other");
        let mut names: Vec<_> = reports.wait_for_count(2).iter().map(|report| report["name"].to_string()).collect();
        names.sort();
        assert_eq!(names, ["\"other\"", "\"web\""]);
        reports.assert_no_more_within(Duration::from_secs(1));
        // What was held back leaves when the daemon does.
        host.run(&["systemctl", "stop", "unitwardd"]);
        assert_eq!(reports.wait_for_count(3)[2]["reason"], "SIG 9 (Killed), 1 more in 3600 s");
    }

    fn a_user_name_and_a_password_open_the_broker(host: Host) {
        demand_a_password(&host);
        set_password(&host, "open-sesame\n");
        let reports = cloud(&host, GATEWAY);
        guard(&host, "web", "web", TOUGH);
        let killed = die(&host, 1);
        assert_eq!(pids(&reports.wait_for_count(1)), killed);
        assert_eq!(disconnections(&host), [""; 0]);
    }

    fn a_wrong_password_is_told_once_and_a_corrected_one_is_taken_up(host: Host) {
        demand_a_password(&host);
        set_password(&host, "wrong");
        let reports = cloud(&host, GATEWAY);
        guard(&host, "web", "web", TOUGH);
        let killed = die(&host, 2);
        let before = tries(&host);
        host.wait_for_within(SEVERAL_TRIES, "several tries", || (tries(&host) >= before + 3).then_some(()));
        let told = disconnections(&host);
        assert!(told.len() == 1 && told[0].contains("mqtt://127.0.0.1:1884") && told[0].contains("the broker refuses us: "), "{told:?}");
        assert!(!host.journal(&["-u", "unitwardd"]).contains("wrong"), "the password is nobody's business");
        wait_for_status(&host, "2 waiting; not connected to mqtt://127.0.0.1:1884: the broker refuses us");
        set_password(&host, "open-sesame");
        let got = host.wait_for_within(SEVERAL_TRIES, "both reports", || Some(reports.messages()).filter(|got| got.len() >= 2));
        assert_eq!(pids(&got), killed);
        wait_for_status(&host, "2 messages sent, 0 waiting; connected to mqtt://127.0.0.1:1884");
    }

    fn a_missing_password_file_is_told_once_and_found_by_a_reload(host: Host) {
        demand_a_password(&host);
        let reports = cloud(&host, GATEWAY);
        guard(&host, "web", "web", TOUGH);
        let killed = die(&host, 1);
        wait_for_status(&host, "1 waiting; not connected to mqtt://127.0.0.1:1884: failed to read PasswordFile=/etc/unitward/broker.password");
        for _ in 0..3 { host.run(&["systemctl", "reload", "unitwardd"]); }
        assert_eq!(disconnections(&host).len(), 1, "{:?}", disconnections(&host));
        set_password(&host, "open-sesame");
        host.run(&["systemctl", "reload", "unitwardd"]);
        assert_eq!(pids(&reports.wait_for_count(1)), killed);
    }

    fn the_topic_names_the_node_and_its_location(host: Host) {
        let others = host.subscribe("x/#");
        let reports = cloud(&host, "CrashTopic=x/%n/%l\n");
        guard(&host, "web", "web", TOUGH);
        let killed = die(&host, 1);
        assert_eq!(pids(&others.wait_for_count(1)), killed);
        assert_eq!(others.received()[0].topic(), "x/ABCDEF1234/12345667898090");
        assert_eq!(reports.received().len(), 0);
    }

    fn a_broker_that_appears_late_gets_every_report_in_order(host: Host) {
        // A port that leads to the broker once it is opened: whoever listens does so before the daemon speaks.
        host.write("/etc/systemd/system/door.socket", "[Socket]\nListenStream=127.0.0.1:1885\n");
        host.write("/etc/systemd/system/door.service", "[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:1883\n");
        let reports = cloud(&host, "Broker=mqtt://127.0.0.1:1885\n");
        assert_eq!(host.systemctl_show("unitwardd", "ActiveState"), "active", "it does not wait for the broker");
        guard(&host, "web", "web", TOUGH);
        let killed = die(&host, 4);
        wait_for_status(&host, "4 waiting");
        assert_eq!(disconnections(&host).len(), 1, "{:?}", disconnections(&host));
        host.run(&["systemctl", "start", "door.socket"]);
        let got = host.wait_for_within(SEVERAL_TRIES, "four reports", || Some(reports.messages()).filter(|got| got.len() >= 4));
        assert_eq!(pids(&got), killed);
        wait_for_status(&host, "4 messages sent, 0 waiting");
        reports.assert_no_more_within(Duration::from_millis(500));
    }

    fn a_broker_that_hangs_loses_nothing(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "web", "web", TOUGH);
        let mut killed = die(&host, 1);
        reports.wait_for_count(1);
        host.sh("systemctl kill --signal=STOP mosquitto");
        killed.extend(die(&host, 4));
        wait_for_status(&host, "1 message sent, 4 waiting");
        host.sh("systemctl kill --signal=CONT mosquitto");
        assert_eq!(pids(&reports.wait_for_count(5)), killed);
        wait_for_status(&host, "5 messages sent, 0 waiting");
        reports.assert_no_more_within(Duration::from_millis(500));
    }

    fn a_broker_that_hangs_from_the_start_is_left_and_tried_again(host: Host) {
        let reports = cloud(&host, "");
        guard(&host, "web", "web", TOUGH);
        wait_for_status(&host, "; connected to");
        host.sh("systemctl kill --signal=STOP mosquitto; systemctl restart unitwardd");
        let killed = die(&host, 2);
        wait_for_status(&host, "2 waiting; not connected to mqtt://127.0.0.1:1883: the broker did not answer in time");
        host.sh("systemctl kill --signal=CONT mosquitto");
        let got = host.wait_for_within(SEVERAL_TRIES, "both reports", || Some(reports.messages()).filter(|got| got.len() >= 2));
        assert_eq!(pids(&got), killed);
        reports.assert_no_more_within(Duration::from_millis(500));
    }
}
