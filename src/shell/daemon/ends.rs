//! From what is seen of units to what is said of their ends.
//!
//! A death's way: an observation, of which the [`Tracker`] makes an end; for a ward its run record; where
//! a control process failed, PID 1's word on which; then the verdict, the burst limit, the journal and the broker.
//!
//! Invariants: whatever the witnesses do, an end that was told comes to a verdict, after
//! [`CONTROL_PATIENCE`] at the latest. A unit without a ward is known for as long as systemd has it loaded, and
//! no longer: transient units come and go without number.

use super::cloud::Endpoint;
use super::departed::Departed;
use super::event::{Action, Incident, IncidentKind, Now, Remark};
use super::guard::Guard;
use super::identity::Identity;
use super::systemd::{Description, JobAt, Question, UnitAt};
use crate::core::config::{ReportOn, Settings};
use crate::core::crash::Cause;
use crate::core::crash::burst::{Admission, Burst, Rate};
use crate::core::crash::observation::{InvocationId, Observation};
use crate::core::crash::reason::summed_up;
use crate::core::crash::tracker::{Activity, Ended, Evidence, JobKind, Tracker, Waited};
use crate::core::crash::verdict::{self, FailedControl, Nature, Testimony, Verdict};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How long PID 1's answer about a failed control process is waited for.
pub(super) const CONTROL_PATIENCE: Duration = Duration::from_secs(1);

/// The configuration in force.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    pub(super) guard: Guard,
}

/// When, and under which rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'r> {
    pub(super) now: Now,
    pub(super) rules: &'r Rules,
}

/// The watched units and their ends that are not dealt with yet.
#[derive(Debug)]
pub(super) struct Ends {
    units: HashMap<String, Unit>,
    departed: Departed,
    /// Ends that wait for a word about a control process.
    waiting: Vec<Waiting>,
    bursts: HashMap<String, Burst<Incident>>,
    /// From when on a unit that is met for the first time counts: the latest time at which the watch
    /// became wider.
    since: Duration,
}

/// One watched unit.
#[derive(Debug)]
struct Unit {
    tracker: Tracker,
    nature: Nature,
    acquaintance: Acquaintance,
    standing: Standing,
    /// Ends of which the run record is being read.
    ended: Vec<Ended>,
}

/// Whether a unit's nature is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acquaintance {
    /// It is not, or may have changed.
    Stranger,
    /// It is, or is being asked for.
    Known,
}

/// What was seen of a unit last.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Nothing.
    Unseen,
    /// A run goes on.
    AtWork,
    /// None does; the latest one, if there was any.
    AtRest(Option<InvocationId>),
}

/// The end of a run with its witnesses.
#[derive(Debug)]
struct End {
    ended: Ended,
    testimony: Option<Testimony>,
    control: Option<FailedControl>,
}

/// An end whose last witness has not spoken.
#[derive(Debug)]
struct Waiting {
    unit: String,
    end: End,
    until: Duration,
}

impl Ends {
    /// Nothing was seen before `since`.
    pub(super) fn new(since: Duration) -> Self {
        Self {
            units: HashMap::new(),
            departed: Departed::default(),
            waiting: Vec::new(),
            bursts: HashMap::new(),
            since,
        }
    }

    /// The watch changes: forgets whoever is not watched any more.
    pub(super) fn rules_changed(&mut self, scene: Scene<'_>) {
        self.since = scene.now.monotonic;
        self.units.retain(|unit, _| scene.rules.guard.covers(unit));
    }

    /// After a reload of systemd a unit's file may say something else.
    pub(super) fn natures_may_have_changed(&mut self) {
        self.units.values_mut().for_each(|unit| unit.acquaintance = Acquaintance::Stranger);
    }

    /// The watched units that have no ward.
    pub(super) fn without_ward(&self, guard: &Guard) -> usize {
        self.units.keys().filter(|unit| guard.ward(unit).is_none()).count()
    }

