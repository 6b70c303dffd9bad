//! Many quick deaths make few reports, and yet each is known: the ones beyond the burst are counted in one that sums up, and the
//! history lists them all.

use crate::host::{Host, Subscriber};
use crate::on_both;
use crate::report::{cloud, guard, told};
use std::collections::BTreeSet;
use std::time::Duration;

const DEATHS: usize = 12;
const FULL: &str = "SIG 9 (Killed)";

/// A ward `web` that dies twelve times, each run `life` seconds old, and notes which runs these were.
fn doomed(host: &Host, life: &str) -> Subscriber {
    let reports = cloud(host, "[Reports]\nBurst=3\nBurstIntervalSec=15s\n");
    let script = format!(
        "#!/bin/sh\nn=$(wc -l </var/log/runs)\n[ \"$n\" -ge {DEATHS} ] && exec sleep infinity\nsleep {life}\n\
         echo $INVOCATION_ID >>/var/log/runs\nkill -KILL $$\n"
    );
    host.script("/usr/sbin/doomed", &script);
    host.write("/var/log/runs", "");
    let ward = "[Service]\nExecStart=/usr/sbin/doomed\n[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n";
    guard(host, "web", "--no-block web", ward);
    reports
}

fn runs(host: &Host) -> Vec<String> {
    host.read("/var/log/runs")
        .lines()
        .map(str::to_owned)
        .collect()
}

fn wait_for_the_last(host: &Host) -> Vec<String> {
    host.wait_for("all deaths", || (runs(host).len() == DEATHS).then_some(()));
    host.wait_for_property("web", "ActiveState", "active");
    runs(host)
}

/// How many deaths a report tells of: itself, or those that it sums up.
fn weight(reason: &str) -> usize {
    let Some(rest) = reason.strip_prefix(FULL) else {
        panic!("{reason}")
    };
    let more = rest
        .strip_prefix(", ")
        .and_then(|rest| rest.split_once(" more in "));
    more.map_or(1, |(number, _)| {
        number.parse().unwrap_or_else(|_| panic!("{reason}"))
    })
}

fn reasons(reports: &Subscriber) -> Vec<String> {
    reports
        .messages()
        .iter()
        .map(|report| report["reason"].as_str().expect("a string").to_owned())
        .collect()
}

/// The runs in the history, each of which must be there once.
fn remembered(host: &Host) -> BTreeSet<String> {
    let entries = told(host).unwrap_or_else(|why| panic!("unitward reports --json: {why}"));
    let runs: Vec<_> = entries
        .iter()
        .map(|entry| entry["invocation"].as_str().expect("a run").to_owned())
        .collect();
    let each: BTreeSet<_> = runs.iter().cloned().collect();
    assert_eq!(each.len(), runs.len(), "none is listed twice: {runs:?}");
    each
}

on_both! {
    fn twelve_quick_deaths_make_three_reports_and_a_sum_and_the_history_lists_them_all(host: Host) {
        let reports = doomed(&host, "0.02");
        let died = wait_for_the_last(&host);
        reports.wait_for_count(4);
        assert_eq!(reasons(&reports), [FULL, FULL, FULL, "SIG 9 (Killed), 9 more in 15 s"]);
        reports.assert_no_more_within(Duration::from_secs(2));
        assert_eq!(remembered(&host), BTreeSet::from_iter(died));
        let states: Vec<_> = told(&host).expect("a history").iter().map(|entry| entry["report"].to_string()).collect();
        assert_eq!(states.iter().filter(|state| *state == "\"sent\"").count(), 3, "{states:?}");
    }

    fn a_kill_in_the_middle_of_the_interval_loses_none_of_them(host: Host) {
        let reports = doomed(&host, "0.02");
        let died = wait_for_the_last(&host);
        reports.wait_for_count(3);
        host.wait_for("the history to know them", || (told(&host).ok()?.len() == DEATHS).then_some(()));
        host.sh("systemctl kill --kill-whom=main --signal=KILL unitwardd");
        reports.wait_for_count(4);
        reports.assert_no_more_within(Duration::from_secs(8));
        assert_eq!(reasons(&reports)[..3], [FULL, FULL, FULL]);
        assert_eq!(reasons(&reports).iter().map(|reason| weight(reason)).sum::<usize>(), DEATHS, "{:?}", reasons(&reports));
        assert_eq!(remembered(&host), BTreeSet::from_iter(died));
    }

    fn a_kill_between_the_deaths_loses_none_of_them(host: Host) {
        let reports = doomed(&host, "0.2");
        host.wait_for("the first deaths", || (runs(&host).len() >= 5).then_some(()));
        host.sh("systemctl kill --kill-whom=main --signal=KILL unitwardd");
        let died = wait_for_the_last(&host);
        host.wait_for("every death in a report", || {
            (reasons(&reports).iter().map(|reason| weight(reason)).sum::<usize>() >= DEATHS).then_some(())
        });
        reports.assert_no_more_within(Duration::from_secs(8));
        // Which of them are told in full depends on when it came back; but each counts once.
        assert_eq!(reasons(&reports).iter().map(|reason| weight(reason)).sum::<usize>(), DEATHS, "{:?}", reasons(&reports));
        assert_eq!(remembered(&host), BTreeSet::from_iter(died));
    }
}
