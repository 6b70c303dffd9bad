//! Measures a service's death: time to the report at a subscriber, to the restart, and to the end
//! of the last of four steps.
//!
//! Each way of supervising has a host of its own, and they take turns, a kill each, so that a
//! change of the machine's pace affects all of them. No service is killed before it has been up for
//! more than a second: runit and s6 keep that much between two starts.

use super::Bench;
use super::meter::Stroke;
use super::recipes::{self, MAIN, OURS, REPORT, STEPS_LAST, STEPS_MAIN};
use super::results::{Figures, Peer, Row};
use super::subject::{Recipe, Subject};
use crate::host::Debian;
use std::thread;
use std::time::{Duration, Instant};

/// Pause in which the work after an end is completed.
const REST: Duration = Duration::from_millis(80);
/// Minimum time that a service is up before it is killed.
const UP: Duration = Duration::from_millis(1_100);

type Value = fn(&Stroke) -> Option<f64>;

/// The measures, by name, each with the value of a stroke that it takes.
const MEASURES: [(&str, Value); 4] = [
    (REPORT, |stroke| stroke.report),
    (MAIN, |stroke| stroke.up),
    (STEPS_MAIN, |stroke| stroke.up),
    (STEPS_LAST, |stroke| stroke.steps),
];

/// One way of supervising, and the results of its kills.
struct Contestant {
    recipe: Recipe,
    subject: Subject,
    strokes: Vec<Stroke>,
    /// Earliest time of the next kill of its service.
    next: Instant,
}

/// Measures on hosts of this version.
pub(crate) fn measure(bench: &mut Bench, debian: Debian) {
    let mut contestants: Vec<_> = recipes::all(debian)
        .into_iter()
        .map(|recipe| Contestant::new(debian, recipe))
        .collect();
    for round in 0..bench.rounds(300) {
        for contestant in contestants
            .iter_mut()
            .filter(|contestant| round % contestant.recipe.every == 0)
        {
            contestant.strike();
        }
    }
    for ours in contestants
        .iter()
        .filter(|contestant| contestant.recipe.name == OURS)
    {
        assert_eq!(
            ours.subject.host.failed_units(),
            [""; 0],
            "nothing failed on the way"
        );
    }
    for (name, value) in MEASURES {
        let of_this = |contestant: &&Contestant| contestant.recipe.measures.contains(&name);
        let (ours, peers): (Vec<_>, Vec<_>) = contestants
            .iter()
            .filter(of_this)
            .partition(|contestant| contestant.recipe.name == OURS);
        let ours = ours
            .iter()
            .find_map(|ours| ours.figures(name, value))
            .expect("ours can do it all");
        for peer in peers {
            let peer = Peer {
                name: peer.recipe.name.to_owned(),
                version: peer.subject.version.clone(),
                figures: peer.figures(name, value),
            };
            bench
                .results
                .put(Row::new(name, (bench.host(debian), "ms"), ours, Some(peer)));
        }
    }
}

impl Contestant {
    fn new(debian: Debian, recipe: Recipe) -> Self {
        let subject = Subject::new(debian, &recipe);
        Self {
            recipe,
            subject,
            strokes: Vec::new(),
            next: Instant::now() + UP,
        }
    }

    fn strike(&mut self) {
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        // Otherwise the turns would fall into step with supervisors that poll. The golden ratio
        // spreads them evenly.
        let share = (self.strokes.len() as f64 * 0.618_034).fract();
        thread::sleep(self.recipe.cycle.mul_f64(share));
        let stroke = self.subject.strike(1);
        self.next = Instant::now() + UP;
        let missing = stroke.report.is_none() && !self.recipe.expected.topic.is_empty();
        if missing
            || stroke.up.is_none()
            || (stroke.steps.is_none() && self.recipe.expected.steps > 0)
        {
            assert!(
                self.recipe.name != OURS,
                "nothing of ours goes missing: {stroke:?}"
            );
            eprintln!("{}: missing within the bound: {stroke:?}", self.recipe.name);
        }
        self.strokes.push(stroke);
        thread::sleep(REST);
    }

    /// Returns the figures in milliseconds; `None`: it cannot do this.
    fn figures(&self, measure: &str, value: Value) -> Option<Figures> {
        let is_about_steps = [STEPS_MAIN, STEPS_LAST].contains(&measure);
        if is_about_steps != (self.recipe.expected.steps > 0) {
            return None;
        }
        Figures::of(
            self.strokes
                .iter()
                .filter_map(value)
                .map(|micros| micros / 1e3)
                .collect(),
        )
    }
}
