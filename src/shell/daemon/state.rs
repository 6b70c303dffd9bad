//! What the daemon knows, and the one function that changes it.
//!
//! [`State::step`] is pure: an event and the time go in, actions come out. It reads no clock, touches no
//! file and waits for nothing; [`super::perform`] does.

use super::cloud::{self, Endpoint};
use super::ends::{Ends, Rules, Scene};
use super::event::{Action, Event, Notice, Now, Remark};
use super::guard::Guard;
use super::identity::Identity;
use super::resync::{Progress, Resync};
use super::systemd::{Question, Sight};
use crate::core::config::Config;
use std::time::Duration;

/// How long reports may take to leave once the daemon was asked to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Everything the daemon knows.
#[derive(Debug)]
pub(super) struct State {
    rules: Rules,
    ends: Ends,
    resync: Resync,
    phase: Phase,
    cloud: cloud::Status,
    /// How often `WATCHDOG=1` is due, and when next.
    watchdog: Option<(Duration, Duration)>,
    status: String,
}

/// How far the daemon's own life has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not ready yet.
    Starting,
    /// Ready.
    Running,
    /// systemd was told that the configuration is being read again.
    Reloading,
    /// Was asked to stop; ends at this time at the latest.
    Stopping(Duration),
}

impl State {
    /// A daemon that knows nothing yet; `watchdog` is how often it must say that it lives.
    pub(super) fn new(watchdog: Option<Duration>, now: Now) -> Self {
        Self {
            rules: Rules::default(),
            ends: Ends::new(now.monotonic),
            resync: Resync::default(),
            phase: Phase::Starting,
            cloud: cloud::Status::default(),
            watchdog: watchdog.map(|interval| (interval, now.monotonic + interval)),
            status: String::new(),
        }
    }

