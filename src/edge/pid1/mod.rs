//! PID 1, asked over its own socket.
//!
//! A recovery asks several times, and each time a service is down or its start waits. So it is not `systemctl` that asks, which is
//! another program to load and wants all that PID 1 knows, but this: one connection, a question for each property that is needed,
//! all sent at once. No answer is waited for longer than [`PATIENCE`].
//!
//! What PID 1 is told to do goes by way of [`super::systemctl`].

mod connection;
pub mod label;
mod message;
mod properties;

use super::clock;
pub use connection::PATIENCE;
use connection::{BRIEFLY, Connection, PATIENTLY, Question};
pub use properties::{Command, Properties};
use std::io;
use std::time::Duration;

/// What [`Properties::time_limits`] reads, of a service.
pub const TIME_LIMITS: [&str; 4] = ["WatchdogUSec", "TimeoutStartUSec", "RuntimeMaxUSec", "TimeoutStopUSec"];

/// PID 1's name on a bus, with which the names of its interfaces begin.
pub const SYSTEMD: &str = "org.freedesktop.systemd1";

/// Where it is itself; its units and jobs are below.
pub const MANAGER_PATH: &str = "/org/freedesktop/systemd1";

/// Reads bytes as PID 1's answer, without a connection. For fuzz targets.
#[cfg(feature = "full")]
pub(crate) fn digest(bytes: &[u8]) {
    let whole = bytes.get(..message::HEAD).is_some_and(|head| message::length(head).is_ok());
    if whole {
        // What is wrong with them is no matter.
        let _ = message::read(bytes.to_vec());
    }
}

/// The properties that are asked for, in this order, and meanwhile PID 1 goes on: `Job` before the state, for with no job left a
/// state that is read later is what has come of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Of those that every unit has.
    pub unit: &'a [&'a str],
    /// Of those that units of its kind have, such as services.
    pub own: &'a [&'a str],
}

/// Asks for properties of a unit. What a unit of its kind does not have is left out.
///
/// # Errors
/// When PID 1 cannot be asked or refuses.
pub fn ask(unit: &str, wanted: Wanted<'_>) -> io::Result<Properties> {
    Connection::with(BRIEFLY, |connection| of_unit(connection, unit, wanted))
}

/// The same where much depends on it, should PID 1 take long to execute itself anew.
///
/// # Errors
/// As [`ask`].
pub fn ask_patiently(unit: &str, wanted: Wanted<'_>) -> io::Result<Properties> {
    Connection::with(PATIENTLY, |connection| of_unit(connection, unit, wanted))
}

/// [`ask`] of several units, in their order.
///
/// # Errors
/// As [`ask`].
pub fn ask_all(units: &[&str], wanted: Wanted<'_>) -> io::Result<Vec<Properties>> {
    Connection::with(BRIEFLY, |connection| units.iter().map(|unit| of_unit(connection, unit, wanted)).collect())
}

fn of_unit(connection: &mut Connection, unit: &str, wanted: Wanted<'_>) -> io::Result<Properties> {
    let path = format!("{MANAGER_PATH}/unit/{}", label::escape(unit));
    let (every_units, its_kinds) = (format!("{SYSTEMD}.Unit"), interface_of_kind(unit));
    let common = wanted.unit.iter().map(|property| Question { path: &path, interface: &every_units, property });
    let own = wanted.own.iter().map(|property| Question { path: &path, interface: &its_kinds, property });
    connection.ask(&common.chain(own).collect::<Vec<_>>())
}

/// The interface of the kind of unit that the name tells: of a service, a target …
fn interface_of_kind(unit: &str) -> String {
    let kind = unit.rsplit_once('.').map_or("", |(_, kind)| kind);
    let (first, rest) = kind.split_at_checked(1).unwrap_or_default();
    format!("{SYSTEMD}.{}{rest}", first.to_ascii_uppercase())
}

/// [`ask_patiently`], where `Job` is among what is wanted, and the type of the job queued for the unit (`start`, `stop`, `restart` …),
/// if there is one.
///
/// # Errors
/// As [`ask`].
pub fn ask_with_job(unit: &str, wanted: Wanted<'_>) -> io::Result<(Properties, Option<String>)> {
    Connection::with(PATIENTLY, |connection| {
        let known = of_unit(connection, unit, wanted)?;
        let Some(path) = known.job() else { return Ok((known, None)) };
        let interface = format!("{SYSTEMD}.Job");
        let kind = match connection.ask(&[Question { path, interface: &interface, property: "JobType" }]) {
            // A refusal: the job is over meanwhile.
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
    Connection::with(PATIENTLY, |connection| connection.call("StopUnit", (unit, "ignore-dependencies")))
}

/// Returns when PID 1 answers, or has not answered for long enough.
pub fn await_answer() {
    let question = of_itself("Version");
    let _ = Connection::with(PATIENTLY, |connection| connection.ask(&[question]));
}

/// Milliseconds since PID 1 began. In a container the kernel's own clocks count from the machine's boot.
#[must_use]
pub fn since_boot() -> u64 {
    let began = ask_itself("UserspaceTimestampMonotonic").number("UserspaceTimestampMonotonic").unwrap_or(0);
    clock::since_epoch().saturating_sub(clock::epoch_of_monotonic(began))
}

/// Whether the host is shutting down.
#[must_use]
pub fn is_going_down() -> bool {
    ask_itself("SystemState").text("SystemState") == "stopping"
}

/// The environment that PID 1 gives to all services, `NAME=VALUE`; nothing where it does not answer.
#[must_use]
pub fn environment() -> Vec<String> {
    ask_itself("Environment").texts("Environment").map(str::to_owned).collect()
}

/// The start limit of units that have none of their own: so many starts in so long.
#[must_use]
pub fn default_start_limit() -> Option<(u32, Duration)> {
    let (burst, interval) = ("DefaultStartLimitBurst", "DefaultStartLimitIntervalUSec");
    Some((ask_itself(burst).number(burst)?, ask_itself(interval).span(interval)?))
}

fn ask_itself(property: &str) -> Properties {
    Connection::with(BRIEFLY, |connection| connection.ask(&[of_itself(property)])).unwrap_or_default()
}

fn of_itself(property: &str) -> Question<'_> {
    Question { path: MANAGER_PATH, interface: "org.freedesktop.systemd1.Manager", property }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_name_tells_its_interface() {
        assert_eq!(interface_of_kind("a.b.service"), "org.freedesktop.systemd1.Service");
        assert_eq!(interface_of_kind("x.target"), "org.freedesktop.systemd1.Target");
        assert_eq!(interface_of_kind(""), "org.freedesktop.systemd1.");
    }
}
