//! The wait before a restart.

use std::time::Duration;

/// First back-off if no `DelaySec=` is given.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// The two settings of `[Recovery]` that determine the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// `DelaySec=`.
    pub delay: Duration,
    /// `MaxDelaySec=`; zero: no back-off.
    pub max_delay: Duration,
}

impl Backoff {
    /// Returns the wait before restart number `restart` (from 1) in a row.
    ///
    /// The first waits `delay`. From the second on it doubles, from `delay` or from 100 ms, up to
    /// `max_delay`; it is never shorter than `delay`.
    #[must_use]
    pub fn wait(self, restart: u32) -> Duration {
        let doubled = if self.delay.is_zero() {
            restart.checked_sub(2).map(|n| (FIRST_BACKOFF, n))
        } else {
            restart.checked_sub(1).map(|n| (self.delay, n))
        };
        let grown = doubled.map_or(Duration::ZERO, |(from, times)| {
            from.saturating_mul(2_u32.saturating_pow(times))
        });
        grown.min(self.max_delay).max(self.delay)
    }

    /// Returns that wait, but at most 80 % of the time-out under which systemd runs the start: an
    /// administrator's setting may have made it smaller than the generator knew, and a start that
    /// times out would count as one more death. `None`: no time-out.
    #[must_use]
    pub fn wait_below(self, restart: u32, timeout: Option<Duration>) -> Duration {
        let wait = self.wait(restart);
        timeout
            .filter(|timeout| !timeout.is_zero())
            .map_or(wait, |timeout| wait.min(timeout.mul_f64(0.8)))
    }

    /// Returns the longest possible wait.
    #[must_use]
    pub fn longest(self) -> Duration {
        self.max_delay.max(self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(delay: u64, max_delay: u64, count: u32) -> Vec<u64> {
        let backoff = Backoff {
            delay: Duration::from_millis(delay),
            max_delay: Duration::from_millis(max_delay),
        };
        (1..=count)
            .map(|n| u64::try_from(backoff.wait(n).as_millis()).unwrap())
            .collect()
    }

    #[test]
    fn it_doubles_from_a_tenth_of_a_second_after_the_first_restart() {
        assert_eq!(
            waits(0, 30_000, 12),
            [
                0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000
            ]
        );
    }

    #[test]
    fn it_doubles_from_the_delay_where_one_is_given() {
        assert_eq!(
            waits(1_000, 30_000, 7),
            [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
        );
    }

    #[test]
    fn without_a_maximum_every_restart_waits_the_delay() {
        assert_eq!(waits(0, 0, 3), [0, 0, 0]);
        assert_eq!(waits(500, 0, 3), [500, 500, 500]);
    }

    #[test]
    fn it_never_shrinks_and_never_overflows() {
        for delay in [0, 1, 99, 5_000, 40_000] {
            for max_delay in [0, 50, 30_000, 400_000_000] {
                let all = waits(delay, max_delay, 80);
                assert!(all.is_sorted(), "{delay} {max_delay}: {all:?}");
                assert!(all.iter().all(|wait| *wait <= max_delay.max(delay)));
            }
        }
        assert_eq!(
            Backoff {
                delay: Duration::ZERO,
                max_delay: Duration::MAX
            }
            .wait(0),
            Duration::ZERO
        );
        let _ = Backoff {
            delay: Duration::from_secs(1),
            max_delay: Duration::MAX,
        }
        .wait(u32::MAX);
    }

    #[test]
    fn the_wait_stays_below_the_start_time_out() {
        let backoff = Backoff {
            delay: Duration::from_secs(30),
            max_delay: Duration::ZERO,
        };
        for (timeout, seconds) in [(Some(90), 30), (Some(10), 8), (Some(0), 30), (None, 30)] {
            let wait = backoff.wait_below(1, timeout.map(Duration::from_secs));
            assert_eq!(wait, Duration::from_secs(seconds), "{timeout:?}");
        }
    }
}
