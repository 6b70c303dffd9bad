//! A full disk and a damaged history: reporting goes on, and what can be kept is kept.

use crate::host::{Host, Subscriber};
use crate::on_both;
use crate::report::{cloud, guard, ids, kill, told, wait_for_restart};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const TOUGH: &str =
    "[Service]\nExecStart=sleep infinity\n[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n";
const HISTORY: &str = "/var/lib/unitward/reports.db";
/// Enough for the daemon to come back to the broker.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets `web` die so often, and gives the runs that ended.
fn die(host: &Host, times: usize) -> Vec<String> {
    let deaths = (0..times).map(|_| {
        let (_, run) = kill(host, "web");
        wait_for_restart(host, "web", &run);
        run
    });
    deaths.collect()
}

/// The daemon's whole state on a disk of 1 MB.
fn on_a_small_disk(host: &Host) {
    host.sh("systemctl stop unitwardd; mount -t tmpfs -o size=1M,mode=0755 small /var/lib/unitward; systemctl start unitwardd");
}

fn fill(host: &Host) {
    host.sh("dd if=/dev/zero of=/var/lib/unitward/ballast bs=4k 2>/dev/null || true");
    assert!(
        host.sh("df --output=avail /var/lib/unitward | tail -1")
            .trim()
            == "0",
        "the disk is full"
    );
}

fn make_room(host: &Host) {
    host.sh("rm /var/lib/unitward/ballast");
}

/// What the daemon said of a full disk.
fn complaints(host: &Host) -> Vec<String> {
    let entries = host.journal_json(&["-u", "unitwardd", "_COMM=unitwardd"]);
    let said = entries
        .iter()
        .filter_map(|entry| entry["MESSAGE"].as_str().map(str::to_owned));
    said.filter(|message| message.contains("kept in memory until they can be stored"))
        .collect()
}

/// The runs of which the history knows.
fn remembered(host: &Host) -> BTreeSet<String> {
    let entries = told(host).unwrap_or_else(|why| panic!("unitward reports --json: {why}"));
    entries
        .iter()
        .filter_map(|entry| entry["invocation"].as_str().map(str::to_owned))
        .collect()
}

fn wait_until_remembered(host: &Host, runs: &[String]) {
    host.wait_for("the history to know them", || {
        let known = told(host).ok()?;
        let knows = |run: &String| {
            known
                .iter()
                .any(|entry| entry["invocation"] == run.as_str())
        };
        runs.iter().all(knows).then_some(())
    });
}

fn wait_until_told(host: &Host, reports: &Subscriber, runs: &[String]) {
    host.wait_for_within(PATIENCE, "all reports", || {
        let told = ids(reports);
        runs.iter().all(|run| told.contains(run)).then_some(())
    });
}

/// Whether a damage can be told from a history that has only begun.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Noticed {
    Yes,
    No,
}

/// One copy of the damaged file is kept, and the journal says where.
fn must_be_set_aside(host: &Host, way: &str) {
    let what = format!("the file that was {way} to be set aside");
    let aside = host.wait_for(&what, || set_aside(host).pop());
    let run = format!(
        "_SYSTEMD_INVOCATION_ID={}",
        host.systemctl_show("unitwardd", "InvocationID")
    );
    host.wait_for("a word about it", || {
        host.journal(&["-o", "cat", &run])
            .contains(&aside)
            .then_some(())
    });
    assert_eq!(set_aside(host).len(), 1, "{way}: one copy is kept");
}

/// Files that were set aside.
fn set_aside(host: &Host) -> Vec<String> {
    let listed = host.sh(&format!("ls {HISTORY}.damaged-* 2>/dev/null || true"));
    let whole = listed
        .lines()
        .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
    whole.map(str::to_owned).collect()
}

