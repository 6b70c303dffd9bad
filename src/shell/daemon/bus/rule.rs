//! Excludes and readmits wards for root.
//!
//! An exclusion is a mark in the ward's state and a stop of its unit like any other that somebody asks for; the mark comes
//! first, so that no start in between goes unseen: it removes the mark. A readmission forgets the deaths that were counted and
//! starts the unit. The main loop is told of both before systemd acts on them, so that it knows who is behind what it sees.

use super::Facts;
use super::refusal::Refusal;
use crate::core::config::nearest;
use crate::core::recovery::Series;
use crate::edge::exclusion::{self, By, Exclusion, Standing};
use crate::edge::record::WardState;
use crate::edge::{clock, series_file};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use zbus::message::Message;
use zbus::names::{BusName, InterfaceName, MemberName};
use zbus::{Connection, DynamicType, OwnedObjectPath, OwnedVariant};

const BUS: &str = "org.freedesktop.DBus";
const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// How long the bus and systemd may take for one answer. Jobs are only queued.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest reason that is kept, in characters.
const LONGEST_REASON: usize = 200;

/// What was ruled, for the main loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell::daemon) enum Ruling {
    /// The ward is kept down from now on.
    Exclude { ward: String, why: String },
    /// It is started again.
    Readmit { ward: String },
}

/// Rules over wards, one ruling at a time.
pub(super) struct Ruler {
    facts: watch::Receiver<Facts>,
    rulings: mpsc::Sender<Ruling>,
    turn: Mutex<()>,
}

/// What systemd knows of a unit.
struct Shown {
    load: String,
    active: String,
}

impl Shown {
    /// A unit that is being stopped will be down, so it counts as such.
    fn standing(&self) -> Standing {
        match self.active.as_str() {
            "inactive" | "failed" | "deactivating" => Standing::Down,
            _ => Standing::Up,
        }
    }
}

impl Ruler {
    /// `rulings` leads to the main loop.
    pub(super) fn new(facts: watch::Receiver<Facts>, rulings: mpsc::Sender<Ruling>) -> Self {
        Self { facts, rulings, turn: Mutex::new(()) }
    }

    /// Keeps a ward down; `false`: it is excluded already.
    pub(super) async fn exclude(&self, call: (&Connection, &str), name: &str, why: &str) -> Result<bool, Refusal> {
        must_be_root(call, ("exclude", name)).await?;
        let unit = self.unit_of(name)?;
        let _turn = self.turn.lock().await;
        let state = WardState::of(name);
        let shown = show(call.0, &unit).await?;
        if exclusion::of(&state, shown.standing()).is_some() {
            return Ok(false);
        }
        let why: String = why.chars().filter(|letter| !letter.is_control()).take(LONGEST_REASON).collect();
        let mark = Exclusion { at: clock::since_epoch(), by: By::Hand, why: why.clone() };
        exclusion::save(&state, &mark)
            .map_err(|error| Refusal::Failed(format!("Failed to mark {name} as excluded: {error}.")))?;
        self.tell(Ruling::Exclude { ward: name.to_owned(), why }).await;
        if shown.load != "not-found" {
            let stopped = manager_call(call.0, "StopUnit", &(unit.as_str(), "replace")).await;
            stopped.map_err(|error| {
                let why = format!("{name} counts as excluded, but {unit} could not be stopped: {error}.");
                Refusal::Failed(format!("{why} \"systemctl stop {unit}\" does it."))
            })?;
        }
        Ok(true)
    }

