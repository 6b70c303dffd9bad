//! Events on the bus, and their effect on the state.

use super::{Now, State};
use crate::shell::daemon::event::{Action, Remark};
use crate::shell::daemon::rules::Scene;
use crate::shell::daemon::stacks;
use crate::shell::daemon::systemd::{Description, JobAt, Question, Sight, StackSeen, UnitAt};

impl State {
    /// Takes in an event on the bus.
    pub(super) fn see(&mut self, now: Now, sight: Sight) -> Vec<Action> {
        let scene = Scene {
            now,
            rules: &self.rules,
        };
        match sight {
            Sight::Connected => {
                self.resync.connected();
                std::iter::once(Action::Say(Remark::Listening))
                    .chain(self.ask_for_all(now))
                    .collect()
            }
            Sight::Lost(error) => self.lost(now, error).into_iter().collect(),
            Sight::Overflow => self.overflow(now).into_iter().collect(),
            Sight::ManagerReplaced => std::iter::once(Action::Ask(Question::Subscribe))
                .chain(self.ask_for_all(now))
                .collect(),
            Sight::ReloadBegins => {
                self.resync.hold(now.monotonic);
                Vec::new()
            }
            // A daemon-reload has the generator read the wards anew, so they are read here too:
            // what is guarded and what is reported never differ. Once they are read everything is
            // asked for again.
            Sight::ReloadEnds => vec![Action::LoadConfiguration],
            Sight::Changed(unit, observation, state) => {
                if scene.rules.guard.stack(&unit).is_some() {
                    self.stacks.observe(&unit, &StackSeen::of(&observation));
                }
                let told = self.ends.standings.observe(scene, &unit, state);
                let mut actions = self.ends.observe(scene, &unit, &observation);
                actions.extend(told);
                actions
            }
            Sight::StackChanged(unit, seen) => {
                self.stacks.observe(&unit, &seen);
                Vec::new()
            }
            Sight::JobDone(at, result) => self
                .stacks
                .job_done(scene, &at, &result)
                .into_iter()
                .collect(),
            Sight::Restarter => vec![stacks::look(&self.rules)],
            // During a reload every unit goes and comes back.
            Sight::Removed(_) if self.resync.is_held() => Vec::new(),
            Sight::Removed(unit) => self.ends.removed(scene, &unit),
            Sight::JobQueued(at) => self.job_queued(now, at).into_iter().collect(),
            Sight::JobKnown(at, kind) => {
                self.ends.job_known(&at, kind);
                Vec::new()
            }
            Sight::Listed(units) => self.listed(now, units),
            Sight::Found(asked, at) => self.found(&asked, at).into_iter().collect(),
            Sight::Described(unit, description) => self.described(now, &unit, &description),
            Sight::Unanswered(question) => {
                self.ends.hurry(now, |unit| question.is_to_describe(unit));
                self.resync.unanswered(&question);
                Vec::new()
            }
        }
    }

    /// Sights were dropped: everything is to be asked for again.
    fn overflow(&mut self, now: Now) -> Option<Action> {
        self.ends.recall.expect(now.monotonic);
        let news = self.resync.postpone(now.monotonic);
        news.then_some(Action::Say(Remark::Overflow))
    }

    fn found(&mut self, asked: &str, at: UnitAt) -> Option<Action> {
        let news = self.rules.guard.learn_alias(asked, &at.unit);
        self.resync.found(asked, at);
        news.then(|| Action::Watch(self.rules.guard.watch_list()))
    }

    fn described(&mut self, now: Now, unit: &str, description: &Description) -> Vec<Action> {
        let scene = Scene {
            now,
            rules: &self.rules,
        };
        let told = self
            .ends
            .standings
            .observe(scene, unit, description.state.clone());
        let mut actions = self.ends.describe(scene, unit, description);
        self.resync.described(unit);
        actions.extend(told);
        actions
    }

    fn job_queued(&mut self, now: Now, at: JobAt) -> Option<Action> {
        self.stacks.job_queued(&at, now.monotonic);
        self.ends.job_queued(at)
    }

    /// The bus is lost; questions on it stay unanswered.
    fn lost(&mut self, now: Now, error: String) -> Option<Action> {
        self.ends.hurry(now, |_| true);
        self.resync
            .lost()
            .then(|| Action::Say(Remark::BusLost(error)))
    }

    fn listed(&mut self, now: Now, units: Vec<UnitAt>) -> Vec<Action> {
        let mut actions = self.ends.listed(
            Scene {
                now,
                rules: &self.rules,
            },
            &units,
        );
        let stacks = self
            .rules
            .guard
            .stacks()
            .map(|unit| Question::Stack(UnitAt::new(unit)));
        actions.extend(stacks.map(Action::Ask));
        if self.rules.guard.stacks().next().is_some() {
            // The news of a restarter may have been missed.
            actions.push(stacks::look(&self.rules));
        }
        let missing = self.rules.guard.not_among(&units);
        self.resync.listed(units, missing);
        actions
    }
}
