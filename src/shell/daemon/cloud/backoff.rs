//! The back-off between tries to connect: doubling from one second to a minute, less a random part,
//! so that a fleet does not reconnect to its broker in step.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Number of tries since the connection last worked.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// Returns the next rest, and counts a try.
    pub(super) fn next(&mut self) -> Duration {
        let whole = ceiling(self.tries);
        self.tries = self.tries.saturating_add(1);
        // Randomly seeded by the standard library; good enough to spread a fleet.
        let random = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(0);
        let floor = whole.mul_f64(0.5).max(FIRST);
        floor + (whole - floor).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

fn ceiling(tries: u32) -> Duration {
    FIRST
        .saturating_mul(2_u32.saturating_pow(tries))
        .min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_a_minute_and_never_leave_their_bounds() {
        let mut backoff = Backoff::default();
        for tries in 0..40 {
            let rest = backoff.next();
            assert!(rest >= FIRST && rest <= ceiling(tries), "{tries}: {rest:?}");
        }
        assert_eq!(ceiling(0), FIRST);
        assert_eq!(ceiling(3), Duration::from_secs(8));
        assert_eq!(ceiling(u32::MAX), LONGEST);
    }
}
