//! Waiting for something to come true, never without a bound.

use std::thread;
use std::time::{Duration, Instant};

use super::Host;

/// Enough for everything that is not meant to be slow.
pub(super) const BOUND: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

impl Host {
    /// Waits until the probe has a value. `what` is the thing awaited, as in "the restart of web.service".
    ///
    /// # Panics
    ///
    /// After 20 s.
    #[track_caller]
    pub(crate) fn wait_for<T>(&self, what: &str, probe: impl FnMut() -> Option<T>) -> T {
        self.wait_for_within(BOUND, what, probe)
    }

    /// Waits until the probe has a value.
    ///
    /// # Panics
    ///
    /// After the bound.
    #[track_caller]
    pub(crate) fn wait_for_within<T>(
        &self,
        bound: Duration,
        what: &str,
        probe: impl FnMut() -> Option<T>,
    ) -> T {
        wait_within(bound, probe).unwrap_or_else(|| panic!("waited {bound:?} in vain for {what}"))
    }

    /// Whether the probe has a value within the bound.
    pub(crate) fn comes_true_within<T>(
        &self,
        bound: Duration,
        probe: impl FnMut() -> Option<T>,
    ) -> bool {
        wait_within(bound, probe).is_some()
    }

    /// Waits until a unit's property has a value.
    #[track_caller]
    pub(crate) fn wait_for_property(&self, unit: &str, property: &str, value: &str) {
        let mut seen = String::new();
        let reached = wait_within(BOUND, || {
            seen = self.systemctl_show(unit, property);
            (seen == value).then_some(())
        });
        assert!(
            reached.is_some(),
            "waited {BOUND:?} in vain for {property}={value} of {unit}, it is {seen:?}"
        );
    }
}

pub(super) fn wait_within<T>(bound: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + bound;
    loop {
        // Asked before the clock, so that a slow machine gets a last look after the bound.
        let late = Instant::now() >= deadline;
        if let Some(value) = probe() {
            return Some(value);
        }
        if late {
            return None;
        }
        thread::sleep(PAUSE);
    }
}
