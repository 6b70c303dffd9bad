//! Part of the meter: deaths at a steady rate, and the lag of their reports.

use super::meter::{Came, Meter, now, strike};
use super::worker_says::Said;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// Time for which the rate is kept, in nanoseconds.
const SPAN: i64 = 5 * SECOND;
const SECOND: i64 = 1_000_000_000;
/// Time after the last death at which missing reports are lost, in nanoseconds.
const BOUND: i64 = 30 * SECOND;

/// Result of deaths at a steady rate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Paced {
    /// Number of deaths. Fewer than asked for if no worker was up in time to be killed.
    pub(crate) deaths: usize,
    /// Time that it took to kill them, in seconds.
    pub(crate) seconds: f64,
    /// Times from each death to its report, in milliseconds.
    pub(crate) lags: Vec<f64>,
    /// Number of reports that had come one second after the last death.
    pub(crate) soon: usize,
}

impl Paced {
    /// Returns the deaths per second.
    #[allow(clippy::cast_precision_loss, reason = "some thousands")]
    pub(crate) fn rate(&self) -> f64 {
        self.deaths as f64 / self.seconds
    }
}

struct Pace<'m> {
    meter: &'m mut Meter,
    /// Time of the kill of each process that has no report yet, by process ID.
    killed: HashMap<i32, i64>,
    deaths: usize,
    lags: Vec<f64>,
}

/// Kills the worker that is up the longest, `rate` times a second. If none is up the next one to
/// come is killed at once.
pub(crate) fn kill(meter: &mut Meter, rate: usize) -> Paced {
    let mut pace = Pace {
        meter,
        killed: HashMap::new(),
        deaths: 0,
        lags: Vec::new(),
    };
    let interval = SECOND / i64::try_from(rate).expect("a rate");
    let begun = now();
    let mut next = begun;
    while now() - begun < SPAN {
        pace.listen_until(next);
        if pace.kill_one() {
            next += interval;
        } else {
            // A worker will come. Missed kills are not made up for.
            next = now() + SECOND / 1_000;
        }
    }
    let ended = now();
    pace.listen_until(ended + SECOND);
    let soon = pace.lags.len();
    while !pace.killed.is_empty() && now() < ended + BOUND {
        pace.listen_until(now() + SECOND / 10);
    }
    Paced {
        deaths: pace.deaths,
        seconds: seconds(ended - begun),
        lags: pace.lags,
        soon,
    }
}

impl Pace<'_> {
    fn kill_one(&mut self) -> bool {
        let Some(pid) = self.meter.up.pop_front() else {
            return false;
        };
        self.killed.insert(pid, now());
        self.deaths += 1;
        strike(pid);
        true
    }

    fn listen_until(&mut self, end: i64) {
        loop {
            let left = u64::try_from(end - now()).unwrap_or(0);
            match self.meter.came.recv_timeout(Duration::from_nanos(left)) {
                Ok(Came::Report(at, pid)) => {
                    if let Some(killed) = pid.and_then(|pid| self.killed.remove(&pid)) {
                        self.lags.push(seconds(at - killed) * 1e3);
                    }
                }
                Ok(Came::Worker(Said::Up { pid, .. })) => self.meter.up.push_back(pid),
                Ok(Came::Worker(Said::Step { .. })) => {}
                Err(_) => return,
            }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "spans of seconds")]
fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}
