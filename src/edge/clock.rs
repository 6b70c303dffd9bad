//! Readings of the three clocks that recoveries use: time since boot, wall-clock time and systemd's
//! monotonic clock.

use rustix::time::{ClockId, clock_gettime};

/// Returns milliseconds since boot, including time asleep. This clock never jumps, so limits and
/// back-off use it.
#[must_use]
pub fn since_boot() -> u64 {
    micros(ClockId::Boottime) / 1_000
}

/// Returns milliseconds since the epoch, for people and reports.
#[must_use]
pub fn since_epoch() -> u64 {
    micros_since_epoch() / 1_000
}

/// Returns microseconds since the epoch.
#[must_use]
pub fn micros_since_epoch() -> u64 {
    micros(ClockId::Realtime)
}

/// Returns a reading of systemd's monotonic clock, in microseconds.
#[must_use]
pub fn monotonic() -> u64 {
    micros(ClockId::Monotonic)
}

/// Converts a reading of systemd's monotonic clock, in microseconds, to wall-clock time, in
/// milliseconds since the epoch.
#[must_use]
pub fn epoch_of_monotonic(micros: u64) -> u64 {
    // Rounded once, at the end: times of one recovery that lie close together must keep their
    // order.
    let ago = monotonic().saturating_sub(micros);
    micros_since_epoch().saturating_sub(ago) / 1_000
}

/// Converts a reading of systemd's monotonic clock, in microseconds, to the clock of
/// [`since_boot`]. The monotonic clock stands still while the host sleeps: sleep after the reading
/// counts as if it had been before it.
#[must_use]
pub fn since_boot_of_monotonic(micros: u64) -> u64 {
    since_boot().saturating_sub(monotonic().saturating_sub(micros) / 1_000)
}

fn micros(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000
        + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}
