//! The two clocks a recovery needs.

use rustix::time::{ClockId, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since boot, time asleep included: never jumps, so limits and back-off count with it.
#[must_use]
pub fn since_boot() -> u64 {
    millis(ClockId::Boottime)
}

/// Milliseconds since the epoch, for people and reports.
#[must_use]
pub fn since_epoch() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// The wall-clock time, in milliseconds since the epoch, of a reading of systemd's monotonic clock in microseconds.
#[must_use]
pub fn epoch_of_monotonic(micros: u64) -> u64 {
    let ago = millis(ClockId::Monotonic).saturating_sub(micros / 1_000);
    since_epoch().saturating_sub(ago)
}

fn millis(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}
