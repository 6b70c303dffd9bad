//! Ends and recoveries found by the catch-up, and those of the bus that wait for it.
//!
//! Invariants: ends that are held back are reported after those that happened before; a recovery is
//! reported after its death.

use super::end::{End, Held, Recovered, Source};
use super::unit::Standing;
use super::{Ends, Scene};
use crate::core::crash::tracker::{Ended, Waited};
use crate::core::recovery::account::{Account, Outcome, account};
use crate::edge::history::entry::Key;
use crate::shell::daemon::archive::{Memory, Recalled};
use crate::shell::daemon::event::Action;
use crate::shell::daemon::standings::announce;
use crate::shell::news::{self, News};
use std::collections::HashSet;

impl Ends {
    /// Takes in the result of a catch-up, oldest first: what the history does not have. Ends that
    /// the bus has shown meanwhile follow.
    pub(in crate::shell::daemon) fn recollect(
        &mut self,
        scene: Scene<'_>,
        memories: Vec<Memory>,
    ) -> Vec<Action> {
        self.recall.done();
        let mut actions = Vec::new();
        for memory in memories {
            match memory {
                Memory::End(recalled) => {
                    let unit = recalled.key.unit.clone();
                    if let Some(mut end) = self.held_end(&recalled.key) {
                        // The bus has shown it too, but its place is here.
                        end.source = Source::Late;
                        if end.ended.last.is_none() {
                            end.testimony = end.testimony.or(Some(recalled.testimony));
                        }
                        actions.extend(self.decide(scene, &unit, end));
                    } else if scene.rules.guard.covers(&unit) && self.is_news(scene, &recalled) {
                        actions.extend(self.recall_end(scene, recalled));
                    }
                }
                Memory::UnderWay(key, under_way) => {
                    if scene.rules.guard.ward(&key.unit).is_some() {
                        // A unit that systemd has unloaded is not seen at all.
                        let is_down = self
                            .units
                            .get(&key.unit)
                            .is_none_or(|unit| unit.is_down || unit.standing == Standing::Unseen);
                        self.open.learn(&key.unit, Some(under_way));
                        self.open.observe(&key.unit, is_down, scene.now.monotonic);
                    }
                }
                Memory::Recovery(Key { boot, unit, .. }, chain) => {
                    if scene.rules.guard.ward(&unit).is_some() {
                        actions.extend(self.settle(scene, &unit, Recovered { boot, chain }));
                    }
                }
            }
        }
        actions.extend(self.desk.past_is_over(scene));
        let unseen = if self.recall.is_wanted() {
            self.keep_the_unseen()
        } else {
            Vec::new()
        };
        if !unseen.is_empty() {
            // Later ends go on waiting.
            self.recall.expect(scene.now.monotonic);
        }
        actions.extend(self.let_go(scene));
        self.held.extend(unseen);
        actions
    }

    /// Takes out the ends that were not observed, with the items held of the same units behind
    /// them: the catch-up may have started before them. Each only once, or a unit that restarts all
    /// the time would never be reported.
    fn keep_the_unseen(&mut self) -> Vec<(String, Held)> {
        let mut units = HashSet::new();
        let mut kept = Vec::new();
        for (unit, held) in std::mem::take(&mut self.held) {
            if matches!(&held, Held::End(end) if end.source == Source::Bus && end.is_unobserved()) {
                units.insert(unit.clone());
            }
            if units.contains(&unit) {
                kept.push((unit, held.unseen()));
            } else {
                self.held.push((unit, held));
            }
        }
        kept
    }

    /// Takes out the end of this run, if it was held back.
    fn held_end(&mut self, key: &Key) -> Option<End> {
        let index = self
            .held
            .iter()
            .position(|(name, held)| *name == key.unit && held.is_end_of(&key.invocation))?;
        match self.held.remove(index).1 {
            Held::End(end) => Some(*end),
            Held::Recovery(..) => None,
        }
    }

    fn recall_end(&mut self, scene: Scene<'_>, recalled: Recalled) -> Vec<Action> {
        let Recalled {
            key,
            testimony,
            activity,
            witness,
        } = recalled;
        let ended = Ended {
            invocation: key.invocation,
            evidence: testimony.evidence,
            waited: testimony.waited.unwrap_or(Waited::Run),
            activity,
            last: None,
        };
        let source = Source::Books(key.boot, witness);
        self.decide(
            scene,
            &key.unit,
            End {
                ended,
                testimony: Some(testimony),
                control: None,
                source,
            },
        )
    }

