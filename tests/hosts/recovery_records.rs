//! The recovery record: one for each recovery, which says what died, what was done about it, what came of it and how long it took.

use crate::host::{Debian, Host, Subscriber};
use crate::on_both;
use crate::report::{guard, keys, kill, point_at_broker, wait_for_restart};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KEYS: [&str; 10] = [
    "nodeId",
    "ward",
    "invocation",
    "reason",
    "timestamp",
    "steps",
    "outcome",
    "restarts",
    "downtimeMs",
    "recoveryMs",
];
/// What may lie between what the test measures and what PID 1 does, on a busy machine.
const NEAR: u64 = 600;
pub(crate) const QUIET: Duration = Duration::from_secs(2);

/// A service that notes when it starts.
const NOTES: &str =
    "[Service]\nExecStart=/bin/sh -c 'date +%%s%%3N >>/var/log/starts; exec sleep infinity'\n";

/// Points the daemon at the broker and listens for records.
pub(crate) fn listen(host: &Host) -> Subscriber {
    point_at_broker(host, "");
    host.subscribe("Crash/Recoveries")
}

/// From now on the broker keeps what comes, over a reboot too, until [`listen_again`].
pub(crate) fn listen_over_a_reboot(host: &Host) {
    point_at_broker(host, "");
    drop(listen_again(host));
}

pub(crate) fn listen_again(host: &Host) -> Subscriber {
    host.subscribe_durably("witness", &["Crash/Recoveries"])
}

fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970");
    since.as_millis().try_into().expect("milliseconds fit")
}

fn last_start(host: &Host) -> u64 {
    let starts = host.read("/var/log/starts");
    starts
        .lines()
        .last()
        .and_then(|line| line.parse().ok())
        .expect("it has started")
}

/// The record that comes as number `count`; its form is checked.
pub(crate) fn record(records: &Subscriber, count: usize) -> Value {
    records.wait_for_count(count);
    let message = &records.received()[count - 1];
    let payload = message.payload();
    // Keys inside of steps come after those of the record that stand before them.
    let mut whole = keys(payload);
    whole.sort_by_key(|key| KEYS.iter().position(|known| known == key));
    assert_eq!(whole, KEYS, "{payload}");
    let place = |key: &str| payload.find(&format!("\"{key}\":")).expect("a key");
    assert!(
        KEYS.is_sorted_by_key(|key| place(key)),
        "the keys stand in their order: {payload}"
    );
    assert!(message.user_property("report-id").is_some());
    let record = message.json();
    assert_eq!(record["nodeId"], "ABCDEF1234");
    record
}

/// A record's steps without their times.
pub(crate) fn steps(record: &Value) -> Value {
    let steps = record["steps"].as_array().expect("steps");
    let short = |step: &Value| {
        assert!(step["ms"].is_u64(), "{step}");
        json!([
            step["condition"],
            step["step"],
            step["argument"],
            step["result"]
        ])
    };
    steps.iter().map(short).collect()
}

fn is_near(told: &Value, measured: u64) {
    let told = told.as_u64().unwrap_or_else(|| panic!("{told} is no time"));
    assert!(
        told.abs_diff(measured) <= NEAR,
        "{told} ms, and {measured} ms were measured"
    );
}

