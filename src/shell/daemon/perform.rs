//! The daemon's hands: the only place where an action touches the world. Nothing in it waits.

use super::cloud::{Cloud, Command};
use super::event::{Action, Event, Incident, IncidentKind, Notice, Remark, Witness};
use super::identity::Identity;
use super::messages;
use super::records;
use super::systemd::{Bus, Question};
use crate::core::config::{Config, Problem};
use sd_notify::NotifyState;
use std::collections::VecDeque;
use std::path::Path;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

/// The running host.
const ROOT: &str = "/";

/// Everything the daemon acts on.
pub(super) struct World {
    pub(super) bus: Bus,
    pub(super) cloud: Cloud,
    /// What actions gave rise to; taken before anything else.
    pub(super) inbox: VecDeque<Event>,
}

impl World {
    /// Does one thing.
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::LoadConfiguration => {
                let (config, identity) = load_configuration(Path::new(ROOT));
                self.inbox.push_back(Event::Configured(Box::new(config), Box::new(identity)));
            }
            Action::Watch(list) => {
                self.bus.watched.send_replace(list);
            }
            Action::Ask(question) => self.ask(question),
            Action::ReadRecord { unit, ward, invocation } => {
                let testimony = records::read(&ward, &invocation).unwrap_or_else(|error| {
                    warn!("Failed to read the record of run {invocation} of ward {ward}, ignoring: {error}");
                    None
                });
                self.inbox.push_back(Event::Record(Witness { unit, invocation, testimony }));
            }
            Action::ReadRecords { unit, ward } => {
                self.inbox.push_back(Event::Records(unit, records::read_all(&ward)));
            }
            Action::Journal(incident) => journal(&incident),
            Action::Publish(report) => self.command(Command::Publish(report)),
            Action::Connect(endpoint) => self.command(Command::Connect(endpoint)),
            Action::Drain => self.command(Command::Drain),
            Action::Notify(notice) => notify(&notice),
            Action::Say(remark) => say(&remark),
        }
    }

    /// A question that finds no room is lost; the resync notices, and asks again.
    fn ask(&self, question: Question) {
        if let Err(mpsc::error::TrySendError::Full(question)) = self.bus.questions.try_send(question) {
            warn!("Too many questions to systemd are waiting, skipping {question:?}.");
        }
    }

    fn command(&self, command: Command) {
        if self.cloud.commands.try_send(command).is_err() {
            error!(MESSAGE_ID = messages::DROPPED, "Dropped a report: the connection to the broker is stuck.");
        }
    }
}

/// Reads the configuration below `root` and says what is wrong in it.
fn load_configuration(root: &Path) -> (Config, Identity) {
    let (config, problems) = crate::edge::root::load(root);
    problems.iter().for_each(say_problem);
    let identity = Identity::of(&config.settings.node, root);
    (config, identity)
}

fn say_problem(problem: &Problem) {
    warn!(MESSAGE_ID = messages::CONFIGURATION, "{problem}");
}

/// Writes one incident to the journal.
///
/// `OBJECT_SYSTEMD_UNIT=` is what `systemctl status UNIT` and `journalctl -u UNIT` look for in entries that
/// root writes about a unit from outside of it.
fn journal(incident: &Incident) {
    let Incident { unit, name, invocation, kind, pid, reason, at } = incident;
    let pid = pid.map(|pid| pid.to_string()).unwrap_or_default();
    let process = if pid.is_empty() { String::new() } else { format!(" (process {pid})") };
    let (id, text) = match kind {
        IncidentKind::Crash => (messages::CRASH, format!("{unit} crashed{process}: {reason}")),
        IncidentKind::Death => (messages::DEATH, format!("{unit} ended unasked{process}: {reason}")),
        IncidentKind::SummedUp => (messages::SUMMED_UP, format!("{unit} keeps crashing: {reason}")),
    };
    warn!(
        MESSAGE_ID = id,
        OBJECT_SYSTEMD_UNIT = unit.as_str(),
        UNITWARD_WARD = name.as_str(),
        UNITWARD_REASON = reason.as_str(),
        UNITWARD_PID = pid.as_str(),
        UNITWARD_INVOCATION_ID = invocation.as_str(),
        UNITWARD_TIMESTAMP = at,
        "{text}"
    );
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

fn say(remark: &Remark) {
    match remark {
        Remark::Listening => info!("Listening to systemd."),
        Remark::BusLost(error) => warn!("Lost the connection to systemd, trying again: {error}"),
        Remark::Overflow => {
            warn!(
                MESSAGE_ID = messages::RESYNC,
                "More changes of units than could be taken in, asking for all units anew."
            );
        }
        Remark::Missed(unit, runs) => {
            let (runs, verb) = if *runs == 1 { ("1 run".to_owned(), "is") } else { (format!("{runs} runs"), "are") };
            warn!(MESSAGE_ID = messages::RESYNC, "{runs} of {unit} ended unseen and {verb} not reported.");
        }
        Remark::ResyncLate => warn!("systemd does not answer, asking again."),
        Remark::Guarding(wards, patterns) => {
            info!("Configuration read: {wards} wards, {patterns} patterns of other units to watch.");
        }
        Remark::LeftBehind(reports) => {
            warn!(MESSAGE_ID = messages::DROPPED, "Stopping with {reports} reports that the broker has not taken.");
        }
        Remark::BadPattern(pattern) => {
            warn!(MESSAGE_ID = messages::CONFIGURATION, "Units= has {pattern:?}, which is not a pattern, ignoring.");
        }
    }
}
