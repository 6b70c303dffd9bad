//! Measures the death of 200 services at once: the time to the last report at the subscriber, and
//! lost reports.

use super::Bench;
use super::recipes;
use super::results::{Figures, Peer, Row};
use super::subject::{Recipe, Subject};
use crate::host::Debian;
use std::thread;
use std::time::Duration;

const SERVICES: usize = 200;
/// Pause in which the work after a storm is completed.
const REST: Duration = Duration::from_secs(2);

/// Copies of the one ward or service, up before anything is killed.
const WARDS: &str =
    "cd /etc/unitward; for i in {1..200}; do cp web.ward web$i.ward; done; rm web.ward
    systemctl daemon-reload; systemctl restart unitwardd; systemctl start web{1..200}; sleep 2";
const SERVICE_UNITS: &str =
    "cd /etc/systemd/system; for i in {1..200}; do cp web.service web$i.service; done; rm web.service
    systemctl daemon-reload; systemctl start floor; sleep 0.5; systemctl start web{1..200}; sleep 2";

/// Measures on hosts of this version.
pub(crate) fn measure(bench: &mut Bench, debian: Debian) {
    let of_services = |floor: Recipe| Recipe {
        start: SERVICE_UNITS,
        ..floor
    };
    let ours = Recipe {
        start: WARDS,
        ..recipes::ours(recipes::OURS, 0)
    };
    let recipes = [
        ours,
        of_services(recipes::floor()),
        of_services(recipes::floor_of_two_lines()),
    ];
    let recipes = recipes.map(|recipe| Recipe {
        workers: SERVICES,
        ..recipe
    });
    let mut subjects = recipes
        .each_ref()
        .map(|recipe| Subject::new(debian, recipe));
    let mut millis = recipes.each_ref().map(|_| Vec::new());
    for _ in 0..bench.rounds(10).max(3) {
        for ((recipe, subject), millis) in recipes.iter().zip(&mut subjects).zip(&mut millis) {
            let stroke = subject.strike(SERVICES);
            let lost = SERVICES - stroke.reports;
            assert!(
                recipe.name != recipes::OURS || lost == 0,
                "none of ours is lost: {stroke:?}"
            );
            if lost > 0 {
                eprintln!("{}: {lost} lost", recipe.name);
            }
            millis.extend(stroke.report.map(|micros| micros / 1e3));
            thread::sleep(REST);
        }
    }
    let [ours, floors @ ..] = millis;
    let ours = Figures::of(ours).expect("each stroke ended");
    for ((recipe, subject), millis) in recipes.iter().zip(&subjects).skip(1).zip(floors) {
        let peer = Peer {
            name: recipe.name.to_owned(),
            version: subject.version.clone(),
            figures: Figures::of(millis),
        };
        bench.results.put(Row::new(
            "storm",
            (bench.host(debian), "ms"),
            ours,
            Some(peer),
        ));
    }
}
