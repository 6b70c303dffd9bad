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
        let Unlogged { death, account, .. } = self.unlogged.remove(index);
        self.settled(
            scene,
            death,
            Account {
                log_lines: Some(read.lines),
                ..account
            },
        )
    }

    /// Processes recoveries whose lines have not come in time.
    pub(super) fn without_log(&mut self, scene: Scene<'_>) -> Vec<Action> {
        let late = |waiting: &Unlogged| waiting.until <= scene.now.monotonic;
        let (late, waiting) = std::mem::take(&mut self.unlogged)
            .into_iter()
            .partition(late);
        self.unlogged = waiting;
        let late: Vec<Unlogged> = late;
        let settle = |Unlogged { death, account, .. }| {
            self.settled(
                scene,
                death,
                Account {
                    log_lines: Some(Vec::new()),
                    ..account
                },
            )
        };
        late.into_iter().flat_map(settle).collect()
    }
}
