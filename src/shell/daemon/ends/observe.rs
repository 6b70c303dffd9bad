//! Observations of units, and the run records that they lead to.

use super::end::{End, Recovered, Source};
use super::under_way::is_down;
use super::unit::{Acquaintance, Standing};
use super::{Ends, Scene, unnoted};
use crate::core::crash::observation::{InvocationId, Observation, Stage};
use crate::core::recovery::account::Ended as Finish;
use crate::shell::daemon::event::{Action, UpSeen, Witness};
use crate::shell::daemon::systemd::{Question, UnitAt};

impl Ends {
    /// Takes in a change of a unit.
    pub(in crate::shell::daemon) fn observe(
        &mut self,
        scene: Scene<'_>,
        name: &str,
        observation: &Observation,
    ) -> Vec<Action> {
        if !scene.rules.guard.covers(name) {
            return Vec::new();
        }
        let ward = scene.rules.guard.ward(name);
        let ward = ward.as_deref();
        let findings = self.unit(name).tracker.observe(observation);
        self.note_standing(scene, name, observation);
        let unit = self.unit(name);
        let mut actions = Vec::new();
        if unit.acquaintance == Acquaintance::Stranger && !observation.is_over() {
            unit.acquaintance = Acquaintance::Known;
            actions.push(Action::Ask(Question::Describe(UnitAt::new(name))));
        }
        if findings.missed > 0 {
            self.recall.missed(scene.now.monotonic);
        }
        for ended in findings.ended {
            if self.departed.knows(&ended.invocation) {
                continue;
            }
            // For a plain crash the bus has all facts, before there is a record.
            let is_over =
                observation.is_over() || observation.invocation.as_ref() != Some(&ended.invocation);
            match ward {
                Some(ward) if is_over => {
                    actions.push(read_record(name, ward, &ended.invocation, None));
                    self.unit(name).ended.push(ended);
                }
                Some(_) if scene.rules.guard.needs_record(name) => {
                    self.unit(name).ended.push(ended)
                }
                Some(_) | None => {
                    self.unit(name).foretold = ward.map(|_| ended.clone());
                    let end = End {
                        ended,
                        testimony: None,
                        control: None,
                        source: Source::Bus,
                    };
                    actions.extend(self.take(scene, name, end));
                }
            }
        }
        actions.extend(
            ward.zip(findings.over)
                .map(|(ward, run)| read_record(name, ward, &run, None)),
        );
        actions.extend(ward.and_then(|ward| self.back_again(name, ward, observation)));
        actions
    }

    /// Notes the state that an observation shows.
    fn note_standing(&mut self, scene: Scene<'_>, name: &str, observation: &Observation) {
        let unit = self.unit(name);
        if unit.standing == Standing::Unseen {
            unit.up = observation
                .invocation
                .clone()
                .filter(|_| is_up(observation));
            unit.met = observation
                .invocation
                .clone()
                .filter(|_| observation.stage != Stage::Starting);
        }
        unit.standing = Standing::of(observation);
        unit.is_down = is_down(observation);
        self.open
            .observe(name, is_down(observation), scene.now.monotonic);
    }

    /// Takes in a run record that was asked for.
    pub(in crate::shell::daemon) fn hear(
        &mut self,
        scene: Scene<'_>,
        witness: Witness,
    ) -> Vec<Action> {
        let Witness {
            unit: name,
            invocation,
            testimony,
            recoveries,
            under_way,
        } = witness;
        let Some(unit) = self.units.get_mut(&name) else {
            return Vec::new();
        };
        self.open.learn(&name, under_way);
        self.open.observe(&name, unit.is_down, scene.now.monotonic);
        let index = unit
            .ended
            .iter()
            .position(|ended| ended.invocation == invocation);
        let ended = index.map(|index| unit.ended.remove(index));
        let foretold = unit
            .foretold
            .take_if(|ended| ended.invocation == invocation);
        let unnoted = ended
            .as_ref()
            .or(foretold.as_ref())
            .filter(|_| testimony.is_none());
        let nature = unit.nature;
        let unnoted = unnoted.and_then(|ended| unnoted::death(scene, &name, ended, &nature));
        let end = ended.map(|ended| End {
            ended,
            testimony,
            control: None,
            source: Source::Bus,
        });
        let mut actions = end
            .map(|end| self.take(scene, &name, end))
            .unwrap_or_default();
        actions.extend(unnoted.map(|death| Action::Note(Box::new(death))));
        actions.extend(self.settle_late(scene, &name));
        // Recoveries of a run that was up when its unit was met are left to the catch-up, which
        // knows if they were reported; without a history they are not reported.
        let is_for_books = self
            .units
            .get(&name)
            .is_some_and(|unit| unit.met.as_ref() == Some(&invocation));
        for chain in recoveries {
            if !is_for_books || matches!(chain.ended, Finish::GivenUp(_)) {
                let boot = scene.rules.boot.clone();
                actions.extend(self.settle(scene, &name, Recovered { boot, chain }));
            }
        }
        actions
    }

    /// Asks for the record of a run that is up: a recovery may have ended. The record says if it
    /// was a restart; systemd 257 makes a stop and a start of one if units require each other.
    fn back_again(&mut self, name: &str, ward: &str, observation: &Observation) -> Option<Action> {
        let invocation = observation
            .invocation
            .clone()
            .filter(|_| is_up(observation))?;
        let unit = self.unit(name);
        if unit.up.as_ref() == Some(&invocation) {
            return None;
        }
        unit.up = Some(invocation.clone());
        Some(read_record(
            name,
            ward,
            &invocation,
            Some(up_times(observation)),
        ))
    }
}

fn read_record(unit: &str, ward: &str, invocation: &InvocationId, up: Option<UpSeen>) -> Action {
    Action::ReadRecord {
        unit: unit.to_owned(),
        ward: ward.to_owned(),
        invocation: invocation.clone(),
        up,
    }
}

/// Returns the times at which the run that an observation shows became up.
fn up_times(observation: &Observation) -> UpSeen {
    UpSeen {
        active: observation.entered_active,
        main: observation.main.started,
    }
}

fn is_up(observation: &Observation) -> bool {
    matches!(observation.stage, Stage::Running | Stage::Exited)
}
