//! The clock by which the times of a recovery are told: the wall clock as it stood at the death that began it.
//!
//! Somebody may set the wall clock during a recovery, by years on a host that boots in 1970. So records note the boot's clock beside
//! it, and the times of a recovery are those since its death, added to when that was.

/// A moment: milliseconds since the epoch, and since boot where that is noted.
pub(super) type Moment = (u64, Option<u64>);

/// The wall clock at a death.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// When it was, milliseconds since the epoch.
    pub(super) at: u64,
    /// The same since boot; `None`: not known, and then all times are told as they were read.
    pub(super) since_boot: Option<u64>,
}

impl Clock {
    /// A moment by this clock.
    #[must_use]
    pub(super) fn tell(self, (at, since_boot): Moment) -> u64 {
        match (self.since_boot, since_boot) {
            (Some(died), Some(now)) => self.at.saturating_add(now.saturating_sub(died)),
            _ => at,
        }
    }

    /// A moment of which only the wall clock's reading is known, from between two others: the clock stood as at one of the two.
    #[must_use]
    pub(super) fn tell_between(self, at: u64, (from, to): (Option<Moment>, Option<Moment>)) -> u64 {
        let is_noted = |(_, since_boot): &Moment| self.since_boot.is_some() && since_boot.is_some();
        let (from, to) = (from.filter(is_noted), to.filter(is_noted));
        let by = |(wall, since): Moment| (self.tell((wall, since)).saturating_add(at)).saturating_sub(wall);
        match (from, to) {
            (Some(from), Some(to)) => {
                let (begin, end) = (self.tell(from), self.tell(to));
                let is_between = |told: &u64| (begin..=end).contains(told);
                [by(from), by(to)].into_iter().find(is_between).unwrap_or(begin)
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
        let clock = Clock { at: 50_000, since_boot: Some(1_000) };
        assert_eq!(clock.tell((7, Some(1_300))), 50_300);
        assert_eq!(clock.tell((7, Some(900))), 50_000, "nothing of a recovery is before its death");
        assert_eq!(clock.tell((50_400, None)), 50_400);
        assert_eq!(Clock { since_boot: None, ..clock }.tell((50_400, Some(3))), 50_400);
    }

    #[test]
    fn of_a_moment_between_two_others_one_of_them_tells_how_the_clock_stood() {
        let clock = Clock { at: 50_000, since_boot: Some(1_000) };
        let (from, to) = (Some((50_100, Some(1_100))), Some((90_500, Some(1_500))));
        assert_eq!(clock.tell_between(50_300, (from, to)), 50_300);
        assert_eq!(clock.tell_between(90_300, (from, to)), 50_300);
        assert_eq!(clock.tell_between(7, (from, to)), 50_100, "it makes no sense");
        assert_eq!(clock.tell_between(50_300, (from, None)), 50_300);
        assert_eq!(clock.tell_between(90_300, (None, to)), 50_300);
        assert_eq!(clock.tell_between(90_300, (None, None)), 90_300);
    }
}
