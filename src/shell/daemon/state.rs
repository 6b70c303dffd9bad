//! What the daemon knows, and the one function that changes it.
//!
//! [`State::step`] is pure: an event and the time go in, actions come out. It reads no clock, touches no
//! file and waits for nothing; [`super::perform`] does.
//!
//! A death's way: observation → [`Tracker`] tells the end → for a ward the run record is read →
//! where a control process failed, PID 1 is asked which → [`judge`] → burst limit → journal and broker.

use super::cloud::{self, Endpoint};
use super::event::{Action, Event, Incident, IncidentKind, Notice, Now, Remark};
use super::guard::Guard;
use super::identity::Identity;
use super::resync::{Progress, Resync};
use super::systemd::{Description, Question, Sight};
use crate::core::config::{ReportOn, Settings};
use crate::core::crash::burst::{Admission, Burst, Rate};
use crate::core::crash::observation::{InvocationId, Observation};
use crate::core::crash::reason::summed_up;
use crate::core::crash::tracker::{Activity, Ended, Evidence, Tracker, Waited};
use crate::core::crash::verdict::{self, Death, FailedControl, Nature, Testimony, Verdict};
use std::collections::HashMap;
use std::time::Duration;

/// How long PID 1's answer about a failed control process is waited for.
const CONTROL_PATIENCE: Duration = Duration::from_secs(1);
/// How long reports may take to leave once the daemon was asked to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Everything the daemon knows.
#[derive(Debug)]
pub(super) struct State {
    settings: Settings,
    identity: Identity,
    guard: Guard,
    units: HashMap<String, Unit>,
    /// Ends that wait for a word about a control process.
    waiting: Vec<Waiting>,
    bursts: HashMap<String, Burst<Incident>>,
    resync: Resync,
    phase: Phase,
    cloud: cloud::Status,
    /// How often `WATCHDOG=1` is due, and when next.
    watchdog: Option<(Duration, Duration)>,
    /// From when on a unit that is met for the first time counts: the latest time at which the watch
    /// became wider.
    since: Duration,
    status: String,
}

/// How far the daemon's own life has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not ready yet.
    Starting,
    /// Ready.
    Running,
    /// Told systemd of a reload of our configuration, which is not over yet.
    Reloading,
    /// Was asked to stop; ends at this time at the latest.
    Stopping(Duration),
}

/// One watched unit.
#[derive(Debug)]
struct Unit {
    tracker: Tracker,
    nature: Nature,
    /// Ends of which the run record is being read.
    ended: Vec<Ended>,
}

/// A run's end, but for what its control processes did.
#[derive(Debug)]
struct Waiting {
    unit: String,
    ended: Ended,
    testimony: Option<Testimony>,
    until: Duration,
}

impl State {
    /// A daemon that knows nothing yet; `watchdog` is how often it must say that it lives.
    pub(super) fn new(watchdog: Option<Duration>, now: Now) -> Self {
        Self {
            settings: Settings::default(),
            identity: Identity::default(),
            guard: Guard::default(),
            units: HashMap::new(),
            waiting: Vec::new(),
            bursts: HashMap::new(),
            resync: Resync::default(),
            phase: Phase::Starting,
            cloud: cloud::Status::default(),
            watchdog: watchdog.map(|interval| (interval, now.monotonic + interval)),
            since: now.monotonic,
            status: String::new(),
        }
    }

