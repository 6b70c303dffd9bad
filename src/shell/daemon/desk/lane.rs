//! The queue of one lane: reports leave in the order of the deaths, so one that waits for its
//! backtrace delays those behind it, but never for longer than its time limit.

use super::super::incident::Incident;
use super::super::rules::Scene;
use super::{Tense, rate};
use crate::core::crash::burst::Burst;
use crate::core::crash::observation::InvocationId;
use crate::core::recovery::account::Account;
use crate::edge::history::entry::Key;
use std::collections::VecDeque;
use std::time::Duration;

/// The lane of a ward, of a unit without a ward, or of a stack.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) burst: Burst<Incident>,
    /// The same for past deaths, by their own times, while a catch-up is being processed.
    pub(super) past: Burst<Incident>,
    queue: VecDeque<Item>,
}

/// One item to be reported.
#[derive(Debug)]
pub(super) enum Item {
    /// A death.
    Death(Box<Incident>, Wait),
    /// Deaths beyond the burst limit: the last one, and their number.
    Summary(Box<Incident>, u32),
    /// The end of a recovery.
    Recovery(Box<Recovery>),
}

/// A recovery that has ended, and is stored.
#[derive(Debug)]
pub(super) struct Recovery {
    /// The death it recovered from.
    pub(super) death: Key,
    pub(super) account: Account,
    /// The record as stored; the same bytes are sent, so the history keeps it once.
    pub(super) record: Vec<u8>,
}

/// The condition that a death waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Its turn.
    Turn,
    /// Its backtrace, until this time.
    Core(Duration),
}

impl Lane {
    /// Returns true if no item waits.
    pub(super) fn is_free(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns true if no item waits and no interval runs.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.burst.ends().is_none() && self.past.ends().is_none()
    }

    /// Adds an item behind the others.
    pub(super) fn push(&mut self, item: Item) {
        self.queue.push_back(item);
    }

    /// Takes the next item, if it need not wait any more.
    pub(super) fn pop(&mut self, now: Duration) -> Option<Item> {
        match self.queue.front()? {
            Item::Death(_, Wait::Core(until)) if *until > now => None,
            Item::Death(..) | Item::Summary(..) | Item::Recovery(..) => self.queue.pop_front(),
        }
    }

    /// Returns the time at which the first item's time limit or the burst's interval ends.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let patience = match self.queue.front() {
            Some(Item::Death(_, Wait::Core(until))) => Some(*until),
            Some(Item::Death(..) | Item::Summary(..) | Item::Recovery(..)) | None => None,
        };
        patience.into_iter().chain(self.burst.ends()).min()
    }

    /// Returns the burst to which a death of this time, in milliseconds since the epoch, belongs,
    /// and the time by that burst's clock.
    ///
    /// A past death belongs to the running interval if it happened within it.
    pub(super) fn count_for(
        &mut self,
        scene: Scene<'_>,
        tense: Tense,
        death: u64,
    ) -> (&mut Burst<Incident>, Duration) {
        let Scene { now, rules } = scene;
        let age = Duration::from_millis(now.epoch_ms.saturating_sub(death));
        let belongs_to_now = match tense {
            Tense::Present => true,
            Tense::Past => self
                .burst
                .ends()
                .is_some_and(|ends| ends + age <= now.monotonic + rate(rules).interval),
        };
        if belongs_to_now {
            (&mut self.burst, now.monotonic)
        } else {
            (&mut self.past, Duration::from_millis(death))
        }
    }

    /// Notes that all past deaths were processed. Returns the deaths to be summed up now, unless
    /// their interval is still running.
    pub(super) fn past_is_over(&mut self, scene: Scene<'_>) -> Option<(Incident, u32)> {
        let Scene { now, rules } = scene;
        let running = self
            .past
            .ends()?
            .saturating_sub(Duration::from_millis(now.epoch_ms));
        if running.is_zero() {
            return self.past.close();
        }
        // No longer than an interval, even if the clock of the death's time was wrong.
        let ends = now.monotonic + running.min(rate(rules).interval);
        self.burst.take_over(std::mem::take(&mut self.past), ends);
        None
    }

    /// Notes that the core of this run was found, or will not be: its report need not wait.
    pub(super) fn core_found(
        &mut self,
        invocation: &InvocationId,
        pid: Option<u32>,
        backtrace: Option<&str>,
    ) {
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
