//! Recoveries whose records wait for the last log lines of the runs that died.

use super::Desk;
use crate::core::recovery::account::Account;
use crate::edge::history::entry::Key;
use crate::shell::daemon::event::Action;
use crate::shell::daemon::last_lines::Lines;
use crate::shell::daemon::rules::Scene;
use std::time::Duration;

/// Time limit of reading the log lines of a run.
pub(super) const LOG_PATIENCE: Duration = Duration::from_secs(10);

/// A recovery that waits for log lines.
#[derive(Debug)]
pub(super) struct Unlogged {
    pub(super) death: Key,
    pub(super) account: Account,
    pub(super) until: Duration,
}

impl Desk {
    /// Takes in the last log lines of a run that died.
    pub(in crate::shell::daemon) fn log_read(
        &mut self,
        scene: Scene<'_>,
        read: Lines,
    ) -> Vec<Action> {
        let Some(index) = self
            .unlogged
            .iter()
            .position(|waiting| waiting.death.invocation == read.run)
        else {
            return Vec::new();
        };
        let recovery = self.unlogged.remove(index);
        self.complete(scene, recovery, read.lines)
    }

    /// Processes recoveries whose lines have not come in time.
    pub(super) fn without_log(&mut self, scene: Scene<'_>) -> Vec<Action> {
        let (late, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.unlogged)
            .into_iter()
            .partition(|recovery| recovery.until <= scene.now.monotonic);
        self.unlogged = waiting;
        late.into_iter()
            .flat_map(|recovery| self.complete(scene, recovery, Vec::new()))
            .collect()
    }

    /// Processes a recovery with these log lines.
    fn complete(
        &mut self,
        scene: Scene<'_>,
        recovery: Unlogged,
        log_lines: Vec<String>,
    ) -> Vec<Action> {
        let account = Account {
            log_lines: Some(log_lines),
            ..recovery.account
        };
        self.settled(scene, recovery.death, account)
    }
}
