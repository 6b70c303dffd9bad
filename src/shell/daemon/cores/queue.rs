//! The order in which core dumps are looked up.
//!
//! A look-up of hostile names takes all of its time limit, thousands of times the usual. Therefore
//! a few are under way at once, never two of one unit, and the next is of the unit that has used
//! the least time lately. So a unit whose processes crash all the time delays its own reports; one
//! that has crashed only now is next.
//!
//! Each look-up has one confined process at a time, so their number bounds the memory of all.

use super::Seek;
use crate::edge::coredump::Core;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Upper bound of look-ups under way.
const AT_ONCE: usize = 2;

/// Upper bound of entries that wait, in bytes.
pub(super) const SIZE: usize = 8 << 20;

/// Time for which the time used by a unit is remembered, from its latest look-up on.
const LATELY: Duration = Duration::from_secs(60);

/// A seek with the entry that it is about.
pub(super) struct Entry {
    pub(super) seek: Seek,
    pub(super) core: Core,
}

/// Entries that wait for their look-up, and the time that the units of earlier ones have used.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Entry>,
    /// Size of the waiting entries, in bytes.
    size: usize,
    /// Units with a look-up under way.
    under_way: Vec<String>,
    used: HashMap<String, Used>,
}

/// The time that a unit has used.
struct Used {
    time: Duration,
    latest: Instant,
}

impl Queue {
    /// Adds an entry. Returns those for which there is no room: the latest of the unit with the
    /// most bytes waiting.
    pub(super) fn push(&mut self, found: Entry) -> Vec<Entry> {
        self.size += found.core.size();
        self.waiting.push_back(found);
        let mut dropped = Vec::new();
        while self.size > SIZE && self.waiting.len() > 1 {
            let Some(place) = self.least_wanted() else {
                break;
            };
            dropped.extend(self.remove(place));
        }
        dropped
    }

    /// Takes the entry whose turn it is, if there is one; drops those whose time is over.
    pub(super) fn next(&mut self, now: Instant) -> Option<Entry> {
        self.waiting.retain(|found| found.seek.until > now);
        self.size = self.waiting.iter().map(|found| found.core.size()).sum();
        self.used
            .retain(|_, used| now.saturating_duration_since(used.latest) < LATELY);
        if self.under_way.len() >= AT_ONCE {
            return None;
        }
        let (place, _) = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, found)| !self.under_way.contains(&found.seek.unit))
            .min_by_key(|(_, found)| self.used.get(&found.seek.unit).map(|used| used.time))?;
        let found = self.remove(place)?;
        self.under_way.push(found.seek.unit.clone());
        Some(found)
    }

    /// Notes the end of a unit's look-up.
    pub(super) fn done(&mut self, unit: &str, took: Duration, now: Instant) {
        self.under_way.retain(|busy| busy != unit);
        let used = self.used.entry(unit.to_owned()).or_insert(Used {
            time: Duration::ZERO,
            latest: now,
        });
        (used.time, used.latest) = (used.time.saturating_add(took), now);
    }

    fn least_wanted(&self) -> Option<usize> {
        let mut sizes: HashMap<&str, usize> = HashMap::new();
        for found in &self.waiting {
            *sizes.entry(&found.seek.unit).or_default() += found.core.size();
        }
        let (unit, _) = sizes.into_iter().max_by_key(|(_, size)| *size)?;
        self.waiting
            .iter()
            .rposition(|found| found.seek.unit == unit)
    }

    fn remove(&mut self, place: usize) -> Option<Entry> {
        let found = self.waiting.remove(place)?;
        self.size -= found.core.size();
        Some(found)
    }
}
