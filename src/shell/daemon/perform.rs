//! The daemon's hands: the only place where an action touches the world. Nothing in it waits.

use super::archive::{Archive, Order};
use super::bus::Service;
use super::cloud::{Cloud, Command};
use super::cores::{Cores, Found, Seek};
use super::event::{Action, Event, Notice};
use super::identity::Identity;
use super::last_lines::{Lines, Logs};
use super::messages;
use super::records;
use super::say;
use super::systemd::{Bus, Question};
use super::unnoted::Notes;
use crate::core::config::Config;
use crate::core::crash::report::UNKNOWN;
use crate::edge::coredump;
use crate::edge::exclusion::{self, Standing};
use crate::edge::record::WardState;
use crate::shell::news::News;
use sd_notify::NotifyState;
use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use tokio::sync::mpsc::error::TrySendError;
use tracing::{error, warn};

/// The running host.
const ROOT: &str = "/";

/// Everything the daemon acts on.
pub(super) struct World {
    pub(super) bus: Bus,
    pub(super) service: Service,
    pub(super) cloud: Cloud,
    pub(super) archive: Archive,
    pub(super) cores: Cores,
    pub(super) notes: Notes,
    pub(super) logs: Logs,
    /// Lanes with reports that the courier had no room for.
    pub(super) behind: BTreeSet<String>,
    /// What the courier is to be told when it has room.
    pub(super) undelivered: VecDeque<Command>,
    /// Whether the last news found no room.
    pub(super) hurried: bool,
    /// Whether the archive was found to be stuck, and has not moved since.
    pub(super) stuck: bool,
    /// What actions gave rise to; taken before anything else.
    pub(super) inbox: VecDeque<Event>,
}

