//! Which report may be killing the connections.
//!
//! A broker may hang up over a report it does not like without a word: MQTT 3.1.1 has none for it. So after a loss those
//! that were on their way are suspects: they are sent before all others, one at a time, until each is acknowledged. One
//! that was alone on its way at [`STRIKES`] losses in a row is parked: the others go first, and it is tried again by itself
//! after a minute, then two, and so on up to an hour. It is never dropped, since all of this proves nothing.
//!
//! If a parked report or a suspect that was struck gets through, then it was the broker's fault and not the report's; so all
//! that are parked are tried.
//!
//! A broker that declines a report in so many words, because its topic is not allowed to us, is believed at once. Rights are
//! given as they are taken, so such a report is parked, too, and tried again within minutes. If several are declined in a row
//! their channel is shut: see [`super::aside`].
//!
//! No more than [`PARKED`] are parked: those that are to rest longest are left to the disk.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Losses in a row with the same single report on its way.
const STRIKES: u8 = 3;
const FIRST_REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// Reports parked in memory.
pub(super) const PARKED: usize = 32;
/// For those that were declined.
const LONGEST_DECLINED: Duration = Duration::from_secs(300);

/// All suspicions.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// They were on their way when the connection was lost; the first is the next to be sent, or on its way.
    suspects: VecDeque<u64>,
    /// Losses in a row with the first suspect alone on its way.
    strikes: u8,
    parked: Vec<Parked>,
    /// A parked one that is on its way.
    trial: Option<Parked>,
}

#[derive(Debug, Clone, Copy)]
struct Parked {
    seq: u64,
    due: Instant,
    rest: Duration,
}

impl Doubt {
    /// The report that is to be on its way before and without any other.
    pub(super) fn suspect(&self) -> Option<u64> {
        self.suspects.front().copied()
    }

    /// Whether a parked report is on its way, which is then alone.
    pub(super) const fn on_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Whether it is this one.
    pub(super) fn is_on_trial(&self, seq: u64) -> bool {
        self.trial.is_some_and(|trial| trial.seq == seq)
    }

    /// Whether a parked report is to be tried.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.parked.iter().any(|parked| parked.due <= now)
    }

    /// The parked report that has waited longest beyond its time; it is on its way from then on.
    pub(super) fn try_parked(&mut self, now: Instant) -> Option<u64> {
        let due = self.parked.iter().enumerate().filter(|(_, parked)| parked.due <= now);
        let (index, _) = due.min_by_key(|(_, parked)| (parked.due, parked.seq))?;
        let parked = self.parked.swap_remove(index);
        self.trial = Some(parked);
        Some(parked.seq)
    }

    /// The next time for [`Doubt::try_parked`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.parked.iter().map(|parked| parked.due).min()
    }

    /// Whether it is parked.
    pub(super) fn is_parked(&self, seq: u64) -> bool {
        self.parked.iter().any(|parked| parked.seq == seq)
    }

    /// How many are parked.
    pub(super) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// The one to be parked no more where there are too many: of the others than the latest, which is still to be told of,
    /// the one that is to rest longest.
    pub(super) fn one_too_many(&self) -> Option<u64> {
        let (_, others) = self.parked.split_last().filter(|(_, others)| others.len() >= PARKED)?;
        others.iter().max_by_key(|parked| (parked.due, parked.seq)).map(|parked| parked.seq)
    }

    /// The broker has this report; `true`: that clears those that are parked.
    pub(super) fn acknowledged(&mut self, seq: u64, now: Instant) -> bool {
        let clears = self.is_on_trial(seq) || (self.strikes > 0 && self.suspect() == Some(seq));
        if clears {
            self.parked.iter_mut().for_each(|parked| parked.due = parked.due.min(now));
        }
        self.forget(seq);
        clears
    }

    /// The broker does not take this report for now. The others that were to be tried wait a little, since they may fare
    /// alike.
    pub(super) fn declined(&mut self, seq: u64, now: Instant) {
        let trial = self.trial.filter(|trial| trial.seq == seq);
        let rest = trial.map_or(FIRST_REST, |trial| trial.rest.saturating_mul(2).min(LONGEST_DECLINED));
        self.forget(seq);
        for parked in self.parked.iter_mut().filter(|parked| parked.due <= now) {
            parked.due = now + FIRST_REST;
        }
        self.parked.push(Parked { seq, due: now + rest, rest });
    }

    /// This report is no more.
    pub(super) fn forget(&mut self, seq: u64) {
        if self.suspect() == Some(seq) {
            self.strikes = 0;
        }
        self.suspects.retain(|suspect| *suspect != seq);
        self.trial = self.trial.filter(|trial| trial.seq != seq);
    }

    /// This report is not held any more.
    pub(super) fn dismiss(&mut self, seq: u64) {
        self.forget(seq);
        self.parked.retain(|parked| parked.seq != seq);
    }

    /// The connection was lost, and these were on their way. Gives the report that is parked for the first time.
    pub(super) fn lost(&mut self, flying: &[u64], now: Instant) -> Option<u64> {
        if let Some(trial) = self.trial.take() {
            let rest = trial.rest.saturating_mul(2).min(LONGEST_REST);
            self.parked.push(Parked { due: now + rest, rest, ..trial });
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
        self.parked.push(Parked { seq, due: now + FIRST_REST, rest: FIRST_REST });
        Some(seq)
    }

    /// The connection was lost for a reason that has nothing to do with reports; one that was tried is tried again.
    pub(super) fn interrupted(&mut self, now: Instant) -> Option<u64> {
        self.parked.extend(self.trial.take().map(|trial| Parked { due: now, ..trial }));
        None
    }

    /// What was known is about another broker, or is not to be relied on.
    pub(super) fn trust(&mut self, now: Instant) {
        self.suspects.clear();
        self.strikes = 0;
        self.parked.iter_mut().for_each(|parked| parked.due = parked.due.min(now));
    }
}