on_both! {
    fn a_step_that_has_no_turn_after_the_next_death_is_not_told_as_done(host: Host) {
        let steps = "[OnDeath]\nRestart=%n\nExecute=/bin/sh -c 'until [ -e /run/go ]; do sleep 0.02; done'\n\
            Execute=/bin/false\nElseExecute=/bin/true\nExecute=/bin/true\n[OnRestart]\nExecute=/bin/true\n";
        guard(&host, "web", "web", &format!("[Service]\nExecStart=sleep infinity\n[Recovery]\nMaxDelaySec=0\n{steps}"));
        let (_, first) = kill(&host, "web");
        let second = host.wait_for("the step", || {
            let [state, run] = host.systemctl_shows("web", ["SubState", "InvocationID"]);
            (state == "start-post" && run != first).then_some(run)
        });
        kill(&host, "web");
        host.wait_for_property("web", "MainPID", "0");
        host.write("/run/go", "");
        wait_for_restart(&host, "web", &second);
        let record: Value = serde_json::from_str(&host.read(&format!("/run/unitward/wards/web/runs/{second}.json")))
            .expect("a record");
        let told = record["results"].as_array().expect("an array");
        let told: Vec<_> = told.iter().map(|step| format!("{} {} {}", step["condition"], step["step"], step["status"])).collect();
        assert_eq!(told, [r#""OnDeath" "2" 0"#], "{record}");
    }

    fn a_compound_recovery_makes_one_record_with_its_steps_and_times(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", &format!("{NOTES}[OnDeath]\nExecute=-/bin/false\nWaitFor=400ms\nRestart=%n\nWaitFor=600ms\nExecute=/bin/true\n"));
        let before = now();
        let (_, run) = kill(&host, "web");
        let after = now();
        wait_for_restart(&host, "web", &run);
        let record = record(&records, 1);
        let died = record["timestamp"].as_u64().unwrap();
        assert!((before..=after + NEAR).contains(&died), "{before} {died} {after}");
        assert_eq!((&record["ward"], &record["invocation"], &record["reason"]), (&"web".into(), &run.into(), &"SIG 9 (Killed)".into()));
        assert_eq!(steps(&record), json!([
            ["OnDeath", "Execute", "/bin/false", "ok"], ["OnDeath", "WaitFor", "400ms", "ok"],
            ["OnDeath", "WaitFor", "600ms", "ok"], ["OnDeath", "Execute", "/bin/true", "ok"],
        ]), "what a - excuses is no failure");
        assert!((400..400 + NEAR).contains(&record["steps"][1]["ms"].as_u64().unwrap()), "{record}");
        assert_eq!((&record["outcome"], &record["restarts"]), (&"recovered".into(), &1.into()));
        is_near(&record["downtimeMs"], last_start(&host) - died);
        let at = |property: &str| host.systemctl_show("web", property).parse::<u64>().unwrap() / 1000;
        let steps = at("ActiveEnterTimestampMonotonic") - at("ExecMainStartTimestampMonotonic");
        is_near(&record["recoveryMs"], record["downtimeMs"].as_u64().unwrap() + steps);
        records.assert_no_more_within(QUIET);
    }

    fn a_failed_step_makes_the_outcome(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n[OnDeath]\nExecute=/bin/false\nElseExecute=/bin/true\nRestart=%n\nWaitFor=path:/nowhere 300ms\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        let record = record(&records, 1);
        assert_eq!(record["outcome"], "step-failed");
        assert_eq!(steps(&record), json!([
            ["OnDeath", "Execute", "/bin/false", "failed"], ["OnDeath", "ElseExecute", "/bin/true", "ok"], ["OnDeath", "WaitFor", "path:/nowhere 300ms", "failed"],
        ]));
    }

    fn a_ward_that_is_given_up_is_excluded(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\nOnLimit=reboot\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        assert_eq!(record(&records, 1)["outcome"], "recovered");
        let (_, run) = kill(&host, "web");
        host.wait_for_property("web", "ActiveState", "failed");
        let record = record(&records, 2);
        // A reboot so soon after boot was refused.
        assert_eq!((&record["outcome"], &record["invocation"], &record["restarts"]), (&"excluded".into(), &run.into(), &0.into()));
        assert_eq!((&record["downtimeMs"], &record["recoveryMs"]), (&Value::Null, &Value::Null));
        records.assert_no_more_within(QUIET);
    }

    fn restarts_that_fail_belong_to_one_recovery(host: Host) {
        let records = listen(&host);
        host.script("/usr/sbin/third-time", "#!/bin/sh\n[ -e /run/armed ] || exit 0\necho >>/run/tries\n[ $(wc -l </run/tries) -ge 3 ]\n");
        guard(&host, "web", "web", &NOTES.replace("[Service]\n", "[Service]\nExecStartPre=/usr/sbin/third-time\n").replace("infinity'\n", "infinity'\n[Recovery]\nMaxDelaySec=0\n"));
        host.sh("touch /run/armed");
        let before = now();
        let (_, run) = kill(&host, "web");
        host.wait_for("the third restart", || (host.systemctl_show("web", "ActiveState") == "active" && host.systemctl_show("web", "NRestarts") == "3").then_some(()));
        let record = record(&records, 1);
        assert_eq!((&record["invocation"], &record["restarts"], &record["outcome"]), (&run.into(), &3.into(), &"recovered".into()), "{record}");
        let died = record["timestamp"].as_u64().unwrap();
        assert!(died >= before, "{before} {record}");
        is_near(&record["downtimeMs"], last_start(&host) - died);
        records.assert_no_more_within(QUIET);
    }

    fn a_recovery_that_nobody_listened_to_is_told_afterwards_and_once(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", &format!("{NOTES}[OnDeath]\nRestart=%n\nExecute=/bin/true\n"));
        host.run(&["systemctl", "stop", "unitwardd"]);
        let before = now();
        let (_, run) = kill(&host, "web");
        let after = now();
        wait_for_restart(&host, "web", &run);
        host.run(&["systemctl", "start", "unitwardd"]);
        let record = record(&records, 1);
        assert_eq!((&record["invocation"], &record["outcome"]), (&run.into(), &"recovered".into()));
        let died = record["timestamp"].as_u64().unwrap();
        assert!((before..=after + NEAR).contains(&died), "{before} {died} {after}");
        is_near(&record["downtimeMs"], last_start(&host) - died);
        host.run(&["systemctl", "restart", "unitwardd"]);
        records.assert_no_more_within(QUIET);
        // The end of the run that was up then is seen by a daemon that has not seen its beginning.
        host.run(&["systemctl", "restart", "web"]);
        records.assert_no_more_within(QUIET);
    }

    fn what_somebody_asked_for_is_no_recovery(host: Host) {
        let records = listen(&host);
        guard(&host, "web", "web", &format!("{NOTES}[OnDeath]\nDoNow=yes\nExecute=/bin/true\n"));
        host.sh("systemctl restart web; systemctl stop web; systemctl start web");
        records.assert_no_more_within(QUIET);
    }

    fn the_record_of_a_ward_that_reboots_the_host_is_not_lost(mut host: Host) {
        listen_over_a_reboot(&host);
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n[OnLimit]\nReboot=force\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        let (_, run) = kill(&host, "web");
        host.comes_back();
        let records = listen_again(&host);
        host.wait_for("the record from before the reboot", || {
            let told = records.messages();
            let last = told.iter().find(|record| record["invocation"] == run.as_str())?;
            assert_eq!(last["outcome"], "excluded", "it was left down, and its steps rebooted the host");
            Some(())
        });
    }
}

/// Ten minutes must have passed since the boot.
fn a_limit_that_reboots_says_so(debian: Debian) {
    let mut host = Host::boot(debian);
    listen_over_a_reboot(&host);
    let ward = "[Service]\nExecStart=sleep infinity\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\nOnLimit=reboot\n";
    guard(&host, "web", "web", ward);
    let (_, run) = kill(&host, "web");
    wait_for_restart(&host, "web", &run);
    std::thread::sleep(Duration::from_secs(605));
    // It has been so long that the first death is forgotten.
    let (_, run) = kill(&host, "web");
    wait_for_restart(&host, "web", &run);
    let (_, run) = kill(&host, "web");
    host.comes_back();
    let records = listen_again(&host);
    let told = host.wait_for("the record from before the reboot", || {
        records
            .messages()
            .into_iter()
            .find(|record| record["invocation"] == run.as_str())
    });
    assert_eq!(told["outcome"], "rebooting");
}

#[test]
#[ignore = "takes ten minutes"]
fn a_limit_that_reboots_says_so_on_bookworm() {
    a_limit_that_reboots_says_so(Debian::Bookworm);
}

#[test]
#[ignore = "takes ten minutes"]
fn a_limit_that_reboots_says_so_on_trixie() {
    a_limit_that_reboots_says_so(Debian::Trixie);
}
