//! Measures the rate of crashes at which the reports still keep up.
//!
//! The rate rises from step to step. It is kept up with if 99 of 100 reports are there within a
//! second of their death, and all of them a second after the last one.

use super::super::gauge;
use super::super::pace::Paced;
use super::super::results::{Figures, Row};
use super::super::subject::Subject;
use super::{Bench, Crew, WORKERS, wards, watched};
use crate::host::Debian;
use std::thread;
use std::time::Duration;

/// Upper bound of the lag of 99 of 100 reports, in milliseconds.
const BEHIND: f64 = 1_000.0;
/// Share of the requested rate; if the deaths are fewer, the host itself is at its limit.
const SHORT: f64 = 0.9;
/// Requested rates, in deaths a second; at the end more than any host can do.
const WARDS: [usize; 9] = [5, 10, 15, 20, 30, 40, 60, 80, 120];
const UNITS: [usize; 9] = [20, 40, 80, 120, 160, 240, 320, 480, 640];

/// Measures wards, and units that are only watched: these have no helper, so PID 1 can restart them
/// quicker.
pub(super) fn measure(bench: &mut Bench, debian: Debian) {
    rise(
        bench,
        debian,
        (&Crew::new("wards", 40, wards::<40>), &WARDS),
    );
    rise(
        bench,
        debian,
        (&Crew::new("watched units", 40, watched::<40>), &UNITS),
    );
}

/// One step: its results, and the processor time of the daemon, of PID 1 and of the units, in
/// percent of one processor.
struct Step {
    paced: Paced,
    lag: Figures,
    shares: [f64; 3],
}

fn rise(bench: &mut Bench, debian: Debian, (crew, rates): (&Crew, &[usize])) {
    let mut subject = crew.subject(debian);
    let mut best: Option<Step> = None;
    for rate in rates {
        thread::sleep(Duration::from_secs(1));
        let step = take(&mut subject, *rate);
        println!(
            "{}: {rate} a second asked for, {:.1} done, lag {:.1} ms (p99 {:.1}), {} of {} in time; daemon, PID 1, units {:.0?} %",
            crew.name,
            step.paced.rate(),
            step.lag.median,
            step.lag.p99,
            step.paced.soon,
            step.paced.deaths,
            step.shares
        );
        let keeps_up = step.lag.p99 < BEHIND && step.paced.soon == step.paced.deaths;
        #[allow(clippy::cast_precision_loss, reason = "some hundred")]
        let is_the_most = step.paced.rate() < SHORT * *rate as f64;
        if keeps_up
            && best
                .as_ref()
                .is_none_or(|best| best.paced.rate() < step.paced.rate())
        {
            best = Some(step);
        }
        if !keeps_up || is_the_most {
            break;
        }
    }
    let Some(Step {
        paced,
        lag,
        shares: [daemon, pid_1, units],
    }) = best
    else {
        panic!(
            "{}: reports fall behind at {} a second",
            crew.name, rates[0]
        )
    };
    let mut put = |what: &str, unit: &str, figures: Figures| {
        let name = format!("throughput/{}/{what}", crew.name);
        bench
            .results
            .put(Row::new(&name, (bench.host(debian), unit), figures, None));
    };
    put("crashes", "a second", Figures::one(paced.rate()));
    put("lag", "ms", lag);
    put("PID 1", "% of a processor", Figures::one(pid_1));
    put("daemon", "% of a processor", Figures::one(daemon));
    put("units and helper", "% of a processor", Figures::one(units));
}

fn take(subject: &mut Subject, rate: usize) -> Step {
    let read = |subject: &Subject| {
        [gauge::DAEMON, gauge::PID_1, WORKERS].map(|group| gauge::cpu(&subject.host, group))
    };
    let before = read(subject);
    let paced = subject.pace(rate);
    let after = read(subject);
    let share = |number: usize| (after[number] - before[number]) / paced.seconds / 1e4;
    let shares = [share(0), share(1), share(2)];
    // Missing reports have no lag; their number shows them.
    let lag = Figures::of(paced.lags.clone()).unwrap_or(Figures {
        n: 0,
        median: f64::MAX,
        p99: f64::MAX,
    });
    Step { paced, lag, shares }
}
