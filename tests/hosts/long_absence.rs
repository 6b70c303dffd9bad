//! A day without a broker: thousands of crashes wait on the disk, within its bound and without growing in memory; then all are
//! delivered in order, and a fresh crash does not stand in line behind them.
//!
//! `UNITWARD_ABSENCE_CRASHES` says how many; 10000 is the full size, the default is what every run can bear.

use crate::host::{Host, Subscriber};
use crate::on_both;
use crate::report::{anonymous, guard, kill, pss, told};
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

/// Services that flap: wards up to [`WARDS`], the others watched units without one. PID 1 restarts these several times as
/// fast, for nothing notes how they ended: so that the number is reached in a time that one can bear.
const FLAPPING: usize = 20;
const WARDS: usize = 4;
/// `HistoryMaxUse=` of the test, in bytes: the default.
const MAX_USE: u64 = 16 << 20;
/// What the daemon may grow by, in KiB: room for the window of reports in memory and for the allocator's slack, and a
/// small part of what ten thousand reports in memory would take.
const MAY_GROW: u64 = 4096;
const ENOUGH: Duration = Duration::from_secs(300);
/// Reports that may stand before a fresh one: what the daemon holds in memory when it comes, and a turn of every lane.
const WINDOW: usize = 512 + FLAPPING * 16;
/// How long the daemon may take to write down what it has seen.
const PATIENCE: Duration = Duration::from_secs(60);

/// `flap NAME`: says which run it is and dies, until it is enough.
const FLAP: &str = "#!/bin/sh\n[ -e /run/enough ] && exec sleep infinity\necho \"$INVOCATION_ID\" >>\"/var/log/flaps/$1\"\nexit 3\n";

fn wanted() -> usize {
    let text = std::env::var("UNITWARD_ABSENCE_CRASHES").unwrap_or_else(|_| "3000".into());
    text.parse().expect("UNITWARD_ABSENCE_CRASHES is a number")
}

/// The runs that died, by ward, in their order.
fn died(host: &Host) -> BTreeMap<String, Vec<String>> {
    let logs = fs::read_dir(host.path("/var/log/flaps"))
        .expect("the host is up")
        .flatten();
    let log = |path: std::path::PathBuf| {
        let lines = fs::read_to_string(&path)
            .expect("the host is up")
            .lines()
            .map(str::to_owned)
            .collect();
        (
            path.file_name()
                .expect("a file")
                .to_string_lossy()
                .into_owned(),
            lines,
        )
    };
    logs.map(|entry| log(entry.path())).collect()
}

fn count(died: &BTreeMap<String, Vec<String>>) -> usize {
    died.values().map(Vec::len).sum()
}

/// A broker that keeps all it is given for the subscriber, and the daemon pointed at it.
fn far_cloud(host: &Host) -> Subscriber {
    host.write(
        "/etc/mosquitto/conf.d/all.conf",
        "max_queued_messages 0\nmax_inflight_messages 1000\n",
    );
    host.sh("systemctl restart mosquitto");
    let reports = host.subscribe_durably("witness", &["Crash/Reports"]);
    host.write(
        "/etc/unitward/unitward.conf",
        "[MQTT]\nBroker=mqtt://127.0.0.1:1883\n[Reports]\nBurst=100000\nHistoryMaxUse=16M\n[Watch]\nUnits=flap-*.service\n",
    );
    host.sh("systemctl daemon-reload; systemctl restart unitwardd");
    reports
}

fn settle(host: &Host) {
    host.script("/usr/sbin/flap", FLAP);
    host.sh("mkdir /var/log/flaps");
    let service = "[Service]\nExecStart=/usr/sbin/flap %p\nRestart=on-failure\nRestartSec=0\n";
    for number in 1..=WARDS {
        let ward = format!("{service}[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n");
        host.write(&format!("/etc/unitward/flap-{number}.ward"), &ward);
    }
    for number in WARDS + 1..=FLAPPING {
        let unit = format!("[Unit]\nStartLimitIntervalSec=0\n{service}");
        host.write(&format!("/etc/systemd/system/flap-{number}.service"), &unit);
    }
}

/// Bytes that the history takes on the disk.
fn use_of_disk(host: &Host) -> u64 {
    let sizes = host.sh("stat --format=%s /var/lib/unitward/reports.db*");
    sizes
        .lines()
        .map(|line| line.parse::<u64>().expect("a size"))
        .sum()
}

/// Each of these runs is in the history, and none twice.
fn must_be_remembered(host: &Host, died: &BTreeMap<String, Vec<String>>) {
    let mut known = BTreeSet::new();
    let mut entries = 0;
    let all: BTreeSet<_> = died.values().flatten().cloned().collect();
    let complete = || {
        let told = told(host).unwrap_or_default();
        entries = told.len();
        known = told
            .iter()
            .filter_map(|entry| entry["invocation"].as_str().map(str::to_owned))
            .collect();
        all.is_subset(&known).then_some(())
    };
    let begun = Instant::now();
    if host.comes_true_within(PATIENCE, complete) {
        println!(
            "all of them in the history after {:.1} s more",
            begun.elapsed().as_secs_f64()
        );
        assert_eq!(
            (entries, known.len()),
            (all.len(), all.len()),
            "none is in the history twice, and no other"
        );
        return;
    }
    let missing = |runs: &Vec<String>| runs.iter().filter(|run| !known.contains(*run)).count();
    let by_ward: Vec<_> = died
        .iter()
        .map(|(ward, runs)| format!("{ward}: {} of {}", missing(runs), runs.len()))
        .collect();
    let said = host.sh("journalctl -q -u unitwardd -o short-monotonic | grep -Ev 'crashed|recovery from' | tail -30");
    panic!(
        "{} of {} are not in the history, by ward {by_ward:?}\n{said}",
        all.difference(&known).count(),
        all.len()
    );
}

