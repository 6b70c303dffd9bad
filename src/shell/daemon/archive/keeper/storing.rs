//! The storing of changes. Those that cannot be stored now are kept and tried again, and trouble is
//! logged once, as is its end.

use super::{Keeper, Tally, inode_of, now_ms};
use crate::edge::history::entry::Change;
use crate::edge::history::{Cause, Dropped, HistoryError, Refused};
use crate::shell::daemon::messages;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// Time after a failure until the disk is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Shortest time between a change and the next [`Tale::Waiting`].
///
/// [`Tale::Waiting`]: super::Tale::Waiting
const TALLY: Duration = Duration::from_millis(500);

impl Keeper {
    /// Stores the backlog and these changes.
    pub(in crate::shell::daemon::archive) fn store(&mut self, changes: Vec<Change>) {
        if changes.is_empty() && self.backlog.is_empty() {
            self.retry = None;
            if self.history.is_none() && self.bounds.is_some() {
                self.open();
            }
            return;
        }
        self.lost += self.backlog.keep(changes) as u64;
        if self.retry.is_some_and(|at| at > Instant::now()) {
            return;
        }
        let changes = self.backlog.take();
        match self.apply(&changes) {
            Some(dropped) => self.stored(dropped),
            None => self.lost += self.backlog.keep(changes) as u64,
        }
    }

    /// Applies a batch, to a new history if need be; a failure is logged.
    fn apply(&mut self, changes: &[Change]) -> Option<Dropped> {
        if self.history.is_some() && self.inode != inode_of(&self.file) {
            error!(
                MESSAGE_ID = messages::HISTORY,
                "The history {} was removed or replaced while it was in use, beginning a new one.",
                self.file.display()
            );
            self.history = None;
        }
        if self.history.is_none() && !self.open() {
            return None;
        }
        let mut done = self.history.as_mut()?.apply(now_ms(), changes);
        if let Err(HistoryError::Damaged(_)) = &done
            && self.open()
        {
            done = self.history.as_mut()?.apply(now_ms(), changes);
        }
        if let Some(Refused { changes, why }) = self.history.as_mut()?.take_refused() {
            error!(
                MESSAGE_ID = messages::HISTORY,
                "Left out {changes} change{} that the history does not take: {why}",
                if changes == 1 { "" } else { "s" }
            );
        }
        done.inspect_err(|error| self.fail(error)).ok()
    }

    fn stored(&mut self, dropped: Dropped) {
        self.retry = None;
        if self.trouble.take().is_some() {
            let lost = std::mem::take(&mut self.lost);
            let lost = if lost == 0 {
                String::new()
            } else {
                format!("; {lost} changes were lost meanwhile")
            };
            info!(
                MESSAGE_ID = messages::HISTORY,
                "The history can be written again{lost}."
            );
        }
        if dropped.unsent > 0 {
            warn!(
                MESSAGE_ID = messages::DROPPED,
                "Dropped the {} oldest reports that the broker has not taken: the history has reached HistoryMaxUse=.",
                dropped.unsent
            );
        }
        if self.tally == Tally::Told {
            self.tally = Tally::Due(Instant::now() + TALLY);
        }
    }

    /// Logs a failure, once, and plans the next try.
    pub(super) fn fail(&mut self, error: &HistoryError) {
        self.retry = Some(Instant::now() + RETRY);
        let trouble = match error {
            HistoryError::Full(Cause::Reader) => {
                "The history cannot grow while a program reads it".to_owned()
            }
            HistoryError::Full(_) => "The disk is full".to_owned(),
            HistoryError::Damaged(_) | HistoryError::Other(_) => {
                format!(
                    "Failed to use the history {}: {}",
                    self.file.display(),
                    causes(error).join(": ")
                )
            }
        };
        if self.trouble.as_ref() != Some(&trouble) {
            error!(
                MESSAGE_ID = messages::HISTORY,
                "{trouble}; reports are sent all the same, and kept in memory until they can be stored."
            );
            self.trouble = Some(trouble);
        }
    }
}

/// Returns the texts of an error and of its causes.
fn causes(error: &HistoryError) -> Vec<String> {
    anyhow::Chain::new(error).map(ToString::to_string).collect()
}
