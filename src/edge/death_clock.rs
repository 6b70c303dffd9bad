//! The clock of a recovery's times: the wall clock as it stood at the death that began the
//! recovery.
//!
//! The wall clock may be set during a recovery, by years on a host that boots in 1970. So records
//! note the boot's clock beside it. A recovery's times are those since its death by the boot's
//! clock, added to the wall-clock time of the death.

/// A point in time, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Milliseconds since the epoch.
    pub(super) at: u64,
    /// Milliseconds since boot, if that was noted.
    pub(super) since_boot: Option<u64>,
}

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
    pub(super) fn tell(self, moment: Moment) -> u64 {
        match (self.since_boot, moment.since_boot) {
            (Some(died), Some(now)) => self.at.saturating_add(now.saturating_sub(died)),
            _ => moment.at,
        }
    }

    /// Converts a moment between two others, of which only the wall clock's reading is known: the
    /// wall clock is taken to stand as at one of the two.
    #[must_use]
    pub(super) fn tell_between(self, at: u64, from: Option<Moment>, to: Option<Moment>) -> u64 {
        let from = from.filter(|moment| self.has_both_clocks_at(*moment));
        let to = to.filter(|moment| self.has_both_clocks_at(*moment));
        match (from, to) {
            (Some(from), Some(to)) => {
                let span = self.tell(from)..=self.tell(to);
                [from, to]
                    .into_iter()
                    .map(|noted| self.tell_as_at(noted, at))
                    .find(|told| span.contains(told))
                    .unwrap_or(*span.start())
            }
            (Some(noted), None) | (None, Some(noted)) => self.tell_as_at(noted, at),
            (None, None) => at,
        }
    }

    /// Returns true if the boot's clock was noted at the death and at this moment.
    fn has_both_clocks_at(self, moment: Moment) -> bool {
        self.since_boot.is_some() && moment.since_boot.is_some()
    }

    /// Converts a reading of the wall clock that stood as at `noted`.
    fn tell_as_at(self, noted: Moment, at: u64) -> u64 {
        self.tell(noted).saturating_add(at).saturating_sub(noted.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(at: u64, since_boot: Option<u64>) -> Moment {
        Moment { at, since_boot }
    }

    #[test]
    fn a_moment_is_told_by_how_long_it_was_after_the_death() {
        let clock = Clock {
            at: 50_000,
            since_boot: Some(1_000),
        };
        assert_eq!(clock.tell(moment(7, Some(1_300))), 50_300);
        assert_eq!(
            clock.tell(moment(7, Some(900))),
            50_000,
            "nothing of a recovery is before its death"
        );
        assert_eq!(clock.tell(moment(50_400, None)), 50_400);
        assert_eq!(
            Clock {
                since_boot: None,
                ..clock
            }
            .tell(moment(50_400, Some(3))),
            50_400
        );
    }

    #[test]
    fn of_a_moment_between_two_others_one_of_them_tells_how_the_clock_stood() {
        let clock = Clock {
            at: 50_000,
            since_boot: Some(1_000),
        };
        let from = Some(moment(50_100, Some(1_100)));
        let to = Some(moment(90_500, Some(1_500)));
        assert_eq!(clock.tell_between(50_300, from, to), 50_300);
        assert_eq!(clock.tell_between(90_300, from, to), 50_300);
        assert_eq!(clock.tell_between(7, from, to), 50_100, "it makes no sense");
        assert_eq!(clock.tell_between(50_300, from, None), 50_300);
        assert_eq!(clock.tell_between(90_300, None, to), 50_300);
        assert_eq!(clock.tell_between(90_300, None, None), 90_300);
    }
}
