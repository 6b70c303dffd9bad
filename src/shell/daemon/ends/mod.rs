//! Turns observations of units into verdicts on the ends of their runs.
//!
//! The stages of a death: an observation, of which the
//! [`Tracker`](crate::core::crash::tracker::Tracker) makes an end, or a catch-up, which finds ends
//! that no signal showed; for a ward its run record, unless it crashed plainly; if a control
//! process failed, PID 1's answer about it; then the verdict, and the [`Desk`].
//!
//! Invariants: each end comes to a verdict, after [`CONTROL_PATIENCE`] and the time limit of
//! [`Recall`] at the latest, even without its witnesses. A unit without a ward is known only while
//! systemd has it loaded, because the number of transient units is unlimited.

mod books;
mod end;
mod under_way;
mod unit;
mod unnoted;

use super::desk::{Core, Desk, Judged, Tense};
use super::event::{Action, Now, Remark, UpSeen, Witness};
use super::guard::Guard;
use super::incident::{Incident, IncidentKind};
use super::recall::Recall;
use super::recent::Recent;
use super::rules::Scene;
use super::standings::{Standings, announce};
use super::systemd::{Description, JobAt, Question, UnitAt};
use crate::core::crash::Cause;
use crate::core::crash::observation::{InvocationId, Observation, ProcessEnd, Stage};
use crate::core::crash::tracker::JobKind;
use crate::core::crash::verdict::{self, FailedControl, Verdict};
use crate::core::recovery::account::Ended as Finish;
use crate::edge::history::entry::{self, Key};
use crate::edge::recoveries::Chain;
use crate::shell::news::{self, News};
use end::{End, Held, Source, Waiting};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use under_way::{Open, is_down};
use unit::{Acquaintance, Standing, Unit};

/// Time limit of PID 1's answer about a failed control process. It comes within milliseconds; this
/// is for an overloaded machine.
const CONTROL_PATIENCE: Duration = Duration::from_secs(15);

/// Time limit of that answer once it was refused, or the bus is lost: PID 1 may be executing itself
/// anew, and a resync follows when it is back.
const REFUSED_PATIENCE: Duration = Duration::from_secs(1);

/// The watched units, and their ends without a verdict.
#[derive(Debug)]
pub(super) struct Ends {
    units: HashMap<String, Unit>,
    /// Runs of units that systemd has unloaded.
    departed: Recent,
    /// Runs whose recovery was reported.
    settled: Recent,
    /// Runs whose deaths an earlier daemon has reported: it may have ended before their ends were
    /// complete.
    told_before: Recent,
    /// Recoveries under way.
    open: Open,
    /// Ends that wait for PID 1's answer about a control process or a time limit.
    waiting: Vec<Waiting>,
    /// Ends and recoveries that wait for the catch-up, which may find earlier ones.
    held: Vec<(String, Held)>,
    /// The schedule of the catch-up.
    pub(super) recall: Recall,
    pub(super) desk: Desk,
    pub(super) standings: Standings,
    /// The latest time at which the configuration was applied; earlier ends of units that are met
    /// for the first time do not count.
    since: Duration,
}

impl Ends {
    /// Returns the state before the first observation.
    pub(super) fn new(now: Now) -> Self {
        Self {
            units: HashMap::new(),
            departed: Recent::default(),
            settled: Recent::default(),
            told_before: Recent::default(),
            open: Open::default(),
            waiting: Vec::new(),
            held: Vec::new(),
            recall: Recall::new(now.monotonic),
            desk: Desk::new(now),
            standings: Standings::default(),
            since: now.monotonic,
        }
    }

    /// Notes the runs whose deaths are in the history; the newest comes first.
    pub(super) fn told_before(&mut self, runs: Vec<InvocationId>) {
        runs.into_iter()
            .rev()
            .for_each(|run| self.told_before.remember(run));
    }

    /// Applies a new configuration: forgets units that are not watched any more.
    pub(super) fn rules_changed(&mut self, scene: Scene<'_>) {
        self.since = scene.now.monotonic;
        self.units.retain(|unit, _| scene.rules.guard.covers(unit));
    }

    /// Notes that unit files may have changed with a reload of systemd.
    pub(super) fn natures_may_have_changed(&mut self) {
        self.units
            .values_mut()
            .for_each(|unit| unit.acquaintance = Acquaintance::Stranger);
    }

