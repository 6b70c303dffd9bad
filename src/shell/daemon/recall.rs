//! The schedule of the catch-up: the daemon reads the run records and the journal for ends that no
//! signal showed.
//!
//! It runs at the daemon's start, after each resync, and when runs of a unit were missed. Meanwhile
//! new ends are held back, because those found happened earlier and are reported earlier; but never
//! for longer than [`PATIENCE`].

use std::time::Duration;

/// Time limit of a catch-up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Shortest time between two catch-ups: each makes the journal synchronise with the disk.
const PAUSE: Duration = Duration::from_secs(1);

/// Progress of the catch-up.
#[derive(Debug)]
pub(super) struct Recall {
    phase: Phase,
    wanted: Wanted,
    archive: Archive,
    /// Earliest time of the next catch-up.
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A catch-up is to come: PID 1 and, at first, the archive have to answer before.
    First { until: Duration },
    /// The archive is reading.
    Asked { until: Duration },
    /// No catch-up is expected or under way: the last one is complete, or was given up.
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    No,
    Yes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Archive {
    /// It is being opened.
    Closed,
    /// It answers.
    Open,
}

impl Recall {
    /// Returns the state before the first catch-up.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            phase: Phase::First {
                until: now + PATIENCE,
            },
            wanted: Wanted::No,
            archive: Archive::Closed,
            pause: now,
        }
    }

    /// Notes that ends may have been missed.
    fn want(&mut self) {
        self.wanted = Wanted::Yes;
    }

    /// Notes that ends were missed: later ones are held back until those are known.
    pub(super) fn missed(&mut self, now: Duration) {
        self.want();
        self.expect(now);
    }

    /// Notes that a resync is complete: the next catch-up starts without a pause, since ends wait
    /// for it.
    pub(super) fn want_now(&mut self) {
        self.want();
        self.pause = Duration::ZERO;
    }

    /// Notes that a resync begins: the ends that it shows are held back, because missed ones came
    /// before them.
    pub(super) fn expect(&mut self, now: Duration) {
        if self.phase == Phase::Done {
            self.phase = Phase::First {
                until: now + PATIENCE,
            };
        }
    }

    /// Notes that the archive is open.
    pub(super) fn opened(&mut self) {
        self.archive = Archive::Open;
    }

    /// Returns true if a catch-up is due now, and notes that it starts.
    pub(super) fn next(&mut self, now: Duration) -> bool {
        let free = !matches!(self.phase, Phase::Asked { .. });
        let due = self.is_wanted() && free && self.pause <= now;
        if due {
            self.wanted = Wanted::No;
            self.pause = now + PAUSE;
            self.phase = Phase::Asked {
                until: now + PATIENCE,
            };
        }
        due
    }

    /// Notes that the archive has answered.
    pub(super) fn done(&mut self) {
        self.phase = Phase::Done;
    }

    /// Returns true if a catch-up is wanted and the archive is open.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted == Wanted::Yes && self.archive == Archive::Open
    }

    /// Returns true while ends are held back.
    pub(super) fn holds(&self) -> bool {
        self.phase != Phase::Done
    }

    /// Returns true if no catch-up is expected or under way.
    pub(super) fn is_complete(&self) -> bool {
        !self.holds()
    }

    /// Time of the next call of [`Recall::next`] or [`Recall::overdue`].
    pub(super) fn deadline(&self) -> Option<Duration> {
        let pause = self.is_wanted().then_some(self.pause);
        match self.phase {
            Phase::Asked { until } => Some(until),
            Phase::First { until } => pause.into_iter().chain([until]).min(),
            Phase::Done => pause,
        }
    }

    /// Gives up a catch-up that is late; `true`: just now. A later answer is taken all the same.
    pub(super) fn overdue(&mut self, now: Duration) -> bool {
        let late = match self.phase {
            Phase::First { until } | Phase::Asked { until } => until <= now,
            Phase::Done => false,
        };
        if late {
            self.phase = Phase::Done;
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn ends_are_held_back_until_the_books_were_read() {
        let mut recall = Recall::new(NOW);
        assert!(recall.holds() && !recall.is_complete());
        recall.want();
        assert!(!recall.next(NOW), "the archive is not open");
        recall.opened();
        assert!(recall.next(NOW) && !recall.next(NOW));
        recall.want();
        assert!(!recall.next(NOW) && recall.holds(), "one at a time");
        recall.done();
        assert!(!recall.holds() && !recall.next(NOW), "not so soon again");
        assert_eq!(recall.deadline(), Some(NOW + PAUSE));
        assert!(recall.next(NOW + PAUSE) && recall.holds());
        recall.done();
        recall.want_now();
        assert!(recall.next(NOW + PAUSE), "what waits need not wait longer");
    }

    #[test]
    fn books_that_cannot_be_read_hold_nothing_back_for_ever() {
        let mut recall = Recall::new(NOW);
        recall.opened();
        recall.want();
        assert!(recall.next(NOW));
        assert!(!recall.overdue(NOW));
        assert_eq!(recall.deadline(), Some(NOW + PATIENCE));
        assert!(recall.overdue(NOW + PATIENCE) && !recall.holds() && recall.is_complete());
    }
}
