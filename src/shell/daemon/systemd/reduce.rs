//! Reduces the bus' messages to the few sights that matter. It never waits, and has no state but
//! the owner of systemd's name and the half of an observation that waits for the next message.

use super::decode::{self, ServicePart};
use super::{JobAt, MANAGER, Pending, Question, Sight, UnitAt};
use crate::core::crash::tracker::JobKind;
use crate::core::watch_list::{RESTARTER, WatchList};
use crate::edge::pid1::{self, Dictionary, ListedUnit, PropertiesOf, SYSTEMD, label};
use std::sync::Arc;
use tokio::sync::watch;
use zbus::message::{Header, Message, Type};
use zbus::{OwnedObjectPath, Variant};

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const UNIT_PATH: &str = "/org/freedesktop/systemd1/unit/";

/// Reader of one connection's messages, in their order.
pub(super) struct Reducer {
    pending: Pending,
    watched: watch::Receiver<Arc<WatchList>>,
    /// The present owner of systemd's name, for signals; replies are recognised by their serials.
    manager: Option<String>,
    /// The Service half that waits for its Unit half.
    half: Option<(String, ServicePart)>,
}

impl Reducer {
    pub(super) fn new(pending: Pending, watched: watch::Receiver<Arc<WatchList>>) -> Self {
        Self {
            pending,
            watched,
            manager: None,
            half: None,
        }
    }

    /// Returns the sight that `message` shows; a malformed signal shows none.
    pub(super) fn reduce(&mut self, message: &Message) -> Option<Sight> {
        let header = message.header();
        let sender = header.sender().map_or("", |sender| sender.as_str());
        match message.message_type() {
            Type::Signal if sender == "org.freedesktop.DBus" => {
                self.owner_changed(message, &header)
            }
            Type::Signal if self.manager.as_deref() == Some(sender) => {
                self.signal(message, &header)
            }
            Type::MethodReturn if sender == "org.freedesktop.DBus" => {
                self.learn_owner(message);
                None
            }
            Type::MethodReturn => self.reply(message, &header),
            Type::Error => self.taken(&header).map(Sight::Unanswered),
            Type::Signal | Type::MethodCall => None,
        }
    }

    /// Learns the owner of systemd's name, for which the handshake asks the bus; the bus' other
    /// replies carry no string.
    fn learn_owner(&mut self, message: &Message) {
        if let Ok(owner) = message.body().deserialize::<&str>() {
            self.manager = Some(owner.to_owned());
        }
    }

    fn owner_changed(&mut self, message: &Message, header: &Header<'_>) -> Option<Sight> {
        if header.member()?.as_str() != "NameOwnerChanged" {
            return None;
        }
        let body = message.body();
        let (name, _, owner) = body.deserialize::<(&str, &str, &str)>().ok()?;
        if name != SYSTEMD || owner.is_empty() {
            return None;
        }
        self.manager = Some(owner.to_owned());
        Some(Sight::ManagerReplaced)
    }

    fn signal(&mut self, message: &Message, header: &Header<'_>) -> Option<Sight> {
        match (header.interface()?.as_str(), header.member()?.as_str()) {
            (PROPERTIES, "PropertiesChanged") => self.properties_changed(message, header),
            (MANAGER, member) => self.manager_signal(message, member),
            _ => None,
        }
    }

