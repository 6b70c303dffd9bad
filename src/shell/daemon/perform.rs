//! The executor of actions: the only place where an action has side effects. It waits for no
//! channel; the configuration and run records are read from their files at once.

use super::archive::{Archive, Order};
use super::bus::Service;
use super::cloud::{Cloud, Command};
use super::cores::{Cores, Found, Seek};
use super::event::{Action, Event, Notice};
use super::identity::Identity;
use super::last_lines::{Lines, Logs, Wanted};
use super::messages;
use super::records;
use super::say;
use super::systemd::{Bus, Question};
use super::unnoted::Notes;
use crate::core::config::Config;
use crate::core::crash::report::UNKNOWN;
use crate::edge::coredump;
use crate::edge::exclusion::{self, Standing};
use crate::edge::history::entry::StoredReport;
use crate::edge::record::{self, WardState};
use crate::shell::news::News;
use sd_notify::NotifyState;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::path::Path;
use tokio::sync::mpsc::error::TrySendError;
use tracing::{error, warn};

/// Root directory of the running host.
const ROOT: &str = "/";

/// The connections to everything that the daemon acts on.
pub(super) struct World {
    pub(super) bus: Bus,
    pub(super) service: Service,
    pub(super) cloud: Cloud,
    pub(super) archive: Archive,
    pub(super) cores: Cores,
    pub(super) notes: Notes,
    pub(super) logs: Logs,
    /// Lanes with reports that found the publisher's channel full.
    pub(super) behind: BTreeSet<String>,
    /// Commands that wait for room in the publisher's channel.
    pub(super) undelivered: VecDeque<Command>,
    /// True if the last news found no room.
    pub(super) hurried: bool,
    /// True if the archive had no room for the last order.
    pub(super) stuck: bool,
    /// Events that actions caused; taken before all others.
    pub(super) inbox: VecDeque<Event>,
}

