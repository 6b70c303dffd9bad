//! The clock of a recovery's times: the wall clock as it stood at the death that began the
//! recovery.
//!
//! The wall clock may be set during a recovery, by years on a host that boots in 1970. So records
//! note the boot's clock beside it. A recovery's times are those since its death by the boot's
//! clock, added to the wall-clock time of the death.

/// A point in time: milliseconds since the epoch, and milliseconds since boot if that was noted.
pub(super) type Moment = (u64, Option<u64>);

/// The clocks at a death.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Time of the death, in milliseconds since the epoch.
    pub(super) at: u64,
    /// Time of the death, in milliseconds since boot. `None`: not known; then all times are given
    /// as they were read.
    pub(super) since_boot: Option<u64>,
}

impl Clock {
    /// Converts a moment to this clock.
    #[must_use]
    pub(super) fn tell(self, (at, since_boot): Moment) -> u64 {
        match (self.since_boot, since_boot) {
            (Some(died), Some(now)) => self.at.saturating_add(now.saturating_sub(died)),
            _ => at,
        }
    }

    /// Converts a moment between two others, of which only the wall clock's reading is known: the
    /// wall clock is taken to stand as at one of the two.
    #[must_use]
    pub(super) fn tell_between(self, at: u64, (from, to): (Option<Moment>, Option<Moment>)) -> u64 {
        let is_noted = |(_, since_boot): &Moment| self.since_boot.is_some() && since_boot.is_some();
        let (from, to) = (from.filter(is_noted), to.filter(is_noted));
        let by = |(wall, since): Moment| {
            (self.tell((wall, since)).saturating_add(at)).saturating_sub(wall)
        };
        match (from, to) {
            (Some(from), Some(to)) => {
                let (begin, end) = (self.tell(from), self.tell(to));
                let is_between = |told: &u64| (begin..=end).contains(told);
                [by(from), by(to)]
                    .into_iter()
                    .find(is_between)
                    .unwrap_or(begin)
            }
            (Some(noted), None) | (None, Some(noted)) => by(noted),
            (None, None) => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_by_how_long_it_was_after_the_death() {
        let clock = Clock {
            at: 50_000,
            since_boot: Some(1_000),
        };
        assert_eq!(clock.tell((7, Some(1_300))), 50_300);
        assert_eq!(
            clock.tell((7, Some(900))),
            50_000,
            "nothing of a recovery is before its death"
        );
        assert_eq!(clock.tell((50_400, None)), 50_400);
        assert_eq!(
            Clock {
                since_boot: None,
                ..clock
            }
            .tell((50_400, Some(3))),
            50_400
        );
    }

    #[test]
    fn of_a_moment_between_two_others_one_of_them_tells_how_the_clock_stood() {
        let clock = Clock {
            at: 50_000,
            since_boot: Some(1_000),
        };
        let (from, to) = (Some((50_100, Some(1_100))), Some((90_500, Some(1_500))));
        assert_eq!(clock.tell_between(50_300, (from, to)), 50_300);
        assert_eq!(clock.tell_between(90_300, (from, to)), 50_300);
        assert_eq!(
            clock.tell_between(7, (from, to)),
            50_100,
            "it makes no sense"
        );
        assert_eq!(clock.tell_between(50_300, (from, None)), 50_300);
        assert_eq!(clock.tell_between(90_300, (None, to)), 50_300);
        assert_eq!(clock.tell_between(90_300, (None, None)), 90_300);
    }
}
