//! The reports that are suspected of ending connections.
//!
//! A broker may close the connection on a report without a reason: MQTT 3.1.1 has none for it. So
//! after a loss the reports in flight are suspects: they are sent before all others, one at a time,
//! until each is acknowledged. One that was alone in flight at [`STRIKES`] losses in a row is
//! parked: the others go first, and it is tried again alone after a minute, then two, and so on up
//! to an hour. It is never dropped, since all of this is no proof.
//!
//! If a parked report, or a suspect with a loss of its own, is acknowledged, then the broker was at
//! fault and not the report; so all parked reports are tried.
//!
//! A report that the broker declines explicitly, because its topic is not allowed to us, is parked
//! at once, and tried again within minutes, since rights may be given again. If several are
//! declined in a row their channel is shut: see [`super::aside`].
//!
//! No more than [`PARKED`] are parked: those with the longest rest are left to the disk.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Number of losses in a row, with the same single report in flight, that parks it.
const STRIKES: u8 = 3;
const FIRST_REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// Upper bound of reports parked in memory.
pub(super) const PARKED: usize = 32;
/// Longest rest of those that were declined.
const LONGEST_DECLINED: Duration = Duration::from_secs(300);

/// The suspects and the parked reports.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Reports that were in flight when the connection was lost; the first is the next to be sent,
    /// or in flight.
    suspects: VecDeque<u64>,
    /// Number of losses in a row with the first suspect alone in flight.
    strikes: u8,
    parked: Vec<Parked>,
    /// The parked report that is in flight.
    trial: Option<Parked>,
}

#[derive(Debug, Clone, Copy)]
struct Parked {
    seq: u64,
    due: Instant,
    rest: Duration,
}

impl Doubt {
    /// Returns the report that is to be in flight before and without any other.
    pub(super) fn suspect(&self) -> Option<u64> {
        self.suspects.front().copied()
    }

    /// Returns true if a parked report is in flight, which is then alone.
    pub(super) const fn on_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Returns true if this parked report is in flight.
    pub(super) fn is_on_trial(&self, seq: u64) -> bool {
        self.trial.is_some_and(|trial| trial.seq == seq)
    }

    /// Returns true if a parked report is to be tried.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.parked.iter().any(|parked| parked.due <= now)
    }

    /// Returns the parked report that is longest overdue; it is in flight from then on.
    pub(super) fn try_parked(&mut self, now: Instant) -> Option<u64> {
        let due = self
            .parked
            .iter()
            .enumerate()
            .filter(|(_, parked)| parked.due <= now);
        let (index, _) = due.min_by_key(|(_, parked)| (parked.due, parked.seq))?;
        let parked = self.parked.swap_remove(index);
        self.trial = Some(parked);
        Some(parked.seq)
    }

    /// Returns the next time for [`Doubt::try_parked`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.parked.iter().map(|parked| parked.due).min()
    }

    /// Returns true if this report is parked.
    pub(super) fn is_parked(&self, seq: u64) -> bool {
        self.parked.iter().any(|parked| parked.seq == seq)
    }

    /// Returns the number of parked reports.
    pub(super) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Returns the parked report to be left to the disk if there are too many: the one that is due
    /// last, but never the one parked last, which is still to be logged.
    pub(super) fn one_too_many(&self) -> Option<u64> {
        let (_, others) = self
            .parked
            .split_last()
            .filter(|(_, others)| others.len() >= PARKED)?;
        others
            .iter()
            .max_by_key(|parked| (parked.due, parked.seq))
            .map(|parked| parked.seq)
    }

    /// Notes that the broker has acknowledged this report; `true`: that clears the parked ones.
    pub(super) fn acknowledged(&mut self, seq: u64, now: Instant) -> bool {
        let clears = self.is_on_trial(seq) || (self.strikes > 0 && self.suspect() == Some(seq));
        if clears {
            self.parked
                .iter_mut()
                .for_each(|parked| parked.due = parked.due.min(now));
        }
        self.forget(seq);
        clears
    }

    /// Notes that the broker declines this report for now. Others that are due wait a little, since
    /// they may be declined as well.
    pub(super) fn declined(&mut self, seq: u64, now: Instant) {
        let trial = self.trial.filter(|trial| trial.seq == seq);
        let rest = trial.map_or(FIRST_REST, |trial| {
            trial.rest.saturating_mul(2).min(LONGEST_DECLINED)
        });
        self.forget(seq);
        for parked in self.parked.iter_mut().filter(|parked| parked.due <= now) {
            parked.due = now + FIRST_REST;
        }
        self.parked.push(Parked {
            seq,
            due: now + rest,
            rest,
        });
    }

    /// Removes this report from the suspects and the trial.
    pub(super) fn forget(&mut self, seq: u64) {
        if self.suspect() == Some(seq) {
            self.strikes = 0;
        }
        self.suspects.retain(|suspect| *suspect != seq);
        self.trial = self.trial.filter(|trial| trial.seq != seq);
    }

    /// Removes this report altogether: it is not held any more.
    pub(super) fn dismiss(&mut self, seq: u64) {
        self.forget(seq);
        self.parked.retain(|parked| parked.seq != seq);
    }

    /// Notes that the connection was lost with these reports in flight. Returns the report that is
    /// parked for the first time.
    pub(super) fn lost(&mut self, flying: &[u64], now: Instant) -> Option<u64> {
        if let Some(trial) = self.trial.take() {
            let rest = trial.rest.saturating_mul(2).min(LONGEST_REST);
            self.parked.push(Parked {
                due: now + rest,
                rest,
                ..trial
            });
            return None;
        }
        if self.suspects.is_empty() {
            self.suspects.extend(flying);
        }
        match flying {
            [only] if self.suspect() == Some(*only) => self.strikes += 1,
            _ => {}
        }
        if self.strikes < STRIKES {
            return None;
        }
        self.strikes = 0;
        let seq = self.suspects.pop_front()?;
        self.parked.push(Parked {
            seq,
            due: now + FIRST_REST,
            rest: FIRST_REST,
        });
        Some(seq)
    }

    /// Notes that the connection was lost for a reason that is no report's; one on trial is tried
    /// again. Returns `None`.
    pub(super) fn interrupted(&mut self, now: Instant) -> Option<u64> {
        self.parked
            .extend(self.trial.take().map(|trial| Parked { due: now, ..trial }));
        None
    }

    /// Clears all suspicions: the broker is another, or a new try was asked for. Parked reports are
    /// due now.
    pub(super) fn trust(&mut self, now: Instant) {
        self.suspects.clear();
        self.strikes = 0;
        self.parked
            .iter_mut()
            .for_each(|parked| parked.due = parked.due.min(now));
    }
}
