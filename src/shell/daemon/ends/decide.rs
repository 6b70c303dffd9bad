//! Verdicts on ends, with the last of their witnesses: PID 1's answer about a control process or a
//! time limit.

use super::end::{End, Held, Source, Waiting};
use super::{CONTROL_PATIENCE, Ends, Scene};
use crate::core::crash::Cause;
use crate::core::crash::observation::ProcessEnd;
use crate::core::crash::verdict::{self, FailedControl, Verdict};
use crate::edge::history::entry::{self, Key};
use crate::shell::daemon::desk::{Core, Judged, Tense};
use crate::shell::daemon::event::Action;
use crate::shell::daemon::incident::{Incident, IncidentKind};
use crate::shell::daemon::standings::announce;
use crate::shell::daemon::systemd::{Question, UnitAt};
use crate::shell::news::{self, News};

impl Ends {
    /// Takes in an end with all its witnesses but, maybe, the last.
    pub(super) fn take(&mut self, scene: Scene<'_>, name: &str, end: End) -> Vec<Action> {
        // Later ends are reported later.
        let is_behind = self.waiting.iter().any(|waiting| waiting.unit == name);
        let is_clear = !verdict::needs_control(&end.ended, end.testimony.as_ref())
            && !self.lacks_a_limit(name, &end);
        if is_clear && !is_behind {
            return self.decide(scene, name, end);
        }
        let until = scene.now.monotonic + CONTROL_PATIENCE;
        self.waiting.push(Waiting {
            unit: name.to_owned(),
            end,
            until,
        });
        vec![Action::Ask(Question::Describe(UnitAt::new(name)))]
    }

    /// Returns true if a time limit struck whose length is unknown: PID 1's answer about a unit may
    /// have been lost to a reload.
    fn lacks_a_limit(&self, name: &str, end: &End) -> bool {
        let nature = self
            .units
            .get(name)
            .map(|unit| unit.nature)
            .unwrap_or_default();
        let cause = verdict::judge(&end.ended, end.testimony.as_ref(), &nature, None).cause;
        matches!(cause, Cause::Watchdog(None) | Cause::Timeout(_, None))
    }

    /// Decides on the waiting ends of this unit: the last witness has answered, or will not.
    pub(super) fn resolve(
        &mut self,
        scene: Scene<'_>,
        name: &str,
        control: Option<FailedControl>,
    ) -> Vec<Action> {
        let (mine, others): (Vec<Waiting>, Vec<Waiting>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| waiting.unit == name);
        self.waiting = others;
        let mut actions = Vec::new();
        for Waiting { mut end, .. } in mine {
            end.control = control;
            actions.extend(self.decide(scene, name, end));
        }
        actions.extend(self.settle_late(scene, name));
        actions
    }

    /// Judges an end, or holds it back during a catch-up.
    pub(super) fn decide(&mut self, scene: Scene<'_>, name: &str, end: End) -> Vec<Action> {
        let Some(end) = self.due(scene, name, end) else {
            return Vec::new();
        };
        let Scene { now, rules } = scene;
        let nature = self
            .units
            .get(name)
            .map(|unit| unit.nature)
            .unwrap_or_default();
        let death = verdict::judge(&end.ended, end.testimony.as_ref(), &nature, end.control);
        let kind = match death.verdict {
            Verdict::Crash => IncidentKind::Crash,
            // Services without a ward often end cleanly by themselves, which is not reported.
            Verdict::Death if rules.guard.ward(name).is_some() => IncidentKind::Death,
            Verdict::Death | Verdict::Requested => return Vec::new(),
        };
        let (boot, witness, tense) = match end.source {
            Source::Bus | Source::Unseen | Source::Late => {
                (rules.boot.clone(), entry::Witness::Bus, Tense::Present)
            }
            Source::Books(boot, witness) => (boot, witness, Tense::Past),
        };
        let incident = Incident {
            key: Key {
                boot,
                unit: name.to_owned(),
                invocation: end.ended.invocation,
            },
            name: rules.guard.report_name(name).into_owned(),
            kind,
            pid: death.pid,
            reason: death.cause.to_string(),
            at: death.at.unwrap_or(now.epoch_ms),
            backtrace: None,
            witness,
        };
        let core = match death.process {
            Some(ProcessEnd::Dumped(_)) => Core::Dumped,
            Some(ProcessEnd::Exited(_) | ProcessEnd::Killed(_)) | None => Core::None,
        };
        std::iter::once(told(&incident))
            .chain(self.desk.receive(
                scene,
                Judged {
                    incident,
                    core,
                    tense,
                },
            ))
            .collect()
    }

    /// Returns an end that is to be judged now: not one that was reported before, nor one that is
    /// held back.
    fn due(&mut self, scene: Scene<'_>, name: &str, end: End) -> Option<End> {
        if !matches!(end.source, Source::Books(..)) && self.told_before.knows(&end.ended.invocation)
        {
            return None;
        }
        if end.source == Source::Bus {
            // For an end that was not observed the catch-up has more facts.
            if end.is_unobserved() {
                self.recall.missed(scene.now.monotonic);
            }
            if self.recall.holds() {
                self.held.push((name.to_owned(), Held::End(Box::new(end))));
                return None;
            }
        }
        Some(end)
    }
}

/// Returns the signal of a death.
fn told(incident: &Incident) -> Action {
    announce(News::Death(news::Death {
        ward: incident.name.clone(),
        unit: incident.key.unit.clone(),
        invocation: incident.key.invocation.to_string(),
        reason: incident.reason.clone(),
        pid: incident.pid.unwrap_or(0),
        at: incident.at,
        crash: incident.kind == IncidentKind::Crash,
    }))
}
