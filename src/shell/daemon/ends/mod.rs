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
mod decide;
mod end;
mod observe;
mod under_way;
mod unit;
mod unnoted;

use super::desk::Desk;
use super::event::{Action, Now, Remark};
use super::guard::Guard;
use super::recall::Recall;
use super::recent::Recent;
use super::rules::Scene;
use super::standings::Standings;
use super::systemd::{Description, JobAt, Question, UnitAt};
use crate::core::crash::observation::InvocationId;
use crate::core::crash::tracker::JobKind;
use end::{Held, Waiting};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use under_way::Open;
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
        let gone: Vec<String> = self
            .units
            .keys()
            .filter(|unit| !loaded.contains(unit.as_str()))
            .filter(|unit| scene.rules.guard.ward(unit).is_none())
            .cloned()
            .collect();
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
}