impl World {
    /// Performs one action.
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::LoadConfiguration => {
                let (config, identity) = load_configuration(Path::new(ROOT));
                let excluded = excluded_wards(&config);
                let (config, identity) = (Box::new(config), Box::new(identity));
                self.inbox
                    .push_back(Event::Configured(config, identity, excluded));
            }
            Action::Watch(list) => {
                self.bus.watched.send_replace(list);
            }
            Action::Ask(question) => self.ask(question),
            Action::ReadRecord {
                unit,
                ward,
                invocation,
                up,
            } => {
                let witness = records::read(unit.clone(), &ward, &invocation, up).unwrap_or_else(|error| {
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
            Action::Publish(report) => self.publish(report),
            Action::Tell(command) => self.tell(command),
            Action::SeekCore {
                key,
                pid,
                at,
                patience,
            } => {
                let until = tokio::time::Instant::now() + patience;
                self.seek_core(Seek {
                    unit: key.unit,
                    invocation: key.invocation,
                    pid,
                    at,
                    until,
                });
            }
            Action::ReadLog(wanted) => self.read_log(wanted),
            Action::Notify(notice) => notify(&notice),
            Action::Announce(news) => self.announce(*news),
            Action::Know(facts) => {
                self.service.facts.send_replace(*facts);
            }
            Action::Say(remark) => say::remark(&remark),
        }
    }

    /// Sends a report to the publisher. One that finds no room is in the history, and its lane is
    /// noted as behind.
    fn publish(&mut self, report: Box<StoredReport>) {
        let lane = report.lane.clone();
        if !self.command(Command::Publish(report)) {
            self.behind.insert(lane);
        }
    }

    /// Asks for the last log lines of a run; answers at once without any if there is no room.
    fn read_log(&mut self, wanted: Wanted) {
        if let Err(TrySendError::Full(wanted) | TrySendError::Closed(wanted)) =
            self.logs.wanted.try_send(wanted)
        {
            self.inbox.push_back(Event::Log(Lines {
                run: wanted.run,
                lines: Vec::new(),
            }));
        }
    }

    /// Starts the search for a backtrace; answers at once without one if the kernel hands core
    /// dumps to no program.
    fn seek_core(&mut self, seek: Seek) {
        if !coredump::are_handed_over(Path::new("/")) {
            let Seek {
                unit, invocation, ..
            } = seek;
            self.inbox.push_back(Event::Core(Found {
                unit,
                invocation,
                pid: None,
                backtrace: None,
            }));
        } else if self.cores.seeks.try_send(seek).is_err() {
            warn!("Too many backtraces are being looked for, reporting without.");
        }
    }

    /// Sends news on the bus. News that find no room are dropped; a series of drops is logged once.
    fn announce(&mut self, news: News) {
        let left_out = self.service.news.try_send(news).is_err();
        if left_out && !self.hurried {
            warn!("More news than the bus can be told, leaving some out.");
        }
        self.hurried = left_out;
    }

    /// Sends a question to PID 1. One that finds no room is lost; a resync asks its own questions
    /// again.
    fn ask(&self, question: Question) {
        if let Err(TrySendError::Full(question)) = self.bus.questions.try_send(question) {
            warn!("Too many questions to systemd are waiting, skipping {question:?}.");
        }
    }

    /// Sends a command behind those that wait; `false`: there was no room. A report is in the
    /// history then, and its lane is announced as behind when there is room again.
    fn command(&mut self, command: Command) -> bool {
        self.deliver();
        self.undelivered.is_empty() && self.cloud.commands.try_send(command).is_ok()
    }

    /// Sends a command that must not be lost; it waits for room if need be. Their number is
    /// bounded: an answer for each question, one broker, one end.
    fn tell(&mut self, command: Command) {
        if matches!(command, Command::Connect(_)) {
            self.undelivered
                .retain(|earlier| !matches!(earlier, Command::Connect(_)));
        }
        self.undelivered.push_back(command);
        self.deliver();
    }

    /// Returns true if commands or lanes wait for room in the publisher's channel.
    pub(super) fn owes(&self) -> bool {
        !self.undelivered.is_empty() || !self.behind.is_empty()
    }

    /// Sends the commands and lanes that wait, as far as there is room.
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
        if let Err(TrySendError::Full(Command::Behind(lanes))) =
            self.cloud.commands.try_send(Command::Behind(lanes))
        {
            self.behind.extend(lanes);
        }
    }

    /// Sends an order to the archive. A death that finds no room is found in the run records or the
    /// journal by the next catch-up. A fetch that finds none is repeated: the publisher asks again
    /// when there is no answer.
    fn order(&mut self, order: Order) {
        let stuck = !self.archive.ask(order);
        if stuck && !self.stuck {
            error!(
                MESSAGE_ID = messages::HISTORY,
                "The disk is stuck, the history cannot keep up."
            );
        }
        self.stuck = stuck;
    }
}

/// Reads the configuration below `root` and logs its problems.
fn load_configuration(root: &Path) -> (Config, Identity) {
    let (config, problems) = crate::edge::root::load(root);
    problems.iter().for_each(say::problem);
    let identity = Identity::of(&config.settings.node, root);
    if identity.node_id == UNKNOWN && config.settings.mqtt.broker.is_some() {
        say::nameless();
    }
    (config, identity)
}

/// Returns the wards that are excluded: their units' states are not known yet, and a start that was
/// written down has ended an exclusion.
fn excluded_wards(config: &Config) -> Vec<String> {
    let known: HashSet<&str> = config.wards.iter().map(|ward| ward.name.as_str()).collect();
    record::wards()
        .into_iter()
        .filter(|name| {
            known.contains(name.as_str())
                || (name.contains('@') && config.ward_meant_by(name).is_some())
        })
        .filter(|ward| exclusion::of(&WardState::of(ward), Standing::Down).is_some())
        .collect()
}

/// Notifies systemd. Errors are ignored: a failing socket has no remedy, and without systemd there
/// is no socket.
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