/// Lets the wards flap until there were enough crashes, and gives the most memory that the daemon had meanwhile.
fn flap(host: &Host) -> u64 {
    let begun = Instant::now();
    host.sh(&format!(
        "systemctl start --no-block flap-{{1..{FLAPPING}}}"
    ));
    let (mut most, wanted) = (0, wanted());
    host.wait_for_within(ENOUGH, &format!("{wanted} crashes"), || {
        most = most.max(anonymous(host));
        std::thread::sleep(Duration::from_millis(200));
        (count(&died(host)) >= wanted).then_some(())
    });
    host.sh("touch /run/enough");
    host.wait_for("the end of the flapping", || {
        let running =
            host.sh("systemctl list-units --state=running --plain --no-legend 'flap-*' | wc -l");
        (running == FLAPPING.to_string()).then_some(())
    });
    println!(
        "{} crashes in {:.1} s",
        count(&died(host)),
        begun.elapsed().as_secs_f64()
    );
    most.max(anonymous(host))
}

/// Starts the broker, lets `fresh` die when the first of the backlog have come, and gives its pid and how many had. The broker
/// is frozen meanwhile, for it takes thousands within a second; and the daemon until the subscriber is there, for the same reason.
fn die_amid_the_backlog(host: &Host, reports: &Subscriber) -> (String, usize) {
    let daemon = host.outer_pid(&host.systemctl_show("unitwardd", "MainPID"));
    host.signal(daemon, Signal::STOP);
    let before = reports.subscriptions();
    host.sh("systemctl start mosquitto");
    host.wait_for("the subscriber's return", || {
        (reports.subscriptions() > before).then_some(())
    });
    host.signal(daemon, Signal::CONT);
    let broker = host.outer_pid(&host.systemctl_show("mosquitto", "MainPID"));
    let begun = Instant::now();
    while reports.count() == 0 {
        assert!(
            begun.elapsed() < ENOUGH,
            "nothing of the backlog came within {ENOUGH:?}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    host.signal(broker, Signal::STOP);
    let (pid, run) = kill(host, "fresh");
    host.wait_for("the fresh crash in the history", || {
        told(host)
            .ok()?
            .iter()
            .any(|entry| entry["invocation"] == run.as_str())
            .then_some(())
    });
    reports.wait_for_silence(Duration::from_millis(200));
    let done = reports.count();
    host.signal(broker, Signal::CONT);
    (pid, done)
}

/// Each ward's reports, as they came.
fn told_by_ward(reports: &Subscriber) -> BTreeMap<String, Vec<String>> {
    let mut by_ward: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for message in reports.received() {
        let name = message.json()["name"]
            .as_str()
            .expect("a string")
            .to_owned();
        let id = message
            .user_property("report-id")
            .expect("an id")
            .to_owned();
        by_ward.entry(name).or_default().push(id);
    }
    by_ward
}

on_both! {
    fn thousands_of_crashes_wait_on_the_disk_and_are_delivered_in_order(host: Host) {
        let reports = far_cloud(&host);
        settle(&host);
        guard(&host, "fresh", "fresh", "[Service]\nExecStart=sleep infinity\n");
        host.sh("systemctl stop mosquitto");
        let (before, whole) = (anonymous(&host), pss(&host));

        let most = flap(&host);
        let died = died(&host);
        let backlog = count(&died);
        must_be_remembered(&host, &died);
        let waiting = anonymous(&host);
        println!("{backlog} crashes wait in {} KiB on the disk", use_of_disk(&host) / 1024);
        assert!(use_of_disk(&host) <= MAX_USE, "{} bytes", use_of_disk(&host));

        let (pid, done) = die_amid_the_backlog(&host, &reports);
        host.wait_for_within(ENOUGH, "the whole backlog", || (reports.count() > backlog).then_some(()));
        reports.assert_no_more_within(Duration::from_secs(2));
        let place = reports.messages().iter().position(|report| report["pid"] == pid.as_str() && report["name"] == "fresh");
        let place = place.expect("the fresh crash is told");
        println!("the fresh crash came as number {place} of {backlog}, when {done} were through");
        assert!(done + WINDOW < backlog, "too much had been through for this to say anything");
        assert!(place < done + WINDOW, "it waited for the backlog: {place}, when {done} of {backlog} were through");

        let mut by_ward = told_by_ward(&reports);
        assert_eq!(by_ward.remove("fresh").map(|ids| ids.len()), Some(1));
        assert_eq!(by_ward, died, "all of them, each once, in order");
        let after = anonymous(&host);
        println!("PSS {whole} KiB before, {} afterwards; of no file {before} before, at most {most} while they died, {waiting} while they waited, {after} afterwards", pss(&host));
        assert!(most.max(waiting).max(after) <= before + MAY_GROW, "{before} KiB grew to {most}, {waiting}, {after} KiB");
        let unsent: BTreeSet<_> = told(&host).expect("there is a history").iter().map(|entry| entry["report"].to_string()).collect();
        assert_eq!(unsent, BTreeSet::from(["\"sent\"".to_owned()]), "and the history says so");
    }
}
