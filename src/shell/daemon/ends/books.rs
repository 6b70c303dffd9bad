//! Ends and recoveries found by the catch-up, and those of the bus that wait for it.
//!
//! Invariants: ends that are held back are reported after those that happened before; a recovery is
//! reported after its death.

use super::end::{End, Held, Source};
use super::unit::{Standing, Unit};
use super::{Ends, Scene};
use crate::core::crash::tracker::{Ended, Waited};
use crate::core::recovery::account::{Account, Outcome, account};
use crate::edge::history::entry::Key;
use crate::edge::recoveries::Chain;
use crate::shell::daemon::archive::{Memory, Recalled};
use crate::shell::daemon::event::Action;
use crate::shell::daemon::records;
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
                        let is_down =
                            |unit: &Unit| unit.is_down || unit.standing == Standing::Unseen;
                        let is_down = self.units.get(&key.unit).is_none_or(is_down);
                        self.open
                            .learn((&key.unit, is_down), Some(under_way), scene.now.monotonic);
                    }
                }
                Memory::Recovery(key, chain) => {
                    if scene.rules.guard.ward(&key.unit).is_some() {
                        actions.extend(self.settle(scene, &key.unit, (key.boot, chain)));
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
        let (kept, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(unit, held)| {
                let unseen = |end: &End| {
                    end.source == Source::Bus && end.ended.last.is_none() && end.testimony.is_none()
                };
                if matches!(held, Held::End(end) if unseen(end)) {
                    units.insert(unit.clone());
                }
                units.contains(unit)
            });
        self.held = held;
        let once = |(unit, held)| match held {
            Held::End(end) => (
                unit,
                Held::End(Box::new(End {
                    source: Source::Unseen,
                    ..*end
                })),
            ),
            Held::Recovery(..) => (unit, held),
        };
        let kept: Vec<_> = kept;
        kept.into_iter().map(once).collect()
    }

    /// Takes out the end of this run, if it was held back.
    fn held_end(&mut self, key: &Key) -> Option<End> {
        let is_it = |(name, held): &(String, Held)| match held {
            Held::End(end) => *name == key.unit && end.ended.invocation == key.invocation,
            Held::Recovery(..) => false,
        };
        let index = self.held.iter().position(is_it)?;
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
        (boot, chain): (String, Chain),
    ) -> Vec<Action> {
        if self.recall.holds() || self.is_undecided(name, &chain.invocation) {
            self.held
                .push((name.to_owned(), Held::Recovery(boot, Box::new(chain))));
            return Vec::new();
        }
        let limits = self
            .units
            .get(name)
            .map(|unit| unit.nature.limits)
            .unwrap_or_default();
        let Some(died) = records::died((&chain.invocation, &chain.died), &limits) else {
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
        let is_one =
            |(unit, held): &(String, Held)| unit == name && matches!(held, Held::Recovery(..));
        let (late, held) = std::mem::take(&mut self.held).into_iter().partition(is_one);
        self.held = held;
        self.let_go_of(scene, late)
    }

    /// Decides on the ends that were held back.
    pub(super) fn let_go(&mut self, scene: Scene<'_>) -> Vec<Action> {
        let held = std::mem::take(&mut self.held);
        self.let_go_of(scene, held)
    }

    fn let_go_of(&mut self, scene: Scene<'_>, held: Vec<(String, Held)>) -> Vec<Action> {
        let settle = |(name, held): (String, Held)| match held {
            Held::End(end) => self.decide(
                scene,
                &name,
                End {
                    source: Source::Late,
                    ..*end
                },
            ),
            Held::Recovery(boot, chain) => self.settle(scene, &name, (boot, *chain)),
        };
        held.into_iter().flat_map(settle).collect()
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
