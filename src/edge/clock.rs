//! The two clocks a recovery needs.

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since boot, time asleep included: never jumps, so limits and back-off count with it.
#[must_use]
pub fn since_boot() -> u64 {
    micros(ClockId::Boottime) / 1_000
}

/// Milliseconds since the epoch, for people and reports.
#[must_use]
pub fn since_epoch() -> u64 {
    micros_since_epoch() / 1_000
}

/// The same in microseconds.
#[must_use]
pub fn micros_since_epoch() -> u64 {
    micros(ClockId::Realtime)
}

/// A reading of systemd's monotonic clock, in microseconds.
#[must_use]
pub fn monotonic() -> u64 {
    micros(ClockId::Monotonic)
}

/// The wall-clock time, in milliseconds since the epoch, of a reading of systemd's monotonic clock in microseconds.
#[must_use]
pub fn epoch_of_monotonic(micros: u64) -> u64 {
    // Rounded once, at the end: times of one recovery that lie close together must not change places.
    let ago = monotonic().saturating_sub(micros);
    micros_since_epoch().saturating_sub(ago) / 1_000
}

/// The time since boot, as [`since_boot`] has it, of a reading of systemd's monotonic clock in microseconds. That clock stands
/// still while the host sleeps: what was asleep since counts as if it had been before.
#[must_use]
pub fn since_boot_of_monotonic(micros: u64) -> u64 {
    since_boot().saturating_sub(monotonic().saturating_sub(micros) / 1_000)
}

fn micros(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000
}
