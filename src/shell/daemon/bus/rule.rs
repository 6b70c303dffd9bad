//! Excludes and readmits wards for root.
//!
//! An exclusion is a mark in the ward's state and a stop of its unit like any other that somebody asks for. The mark comes first,
//! so that nothing starts the unit meanwhile, then the stop of what triggers it. A readmission forgets the deaths that were
//! counted and starts all of them.
//!
//! Both are told when systemd has agreed, and taken back when it does not; where it has not answered they stand, and it is said so.
//! But the main loop hears of a readmission before the start, so that it knows who is behind what it sees.

use super::Facts;
use super::refusal::Refusal;
use super::triggers;
use crate::core::config::names::is_meant;
use crate::core::config::{Ward, nearest};
use crate::core::recovery::Series;
use crate::core::visible::is_visible;
use crate::edge::exclusion::{self, By, Exclusion, Standing};
use crate::edge::pid1::{self, MANAGER_PATH, SYSTEMD};
use crate::edge::record::WardState;
use crate::edge::{clock, root, series_file};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use zbus::message::Message;
use zbus::names::{BusName, InterfaceName, MemberName};
use zbus::{Connection, DynamicType, OwnedObjectPath, OwnedVariant, fdo};

const BUS: &str = "org.freedesktop.DBus";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// How often it is looked whether the news of a daemon-reload has come, and the pause before the next look.
const RELOAD_LOOKS: u32 = 30;
const RELOAD_TICK: Duration = Duration::from_millis(100);
/// Longest reason that is taken, in characters.
const LONGEST_REASON: usize = 200;

/// What was ruled, for the main loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell::daemon) enum Ruling {
    /// The ward is kept down from now on.
    Exclude { ward: String, unit: String, why: String },
    /// It is about to be started again: that start is no news of its own.
    Readmitting { ward: String },
    /// It was started again.
    Readmit { ward: String },
    /// It could not be started again, and is excluded as before.
    StillExcluded { ward: String },
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
        let why = reason(why).map_err(Refusal::Refused)?;
        let (ward, unit) = self.find(name).await?;
        let _turn = self.turn.lock().await;
        let state = WardState::of(&ward);
        let shown = show(call.0, &unit).await?;
        if exclusion::of(&state, shown.standing()).is_some() {
            return Ok(false);
        }
        let triggers = triggers::active(call.0, &unit).await?;
        let mark = Exclusion { at: clock::since_epoch(), by: By::Hand, why: why.clone(), triggers: triggers.clone() };
        let unmarked = |error| Refusal::Failed(format!("Failed to mark {ward} as excluded: {error}."));
        exclusion::save(&state, &mark).map_err(unmarked)?;
        if shown.load != "not-found" {
            triggers::stop(call.0, &triggers).await;
            let stopped = manager_call(call.0, "StopUnit", &(unit.as_str(), "replace")).await;
            if let Err(error) = stopped
                && !is_down(call.0, &unit).await
            {
                if is_late(&error) {
                    self.tell(Ruling::Exclude { ward: ward.clone(), unit: unit.clone(), why }).await;
                    let why = format!(
                        "{ward} is marked as excluded, but whether {unit} is being stopped is not known: {error}."
                    );
                    return Err(Refusal::Failed(why));
                }
                let kept = exclusion::remove(&state).err().map_or_else(String::new, |error| format!(" ({error})"));
                triggers::start(call.0, &triggers).await;
                let why = format!("{ward} is not excluded{kept}: {unit} could not be stopped: {error}.");
                return Err(Refusal::Failed(why));
            }
        }
        self.tell(Ruling::Exclude { ward, unit, why }).await;
        Ok(true)
    }

    /// Starts an excluded ward anew; `false`: it is not excluded.
    pub(super) async fn readmit(&self, call: (&Connection, &str), name: &str) -> Result<bool, Refusal> {
        must_be_root(call, ("readmit", name)).await?;
        let (ward, unit) = self.find(name).await?;
        let _turn = self.turn.lock().await;
        let state = WardState::of(&ward);
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
        let failed = |error| Refusal::Failed(format!("Failed to readmit {ward}: {error}."));
        series_file::save(&state, &Series::default()).map_err(failed)?;
        let mark = exclusion::remove(&state).map_err(failed)?;
        self.tell(Ruling::Readmitting { ward: ward.clone() }).await;
        let stopped = mark.as_ref().map_or(&[][..], |mark| &mark.triggers);
        // Before the unit: a socket refuses to listen for a service that is up.
        triggers::start(call.0, stopped).await;
        // It fails where there is nothing to forget.
        let _ = manager_call(call.0, "ResetFailedUnit", &unit.as_str()).await;
        let started = manager_call(call.0, "StartUnit", &(unit.as_str(), "replace")).await;
        if let Err(error) = started
            && is_down(call.0, &unit).await
        {
            if is_late(&error) {
                self.tell(Ruling::Readmit { ward: ward.clone() }).await;
                let why = format!("{ward} is readmitted, but whether {unit} is being started is not known: {error}.");
                return Err(Refusal::Failed(why));
            }
            triggers::stop(call.0, stopped).await;
            let kept = mark.map_or(Ok(()), |mark| exclusion::save(&state, &mark));
            self.tell(Ruling::StillExcluded { ward: ward.clone() }).await;
            kept.map_err(failed)?;
            return Err(Refusal::Failed(format!("{ward} stays excluded: {unit} could not be started: {error}.")));
        }
        self.tell(Ruling::Readmit { ward }).await;
        Ok(true)
    }

    /// The ward of this name, or of this unit, and its unit.
    ///
    /// The main loop hears of a daemon-reload on a connection of its own, maybe after the caller. So it is given time where the disk
    /// says something else; a ward that is not reloaded yet is taken as it was.
    async fn find(&self, name: &str) -> Result<(String, String), Refusal> {
        let on_disk = on_disk(name).await;
        let found = || find(&self.facts.borrow().wards, name);
        for _ in 0..RELOAD_LOOKS {
            if found().ok() == on_disk {
                break;
            }
            // Looks are counted and not time: on a busy machine the time may pass without a turn for the main loop.
            tokio::time::sleep(RELOAD_TICK).await;
        }
        found().map_err(Refusal::Refused)
    }

    /// The main loop takes these before all else, and there are only as many as root asks for.
    async fn tell(&self, ruling: Ruling) {
        // Without a main loop the daemon is about to end.
        let _ = self.rulings.send(ruling).await;
    }
}

