//! When the daemon looks into the books: the run records and the journal, for what no signal told it.
//!
//! At its start, after each time everything was asked of PID 1 anew, and when runs of a unit went by unseen. While it
//! looks, new ends are held back, because what is found happened before them and is told before them; but never for longer
//! than [`PATIENCE`].

use std::time::Duration;

/// How long the books may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often they are looked into at most: each time the journal synchronises with the disk.
const PAUSE: Duration = Duration::from_secs(1);

/// How far it is.
#[derive(Debug)]
pub(super) struct Recall {
    phase: Phase,
    wanted: Wanted,
    archive: Archive,
    /// Not before this time again.
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Something is to be recalled: PID 1 and, at first, the archive have to answer before.
    First { until: Duration },
    /// The archive is looking.
    Asked { until: Duration },
    /// All that there was is known.
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
    /// Nothing was recalled yet.
    pub(super) fn new(now: Duration) -> Self {
        Self { phase: Phase::First { until: now + PATIENCE }, wanted: Wanted::No, archive: Archive::Closed, pause: now }
    }

    /// Something may have been missed.
    fn want(&mut self) {
        self.wanted = Wanted::Yes;
    }

    /// Something was missed: what comes after it is held back until it is known.
    pub(super) fn missed(&mut self, now: Duration) {
        self.want();
        self.expect(now);
    }

    /// Everything was asked of PID 1 anew, and ends wait for the books: they are looked into at once.
    pub(super) fn want_now(&mut self) {
        self.want();
        self.pause = Duration::ZERO;
    }

    /// Everything is about to be asked of PID 1 anew: what it shows is held back, for what went by unseen came before it.
    pub(super) fn expect(&mut self, now: Duration) {
        if self.phase == Phase::Done {
            self.phase = Phase::First { until: now + PATIENCE };
        }
    }

    /// The archive can be asked.
    pub(super) fn opened(&mut self) {
        self.archive = Archive::Open;
    }

    /// Whether to look into the books now.
    pub(super) fn next(&mut self, now: Duration) -> bool {
        let free = !matches!(self.phase, Phase::Asked { .. });
        let due = self.is_wanted() && free && self.pause <= now;
        if due {
            self.wanted = Wanted::No;
            self.pause = now + PAUSE;
            self.phase = Phase::Asked { until: now + PATIENCE };
        }
        due
    }

    /// The archive has answered.
    pub(super) fn done(&mut self) {
        self.phase = Phase::Done;
    }

    /// Whether the books are to be opened again.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted == Wanted::Yes && self.archive == Archive::Open
    }

    /// Whether ends are held back.
    pub(super) fn holds(&self) -> bool {
        self.phase != Phase::Done
    }

    /// Whether all that there was is known.
    pub(super) fn is_complete(&self) -> bool {
        !self.holds()
    }

    /// When [`Recall::next`] or [`Recall::overdue`] wants to be asked.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let pause = self.is_wanted().then_some(self.pause);
        match self.phase {
            Phase::Asked { until } => Some(until),
            Phase::First { until } => pause.into_iter().chain([until]).min(),
            Phase::Done => pause,
        }
    }

    /// Gives up waiting; `true`: just now. What comes later is taken all the same.
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