    /// When [`Event::Tick`] is due at the latest.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let stop = match self.phase {
            Phase::Stopping(until) => Some(until),
            Phase::Starting | Phase::Running | Phase::Reloading => None,
        };
        let watchdog = self.watchdog.map(|(_, next)| next);
        [stop, watchdog, self.resync.deadline(), self.ends.deadline()].into_iter().flatten().min()
    }

    /// Whether a stop that was asked for has run its course.
    pub(super) fn may_end(&self, now: Now) -> bool {
        match self.phase {
            Phase::Stopping(until) => until <= now.monotonic || self.cloud.is_done(),
            Phase::Starting | Phase::Running | Phase::Reloading => false,
        }
    }

    /// Takes in one event.
    pub(super) fn step(&mut self, now: Now, event: Event) -> Vec<Action> {
        let scene = Scene { now, rules: &self.rules };
        let mut actions = match event {
            Event::Configured(config, identity) => self.configure(now, &config, *identity),
            Event::Bus(sight) => self.see(now, sight),
            Event::Record(witness) => self.ends.hear(scene, &witness.unit, (&witness.invocation, witness.testimony)),
            Event::Records(unit, ends) => self.ends.hear_all(scene, &unit, ends),
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

    fn configure(&mut self, now: Now, config: &Config, identity: Identity) -> Vec<Action> {
        let (guard, bad_patterns) = Guard::new(config);
        let mut actions: Vec<_> = bad_patterns.into_iter().map(|bad| Action::Say(Remark::BadPattern(bad))).collect();
        actions.push(Action::Say(Remark::Guarding(guard.wards(), guard.patterns())));
        actions.push(Action::Watch(guard.watch_list()));
        let endpoint = Endpoint::new(&config.settings.mqtt, &identity);
        actions.push(Action::Connect(endpoint.map(Box::new)));
        self.rules = Rules { settings: config.settings.clone(), identity, guard };
        self.ends.rules_changed(Scene { now, rules: &self.rules });
        if self.phase == Phase::Reloading {
            self.phase = Phase::Running;
            actions.push(Action::Notify(Notice::Ready));
        }
        actions.extend(self.ask_for_all(now));
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

    fn stop(&mut self, now: Now) -> Vec<Action> {
        if matches!(self.phase, Phase::Stopping(_)) {
            return Vec::new();
        }
        self.phase = Phase::Stopping(now.monotonic + STOP_PATIENCE);
        let mut actions = vec![Action::Notify(Notice::Stopping)];
        actions.extend(self.ends.flush(&self.rules));
        actions.push(Action::Drain);
        actions
    }

    fn see(&mut self, now: Now, sight: Sight) -> Vec<Action> {
        let scene = Scene { now, rules: &self.rules };
        match sight {
            Sight::Connected => {
                self.resync.connected();
                std::iter::once(Action::Say(Remark::Listening)).chain(self.ask_for_all(now)).collect()
            }
            Sight::Lost(error) => self.resync.lost().then(|| Action::Say(Remark::BusLost(error))).into_iter().collect(),
            Sight::Overflow => {
                let news = self.resync.postpone(now.monotonic);
                news.then_some(Action::Say(Remark::Overflow)).into_iter().collect()
            }
            Sight::ManagerReplaced => {
                std::iter::once(Action::Ask(Question::Subscribe)).chain(self.ask_for_all(now)).collect()
            }
            Sight::ReloadBegins => {
                self.resync.hold(now.monotonic);
                Vec::new()
            }
            // A daemon-reload has the generator read the wards anew, so they are read here too: what is guarded and what is
            // reported never differ. Once they are read everything is asked for again.
            Sight::ReloadEnds => vec![Action::LoadConfiguration],
            Sight::Changed(unit, observation) => self.ends.observe(scene, &unit, &observation),
            // During a reload every unit goes and comes back.
            Sight::Removed(_) if self.resync.is_held() => Vec::new(),
            Sight::Removed(unit) => self.ends.removed(scene, &unit),
            Sight::JobQueued(at) => self.ends.job_queued(at).into_iter().collect(),
            Sight::JobKnown(at, kind) => {
                self.ends.job_known(&at, kind);
                Vec::new()
            }
            Sight::Listed(units) => {
                let actions = self.ends.listed(scene, &units);
                let missing = self.rules.guard.not_among(&units);
                self.resync.listed(units, missing);
                actions
            }
            Sight::Found(asked, at) => {
                let news = self.rules.guard.learn_alias(&asked, &at.unit);
                self.resync.found(&asked, at);
                news.then(|| Action::Watch(self.rules.guard.watch_list())).into_iter().collect()
            }
            Sight::Described(unit, description) => {
                let mut actions = self.ends.describe(scene, &unit, &description);
                if let (true, Some(ward)) = (self.resync.described(&unit), self.rules.guard.ward(&unit)) {
                    actions.push(Action::ReadRecords { ward: ward.to_owned(), unit });
                }
                actions
            }
            Sight::Unanswered(question) => {
                self.resync.unanswered(&question);
                Vec::new()
            }
        }
    }

    fn ask_for_all(&mut self, now: Now) -> Option<Action> {
        self.ends.natures_may_have_changed();
        self.resync.begin(now.monotonic).map(Action::Ask)
    }

    /// Whatever the time has come for.
    fn overdue(&mut self, now: Now) -> Vec<Action> {
        let mut actions = self.ends.overdue(Scene { now, rules: &self.rules });
        match self.resync.overdue(now.monotonic) {
            Progress::Fine => {}
            Progress::Due(question) => actions.push(Action::Ask(question)),
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
        if let Phase::Stopping(until) = self.phase
            && until <= now.monotonic
            && self.cloud.unsent() > 0
        {
            actions.push(Action::Say(Remark::LeftBehind(self.cloud.unsent())));
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

    /// `Guarding 12 wards, watching 3 units; 2 reports sent, 1 waiting; connected to mqtt://…`.
    fn story(&self) -> String {
        let others = self.ends.without_ward(&self.rules.guard);
        let wards = self.rules.guard.wards();
        let ear = if self.resync.is_connected() { "" } else { "; not connected to systemd" };
        let cloud = self.cloud.story();
        format!("Guarding {wards} ward{}, watching {others} unit{}; {cloud}{ear}", plural(wards), plural(others))
    }
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests;
