//! The bound on the number of reports of one ward: `[Reports] Burst=` in `BurstIntervalSec=`.
//!
//! An interval begins with the first report after a quiet one. Within it the first `Burst` deaths
//! are reported in full; the others are counted and reported as one at its end, with the reason,
//! pid and time of the last of them: `EXIT 3, 412 more in 60 s`. The number counts each death that
//! has no report of its own.

use std::time::Duration;

/// The two settings of the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Full reports …
    pub burst: u32,
    /// … in this time; zero: no bound.
    pub interval: Duration,
}

/// Decision on a death.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission<T> {
    /// Report it in full.
    Full(T),
    /// It is counted, and reported in the summary.
    Held,
}

/// Count of one ward. `T` is the data of a report.
#[derive(Debug, Clone)]
pub struct Burst<T> {
    interval: Option<Interval<T>>,
}

#[derive(Debug, Clone)]
struct Interval<T> {
    ends: Duration,
    full: u32,
    held: u32,
    last: Option<T>,
}

impl<T> Default for Burst<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Burst<T> {
    /// Starts with no report.
    #[must_use]
    pub const fn new() -> Self {
        Self { interval: None }
    }

    /// Decides on one death. An interval that has ended must be removed by [`Burst::due`] first.
    pub fn admit(&mut self, rate: Rate, now: Duration, death: T) -> Admission<T> {
        if rate.interval.is_zero() {
            return Admission::Full(death);
        }
        let ends = now.saturating_add(rate.interval);
        let interval = self.interval.get_or_insert(Interval {
            ends,
            full: 0,
            held: 0,
            last: None,
        });
        if interval.full < rate.burst {
            interval.full += 1;
            return Admission::Full(death);
        }
        interval.held = interval.held.saturating_add(1);
        interval.last = Some(death);
        Admission::Held
    }

    /// Returns the end of the running interval.
    #[must_use]
    pub fn ends(&self) -> Option<Duration> {
        self.interval.as_ref().map(|interval| interval.ends)
    }

    /// At the interval's end, returns the last death held back and the number of those held back,
    /// if any.
    pub fn due(&mut self, now: Duration) -> Option<(T, u32)> {
        if self.ends()? > now {
            None
        } else {
            self.close()
        }
    }

    /// Continues the interval of another clock; it ends at `ends` unless an interval runs already.
    pub fn take_over(&mut self, other: Self, ends: Duration) {
        let Some(other) = other.interval else { return };
        self.interval = Some(match self.interval.take() {
            None => Interval { ends, ..other },
            Some(own) => Interval {
                ends: own.ends,
                full: own.full.saturating_add(other.full),
                held: own.held.saturating_add(other.held),
                last: own.last.or(other.last),
            },
        });
    }

    /// Ends the interval early and returns the last death held back and their number, so that
    /// nothing is lost.
    pub fn close(&mut self) -> Option<(T, u32)> {
        let interval = self.interval.take()?;
        interval.last.map(|death| (death, interval.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        burst: 2,
        interval: Duration::from_secs(60),
    };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_exceeds_the_burst_is_summed_up_at_the_intervals_end() {
        let mut burst = Burst::new();
        assert_eq!(burst.admit(RATE, at(100), 1), Admission::Full(1));
        assert_eq!(burst.admit(RATE, at(101), 2), Admission::Full(2));
        assert_eq!(burst.admit(RATE, at(102), 3), Admission::Held);
        assert_eq!(burst.admit(RATE, at(159), 4), Admission::Held);
        assert_eq!(burst.due(at(159)), None);
        assert_eq!(burst.due(at(160)), Some((4, 2)));
        assert_eq!(burst.due(at(160)), None);
        assert_eq!(
            burst.admit(RATE, at(160), 5),
            Admission::Full(5),
            "the next interval starts afresh"
        );
    }

    #[test]
    fn a_quiet_interval_ends_in_silence() {
        let mut burst = Burst::new();
        assert_eq!(burst.admit(RATE, at(0), 1), Admission::Full(1));
        assert_eq!(burst.due(at(60)), None);
        assert_eq!(burst.ends(), None);
    }

    #[test]
    fn counts_by_two_clocks_become_one() {
        let mut other = Burst::new();
        assert_eq!(other.admit(RATE, at(1_000), 1), Admission::Full(1));
        let mut burst = Burst::new();
        burst.take_over(other.clone(), at(20));
        assert_eq!(burst.admit(RATE, at(8), 2), Admission::Full(2));
        assert_eq!(burst.admit(RATE, at(9), 3), Admission::Held);
        assert_eq!(
            burst.clone().due(at(20)),
            Some((3, 1)),
            "the interval is the other's"
        );
        assert_eq!(other.admit(RATE, at(1_001), 4), Admission::Full(4));
        assert_eq!(other.admit(RATE, at(1_002), 5), Admission::Held);
        burst.take_over(other, at(30));
        assert_eq!(burst.due(at(20)), Some((3, 2)), "the interval is its own");
    }

    #[test]
    fn no_death_is_lost_whatever_the_rate() {
        for (burst_size, interval) in [(0, 60), (1, 60), (20, 60), (5, 0), (0, 0)] {
            let rate = Rate {
                burst: burst_size,
                interval: at(interval),
            };
            let (mut burst, mut full, mut summed) = (Burst::new(), 0, 0);
            for n in 0..1000_u64 {
                let now = at(n * 7 % 11 + n);
                summed += burst.due(now).map_or(0, |(_, more)| more);
                match burst.admit(rate, now, n) {
                    Admission::Full(_) => full += 1,
                    Admission::Held => {}
                }
            }
            summed += burst.close().map_or(0, |(_, more)| more);
            assert_eq!(full + summed, 1000, "{rate:?}");
        }
    }
}