on_both! {
    fn a_full_disk_keeps_no_report_from_leaving(host: Host) {
        let reports = cloud(&host, "");
        on_a_small_disk(&host);
        guard(&host, "web", "web", TOUGH);
        let before = die(&host, 2);
        wait_until_remembered(&host, &before);
        fill(&host);
        let during = die(&host, 5);
        reports.wait_for_count(7);
        assert_eq!(ids(&reports), [before.clone(), during.clone()].concat());
        let crashes = host.journal_json(&["MESSAGE_ID=8d2b6f0a5c7e4f3f9a1d64e0b7c35281"]);
        assert_eq!(crashes.len(), 7, "the journal has them, too");
        host.wait_for("a word about the disk", || (!complaints(&host).is_empty()).then_some(()));
        make_room(&host);
        let after = die(&host, 2);
        wait_until_remembered(&host, &[before, after].concat());
        reports.wait_for_count(9);
        reports.assert_no_more_within(Duration::from_secs(1));
        let said = complaints(&host);
        assert!(said.len() == 1 && said[0].starts_with("The disk is full; "), "it is said once: {said:?}");
        assert_eq!(host.systemctl_show("unitwardd", "NRestarts"), "0");
    }

    fn reports_that_wait_are_stored_as_soon_as_there_is_room(host: Host) {
        drop(cloud(&host, ""));
        let reports = host.subscribe_durably("witness", &["Crash/Reports"]);
        on_a_small_disk(&host);
        guard(&host, "web", "web", TOUGH);
        fill(&host);
        host.run(&["systemctl", "stop", "mosquitto"]);
        let waiting = die(&host, 4);
        make_room(&host);
        wait_until_remembered(&host, &waiting);
        // From here on the disk alone knows of them.
        host.sh("systemctl kill --kill-whom=main --signal=KILL unitwardd; systemctl start mosquitto");
        wait_until_told(&host, &reports, &waiting);
        assert_eq!(ids(&reports), waiting, "in their order, none twice");
        reports.assert_no_more_within(Duration::from_secs(2));
    }

    fn a_damaged_history_is_set_aside_and_nothing_that_waits_is_lost(host: Host) {
        guard(&host, "web", "web", TOUGH);
        for (way, noticed, damage) in [
            ("overwritten in the middle", Noticed::Yes, "size=$(stat -c %s $db); dd if=/dev/urandom of=$db bs=1 seek=$((size / 2)) count=6000 conv=notrunc 2>/dev/null"),
            ("cut short", Noticed::Yes, "truncate --size=$(($(stat -c %s $db) * 2 / 3)) $db"),
            ("garbage", Noticed::Yes, "head -c 40000 /dev/urandom >$db"),
            ("empty but for its log", Noticed::No, ": >$db; head -c 9000 /dev/urandom >$db-wal"),
        ] {
            host.sh("systemctl start mosquitto; rm -f /var/lib/unitward/reports.db.damaged-*");
            let seen = cloud(&host, "[Reports]\nBurst=1000\n");
            // Enough for a file of several pages.
            let sent = die(&host, 20);
            wait_until_told(&host, &seen, &sent);
            drop(seen);
            // The broker knows of it when it is back, however quickly the daemon finds it.
            let reports = host.subscribe_durably(way, &["Crash/Reports"]);
            host.run(&["systemctl", "stop", "mosquitto"]);
            let waiting = die(&host, 5);
            wait_until_remembered(&host, &waiting);
            host.sh("systemctl stop unitwardd");
            host.sh(&format!("db={HISTORY}; {damage}; chmod 600 $db*"));
            host.sh("systemctl start unitwardd");
            if noticed == Noticed::Yes { must_be_set_aside(&host, way); }
            let fresh = die(&host, 1);
            host.run(&["systemctl", "start", "mosquitto"]);
            // What no page tells any more, the run records and the journal do.
            wait_until_told(&host, &reports, &[waiting.clone(), fresh.clone()].concat());
            wait_until_remembered(&host, &[waiting, fresh].concat());
            let bodies: Vec<Value> = reports.messages();
            assert!(bodies.iter().all(|report| report["reason"] == "SIG 9 (Killed)"), "{way}: {bodies:?}");
            let among = |runs: Vec<String>| runs.iter().filter(|run| sent.contains(run)).count();
            let (known, again) = (among(remembered(&host).into_iter().collect()), among(ids(&reports)));
            println!("{way}: of 20 that had been sent {known} are remembered, {again} were sent again");
        }
    }
}
