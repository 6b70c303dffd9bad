//! The search: looks into the books in a thread of its own, because `journalctl` takes minutes where the journal is large.
//!
//! Invariants: one search at a time, and one more after it however often it was asked for meanwhile. What it finds comes back
//! as an order. Nobody waits for the thread: when the daemon ends it ends with the process, and systemd ends its children.

use super::queue::Orders;
use super::{Order, recollect};
use std::io;
use std::sync::Weak;

/// Who searches.
pub(super) struct Search {
    /// Where to; gone when the daemon ends.
    back: Weak<Orders>,
    pub(super) phase: Phase,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody is searching.
    Idle,
    /// What is found has not come back yet.
    Searching,
    /// Nor has it, and then there is another search.
    Again,
}

impl Search {
    /// Searches nothing yet.
    pub(super) const fn new(back: Weak<Orders>) -> Self {
        Self { back, phase: Phase::Idle }
    }

    /// Looks into the books, from `cursor` on; at once, or after the search that is under way.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn begin(&mut self, cursor: Option<&str>) -> io::Result<()> {
        if self.phase != Phase::Idle {
            self.phase = Phase::Again;
            return Ok(());
        }
        let (back, cursor) = (self.back.clone(), cursor.map(str::to_owned));
        let search = move || {
            let found = recollect::gather(cursor.as_deref());
            if let Some(orders) = back.upgrade() {
                // The archive's thread is there as long as somebody can give it orders.
                let _ = orders.hand_back(Order::Gathered(Box::new(found)));
            }
        };
        std::thread::Builder::new().name("search".to_owned()).spawn(search)?;
        self.phase = Phase::Searching;
        Ok(())
    }

    /// What was found has come back; `true`: another search was asked for meanwhile.
    pub(super) fn done(&mut self) -> bool {
        std::mem::replace(&mut self.phase, Phase::Idle) == Phase::Again
    }
}
