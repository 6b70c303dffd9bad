//! How long a restart waits.

use std::time::Duration;

/// Where the back-off begins when no `DelaySec=` is given.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// The two numbers of `[Recovery]` that make up the waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// `DelaySec=`.
    pub delay: Duration,
    /// `MaxDelaySec=`; zero: no back-off.
    pub max_delay: Duration,
}

impl Backoff {
    /// The wait before restart number `restart` (from 1) in a row.
    ///
    /// The first waits `delay`. From the second on it doubles, from `delay` or from 100 ms, up to `max_delay`;
    /// it is never shorter than `delay`.
    #[must_use]
    pub fn wait(self, restart: u32) -> Duration {
        let doubled = if self.delay.is_zero() {
            restart.checked_sub(2).map(|n| (FIRST_BACKOFF, n))
        } else {
            restart.checked_sub(1).map(|n| (self.delay, n))
        };
        let grown = doubled.map_or(Duration::ZERO, |(from, times)| from.saturating_mul(2_u32.saturating_pow(times)));
        grown.min(self.max_delay).max(self.delay)
    }

    /// The longest wait there can be.
    #[must_use]
    pub fn longest(self) -> Duration {
        self.max_delay.max(self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(delay: u64, max_delay: u64, count: u32) -> Vec<u64> {
        let backoff = Backoff { delay: Duration::from_millis(delay), max_delay: Duration::from_millis(max_delay) };
        (1..=count).map(|n| u64::try_from(backoff.wait(n).as_millis()).unwrap()).collect()
    }

    #[test]
    fn it_doubles_from_a_tenth_of_a_second_after_the_first_restart() {
        assert_eq!(waits(0, 30_000, 12), [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn it_doubles_from_the_delay_where_one_is_given() {
        assert_eq!(waits(1_000, 30_000, 7), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
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
        assert_eq!(Backoff { delay: Duration::ZERO, max_delay: Duration::MAX }.wait(0), Duration::ZERO);
        let _ = Backoff { delay: Duration::from_secs(1), max_delay: Duration::MAX }.wait(u32::MAX);
    }
}
