//! The state of the main loop, and the one function that changes it.
//!
//! [`State::step`] is pure: an event and the time go in, actions come out. It reads no clock,
//! touches no file and waits for nothing; side effects are up to [`super::perform`].

mod answers;
mod sights;
mod status;

use super::archive::{Order, Tale};
use super::bus::Facts;
use super::cloud::{self, Command, Endpoint};
use super::ends::Ends;
use super::event::{Action, Event, Notice, Now, Remark};
use super::guard::Guard;
use super::identity::Identity;
use super::resync::{Progress, Resync};
use super::rules::{Rules, Scene};
use super::stacks::Stacks;
use super::systemd::Sight;
use crate::core::config::Config;
use crate::edge::history::Bounds;
use std::time::Duration;

/// Time that reports have to be sent once the daemon was asked to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// Everything the daemon knows.
#[derive(Debug)]
pub(super) struct State {
    rules: Rules,
    ends: Ends,
    stacks: Stacks,
    resync: Resync,
    phase: Phase,
    cloud: cloud::Status,
    /// Reports that wait for the broker.
    unsent: u64,
    /// Watched units without a ward; recounted only on a possible change: it visits every unit.
    others: usize,
    /// Interval of `WATCHDOG=1`, and the time of the next.
    watchdog: Option<(Duration, Duration)>,
    status: String,
    /// The facts that the D-Bus service has.
    facts: Facts,
}

/// Phase of the daemon's own life.
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
    /// The initial state. `boot` is the kernel's boot id, `watchdog` the interval of `WATCHDOG=1`.
    pub(super) fn new(boot: String, watchdog: Option<Duration>, now: Now) -> Self {
        Self {
            rules: Rules {
                boot,
                ..Rules::default()
            },
            ends: Ends::new(now),
            stacks: Stacks::default(),
            resync: Resync::default(),
            phase: Phase::Starting,
            cloud: cloud::Status::default(),
            unsent: 0,
            others: 0,
            watchdog: watchdog.map(|interval| (interval, now.monotonic + interval)),
            status: String::new(),
            facts: Facts::default(),
        }
    }

    /// Latest time of the next [`Event::Tick`].
    pub(super) fn deadline(&self) -> Option<Duration> {
        let stop = match self.phase {
            Phase::Stopping(until) => Some(until),
            Phase::Starting | Phase::Running | Phase::Reloading => None,
        };
        let watchdog = self.watchdog.map(|(_, next)| next);
        [stop, watchdog, self.resync.deadline(), self.ends.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns true if a requested stop is complete, or out of time.
    pub(super) fn may_end(&self, now: Now) -> bool {
        match self.phase {
            Phase::Stopping(until) => until <= now.monotonic || self.cloud.is_done(),
            Phase::Starting | Phase::Running | Phase::Reloading => false,
        }
    }

    /// Takes in one event.
    pub(super) fn step(&mut self, now: Now, event: Event) -> Vec<Action> {
        let recount = self.may_change_the_others(&event);
        let scene = Scene {
            now,
            rules: &self.rules,
        };
        let mut actions = match event {
            Event::Configured(config, identity, excluded) => {
                let actions = self.configure(now, &config, *identity);
                self.ends.standings.configured(
                    Scene {
                        now,
                        rules: &self.rules,
                    },
                    excluded,
                );
                actions
            }
            Event::Bus(sight) => self.see(now, sight),
            Event::Record(witness) => self.ends.hear(scene, *witness),
            Event::Archive(tale) => self.learn(now, tale),
            Event::Courier(news) => vec![Action::of_courier(now, news)],
            Event::Core(found) => self.ends.desk.core_found(scene, &found),
            Event::Log(lines) => self.ends.desk.log_read(scene, lines),
            Event::Cloud(status) => {
                self.cloud = status;
                Vec::new()
            }
            Event::Ruled(ruling) => self.ends.standings.ruled(ruling),
            Event::Tick => Vec::new(),
            Event::Hangup => self.reload(),
            Event::Stop => self.stop(now),
        };
        actions.extend(self.overdue(now));
        actions.extend(self.resync.next(now.monotonic).into_iter().map(Action::Ask));
        if self.resync.has_just_completed() {
            self.ends.recall.want_now();
        }
        actions.extend(
            self.ends
                .recall
                .next(now.monotonic)
                .then_some(Action::Order(Order::Recall)),
        );
        if recount {
            self.others = self.ends.without_ward(&self.rules.guard);
        }
        actions.extend(self.news());
        actions
    }

    /// True if an event may change `others`: nearly all are about a ward's own unit and cannot.
    fn may_change_the_others(&self, event: &Event) -> bool {
        match event {
            Event::Bus(
                Sight::Changed(unit, ..) | Sight::Described(unit, _) | Sight::Removed(unit),
            ) => self.rules.guard.ward(unit).is_none(),
            Event::Bus(sight) => matches!(sight, Sight::Listed(_) | Sight::Found(..)),
            other => matches!(
                other,
                Event::Configured(..) | Event::Archive(Tale::Recalled(_))
            ),
        }
    }

    fn configure(&mut self, now: Now, config: &Config, identity: Identity) -> Vec<Action> {
        let (mut guard, bad_patterns) = Guard::new(config);
        // Aliases first, so that a unit guarded under another name still counts as guarded.
        guard.inherit(&self.rules.guard);
        let mut actions = self.ends.part(
            Scene {
                now,
                rules: &self.rules,
            },
            &guard,
        );
        actions.extend(
            bad_patterns
                .into_iter()
                .map(|bad| Action::Say(Remark::BadPattern(bad))),
        );
        actions.push(Action::Say(Remark::Guarding(
            guard.wards(),
            guard.patterns(),
        )));
        actions.push(Action::Watch(guard.watch_list()));
        let endpoint = Endpoint::new(&config.settings.mqtt, &identity);
        actions.push(Action::Tell(Command::Connect(endpoint.map(Box::new))));
        let reports = &config.settings.reports;
        let bounds = Bounds {
            max_use: reports.history_max_use,
            max_age: reports.history_max_age,
        };
        actions.push(Action::Order(Order::Rebound(bounds)));
        let boot = std::mem::take(&mut self.rules.boot);
        self.rules = Rules {
            settings: config.settings.clone(),
            identity,
            guard,
            boot,
        };
        self.ends.rules_changed(Scene {
            now,
            rules: &self.rules,
        });
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
            Phase::Starting | Phase::Reloading | Phase::Stopping(_) => {
                vec![Action::LoadConfiguration]
            }
        }
    }

    fn stop(&mut self, now: Now) -> Vec<Action> {
        if matches!(self.phase, Phase::Stopping(_)) {
            return Vec::new();
        }
        self.phase = Phase::Stopping(now.monotonic + STOP_PATIENCE);
        let mut actions = vec![Action::Notify(Notice::Stopping)];
        actions.extend(self.ends.desk.flush(&self.rules));
        actions.push(Action::Tell(Command::Drain));
        actions
    }

    fn ask_for_all(&mut self, now: Now) -> Option<Action> {
        self.ends.natures_may_have_changed();
        self.ends.recall.expect(now.monotonic);
        self.resync.begin(now.monotonic).map(Action::Ask)
    }

    /// Does what is due by now.
    fn overdue(&mut self, now: Now) -> Vec<Action> {
        let mut actions = self.ends.overdue(Scene {
            now,
            rules: &self.rules,
        });
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
            && self.unsent > 0
        {
            actions.push(Action::Say(Remark::LeftBehind(self.unsent)));
        }
        actions
    }
}

#[cfg(test)]
mod tests;