    /// How much is remembered, the bounded rest aside.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.units.len() + self.waiting.len() + self.bursts.len()
    }

    /// A unit changed.
    pub(super) fn observe(&mut self, scene: Scene<'_>, name: &str, observation: &Observation) -> Vec<Action> {
        if !scene.rules.guard.covers(name) {
            return Vec::new();
        }
        let ward = scene.rules.guard.ward(name);
        let unit = self.unit(name);
        let findings = unit.tracker.observe(observation);
        unit.standing = Standing::of(observation);
        let mut actions = Vec::new();
        if unit.acquaintance == Acquaintance::Stranger && !observation.is_over() {
            unit.acquaintance = Acquaintance::Known;
            actions.push(Action::Ask(Question::Describe(UnitAt::new(name))));
        }
        if findings.missed > 0 {
            actions.push(match ward {
                Some(ward) => Action::ReadRecords { unit: name.to_owned(), ward: ward.to_owned() },
                None => Action::Say(Remark::Missed(name.to_owned(), findings.missed)),
            });
        }
        for ended in findings.ended {
            if self.departed.knows(&ended.invocation) {
                continue;
            }
            let Some(ward) = ward else {
                actions.extend(self.take(scene, name, End { ended, testimony: None, control: None }));
                continue;
            };
            let (unit, ward, invocation) = (name.to_owned(), ward.to_owned(), ended.invocation.clone());
            self.unit(name).ended.push(ended);
            actions.push(Action::ReadRecord { unit, ward, invocation });
        }
        actions
    }

    /// PID 1's full answer about a unit.
    pub(super) fn describe(&mut self, scene: Scene<'_>, name: &str, description: &Description) -> Vec<Action> {
        if !scene.rules.guard.covers(name) {
            return Vec::new();
        }
        let unit = self.unit(name);
        (unit.nature, unit.acquaintance) = (description.nature, Acquaintance::Known);
        let mut actions = self.observe(scene, name, &description.observation);
        actions.extend(self.resolve(scene, name, description.failed_control));
        actions
    }

    /// systemd has let go of a unit. PID 1 tells a unit's last change before that, and has nothing more to say of it:
    /// its ends wait for no word about a control process.
    pub(super) fn removed(&mut self, scene: Scene<'_>, name: &str) -> Vec<Action> {
        let is_idle = |unit: &Unit| unit.standing != Standing::AtWork && unit.ended.is_empty();
        if scene.rules.guard.ward(name).is_some() || !self.units.get(name).is_some_and(is_idle) {
            return Vec::new();
        }
        let actions = self.resolve(scene, name, None);
        self.forget(name);
        actions
    }

    /// All watched units that are loaded. Whichever else is known has gone unseen, maybe with its run.
    pub(super) fn listed(&mut self, scene: Scene<'_>, loaded: &[UnitAt]) -> Vec<Action> {
        let loaded: HashSet<_> = loaded.iter().map(|at| at.unit.as_str()).collect();
        let is_gone = |unit: &&String| !loaded.contains(unit.as_str()) && scene.rules.guard.ward(unit).is_none();
        let gone: Vec<String> = self.units.keys().filter(is_gone).cloned().collect();
        let mut actions = Vec::new();
        for name in gone {
            actions.extend(self.resolve(scene, &name, None));
            if self.forget(&name) == Some(Standing::AtWork) {
                actions.push(Action::Say(Remark::Missed(name, 1)));
            }
        }
        actions
    }

    /// A job was queued for a unit; asks for its kind where that matters.
    pub(super) fn job_queued(&self, at: JobAt) -> Option<Action> {
        let matters = self.units.get(&at.unit).is_some_and(|unit| unit.tracker.cares_for_jobs());
        matters.then(|| Action::Ask(Question::JobType(at)))
    }

    /// The kind of a job.
    pub(super) fn job_known(&mut self, at: &JobAt, kind: JobKind) {
        if let Some(unit) = self.units.get_mut(&at.unit) {
            unit.tracker.learn_job(at.id, kind);
        }
    }

    /// The run record of an end the tracker told, if there is one.
    pub(super) fn hear(
        &mut self,
        scene: Scene<'_>,
        name: &str,
        (invocation, testimony): (&InvocationId, Option<Testimony>),
    ) -> Vec<Action> {
        let Some(unit) = self.units.get_mut(name) else { return Vec::new() };
        let Some(index) = unit.ended.iter().position(|ended| ended.invocation == *invocation) else {
            return Vec::new();
        };
        let ended = unit.ended.remove(index);
        self.take(scene, name, End { ended, testimony, control: None })
    }

    /// Records of runs whose end nobody may have seen. Those of before the watch began are only noted.
    pub(super) fn hear_all(
        &mut self,
        scene: Scene<'_>,
        name: &str,
        ends: Vec<(InvocationId, Testimony)>,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        for (invocation, testimony) in ends {
            let tracker = &mut self.unit(name).tracker;
            let age = Duration::from_millis(scene.now.epoch_ms.saturating_sub(testimony.at));
            let within_the_watch = age <= tracker.watched_for(scene.now.monotonic);
            if tracker.tell(&invocation) && within_the_watch {
                let ended = Ended {
                    invocation,
                    evidence: Evidence::Unasked,
                    waited: Waited::Run,
                    activity: Activity::Seen,
                    last: None,
                };
                actions.extend(self.take(scene, name, End { ended, testimony: Some(testimony), control: None }));
            }
        }
        actions
    }

    /// When [`Ends::overdue`] has something to do.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let waits = self.waiting.iter().map(|waiting| waiting.until);
        waits.chain(self.bursts.values().filter_map(Burst::ends)).min()
    }

    /// Whatever the time has come for.
    pub(super) fn overdue(&mut self, scene: Scene<'_>) -> Vec<Action> {
        let now = scene.now.monotonic;
        let late = self.waiting.iter().filter(|waiting| waiting.until <= now);
        let units: Vec<String> = late.map(|waiting| waiting.unit.clone()).collect();
        let mut actions: Vec<Action> = units.iter().flat_map(|unit| self.resolve(scene, unit, None)).collect();
        let summaries = self.bursts.values_mut().filter_map(|burst| burst.due(now));
        actions.extend(summaries.flat_map(|held| summary(scene.rules, held)));
        self.bursts.retain(|_, burst| burst.ends().is_some());
        actions
    }

    /// Says at once whatever was being held back.
    pub(super) fn flush(&mut self, rules: &Rules) -> Vec<Action> {
        self.bursts.values_mut().filter_map(Burst::close).flat_map(|held| summary(rules, held)).collect()
    }

    fn unit(&mut self, name: &str) -> &mut Unit {
        let since = self.since;
        self.units.entry(name.to_owned()).or_insert_with(|| Unit {
            tracker: Tracker::new(since),
            nature: Nature::default(),
            acquaintance: Acquaintance::Stranger,
            standing: Standing::Unseen,
            ended: Vec::new(),
        })
    }

    /// Drops a unit; its last run stays known, lest its end is told again.
    fn forget(&mut self, name: &str) -> Option<Standing> {
        let standing = self.units.remove(name)?.standing;
        if let Standing::AtRest(Some(invocation)) = &standing {
            self.departed.remember(invocation.clone());
        }
        Some(standing)
    }

    /// An end with all its witnesses but, maybe, the last.
    fn take(&mut self, scene: Scene<'_>, name: &str, end: End) -> Vec<Action> {
        if !verdict::needs_control(&end.ended, end.testimony.as_ref()) && !self.lacks_a_limit(name, &end) {
            return self.decide(scene, name, &end);
        }
        let until = scene.now.monotonic + CONTROL_PATIENCE;
        self.waiting.push(Waiting { unit: name.to_owned(), end, until });
        vec![Action::Ask(Question::Describe(UnitAt::new(name)))]
    }

    /// Whether a time limit struck that PID 1 has not told us: its answer about a unit may have been lost to a reload.
    fn lacks_a_limit(&self, name: &str, end: &End) -> bool {
        let nature = self.units.get(name).map(|unit| unit.nature).unwrap_or_default();
        let cause = verdict::judge(&end.ended, end.testimony.as_ref(), (&nature, None)).cause;
        matches!(cause, Cause::Watchdog(None) | Cause::Timeout(_, None))
    }

    /// The last witness has spoken, or will not: decides on the ends of this unit that waited.
    fn resolve(&mut self, scene: Scene<'_>, name: &str, control: Option<FailedControl>) -> Vec<Action> {
        let (mine, others) = std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.unit == name);
        self.waiting = others;
        let mine: Vec<Waiting> = mine;
        mine.into_iter().flat_map(|waiting| self.decide(scene, name, &End { control, ..waiting.end })).collect()
    }

    fn decide(&mut self, scene: Scene<'_>, name: &str, end: &End) -> Vec<Action> {
        let Scene { now, rules } = scene;
        let nature = self.units.get(name).map(|unit| unit.nature).unwrap_or_default();
        let death = verdict::judge(&end.ended, end.testimony.as_ref(), (&nature, end.control));
        let kind = match (death.verdict, rules.guard.reports_on(name)) {
            (Verdict::Crash, ReportOn::Abnormal | ReportOn::Death) => IncidentKind::Crash,
            (Verdict::Death, ReportOn::Death) => IncidentKind::Death,
            (Verdict::Crash, ReportOn::No) | (Verdict::Death, ReportOn::Abnormal | ReportOn::No) => return Vec::new(),
            (Verdict::Requested, _) => return Vec::new(),
        };
        let reports = &rules.settings.reports;
        if !reports.crashes {
            return Vec::new();
        }
        let incident = Incident {
            unit: name.to_owned(),
            name: rules.guard.report_name(name).to_owned(),
            invocation: end.ended.invocation.clone(),
            kind,
            pid: death.pid,
            reason: death.cause.to_string(),
            at: death.at.unwrap_or(now.epoch_ms),
        };
        let rate = Rate { burst: reports.burst, interval: reports.burst_interval };
        match self.bursts.entry(incident.name.clone()).or_default().admit(rate, now.monotonic, incident) {
            Admission::Full(incident) => report(rules, incident),
            Admission::Held => Vec::new(),
        }
    }
}

impl Standing {
    fn of(observation: &Observation) -> Self {
        if observation.is_over() { Self::AtRest(observation.invocation.clone()) } else { Self::AtWork }
    }
}

/// Says it locally and, where there is a broker, to the cloud.
fn report(rules: &Rules, incident: Incident) -> Vec<Action> {
    let outgoing = Endpoint::new(&rules.settings.mqtt, &rules.identity)
        .map(|endpoint| Action::Publish(Box::new(endpoint.outgoing(&rules.identity, &incident))));
    std::iter::once(Action::Journal(Box::new(incident))).chain(outgoing).collect()
}

fn summary(rules: &Rules, (mut incident, more): (Incident, u32)) -> Vec<Action> {
    incident.reason = summed_up(&incident.reason, more, rules.settings.reports.burst_interval);
    incident.kind = IncidentKind::SummedUp;
    report(rules, incident)
}