/// A reason on one line.
fn reason(why: &str) -> Result<String, String> {
    let why: String = why.chars().filter(|letter| is_visible(*letter)).collect();
    match why.chars().count() {
        0..=LONGEST_REASON => Ok(why),
        long => Err(format!("The reason has {long} characters, and may have {LONGEST_REASON}: make it shorter.")),
    }
}

/// The ward that the configuration on the disk has by this name, and its unit.
async fn on_disk(name: &str) -> Option<(String, String)> {
    let name = name.to_owned();
    let looked = tokio::task::spawn_blocking(move || {
        let (config, _) = root::load(Path::new("/"));
        let pair = |ward: &Ward| (ward.name.as_str().to_owned(), ward.unit().as_str().to_owned());
        find(&config.wards.iter().map(pair).collect(), &name).ok()
    });
    tokio::time::timeout(RELOAD_TICK * RELOAD_LOOKS, looked).await.ok()?.ok()?
}

/// A ward's name goes before a unit's, which may lack its suffix.
fn find(wards: &BTreeMap<String, String>, name: &str) -> Result<(String, String), String> {
    let by_unit = || wards.iter().find(|(_, unit)| is_meant(unit, name));
    if let Some((ward, unit)) = wards.get_key_value(name).or_else(by_unit) {
        return Ok((ward.clone(), unit.clone()));
    }
    Err(match nearest(name, wards.keys().map(String::as_str)) {
        Some(other) => format!("There is no ward {name}, did you mean {other}?"),
        None => format!(
            "There is no ward {name}: \"unitward list\" names them. One that was written just now is taken up by \
             \"systemctl daemon-reload\"."
        ),
    })
}

/// Whether a unit is known to be down, or on its way there.
async fn is_down(bus: &Connection, unit: &str) -> bool {
    show(bus, unit).await.is_ok_and(|shown| shown.standing() == Standing::Down)
}

