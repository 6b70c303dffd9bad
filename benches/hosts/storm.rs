//! 200 services are killed at once: when is the last report in the subscriber's hand, and is any lost?

use super::Bench;
use super::recipes;
use super::results::{Figures, Peer, Row};
use super::subject::{Recipe, Subject};
use crate::host::Debian;
use std::thread;
use std::time::Duration;

const SERVICES: usize = 200;
/// What a storm leaves to do is over by then.
const REST: Duration = Duration::from_secs(2);

/// Copies of the one ward or service, up before anything is killed.
const WARDS: &str = "cd /etc/unitward; for i in {1..200}; do cp web.ward web$i.ward; done; rm web.ward
    systemctl daemon-reload; systemctl restart unitwardd; systemctl start web{1..200}; sleep 2";
const SERVICE_UNITS: &str =
    "cd /etc/systemd/system; for i in {1..200}; do cp web.service web$i.service; done; rm web.service
    systemctl daemon-reload; systemctl start floor; sleep 0.5; systemctl start web{1..200}; sleep 2";

/// Measures on hosts of this version.
pub(crate) fn measure(bench: &mut Bench, debian: Debian) {
    let ours = Recipe { start: WARDS, workers: SERVICES, ..recipes::ours("unitward", 0) };
    let floor = Recipe { start: SERVICE_UNITS, workers: SERVICES, ..recipes::floor() };
    let (mut our_subject, mut floor_subject) = (Subject::new(debian, &ours), Subject::new(debian, &floor));
    let (mut our_millis, mut floor_millis) = (Vec::new(), Vec::new());
    for _ in 0..bench.rounds(10).max(3) {
        let stroke = our_subject.strike(SERVICES);
        assert_eq!(stroke.reports, SERVICES, "none of ours is lost: {stroke:?}");
        our_millis.extend(stroke.report.map(|micros| micros / 1e3));
        thread::sleep(REST);
        let stroke = floor_subject.strike(SERVICES);
        if stroke.reports < SERVICES {
            eprintln!("{}: {} lost", floor.name, SERVICES - stroke.reports);
        }
        floor_millis.extend(stroke.report.map(|micros| micros / 1e3));
        thread::sleep(REST);
    }
    let peer = Peer {
        name: floor.name.to_owned(),
        version: floor_subject.version.clone(),
        figures: Figures::of(floor_millis),
    };
    let ours = Figures::of(our_millis).expect("each stroke ended");
    bench.results.put(Row::new("storm", (bench.host(debian), "ms"), ours, Some(peer)));
}