    fn properties_changed(&mut self, message: &Message, header: &Header<'_>) -> Option<Sight> {
        let path = header.path()?.as_str();
        let unit = label::unescape(path.strip_prefix(UNIT_PATH)?)?;
        if unit.starts_with(RESTARTER) {
            return Some(Sight::Restarter);
        }
        if !self.watched.borrow().covers(&unit) {
            return self.stack_changed(message, unit);
        }
        let body = message.body();
        let (interface, known, _) = body
            .deserialize::<(&str, Dictionary<'_>, Vec<&str>)>()
            .ok()?;
        let known = PropertiesOf::from(known);
        match interface {
            "org.freedesktop.systemd1.Service" => {
                self.half = decode::service_part(&known).map(|part| (unit, part));
                None
            }
            "org.freedesktop.systemd1.Unit" => {
                let (_, part) = self.half.take().filter(|(of, _)| *of == unit)?;
                let observation = decode::observation(part, &known)?;
                Some(Sight::Changed(
                    unit,
                    Box::new(observation),
                    decode::state(&known)?,
                ))
            }
            _ => None,
        }
    }

    /// Reads a change of a stack's unit. The Unit interface's signals are enough: the unit need be
    /// no service.
    fn stack_changed(&self, message: &Message, unit: String) -> Option<Sight> {
        if !self.watched.borrow().is_stack(&unit) {
            return None;
        }
        let body = message.body();
        let (interface, known, _) = body
            .deserialize::<(&str, Dictionary<'_>, Vec<&str>)>()
            .ok()?;
        let seen = (interface == "org.freedesktop.systemd1.Unit")
            .then(|| decode::stack_seen(&known.into()))??;
        Some(Sight::StackChanged(unit, seen))
    }

    fn manager_signal(&mut self, message: &Message, member: &str) -> Option<Sight> {
        let body = message.body();
        match member {
            "Reloading" => match body.deserialize::<bool>().ok()? {
                true => Some(Sight::ReloadBegins),
                false => Some(Sight::ReloadEnds),
            },
            "UnitRemoved" => {
                let (unit, _) = body.deserialize::<(String, OwnedObjectPath)>().ok()?;
                self.watched
                    .borrow()
                    .covers(&unit)
                    .then_some(Sight::Removed(unit))
            }
            "JobNew" => {
                let (id, path, unit) = body.deserialize::<(u32, OwnedObjectPath, String)>().ok()?;
                let watched = self.watched.borrow();
                let counts = watched.covers(&unit) || watched.is_stack(&unit);
                counts.then(|| {
                    Sight::JobQueued(JobAt {
                        unit,
                        id,
                        path: path.as_str().to_owned(),
                    })
                })
            }
            "JobRemoved" => {
                let (id, path, unit, result) = body
                    .deserialize::<(u32, OwnedObjectPath, String, String)>()
                    .ok()?;
                let is_stack = self.watched.borrow().is_stack(&unit);
                is_stack.then(|| {
                    Sight::JobDone(
                        JobAt {
                            unit,
                            id,
                            path: path.as_str().to_owned(),
                        },
                        result,
                    )
                })
            }
            _ => None,
        }
    }

    fn reply(&mut self, message: &Message, header: &Header<'_>) -> Option<Sight> {
        let question = self.taken(header)?;
        let body = message.body();
        let sight = match &question {
            Question::Subscribe => return None,
            Question::Units => body
                .deserialize::<Vec<ListedUnit>>()
                .ok()
                .map(|units| self.listed(units)),
            Question::Find(unit) => body
                .deserialize::<OwnedObjectPath>()
                .ok()
                .and_then(|path| found(unit, &path)),
            Question::Describe(at) => body
                .deserialize::<Dictionary<'_>>()
                .ok()
                .and_then(|known| decode::description(&known.into()))
                .map(|description| Sight::Described(at.unit.clone(), Box::new(description))),
            Question::Stack(at) => body
                .deserialize::<Dictionary<'_>>()
                .ok()
                .and_then(|known| decode::stack_seen(&known.into()))
                .map(|seen| Sight::StackChanged(at.unit.clone(), seen)),
            Question::JobType(at) => body
                .deserialize::<Variant<'_>>()
                .ok()
                .map(|value| job_kind(pid1::text(&value)))
                .map(|kind| Sight::JobKnown(at.clone(), kind)),
        };
        Some(sight.unwrap_or(Sight::Unanswered(question)))
    }

    fn listed(&self, units: Vec<ListedUnit>) -> Sight {
        let watched = self.watched.borrow();
        let units = units
            .into_iter()
            .filter(|unit| watched.covers(&unit.0))
            .map(|unit| UnitAt {
                unit: unit.0,
                path: unit.6.as_str().to_owned(),
            })
            .collect();
        Sight::Listed(units)
    }

    fn taken(&self, header: &Header<'_>) -> Option<Question> {
        let serial = header.reply_serial()?.get();
        self.pending
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(&serial)
    }
}

fn found(asked: &str, path: &OwnedObjectPath) -> Option<Sight> {
    let unit = label::unescape(path.as_str().strip_prefix(UNIT_PATH)?)?;
    Some(Sight::Found(
        asked.to_owned(),
        UnitAt {
            unit,
            path: path.as_str().to_owned(),
        },
    ))
}

fn job_kind(word: &str) -> JobKind {
    match word {
        "stop" | "restart" | "try-restart" => JobKind::Stop,
        _ => JobKind::Other,
    }
}
