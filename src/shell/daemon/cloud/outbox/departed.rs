//! The latest reports that have left, so that none is taken in again: from the other source, or from
//! an answer that was given before it left.

use std::collections::{HashSet, VecDeque};

/// Their `seq`s, in the order in which they left.
#[derive(Debug, Default)]
pub(super) struct Departed {
    order: VecDeque<u64>,
    set: HashSet<u64>,
}

impl Departed {
    /// Returns true if this report is remembered.
    pub(super) fn contains(&self, seq: u64) -> bool {
        self.set.contains(&seq)
    }

    /// Remembers a report, and forgets the oldest one if more than `most` are remembered.
    pub(super) fn add(&mut self, seq: u64, most: usize) {
        self.order.push_back(seq);
        self.set.insert(seq);
        if self.order.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }

    /// Returns the number of remembered reports.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.set.len()
    }
}
