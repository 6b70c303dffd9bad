//! Benchmarks of Unitward's cost and speed, on booted hosts, side by side with the tools that one
//! would use instead.
//!
//! This one program is the bench and, inside the hosts, the meter, the bare listener and the one
//! that runs the generators in turns.

#[path = "../../tests/host/mod.rs"]
mod host;

mod deaths;
mod floor;
mod gauge;
mod generator;
mod growth;
mod idle;
mod meter;
mod pace;
mod recipes;
mod results;
mod size;
mod start;
mod storm;
mod subject;
mod turns;
mod worker_says;

use host::Debian;
use results::Results;

/// A run of the bench.
struct Bench {
    results: Results,
    /// True for a part of the rounds; `UNITWARD_BENCH_QUICK` asks for it.
    quick: bool,
}

impl Bench {
    fn rounds(&self, rounds: usize) -> usize {
        rounds.div_ceil(results::divisor().unwrap_or(1))
    }

    /// Returns a host's name in the results.
    fn host(&self, debian: Debian) -> &'static str {
        match debian {
            Debian::Bookworm => "Debian 12",
            Debian::Trixie => "Debian 13",
            Debian::Testing => "Debian testing",
        }
    }
}

/// A function that takes a measure.
type Measure = fn(&mut Bench);

/// The measures, by the names that select them on the command line.
const MEASURES: [(&str, Measure); 7] = [
    ("deaths", |bench| on_both(bench, deaths::measure)),
    ("storm", |bench| on_both(bench, storm::measure)),
    ("start", |bench| start::measure(bench, Debian::Trixie)),
    ("growth", |bench| growth::measure(bench, Debian::Trixie)),
    ("idle", |bench| on_both(bench, idle::measure)),
    ("generator", generator::measure),
    ("size", size::measure),
];

fn on_both(bench: &mut Bench, measure: fn(&mut Bench, Debian)) {
    for debian in [Debian::Bookworm, Debian::Trixie] {
        measure(bench, debian);
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    match arguments.first().map(String::as_str) {
        Some("meter") => return meter::run(&arguments[1..]),
        Some("floor") => return floor::run(),
        Some("turns") => return turns::run(&arguments[1..]),
        _ => {}
    }
    let mut bench = Bench {
        results: Results::open(),
        quick: results::divisor().is_some(),
    };
    let unknown = arguments
        .iter()
        .find(|wanted| MEASURES.iter().all(|(name, _)| name != wanted));
    assert!(
        unknown.is_none(),
        "there is no measure {}",
        unknown.map_or("", String::as_str)
    );
    for (name, measure) in MEASURES {
        if arguments.is_empty() || arguments.iter().any(|wanted| wanted == name) {
            measure(&mut bench);
        }
    }
    println!("{}", bench.results.table());
}
