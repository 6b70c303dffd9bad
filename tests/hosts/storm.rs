//! Two hundred wards die at the same moment, five times: every death is told, none twice.

use crate::host::{Host, Subscriber};
use crate::on_both;
use crate::report::cloud;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

const WARDS: usize = 200;
const ROUNDS: usize = 5;
const ENOUGH: Duration = Duration::from_secs(60);

/// The main processes of the wards that are up.
fn pids(host: &Host) -> BTreeSet<String> {
    let shown = host.sh("systemctl show --property=MainPID --value 'storm-*.service'");
    shown
        .lines()
        .filter(|line| !line.is_empty() && *line != "0")
        .map(str::to_owned)
        .collect()
}

fn wait_until_all_are_up(host: &Host) -> BTreeSet<String> {
    host.wait_for_within(ENOUGH, "all wards", || {
        let running =
            host.sh("systemctl list-units --state=running --plain --no-legend 'storm-*' | wc -l");
        (running == WARDS.to_string())
            .then(|| pids(host))
            .filter(|pids| pids.len() == WARDS)
    })
}

/// The pids in the reports from here to there.
fn told(reports: &Subscriber, range: std::ops::Range<usize>) -> BTreeSet<String> {
    let messages = &reports.messages()[range];
    messages
        .iter()
        .map(|report| report["pid"].as_str().expect("a string").to_owned())
        .collect()
}

on_both! {
    fn a_thousand_deaths_in_five_strokes_make_a_thousand_reports(host: Host) {
        let reports = cloud(&host, "[Reports]\nBurst=1000\n");
        let ward = "[Service]\\nExecStart=sleep infinity\\n[Recovery]\\nDeathLimit=0\\nMaxDelaySec=0\\n";
        host.sh(&format!("for n in $(seq {WARDS}); do printf '{ward}' >/etc/unitward/storm-$n.ward; done; systemctl daemon-reload; systemctl start storm-{{1..{WARDS}}}"));
        let mut up = wait_until_all_are_up(&host);
        for round in 1..=ROUNDS {
            let struck = SystemTime::now();
            host.sh(&format!("kill -KILL {}", Vec::from_iter(up.iter().cloned()).join(" ")));
            host.wait_for_within(ENOUGH, &format!("the reports of stroke {round}"), || (reports.count() >= round * WARDS).then_some(()));
            let last = reports.received()[round * WARDS - 1].heard();
            let took = last.duration_since(struck).unwrap_or_default();
            println!("stroke {round}: {WARDS} reports within {:.2} s", took.as_secs_f64());
            assert_eq!(told(&reports, (round - 1) * WARDS..round * WARDS), up, "stroke {round}");
            up = wait_until_all_are_up(&host);
        }
        reports.assert_no_more_within(Duration::from_secs(2));
        let received = reports.received();
        let ids: BTreeSet<_> = received.iter().map(|message| message.user_property("report-id").expect("an id")).collect();
        assert_eq!(ids.len(), ROUNDS * WARDS);
        assert!(reports.messages().iter().all(|report| report["reason"] == "SIG 9 (Killed)"));
    }
}
