//! The search of a catch-up, in a thread of its own, because `journalctl` takes minutes if the
//! journal is large.
//!
//! Invariants: one search at a time, and one more after it, however often it was asked for
//! meanwhile. The result comes back as an order. The end of the daemon does not wait for the
//! thread: it ends with the process, and systemd ends its children.

use super::queue::Orders;
use super::{Order, recollect};
use std::io;
use std::sync::Weak;

/// The state of the search.
pub(super) struct Search {
    /// The queue for the result; gone when the daemon ends.
    back: Weak<Orders>,
    pub(super) phase: Phase,
}

/// Phase of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No search is under way.
    Idle,
    /// A search is under way.
    Searching,
    /// A search is under way, and another follows.
    Again,
}

impl Search {
    /// Returns the state before the first search.
    pub(super) const fn new(back: Weak<Orders>) -> Self {
        Self {
            back,
            phase: Phase::Idle,
        }
    }

    /// Starts a search from `cursor` on, or notes that another follows the one under way.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn begin(&mut self, cursor: Option<&str>) -> io::Result<()> {
        if self.phase != Phase::Idle {
            self.phase = Phase::Again;
            return Ok(());
        }
        let (back, cursor) = (self.back.clone(), cursor.map(str::to_owned));
        std::thread::Builder::new()
            .name("search".to_owned())
            .spawn(move || {
                let found = recollect::gather(cursor.as_deref());
                if let Some(orders) = back.upgrade() {
                    // The archive's thread lives as long as the queue has a sender.
                    let _ = orders.hand_back(Order::Gathered(Box::new(found)));
                }
            })?;
        self.phase = Phase::Searching;
        Ok(())
    }

    /// Notes that the result has come back; `true`: another search was asked for meanwhile.
    pub(super) fn done(&mut self) -> bool {
        std::mem::replace(&mut self.phase, Phase::Idle) == Phase::Again
    }
}
