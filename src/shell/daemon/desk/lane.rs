//! What waits to be told of one ward: reports leave in the order of the deaths, so one that waits for its backtrace holds
//! up those behind it, but never for longer than its patience.

use super::super::event::Now;
use super::super::incident::Incident;
use super::Tense;
use crate::core::crash::burst::{Burst, Rate};
use crate::core::crash::observation::InvocationId;
use crate::core::recovery::account::Account;
use crate::edge::history::entry::Key;
use std::collections::VecDeque;
use std::time::Duration;

/// One ward's, or one unit's where there is no ward.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) burst: Burst<Incident>,
    /// The same for deaths that are told afterwards, by their own times, as long as they are being told.
    pub(super) past: Burst<Incident>,
    queue: VecDeque<Item>,
}

/// One thing to be told.
#[derive(Debug)]
pub(super) enum Item {
    /// A death.
    Death(Box<Incident>, Wait),
    /// Deaths beyond the burst limit: the last one, and how many there were.
    Summary(Box<Incident>, u32),
    /// The end of a recovery.
    Recovery(Box<Recovery>),
}

/// A recovery that has come to its end, and is stored.
#[derive(Debug)]
pub(super) struct Recovery {
    /// The death it recovered from.
    pub(super) death: Key,
    pub(super) account: Account,
    /// The record as stored; what is sent is the same, byte for byte, so the history keeps it once.
    pub(super) record: Vec<u8>,
}

/// What a death waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Its turn.
    Turn,
    /// Its backtrace, until then.
    Core(Duration),
}

impl Lane {
    /// Whether nothing stands in the way of the next item.
    pub(super) fn is_free(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether there is nothing to be remembered.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.burst.ends().is_none() && self.past.ends().is_none()
    }

    /// Puts an item behind the others.
    pub(super) fn push(&mut self, item: Item) {
        self.queue.push_back(item);
    }

    /// The next item, if it need not wait any more.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Item> {
        match self.queue.front()? {
            Item::Death(_, Wait::Core(until)) if *until > now => None,
            Item::Death(..) | Item::Summary(..) | Item::Recovery(..) => self.queue.pop_front(),
        }
    }

    /// When the first item's patience or the burst's interval ends.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let patience = match self.queue.front() {
            Some(Item::Death(_, Wait::Core(until))) => Some(*until),
            Some(Item::Death(..) | Item::Summary(..) | Item::Recovery(..)) | None => None,
        };
        patience.into_iter().chain(self.burst.ends()).min()
    }

    /// The count that a death is one of, and its time by that count's clock.
    ///
    /// One that is told afterwards belongs to the running interval all the same when it happened within it.
    pub(super) fn count_for(&mut self, told: (Tense, u64), now: Now, rate: Rate) -> (&mut Burst<Incident>, Duration) {
        let (tense, death) = told;
        let age = Duration::from_millis(now.epoch_ms.saturating_sub(death));
        let belongs_to_now = match tense {
            Tense::Present => true,
            Tense::Past => self.burst.ends().is_some_and(|ends| ends + age <= now.monotonic + rate.interval),
        };
        if belongs_to_now { (&mut self.burst, now.monotonic) } else { (&mut self.past, Duration::from_millis(death)) }
    }

    /// All that is told afterwards was told: what must be summed up now, unless its interval is still running.
    pub(super) fn past_is_over(&mut self, now: Now, rate: Rate) -> Option<(Incident, u32)> {
        let running = self.past.ends()?.saturating_sub(Duration::from_millis(now.epoch_ms));
        if running.is_zero() {
            return self.past.close();
        }
        // No longer than an interval lasts, however wrong the clock that the death's time was taken from.
        let ends = now.monotonic + running.min(rate.interval);
        self.burst.take_over(std::mem::take(&mut self.past), ends);
        None
    }

    /// The core of this run was found, or will not be: its report need not wait.
    pub(super) fn core_found(&mut self, invocation: &InvocationId, pid: Option<u32>, backtrace: Option<&str>) {
        for item in &mut self.queue {
            if let Item::Death(incident, wait) = item
                && incident.key.invocation == *invocation
            {
                *wait = Wait::Turn;
                incident.pid = incident.pid.or(pid);
                incident.backtrace = backtrace.map(str::to_owned);
            }
        }
    }
}