    /// Returns the number of watched units without a ward.
    pub(super) fn without_ward(&self, guard: &Guard) -> usize {
        self.units
            .keys()
            .filter(|unit| guard.ward(unit).is_none())
            .count()
    }

    /// Returns the number of remembered items, without those in bounded sets.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.units.len() + self.waiting.len() + self.held.len() + self.desk.size()
    }

    /// Takes in a change of a unit.
    pub(super) fn observe(
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
        let unit = self.unit(name);
        let findings = unit.tracker.observe(observation);
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
                    actions.push(read_record((name, ward), &ended.invocation, None));
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
                .map(|(ward, run)| read_record((name, ward), &run, None)),
        );
        actions.extend(ward.and_then(|ward| self.back_again(name, ward, observation)));
        actions
    }

    /// Takes in PID 1's full answer about a unit.
    pub(super) fn describe(
        &mut self,
        scene: Scene<'_>,
        name: &str,
        description: &Description,
    ) -> Vec<Action> {
        if !scene.rules.guard.covers(name) {
            return Vec::new();
        }
        let unit = self.unit(name);
        (unit.nature, unit.acquaintance) = (description.nature, Acquaintance::Known);
        let mut actions = self.observe(scene, name, &description.observation);
        actions.extend(self.resolve(scene, name, description.failed_control));
        actions.extend(self.confirm_down(scene, name, &description.observation));
        actions
    }

    /// Notes that systemd has unloaded a unit without a ward. PID 1 signals a unit's last change
    /// before that, and has no further answer: its ends do not wait for a control process.
    pub(super) fn removed(&mut self, scene: Scene<'_>, name: &str) -> Vec<Action> {
        if scene.rules.guard.ward(name).is_some()
            || !self.units.get(name).is_some_and(Unit::is_idle)
        {
            return Vec::new();
        }
        let actions = self.resolve(scene, name, None);
        self.forget(name);
        actions
    }

    /// Takes in the list of watched units that are loaded. Known units without a ward that are not
    /// listed were unloaded unseen; the catch-up may find more of them.
    pub(super) fn listed(&mut self, scene: Scene<'_>, loaded: &[UnitAt]) -> Vec<Action> {
        let loaded: HashSet<_> = loaded.iter().map(|at| at.unit.as_str()).collect();
        let is_gone = |unit: &&String| {
            !loaded.contains(unit.as_str()) && scene.rules.guard.ward(unit).is_none()
        };
        let gone: Vec<String> = self.units.keys().filter(is_gone).cloned().collect();
        let mut actions = Vec::new();
        for name in gone {
            actions.extend(self.resolve(scene, &name, None));
            self.forget(&name);
        }
        actions
    }

    /// Takes in a queued job of a unit; asks for its kind if that matters.
    pub(super) fn job_queued(&self, at: JobAt) -> Option<Action> {
        let matters = self
            .units
            .get(&at.unit)
            .is_some_and(|unit| unit.tracker.cares_for_jobs());
        matters.then(|| Action::Ask(Question::JobType(at)))
    }

    /// Takes in the kind of a job.
    pub(super) fn job_known(&mut self, at: &JobAt, kind: JobKind) {
        if let Some(unit) = self.units.get_mut(&at.unit) {
            unit.tracker.learn_job(at.id, kind);
        }
    }

    /// Takes in a run record that was asked for.
    pub(super) fn hear(&mut self, scene: Scene<'_>, witness: Witness) -> Vec<Action> {
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
        self.open
            .learn((&name, unit.is_down), under_way, scene.now.monotonic);
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
        let unnoted = unnoted.and_then(|ended| unnoted::death((scene, &name), ended, &nature));
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
        let is_of_now = |chain: &Chain| matches!(chain.ended, Finish::GivenUp(_));
        for chain in recoveries
            .into_iter()
            .filter(|chain| !is_for_books || is_of_now(chain))
        {
            actions.extend(self.settle(scene, &name, (scene.rules.boot.clone(), chain)));
        }
        actions
    }

    /// Shortens the wait for answers about these units, which stay unanswered.
    pub(super) fn hurry(&mut self, now: Now, whose: impl Fn(&str) -> bool) {
        let soon = now.monotonic + REFUSED_PATIENCE;
        for waiting in self
            .waiting
            .iter_mut()
            .filter(|waiting| whose(&waiting.unit))
        {
            waiting.until = waiting.until.min(soon);
        }
    }

    /// Returns the next time for [`Ends::overdue`].
    pub(super) fn deadline(&self) -> Option<Duration> {
        let waits = self.waiting.iter().map(|waiting| waiting.until);
        waits
            .chain(self.desk.deadline())
            .chain(self.recall.deadline())
            .chain(self.open.deadline())
            .min()
    }

    /// Does what is due by now.
    pub(super) fn overdue(&mut self, scene: Scene<'_>) -> Vec<Action> {
        let now = scene.now.monotonic;
        let late = self.waiting.iter().filter(|waiting| waiting.until <= now);
        let units: Vec<String> = late.map(|waiting| waiting.unit.clone()).collect();
        let mut actions: Vec<Action> = units
            .iter()
            .flat_map(|unit| self.resolve(scene, unit, None))
            .collect();
        if self.recall.overdue(now) {
            actions.push(Action::Say(Remark::RecallLate));
            actions.extend(self.let_go(scene));
        }
        actions.extend(self.open.overdue(now));
        actions.extend(self.desk.overdue(scene));
        actions
    }

    fn unit(&mut self, name: &str) -> &mut Unit {
        let since = self.since;
        self.units
            .entry(name.to_owned())
            .or_insert_with(|| Unit::new(since))
    }

    /// Drops a unit; its last run stays known, so that its end is not reported again.
    fn forget(&mut self, name: &str) {
        if let Some(Unit {
            standing: Standing::AtRest(Some(invocation)),
            ..
        }) = self.units.remove(name)
        {
            self.departed.remember(invocation);
        }
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
            (name, ward),
            &invocation,
            Some(up_times(observation)),
        ))
    }

    /// Takes in an end with all its witnesses but, maybe, the last.
    fn take(&mut self, scene: Scene<'_>, name: &str, end: End) -> Vec<Action> {
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
        let cause = verdict::judge(&end.ended, end.testimony.as_ref(), (&nature, None)).cause;
        matches!(cause, Cause::Watchdog(None) | Cause::Timeout(_, None))
    }

    /// Decides on the waiting ends of this unit: the last witness has answered, or will not.
    fn resolve(
        &mut self,
        scene: Scene<'_>,
        name: &str,
        control: Option<FailedControl>,
    ) -> Vec<Action> {
        let (mine, others) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| waiting.unit == name);
        self.waiting = others;
        let mine: Vec<Waiting> = mine;
        let decide = |waiting: Waiting| {
            self.decide(
                scene,
                name,
                End {
                    control,
                    ..waiting.end
                },
            )
        };
        let mut actions: Vec<_> = mine.into_iter().flat_map(decide).collect();
        actions.extend(self.settle_late(scene, name));
        actions
    }

    /// Judges an end, or holds it back during a catch-up.
    fn decide(&mut self, scene: Scene<'_>, name: &str, end: End) -> Vec<Action> {
        if !matches!(end.source, Source::Books(..)) && self.told_before.knows(&end.ended.invocation)
        {
            return Vec::new();
        }
        if end.source == Source::Bus {
            // For an end that was not observed the catch-up has more facts.
            if end.ended.last.is_none() && end.testimony.is_none() {
                self.recall.missed(scene.now.monotonic);
            }
            if self.recall.holds() {
                self.held.push((name.to_owned(), Held::End(Box::new(end))));
                return Vec::new();
            }
        }
        let Scene { now, rules } = scene;
        let nature = self
            .units
            .get(name)
            .map(|unit| unit.nature)
            .unwrap_or_default();
        let death = verdict::judge(&end.ended, end.testimony.as_ref(), (&nature, end.control));
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
        let told = announce(News::Death(news::Death {
            ward: incident.name.clone(),
            unit: name.to_owned(),
            invocation: incident.key.invocation.to_string(),
            reason: incident.reason.clone(),
            pid: incident.pid.unwrap_or(0),
            at: incident.at,
            crash: incident.kind == IncidentKind::Crash,
        }));
        std::iter::once(told)
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
}

fn read_record(
    (unit, ward): (&str, &str),
    invocation: &InvocationId,
    up: Option<UpSeen>,
) -> Action {
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
