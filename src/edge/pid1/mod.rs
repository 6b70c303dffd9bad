//! Queries of PID 1 over its own socket.
//!
//! A recovery sends several queries, each while a service is down or its start waits. `systemctl`
//! would be another program to load and would request all properties; this module uses one
//! connection and one call for each property that is needed, all sent at once. No answer is waited
//! for longer than [`PATIENCE`].
//!
//! Commands for PID 1 go through [`super::systemctl`].

mod bus;
mod connection;
pub mod label;
mod message;
mod properties;

use super::clock;
pub use connection::PATIENCE;
use connection::{BRIEFLY, Connection, PATIENTLY, Question};
pub use properties::{Command, Dictionary, Properties, PropertiesOf, text};
use std::time::Duration;
use std::{fs, io};
use zbus::OwnedObjectPath;

/// Properties of a service that [`Properties::time_limits`] reads.
pub const TIME_LIMITS: [&str; 4] = [
    "WatchdogUSec",
    "TimeoutStartUSec",
    "RuntimeMaxUSec",
    "TimeoutStopUSec",
];

/// PID 1's name on a bus, which is also the prefix of its interfaces.
pub const SYSTEMD: &str = "org.freedesktop.systemd1";

/// Object path of PID 1 itself; its units and jobs are below.
pub const MANAGER_PATH: &str = "/org/freedesktop/systemd1";

/// Element of PID 1's lists of units: name, description, load, active and sub state, followed unit,
/// path, and the job's number, type and path; number 0: it has none.
pub type ListedUnit = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

/// Units that are a message bus.
const BUSES: [&str; 2] = ["dbus.service", "dbus-broker.service"];

/// Has this process, a line of `unit`, not ask by way of the bus if the unit is the bus.
pub fn belongs_to(unit: &str) {
    if BUSES.contains(&unit) {
        bus::avoid();
    }
}

/// Parses bytes as PID 1's answer, without a connection. For fuzz targets.
#[cfg(feature = "full")]
pub(crate) fn digest(bytes: &[u8]) {
    let whole = bytes
        .get(..message::HEAD)
        .is_some_and(|head| message::length(head).is_ok());
    if whole {
        // Errors do not matter.
        let _ = message::read(bytes.to_vec());
    }
}

/// The requested properties. They are requested in this order while PID 1 goes on: `Job` comes
/// before the state, so that with no job left a state that is read later is the result of the job.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Properties that every unit has.
    pub unit: &'a [&'a str],
    /// Properties of the unit's kind, such as services.
    pub own: &'a [&'a str],
}

/// Returns the present run of a unit, its InvocationID; `None`: there is none. systemd records it
/// for the journal, and it can be read without a query.
#[must_use]
pub fn run_of(unit: &str) -> Option<String> {
    fs::read_link(format!("/run/systemd/units/invocation:{unit}"))
        .ok()?
        .to_str()
        .map(str::to_owned)
}

/// Requests properties of a unit. Those that it does not have are left out.
///
/// # Errors
/// PID 1 cannot be asked or refuses.
pub fn ask(unit: &str, wanted: Wanted<'_>) -> io::Result<Properties> {
    Connection::for_questions(BRIEFLY, |connection| of_unit(connection, unit, wanted))
}

/// Like [`ask`], for important queries: waits longer while PID 1 executes itself anew.
///
/// # Errors
/// As [`ask`].
pub fn ask_patiently(unit: &str, wanted: Wanted<'_>) -> io::Result<Properties> {
    Connection::for_questions(PATIENTLY, |connection| of_unit(connection, unit, wanted))
}

/// Like [`ask`] for several units, in their order.
///
/// # Errors
/// As [`ask`].
pub fn ask_all(units: &[&str], wanted: Wanted<'_>) -> io::Result<Vec<Properties>> {
    Connection::for_questions(BRIEFLY, |connection| {
        units
            .iter()
            .map(|unit| of_unit(connection, unit, wanted))
            .collect()
    })
}