/// Whether there was no answer, and what was asked for may yet be done.
fn is_late(error: &zbus::Error) -> bool {
    match error {
        zbus::Error::InputOutput(_) => true,
        zbus::Error::FDO(error) => {
            matches!(**error, fdo::Error::NoReply(_) | fdo::Error::Disconnected(_) | fdo::Error::TimedOut(_))
        }
        _ => false,
    }
}

fn refused(unit: &str, what: &str, then: &str) -> Refusal {
    Refusal::Refused(format!("{unit} {what} {unit}\" {then}."))
}

/// The bus' policy says the same; an administrator may have made it wider, but not this.
async fn must_be_root((bus, caller): (&Connection, &str), (verb, name): (&str, &str)) -> Result<(), Refusal> {
    if user_of(bus, caller).await.is_ok_and(|user| user == 0) {
        return Ok(());
    }
    let advice = format!("Only root may {verb} a ward: try \"sudo unitward {verb} {name}\".");
    Err(Refusal::AccessDenied(advice))
}

/// The user behind a connection.
pub(super) async fn user_of(bus: &Connection, caller: &str) -> zbus::Result<u32> {
    let reply = call(bus, (BUS, "/org/freedesktop/DBus", BUS, "GetConnectionUnixUser"), &caller).await?;
    reply.body().deserialize::<u32>()
}

async fn show(bus: &Connection, unit: &str) -> Result<Shown, Refusal> {
    let found = async {
        let load = String::try_from(property(bus, unit, "LoadState").await?)?;
        Ok::<_, zbus::Error>(Shown { load, active: String::try_from(property(bus, unit, "ActiveState").await?)? })
    };
    found.await.map_err(|error| unanswered(unit, &error))
}

/// What is said when systemd does not tell of a unit.
pub(super) fn unanswered(unit: &str, error: &zbus::Error) -> Refusal {
    Refusal::Failed(format!("Failed to ask systemd for {unit}: {error}."))
}

/// A property that every unit has.
pub(super) async fn property(bus: &Connection, unit: &str, property: &str) -> zbus::Result<OwnedVariant> {
    let at = manager_call(bus, "LoadUnit", &unit).await?.body().deserialize::<OwnedObjectPath>()?;
    let place = (SYSTEMD, at.as_str(), "org.freedesktop.DBus.Properties", "Get");
    let of_unit = "org.freedesktop.systemd1.Unit";
    call(bus, place, &(of_unit, property)).await?.body().deserialize::<OwnedVariant>()
}

pub(super) async fn manager_call(
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
    tokio::time::timeout(pid1::PATIENCE, called)
        .await
        .unwrap_or_else(|_| Err(zbus::Error::from(io::Error::new(ErrorKind::TimedOut, "there was no answer in time"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ward_is_found_by_its_name_and_by_its_unit() {
        let pair = |ward: &str, unit: &str| (ward.to_owned(), unit.to_owned());
        let wards =
            BTreeMap::from([pair("web", "telldusd.service"), pair("own", "own.service"), pair("x", "web.service")]);
        for (name, ward) in [("web", "web"), ("telldusd.service", "web"), ("telldusd", "web"), ("web.service", "x")] {
            assert_eq!(find(&wards, name).unwrap().0, ward, "{name}");
        }
        assert_eq!(find(&wards, "webb").unwrap_err(), "There is no ward webb, did you mean web?");
        assert!(find(&BTreeMap::new(), "web").unwrap_err().contains("daemon-reload"));
    }

    #[test]
    fn a_reason_that_is_too_long_is_refused_and_not_cut() {
        assert_eq!(reason("it eats\n\u{7}the disk").unwrap(), "it eatsthe disk");
        assert_eq!(reason(&"ä".repeat(200)).unwrap(), "ä".repeat(200));
        assert_eq!(
            reason(&"ä".repeat(201)).unwrap_err(),
            "The reason has 201 characters, and may have 200: make it shorter."
        );
    }

    #[test]
    fn a_unit_that_is_being_stopped_counts_as_down_and_one_that_waits_for_its_restart_does_not() {
        for (active, standing) in [
            ("inactive", Standing::Down),
            ("failed", Standing::Down),
            ("deactivating", Standing::Down),
            ("active", Standing::Up),
            ("activating", Standing::Up),
        ] {
            let shown = Shown { load: "loaded".into(), active: active.into() };
            assert_eq!(shown.standing(), standing, "{active}");
        }
    }
}
