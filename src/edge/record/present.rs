//! Conversion of a record's times to the present wall clock, so that their age can be shown.
//!
//! If the clock was set since, the times of older records seem to lie years ago or ahead. Only a
//! difference of more than [`DRIFT`] is corrected: smaller ones, from a clock that is steered,
//! leave the times equal to those in reports.

use super::{End, RunRecord};

/// Largest deviation of a steered clock, in milliseconds.
const DRIFT: u64 = 2_000;

/// The present time by two clocks, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Present {
    /// Since the epoch.
    pub epoch: u64,
    /// Since boot, time asleep included.
    pub boot: u64,
}

impl Present {
    fn told(self, at: u64, since_boot: Option<u64>) -> u64 {
        let by_boot =
            since_boot.map(|since| self.epoch.saturating_sub(self.boot.saturating_sub(since)));
        by_boot
            .filter(|told| told.abs_diff(at) > DRIFT)
            .unwrap_or(at)
    }
}

impl RunRecord {
    /// Converts the record's times to the present wall clock.
    pub fn tell_by(&mut self, now: Present) {
        let before = self.begun;
        self.begun = self.begun.map(|at| now.told(at, self.begun_since_boot));
        self.down = self.down.map(|at| now.told(at, self.down_since_boot));
        if let Some((before, after)) = before
            .zip(self.begun)
            .filter(|(before, after)| before != after)
        {
            // Steps have no time by the boot's clock: they ran while the clock was set as at the
            // start.
            self.results
                .iter_mut()
                .for_each(|step| step.at = (after + step.at).saturating_sub(before));
        }
        if let Some(up) = &mut self.up {
            up.main = now.told(up.main, up.since_boot.map(|since| since.main));
            up.at = now.told(up.at, up.since_boot.map(|since| since.at));
        }
        self.end.iter_mut().for_each(|end| end.tell_by(now));
    }
}

impl End {
    /// Converts the time of the end to the present wall clock.
    pub fn tell_by(&mut self, now: Present) {
        self.at = now.told(self.at, self.since_boot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_before_the_clock_was_set_is_as_long_ago_as_it_was() {
        let now = Present {
            epoch: 1_738_838_543_000,
            boot: 100_000,
        };
        let mut end = End {
            since_boot: Some(40_000),
            ..End::killed(40_000)
        };
        end.tell_by(now);
        assert_eq!(end.at, now.epoch - 60_000);
        let mut steered = End {
            since_boot: Some(40_000),
            ..End::killed(now.epoch - 60_900)
        };
        steered.tell_by(now);
        assert_eq!(steered.at, now.epoch - 60_900);
        let mut old = End::killed(40_000);
        old.tell_by(now);
        assert_eq!(old.at, 40_000);
    }
}