fn of_unit(connection: &mut Connection, unit: &str, wanted: Wanted<'_>) -> io::Result<Properties> {
    let path = format!("{MANAGER_PATH}/unit/{}", label::escape(unit));
    let (every_units, its_kinds) = (format!("{SYSTEMD}.Unit"), interface_of_kind(unit));
    let common = wanted.unit.iter().map(|property| Question {
        path: &path,
        interface: &every_units,
        property,
    });
    let own = wanted.own.iter().map(|property| Question {
        path: &path,
        interface: &its_kinds,
        property,
    });
    connection.ask(&common.chain(own).collect::<Vec<_>>())
}

/// Returns the D-Bus interface of the unit's kind, from the suffix of its name: of a service, a
/// target …
fn interface_of_kind(unit: &str) -> String {
    let kind = unit.rsplit_once('.').map_or("", |(_, kind)| kind);
    let (first, rest) = kind.split_at_checked(1).unwrap_or_default();
    format!("{SYSTEMD}.{}{rest}", first.to_ascii_uppercase())
}

/// Like [`ask_patiently`], where `Job` must be requested; returns also the type of the job queued
/// for the unit (`start`, `stop`, `restart` …), if there is one.
///
/// # Errors
/// As [`ask`].
pub fn ask_with_job(unit: &str, wanted: Wanted<'_>) -> io::Result<(Properties, Option<String>)> {
    Connection::for_questions(PATIENTLY, |connection| {
        let known = of_unit(connection, unit, wanted)?;
        let Some((_, path)) = known.job() else {
            return Ok((known, None));
        };
        let interface = format!("{SYSTEMD}.Job");
        let kind = match connection.ask(&[Question {
            path,
            interface: &interface,
            property: "JobType",
        }]) {
            // A refusal: the job has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::Other => None,
            job => Some(job?.text("JobType").to_owned()).filter(|kind| !kind.is_empty()),
        };
        Ok((known, kind))
    })
}

/// Has PID 1 queue the stop of a unit and of nothing else. No program is started for it, which may be impossible where a service fills
/// its own control group.
///
/// # Errors
/// When PID 1 cannot be asked or refuses.
pub fn stop(unit: &str) -> io::Result<()> {
    Connection::with(PATIENTLY, |connection| {
        connection.call("StopUnit", unit, "ignore-dependencies")
    })
}

/// Returns when PID 1 answers, or has not answered for long enough.
pub fn await_answer() {
    let question = of_itself("Version");
    let _ = Connection::for_questions(PATIENTLY, |connection| connection.ask(&[question]));
}

/// Returns the milliseconds since the start of PID 1. In a container the kernel's own clocks count
/// from the machine's boot.
#[must_use]
pub fn since_boot() -> u64 {
    let began = ask_itself("UserspaceTimestampMonotonic")
        .number("UserspaceTimestampMonotonic")
        .unwrap_or(0);
    clock::since_epoch().saturating_sub(clock::epoch_of_monotonic(began))
}

/// Returns true if the host is shutting down.
#[must_use]
pub fn is_going_down() -> bool {
    ask_itself("SystemState").text("SystemState") == "stopping"
}

/// Returns the environment that PID 1 gives to all services, `NAME=VALUE`; empty if it does not
/// answer.
#[must_use]
pub fn environment() -> Vec<String> {
    ask_itself("Environment")
        .texts("Environment")
        .map(str::to_owned)
        .collect()
}

/// Returns the default start limit of units: the number of starts, and the interval.
#[must_use]
pub fn default_start_limit() -> Option<(u32, Duration)> {
    let (burst, interval) = ("DefaultStartLimitBurst", "DefaultStartLimitIntervalUSec");
    Some((
        ask_itself(burst).number(burst)?,
        ask_itself(interval).span(interval)?,
    ))
}

fn ask_itself(property: &str) -> Properties {
    Connection::for_questions(BRIEFLY, |connection| connection.ask(&[of_itself(property)]))
        .unwrap_or_default()
}

fn of_itself(property: &str) -> Question<'_> {
    Question {
        path: MANAGER_PATH,
        interface: "org.freedesktop.systemd1.Manager",
        property,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_name_tells_its_interface() {
        assert_eq!(
            interface_of_kind("a.b.service"),
            "org.freedesktop.systemd1.Service"
        );
        assert_eq!(
            interface_of_kind("x.target"),
            "org.freedesktop.systemd1.Target"
        );
        assert_eq!(interface_of_kind(""), "org.freedesktop.systemd1.");
    }
}
