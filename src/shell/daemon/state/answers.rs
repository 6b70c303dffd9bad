//! Answers of the archive, and their effect on the state.

use super::{Now, State};
use crate::edge::history::entry::Change;
use crate::shell::daemon::archive::{Order, Recollection, Tale};
use crate::shell::daemon::cloud::Command;
use crate::shell::daemon::event::{Action, Remark};
use crate::shell::daemon::rules::Scene;
use crate::shell::daemon::stacks;

impl State {
    /// Takes in an answer of the archive.
    pub(super) fn learn(&mut self, now: Now, tale: Tale) -> Vec<Action> {
        match tale {
            Tale::Opened {
                next_seq,
                lanes,
                unfinished,
                told,
            } => {
                let scene = Scene {
                    now,
                    rules: &self.rules,
                };
                self.ends.recall.opened();
                self.ends.told_before(told);
                if let Some(next_seq) = next_seq {
                    self.ends.desk.number_from(next_seq);
                }
                let behind = Action::Tell(Command::Behind(lanes));
                let resumed = self.ends.desk.resume(scene, unfinished);
                std::iter::once(behind)
                    .chain(resumed)
                    .chain([stacks::look(&self.rules)])
                    .collect()
            }
            Tale::Fetched {
                lane,
                after,
                limit,
                reports,
            } => {
                vec![Action::Tell(Command::Loaded {
                    lane,
                    after,
                    reports,
                    limit,
                })]
            }
            Tale::Recalled(recollection) => self.recalled(now, *recollection),
            Tale::Restarts(notes) => {
                let scene = Scene {
                    now,
                    rules: &self.rules,
                };
                self.stacks.hear(scene, &mut self.ends.desk, notes)
            }
            Tale::Waiting(unsent) => {
                self.unsent = unsent;
                Vec::new()
            }
        }
    }

    /// Takes in the result of a catch-up.
    fn recalled(&mut self, now: Now, recollection: Recollection) -> Vec<Action> {
        let Recollection {
            memories,
            restarts,
            boot,
            cursor,
            left_out,
            unfinished,
            trouble,
        } = recollection;
        self.rules.boot = boot;
        let scene = Scene {
            now,
            rules: &self.rules,
        };
        let mut actions: Vec<_> = trouble
            .into_iter()
            .map(|why| Action::Say(Remark::NoJournal(why)))
            .collect();
        if left_out > 0 {
            actions.push(Action::Say(Remark::TooMany(left_out)));
        }
        actions.extend(self.ends.recollect(scene, memories));
        actions.extend(self.stacks.recall(scene, restarts));
        if unfinished {
            actions.push(Action::Say(Remark::RecallUnfinished));
            self.ends.recall.missed(now.monotonic);
        }
        // Last: only when all is on its way to the disk need it not be read again.
        actions
            .extend(cursor.map(|cursor| Action::Order(Order::Store(vec![Change::Cursor(cursor)]))));
        actions
    }
}