    /// Starts an excluded ward anew; `false`: it is not excluded.
    pub(super) async fn readmit(&self, call: (&Connection, &str), name: &str) -> Result<bool, Refusal> {
        must_be_root(call, ("readmit", name)).await?;
        let unit = self.unit_of(name)?;
        let _turn = self.turn.lock().await;
        let state = WardState::of(name);
        let shown = show(call.0, &unit).await?;
        if exclusion::of(&state, shown.standing()).is_none() {
            return Ok(false);
        }
        match shown.load.as_str() {
            "masked" => return Err(refused(&unit, "is masked: \"systemctl unmask", "allows it to start again")),
            "not-found" => {
                return Err(Refusal::Refused(format!(
                    "{unit} is not there: \"unitward check\" says why, \"systemctl daemon-reload\" makes it of its ward."
                )));
            }
            _ => {}
        }
        let forgotten = exclusion::remove(&state).and_then(|_| series_file::save(&state, &Series::default()));
        forgotten.map_err(|error| Refusal::Failed(format!("Failed to readmit {name}: {error}.")))?;
        self.tell(Ruling::Readmit { ward: name.to_owned() }).await;
        // It fails where there is nothing to forget.
        let _ = manager_call(call.0, "ResetFailedUnit", &unit.as_str()).await;
        let started = manager_call(call.0, "StartUnit", &(unit.as_str(), "replace")).await;
        started.map_err(|error| Refusal::Failed(format!("{unit} could not be started: {error}.")))?;
        Ok(true)
    }

    fn unit_of(&self, name: &str) -> Result<String, Refusal> {
        let facts = self.facts.borrow();
        if let Some(unit) = facts.wards.get(name) {
            return Ok(unit.clone());
        }
        let hint = match nearest(name, facts.wards.keys().map(String::as_str)) {
            Some(other) => format!(", did you mean {other}?"),
            None => ": \"unitward list\" names them.".to_owned(),
        };
        Err(Refusal::Refused(format!("There is no ward {name}{hint}")))
    }

    /// The main loop takes these before all else, and there are only as many as root asks for.
    async fn tell(&self, ruling: Ruling) {
        // Without a main loop the daemon is about to end.
        let _ = self.rulings.send(ruling).await;
    }
}

fn refused(unit: &str, what: &str, then: &str) -> Refusal {
    Refusal::Refused(format!("{unit} {what} {unit}\" {then}."))
}

/// The bus' policy says the same; an administrator may have made it wider, but not this.
async fn must_be_root((bus, caller): (&Connection, &str), (verb, name): (&str, &str)) -> Result<(), Refusal> {
    let reply = call(bus, (BUS, "/org/freedesktop/DBus", BUS, "GetConnectionUnixUser"), &caller).await;
    let user = reply.and_then(|reply| reply.body().deserialize::<u32>());
    if user.is_ok_and(|user| user == 0) {
        return Ok(());
    }
    let advice = format!("Only root may {verb} a ward: try \"sudo unitward {verb} {name}\".");
    Err(Refusal::AccessDenied(advice))
}

async fn show(bus: &Connection, unit: &str) -> Result<Shown, Refusal> {
    let found = async {
        let at = manager_call(bus, "LoadUnit", &unit).await?.body().deserialize::<OwnedObjectPath>()?;
        let of_unit = "org.freedesktop.systemd1.Unit";
        let mut words = Vec::new();
        for property in ["LoadState", "ActiveState"] {
            let place = (SYSTEMD, at.as_str(), "org.freedesktop.DBus.Properties", "Get");
            let value = call(bus, place, &(of_unit, property)).await?.body().deserialize::<OwnedVariant>()?;
            words.push(String::try_from(value)?);
        }
        let active = words.pop().unwrap_or_default();
        Ok::<_, zbus::Error>(Shown { load: words.pop().unwrap_or_default(), active })
    };
    found.await.map_err(|error| Refusal::Failed(format!("Failed to ask systemd for {unit}: {error}.")))
}

async fn manager_call(
    bus: &Connection,
    method: &'static str,
    body: &(impl serde::Serialize + DynamicType),
) -> zbus::Result<Message> {
    call(bus, (SYSTEMD, MANAGER_PATH, MANAGER, method), body).await
}

/// Calls a method, `(destination, path, interface, method)`.
async fn call(
    bus: &Connection,
    (destination, path, interface, method): (&str, &str, &str, &str),
    body: &(impl serde::Serialize + DynamicType),
) -> zbus::Result<Message> {
    let destination = BusName::try_from(destination)?;
    let called = bus.call_method(
        Some(destination),
        path,
        Some(InterfaceName::try_from(interface)?),
        MemberName::try_from(method)?,
        body,
    );
    tokio::time::timeout(PATIENCE, called)
        .await
        .unwrap_or_else(|_| Err(zbus::Error::Failure("there was no answer in time".to_owned())))
}