    /// When [`Event::Tick`] is due at the latest.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let stop = match self.phase {
            Phase::Stopping(until) => Some(until),
            Phase::Starting | Phase::Running | Phase::Reloading => None,
        };
        let waits = self.waiting.iter().map(|waiting| waiting.until);
        let bursts = self.bursts.values().filter_map(Burst::ends);
        let others = [stop, self.watchdog.map(|(_, next)| next), self.resync.deadline()];
        waits.chain(bursts).chain(others.into_iter().flatten()).min()
    }

    /// Takes in one event.
    pub(super) fn step(&mut self, now: Now, event: Event) -> Vec<Action> {
        let mut actions = match event {
            Event::Configured(config, identity) => self.configure(now, *config, *identity),
            Event::Bus(sight) => self.see(now, sight),
            Event::Record(witness) => self.hear(now, &witness.unit, (&witness.invocation, witness.testimony)),
            Event::Records(unit, ends) => self.hear_all(now, &unit, ends),
            Event::Cloud(status) => {
                self.cloud = status;
                Vec::new()
            }
            Event::Tick => Vec::new(),
            Event::Hangup => self.reload(),
            Event::Stop => self.stop(now),
        };
        actions.extend(self.overdue(now));
        actions.extend(self.resync.next(now.monotonic).into_iter().map(Action::Ask));
        actions.extend(self.news());
        actions
    }

    fn configure(&mut self, now: Now, config: crate::core::config::Config, identity: Identity) -> Vec<Action> {
        let (guard, bad_patterns) = Guard::new(&config);
        let mut actions: Vec<_> = bad_patterns.into_iter().map(|bad| Action::Say(Remark::BadPattern(bad))).collect();
        actions.push(Action::Say(Remark::Guarding(guard.wards(), guard.patterns())));
        actions.push(Action::Watch(guard.watch_list()));
        let endpoint = Endpoint::new(&config.settings.mqtt, &identity);
        actions.push(Action::Connect(endpoint.map(Box::new)));
        self.units.retain(|unit, _| guard.watch_list().covers(unit));
        self.since = now.monotonic;
        (self.settings, self.identity, self.guard) = (config.settings, identity, guard);
        if self.phase == Phase::Reloading {
            self.phase = Phase::Running;
            actions.push(Action::Notify(Notice::Ready));
        }
        actions.extend(self.resync.begin(now.monotonic).map(Action::Ask));
        actions
    }

    fn reload(&mut self) -> Vec<Action> {
        match self.phase {
            Phase::Running => {
                self.phase = Phase::Reloading;
                vec![Action::Notify(Notice::Reloading), Action::LoadConfiguration]
            }
            Phase::Starting | Phase::Reloading | Phase::Stopping(_) => vec![Action::LoadConfiguration],
        }
    }

    fn see(&mut self, now: Now, sight: Sight) -> Vec<Action> {
        match sight {
            Sight::Connected => {
                self.resync.connected();
                let mut actions = vec![Action::Say(Remark::Listening)];
                actions.extend(self.resync.begin(now.monotonic).map(Action::Ask));
                actions
            }
            Sight::Lost(error) => self.resync.lost().then(|| Action::Say(Remark::BusLost(error))).into_iter().collect(),
            Sight::Overflow => {
                let mut actions = vec![Action::Say(Remark::Overflow)];
                actions.extend(self.resync.begin(now.monotonic).map(Action::Ask));
                actions
            }
            Sight::ManagerReplaced => {
                let mut actions = vec![Action::Ask(Question::Subscribe)];
                actions.extend(self.resync.begin(now.monotonic).map(Action::Ask));
                actions
            }
            Sight::ReloadBegins => {
                self.resync.hold(now.monotonic);
                Vec::new()
            }
            Sight::ReloadEnds => self.resync.begin(now.monotonic).map(Action::Ask).into_iter().collect(),
            Sight::Changed(unit, observation) if self.guard.watch_list().covers(&unit) => {
                self.observe(now, &unit, &observation)
            }
            Sight::Changed(..) => Vec::new(),
            Sight::Appeared(at) => self.resync.appeared(at).map(Action::Ask).into_iter().collect(),
            Sight::JobQueued(at) => {
                let asked = self.units.get(&at.unit).is_some_and(|unit| unit.tracker.cares_for_jobs());
                asked.then(|| Action::Ask(Question::JobType(at))).into_iter().collect()
            }
            Sight::JobKnown(at, kind) => {
                if let Some(unit) = self.units.get_mut(&at.unit) {
                    unit.tracker.learn_job(at.id, kind);
                }
                Vec::new()
            }
            Sight::Listed(units) => {
                let missing = self.guard.not_among(&units);
                self.resync.listed(units, missing);
                Vec::new()
            }
            Sight::Found(asked, at) => {
                let mut actions = Vec::new();
                if self.guard.learn_alias(&asked, &at.unit) {
                    actions.push(Action::Watch(self.guard.watch_list()));
                }
                self.resync.found(&asked, at);
                actions
            }
            Sight::Described(unit, description) => self.describe(now, &unit, &description),
            Sight::Unanswered(question) => {
                self.resync.unanswered(&question);
                Vec::new()
            }
        }
    }

    /// PID 1's full answer about a unit.
    fn describe(&mut self, now: Now, name: &str, description: &Description) -> Vec<Action> {
        if !self.guard.watch_list().covers(name) {
            return Vec::new();
        }
        self.unit(name).nature = description.nature;
        let mut actions = self.observe(now, name, &description.observation);
        actions.extend(self.resolve(now, name, description.failed_control));
        if self.resync.described(name) {
            let ward = self.guard.ward(name).map(str::to_owned);
            actions.extend(ward.map(|ward| Action::ReadRecords { unit: name.to_owned(), ward }));
        }
        actions
    }

    fn observe(&mut self, now: Now, name: &str, observation: &Observation) -> Vec<Action> {
        let ward = self.guard.ward(name).map(str::to_owned);
        let unit = self.unit(name);
        let findings = unit.tracker.observe(observation);
        let mut actions = Vec::new();
        if findings.missed > 0 {
            match &ward {
                Some(ward) => actions.push(Action::ReadRecords { unit: name.to_owned(), ward: ward.clone() }),
                None => actions.push(Action::Say(Remark::Missed(name.to_owned(), findings.missed))),
            }
        }
        for ended in findings.ended {
            match &ward {
                Some(ward) => {
                    let (ward, invocation) = (ward.clone(), ended.invocation.clone());
                    self.unit(name).ended.push(ended);
                    actions.push(Action::ReadRecord { unit: name.to_owned(), ward, invocation });
                }
                None => actions.extend(self.take(now, name, (ended, None))),
            }
        }
        actions
    }

    fn unit(&mut self, name: &str) -> &mut Unit {
        let since = self.since;
        self.units.entry(name.to_owned()).or_insert_with(|| Unit {
            tracker: Tracker::new(since),
            nature: Nature::default(),
            ended: Vec::new(),
        })
    }

    /// The run record of an end the tracker told.
    fn hear(&mut self, now: Now, name: &str, record: (&InvocationId, Option<Testimony>)) -> Vec<Action> {
        let (invocation, testimony) = record;
        let Some(unit) = self.units.get_mut(name) else { return Vec::new() };
        let Some(index) = unit.ended.iter().position(|ended| ended.invocation == *invocation) else {
            return Vec::new();
        };
        let ended = unit.ended.remove(index);
        self.take(now, name, (ended, testimony))
    }

    /// Records of runs whose end nobody may have seen. Those of before the watch began are only noted.
    fn hear_all(&mut self, now: Now, name: &str, ends: Vec<(InvocationId, Testimony)>) -> Vec<Action> {
        let age = |at: u64| Duration::from_millis(now.epoch_ms.saturating_sub(at));
        let mut actions = Vec::new();
        for (invocation, testimony) in ends {
            let unit = self.unit(name);
            let old = unit.tracker.watched_for(now.monotonic) < age(testimony.at);
            if !unit.tracker.tell(&invocation) || old {
                continue;
            }
            let ended = Ended {
                invocation,
                evidence: Evidence::Unasked,
                waited: Waited::Run,
                activity: Activity::Seen,
                last: None,
            };
            actions.extend(self.take(now, name, (ended, Some(testimony))));
        }
        actions
    }

    /// An end with all its witnesses but one.
    fn take(&mut self, now: Now, name: &str, end: (Ended, Option<Testimony>)) -> Vec<Action> {
        let (ended, testimony) = end;
        if !verdict::needs_control(&ended, testimony.as_ref()) {
            return self.decide(now, name, (&ended, testimony.as_ref(), None));
        }
        let until = now.monotonic + CONTROL_PATIENCE;
        self.waiting.push(Waiting { unit: name.to_owned(), ended, testimony, until });
        vec![Action::Ask(Question::Describe(super::systemd::UnitAt::new(name)))]
    }

    /// The last witness has spoken: decides on the ends of this unit that waited.
    fn resolve(&mut self, now: Now, name: &str, control: Option<FailedControl>) -> Vec<Action> {
        let (mine, others) = std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.unit == name);
        self.waiting = others;
        let mine: Vec<Waiting> = mine;
        mine.iter()
            .flat_map(|waiting| self.decide(now, name, (&waiting.ended, waiting.testimony.as_ref(), control)))
            .collect()
    }

    fn decide(
        &mut self,
        now: Now,
        name: &str,
        end: (&Ended, Option<&Testimony>, Option<FailedControl>),
    ) -> Vec<Action> {
        let (ended, testimony, control) = end;
        let nature = self.units.get(name).map(|unit| unit.nature).unwrap_or_default();
        let death = verdict::judge(ended, testimony, (&nature, control));
        let kind = match (death.verdict, self.guard.reports_on(name)) {
            (Verdict::Crash, ReportOn::Abnormal | ReportOn::Death) => IncidentKind::Crash,
            (Verdict::Death, ReportOn::Death) => IncidentKind::Death,
            (Verdict::Crash | Verdict::Death, _) | (Verdict::Requested, _) => return Vec::new(),
        };
        if !self.settings.reports.crashes {
            return Vec::new();
        }
        let Death { pid, cause, at, .. } = death;
        let incident = Incident {
            unit: name.to_owned(),
            name: self.guard.report_name(name).to_owned(),
            invocation: ended.invocation.clone(),
            kind,
            pid,
            reason: cause.to_string(),
            at: at.unwrap_or(now.epoch_ms),
        };
        let rate = self.rate();
        match self.bursts.entry(incident.name.clone()).or_default().admit(rate, now.monotonic, incident) {
            Admission::Full(incident) => self.report(incident),
            Admission::Held => Vec::new(),
        }
    }

    fn rate(&self) -> Rate {
        Rate { burst: self.settings.reports.burst, interval: self.settings.reports.burst_interval }
    }

    fn report(&self, incident: Incident) -> Vec<Action> {
        let outgoing = Endpoint::new(&self.settings.mqtt, &self.identity)
            .map(|endpoint| Action::Publish(Box::new(endpoint.outgoing(&self.identity, &incident))));
        let journal = Action::Journal(Box::new(incident));
        std::iter::once(journal).chain(outgoing).collect()
    }

    fn summary(&self, (mut incident, more): (Incident, u32)) -> Vec<Action> {
        incident.reason = summed_up(&incident.reason, more, self.settings.reports.burst_interval);
        incident.kind = IncidentKind::SummedUp;
        self.report(incident)
    }

    fn stop(&mut self, now: Now) -> Vec<Action> {
        if matches!(self.phase, Phase::Stopping(_)) {
            return Vec::new();
        }
        self.phase = Phase::Stopping(now.monotonic + STOP_PATIENCE);
        let mut actions = vec![Action::Notify(Notice::Stopping)];
        let held: Vec<_> = self.bursts.values_mut().filter_map(Burst::close).collect();
        actions.extend(held.into_iter().flat_map(|held| self.summary(held)));
        actions.push(Action::Drain);
        actions
    }

    /// Whatever the time has come for.
    fn overdue(&mut self, now: Now) -> Vec<Action> {
        let mut actions = Vec::new();
        let late: Vec<String> = self
            .waiting
            .iter()
            .filter(|waiting| waiting.until <= now.monotonic)
            .map(|waiting| waiting.unit.clone())
            .collect();
        for unit in late {
            actions.extend(self.resolve(now, &unit, None));
        }
        let summaries: Vec<_> = self.bursts.values_mut().filter_map(|burst| burst.due(now.monotonic)).collect();
        actions.extend(summaries.into_iter().flat_map(|held| self.summary(held)));
        self.bursts.retain(|_, burst| burst.ends().is_some());
        match self.resync.overdue(now.monotonic) {
            Progress::Fine => {}
            Progress::Again(question) => {
                actions.push(Action::Say(Remark::ResyncLate));
                actions.push(Action::Ask(question));
            }
        }
        if let Some((interval, next)) = &mut self.watchdog
            && *next <= now.monotonic
        {
            *next = now.monotonic + *interval;
            actions.push(Action::Notify(Notice::Watchdog));
        }
        actions
    }

    /// What systemd is to be told after this step.
    fn news(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.phase == Phase::Starting && self.resync.is_complete() {
            self.phase = Phase::Running;
            actions.push(Action::Notify(Notice::Ready));
        }
        let status = self.story();
        if status != self.status {
            self.status.clone_from(&status);
            actions.push(Action::Notify(Notice::Status(status)));
        }
        actions
    }

    /// Whether a stop that was asked for has run its course.
    pub(super) fn may_end(&self, now: Now) -> bool {
        match self.phase {
            Phase::Stopping(until) => until <= now.monotonic || self.cloud.is_done(),
            Phase::Starting | Phase::Running | Phase::Reloading => false,
        }
    }

    /// `Guarding 12 wards, watching 3 units; 2 reports sent, 1 waiting; connected to mqtt://…`.
    fn story(&self) -> String {
        let others = self.units.keys().filter(|unit| self.guard.ward(unit).is_none()).count();
        let wards = self.guard.wards();
        let ear = if self.resync.is_connected() { "" } else { "; not connected to systemd" };
        format!(
            "Guarding {wards} ward{}, watching {others} unit{}; {}{ear}",
            plural(wards),
            plural(others),
            self.cloud.story()
        )
    }
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}