    /// Reports the end of a recovery, or holds it back.
    pub(super) fn settle(
        &mut self,
        scene: Scene<'_>,
        name: &str,
        recovered: Recovered,
    ) -> Vec<Action> {
        if self.recall.holds() || self.is_undecided(name, &recovered.chain.invocation) {
            self.held
                .push((name.to_owned(), Held::Recovery(Box::new(recovered))));
            return Vec::new();
        }
        let Recovered { boot, chain } = recovered;
        let limits = self
            .units
            .get(name)
            .map(|unit| unit.nature.limits)
            .unwrap_or_default();
        let Some(died) = chain.died.died(&chain.invocation, &limits) else {
            return Vec::new();
        };
        if self.settled.knows(&died.invocation) {
            return Vec::new();
        }
        self.settled.remember(died.invocation.clone());
        let key = Key {
            boot,
            unit: name.to_owned(),
            invocation: died.invocation.clone(),
        };
        let account = account(
            &scene.rules.guard.report_name(name),
            died,
            &chain.attempts,
            chain.ended,
        );
        let mut actions = vec![announce(told(&account))];
        let is_down = !self
            .units
            .get(name)
            .is_some_and(|unit| unit.standing == Standing::AtWork);
        if account.outcome == Outcome::Excluded && is_down && key.boot == scene.rules.boot {
            actions.push(self.standings.given_up(&account));
        }
        actions.extend(self.desk.recovered(scene, key, account));
        actions
    }

    /// Returns true if the end of this run waits for a witness: a recovery is not reported before
    /// its death.
    fn is_undecided(&self, name: &str, invocation: &str) -> bool {
        let read = self.units.get(name).is_some_and(|unit| {
            unit.ended
                .iter()
                .any(|ended| ended.invocation.as_str() == invocation)
        });
        read || self.waiting.iter().any(|waiting| {
            waiting.unit == name && waiting.end.ended.invocation.as_str() == invocation
        })
    }

    /// Settles the recoveries of a unit that waited for the decision on their deaths.
    pub(super) fn settle_late(&mut self, scene: Scene<'_>, name: &str) -> Vec<Action> {
        if self.recall.holds() {
            return Vec::new();
        }
        let (late, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(unit, held)| unit == name && matches!(held, Held::Recovery(..)));
        self.held = held;
        self.let_go_of(scene, late)
    }

    /// Decides on the ends that were held back.
    pub(super) fn let_go(&mut self, scene: Scene<'_>) -> Vec<Action> {
        let held = std::mem::take(&mut self.held);
        self.let_go_of(scene, held)
    }

    fn let_go_of(&mut self, scene: Scene<'_>, held: Vec<(String, Held)>) -> Vec<Action> {
        let mut actions = Vec::new();
        for (name, held) in held {
            actions.extend(match held {
                Held::End(mut end) => {
                    end.source = Source::Late;
                    self.decide(scene, &name, *end)
                }
                Held::Recovery(recovered) => self.settle(scene, &name, *recovered),
            });
        }
        actions
    }

    /// Returns true if this end was not reported before, and notes it; one of another boot is
    /// always new.
    fn is_news(&mut self, scene: Scene<'_>, recalled: &Recalled) -> bool {
        let Key {
            boot,
            unit,
            invocation,
        } = &recalled.key;
        if *boot != scene.rules.boot {
            return true;
        }
        if scene.rules.guard.ward(unit).is_some() || self.units.contains_key(unit) {
            return self.unit(unit).tracker.tell(invocation);
        }
        let news = !self.departed.knows(invocation);
        self.departed.remember(invocation.clone());
        news
    }
}

/// Returns the signal of a recovery.
fn told(account: &Account) -> News {
    News::Recovery(news::Recovery {
        ward: account.ward.clone(),
        invocation: account.invocation.to_string(),
        outcome: account.outcome.word().to_owned(),
        restarts: account.restarts,
        downtime_ms: account.downtime_ms.unwrap_or(0),
        recovery_ms: account.recovery_ms.unwrap_or(0),
    })
}