impl World {
    /// Does one thing.
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::LoadConfiguration => {
                let (config, identity) = load_configuration(Path::new(ROOT));
                let names = config.wards.iter().map(|ward| ward.name.as_str());
                // Nobody knows yet how their units stand; a start that was written down has ended an exclusion.
                let excluded = names.filter(|ward| exclusion::of(&WardState::of(ward), Standing::Down).is_some());
                let excluded = excluded.map(str::to_owned).collect();
                self.inbox.push_back(Event::Configured(Box::new(config), Box::new(identity), excluded));
            }
            Action::Watch(list) => {
                self.bus.watched.send_replace(list);
            }
            Action::Ask(question) => self.ask(question),
            Action::ReadRecord { unit, ward, invocation, up } => {
                let witness = records::read(unit.clone(), (&ward, &invocation), up).unwrap_or_else(|error| {
                    warn!("Failed to read the record of run {invocation} of ward {ward}, ignoring: {error}");
                    records::silence(unit, invocation)
                });
                self.inbox.push_back(Event::Record(Box::new(witness)));
            }
            Action::Note(death) => {
                if self.notes.deaths.try_send(*death).is_err() {
                    warn!("Too many deaths are to be noted, leaving one out.");
                }
            }
            Action::Order(order) => self.order(order),
            Action::Journal(incident) => say::incident(&incident),
            Action::JournalRecovery(recovery) => say::recovery(&recovery.0, &recovery.1),
            Action::Publish(report) => {
                let lane = report.lane.clone();
                if !self.command(Command::Publish(report)) {
                    self.behind.insert(lane);
                }
            }
            Action::Tell(command) => self.tell(command),
            Action::SeekCore { key, pid, at, patience } => {
                let until = tokio::time::Instant::now() + patience;
                self.seek_core(Seek { unit: key.unit, invocation: key.invocation, pid, at, until });
            }
            Action::ReadLog(wanted) => {
                if let Err(TrySendError::Full(wanted) | TrySendError::Closed(wanted)) =
                    self.logs.wanted.try_send(wanted)
                {
                    self.inbox.push_back(Event::Log(Lines { run: wanted.run, lines: Vec::new() }));
                }
            }
            Action::Notify(notice) => notify(&notice),
            Action::Announce(news) => self.announce(*news),
            Action::Know(facts) => {
                self.service.facts.send_replace(*facts);
            }
            Action::Say(remark) => say::remark(&remark),
        }
    }

    /// Where nobody takes dumps nobody will tell of this one.
    fn seek_core(&mut self, seek: Seek) {
        if !coredump::are_handed_over(Path::new("/")) {
            let Seek { unit, invocation, .. } = seek;
            self.inbox.push_back(Event::Core(Found { unit, invocation, pid: None, backtrace: None }));
        } else if self.cores.seeks.try_send(seek).is_err() {
            warn!("Too many backtraces are being looked for, reporting without.");
        }
    }

    /// News that find no room are left out; a flood of them is said once.
    fn announce(&mut self, news: News) {
        let left_out = self.service.news.try_send(news).is_err();
        if left_out && !self.hurried {
            warn!("More news than the bus can be told, leaving some out.");
        }
        self.hurried = left_out;
    }

    /// A question that finds no room is lost; the resync notices, and asks again.
    fn ask(&self, question: Question) {
        if let Err(TrySendError::Full(question)) = self.bus.questions.try_send(question) {
            warn!("Too many questions to systemd are waiting, skipping {question:?}.");
        }
    }

    /// `false`: there was no room. A report is in the history then, and its lane is told when there is room again.
    fn command(&mut self, command: Command) -> bool {
        self.deliver();
        self.undelivered.is_empty() && self.cloud.commands.try_send(command).is_ok()
    }

    /// Tells the courier what only we know; it waits for room if need be. There are only so many of these: an answer for each
    /// question, one broker, one end.
    fn tell(&mut self, command: Command) {
        if matches!(command, Command::Connect(_)) {
            self.undelivered.retain(|earlier| !matches!(earlier, Command::Connect(_)));
        }
        self.undelivered.push_back(command);
        self.deliver();
    }

    /// Whether the courier is still to be told something.
    pub(super) fn owes(&self) -> bool {
        !self.undelivered.is_empty() || !self.behind.is_empty()
    }

    /// Hands over what found no room, as far as there is some now.
    pub(super) fn deliver(&mut self) {
        while let Some(command) = self.undelivered.pop_front() {
            if let Err(TrySendError::Full(command) | TrySendError::Closed(command)) =
                self.cloud.commands.try_send(command)
            {
                self.undelivered.push_front(command);
                return;
            }
        }
        if self.behind.is_empty() {
            return;
        }
        let lanes = std::mem::take(&mut self.behind).into_iter().collect();
        if let Err(TrySendError::Full(Command::Behind(lanes))) = self.cloud.commands.try_send(Command::Behind(lanes)) {
            self.behind.extend(lanes);
        }
    }

    /// A death that finds no room stands in the books; it is found there when the daemon looks into them next. A question
    /// that finds none comes again by itself: the courier asks anew when there is no answer.
    fn order(&mut self, order: Order) {
        let stuck = !self.archive.ask(order);
        if stuck && !self.stuck {
            error!(MESSAGE_ID = messages::HISTORY, "The disk is stuck, the history cannot keep up.");
        }
        self.stuck = stuck;
    }
}

/// Reads the configuration below `root` and says what is wrong in it.
fn load_configuration(root: &Path) -> (Config, Identity) {
    let (config, problems) = crate::edge::root::load(root);
    problems.iter().for_each(say::problem);
    let identity = Identity::of(&config.settings.node, root);
    if identity.node_id == UNKNOWN && config.settings.mqtt.broker.is_some() {
        say::nameless();
    }
    (config, identity)
}

/// Failing to reach systemd's socket has no remedy; without systemd there is none, and all is well.
fn notify(notice: &Notice) {
    let _ = match notice {
        Notice::Ready => sd_notify::notify(&[NotifyState::Ready]),
        Notice::Reloading => match NotifyState::monotonic_usec_now() {
            Ok(time) => sd_notify::notify(&[NotifyState::Reloading, time]),
            Err(_) => sd_notify::notify(&[NotifyState::Reloading]),
        },
        Notice::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Notice::Watchdog => sd_notify::notify(&[NotifyState::Watchdog]),
        Notice::Status(text) => sd_notify::notify(&[NotifyState::Status(text)]),
    };
}
