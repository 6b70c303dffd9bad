//! Unit data from PID 1, in few calls: the states of all units in one, and all properties only of
//! chosen ones, in parallel. Reading loads units that are not loaded; systemd unloads them again.

mod properties;

use crate::core::crash::reason::TimeLimits;
use crate::edge::dying::Shown;
use crate::edge::pid1::{Dictionary, ListedUnit, MANAGER_PATH, SYSTEMD, text};
use anyhow::{Context as _, bail};
use futures_util::future::{join_all, try_join_all};
use properties::UP_SINCE;
use std::time::Duration;
use zbus::message::Message;
use zbus::{Connection, Variant};

const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Time limit of one question to PID 1, which is silent for seconds while it reloads many units.
const PATIENCE: Duration = Duration::from_secs(20);

/// State of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct UnitSeen {
    pub(super) description: String,
    pub(super) load: String,
    pub(super) active: String,
    pub(super) sub: String,
    /// Type of the job that is queued or runs.
    pub(super) job: Option<String>,
    /// Time of its last change of state, in milliseconds since the epoch, if it was requested.
    pub(super) changed: Option<u64>,
    /// Time at which it became `active`, by PID 1's monotonic clock in microseconds, if it is up
    /// and the time was requested.
    pub(super) up_since: Option<u64>,
    pub(super) details: Option<Details>,
    /// Path of its object on the bus.
    pub(super) path: String,
}

/// Further properties of a unit, which are only read on request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Details {
    pub(super) pid: Option<u32>,
    /// Paths of its file and drop-ins.
    pub(super) files: Vec<String>,
    /// State of its file: `enabled`, `generated` …
    pub(super) file_state: String,
    pub(super) load_error: Option<String>,
    /// Value of `Restart=`.
    pub(super) restart: String,
    pub(super) restart_delay: Duration,
    pub(super) start_timeout: Option<Duration>,
    pub(super) limits: TimeLimits,
    /// Number of automatic restarts since the last requested start: above 0 during a start means
    /// that it is one.
    pub(super) restarts: Option<u64>,
    /// Words of the command that runs, and its start time in milliseconds since the epoch. PID 1
    /// forgets it at a daemon-reload.
    pub(super) line: Option<(Vec<String>, u64)>,
    pub(super) status_text: String,
    /// Its end as far as PID 1 shows it, while it goes down without a request.
    pub(super) dying: Option<Shown>,
    /// Start time of its main process, by PID 1's monotonic clock in microseconds; 0: never.
    pub(super) main_started: u64,
}

impl UnitSeen {
    /// Returns true if nothing of it runs and no restart is pending.
    pub(super) fn is_down(&self) -> bool {
        !matches!(
            self.active.as_str(),
            "active" | "reloading" | "refreshing" | "activating" | "deactivating"
        )
    }

    /// Returns the condition and the number of the step that has a line of its own and runs, and
    /// its start time: `… own WARD CONDITION STEP …`.
    pub(super) fn step(&self) -> Option<(&str, &str, u64)> {
        let (words, since) = self.details.as_ref()?.line.as_ref()?;
        let [_, command, _, condition, step, ..] = words.as_slice() else {
            return None;
        };
        // The word `step` is that of units which version 0.4 has generated.
        matches!(command.as_str(), "own" | "step").then_some((condition, step, *since))
    }

    /// Returns true if a line with several steps runs; the run's record says which of them runs.
    pub(super) fn runs_a_list(&self) -> bool {
        let line = self
            .details
            .as_ref()
            .and_then(|details| details.line.as_ref());
        line.and_then(|(words, _)| words.get(1))
            .is_some_and(|command| {
                matches!(
                    command.as_str(),
                    "begin" | "steps" | "end" | "stopped" | "condition"
                )
            })
    }

    /// Returns true if lines of it run and PID 1 cannot say which.
    pub(super) fn has_forgotten_its_line(&self) -> bool {
        self.is_changing()
            && !self.waits_for_systemd()
            && self
                .details
                .as_ref()
                .is_some_and(|told| told.line.is_none())
    }

    /// Returns true while systemd waits for `RestartSec=`.
    pub(super) fn waits_for_systemd(&self) -> bool {
        self.active == "activating" && self.sub.starts_with("auto-restart")
    }

    /// Returns true if it is activating or deactivating.
    pub(super) fn is_changing(&self) -> bool {
        matches!(self.active.as_str(), "activating" | "deactivating")
    }
}

/// Returns the states of these units, in their order.
pub(super) async fn list(bus: &Connection, names: &[String]) -> anyhow::Result<Vec<UnitSeen>> {
    let reply = call(bus, Method::of_manager("ListUnitsByNames"), &names).await?;
    let listed: Vec<ListedUnit> = reply
        .body()
        .deserialize()
        .context("failed to read systemd's list of units")?;
    if listed.len() != names.len() {
        bail!(
            "systemd told of {} units and was asked for {}",
            listed.len(),
            names.len()
        );
    }
    Ok(listed.into_iter().map(seen).collect())
}

/// Returns the loaded services that match one of these patterns, with their names; also those that
/// are referred to and do not exist.
pub(super) async fn services(
    bus: &Connection,
    patterns: &[&str],
) -> anyhow::Result<Vec<(String, UnitSeen)>> {
    let states: [&str; 0] = [];
    let reply = call(
        bus,
        Method::of_manager("ListUnitsByPatterns"),
        &(&states[..], patterns),
    )
    .await?;
    let listed: Vec<ListedUnit> = reply
        .body()
        .deserialize()
        .context("failed to read systemd's list of units")?;
    Ok(listed
        .into_iter()
        .map(|unit| (unit.0.clone(), seen(unit)))
        .collect())
}

fn seen((_, description, load, active, sub, _, path, job, job_type, _): ListedUnit) -> UnitSeen {
    let job = (job != 0).then_some(job_type);
    let path = path.as_str().to_owned();
    UnitSeen {
        description,
        load,
        active,
        sub,
        job,
        path,
        ..UnitSeen::default()
    }
}

/// Requests all properties of these units.
pub(super) async fn describe(bus: &Connection, units: &mut [&mut UnitSeen]) -> anyhow::Result<()> {
    let asked = units
        .iter()
        .map(|unit| call(bus, Method::of_properties(unit, "GetAll"), &""));
    let replies = try_join_all(asked).await?;
    for (unit, reply) in units.iter_mut().zip(replies) {
        let body = reply.body();
        let known: Dictionary<'_> = body
            .deserialize()
            .context("failed to read a unit's properties")?;
        unit.renew(&known.into());
    }
    Ok(())
}

/// Requests the time since which these units, which are up, are up. A unit that has disappeared
/// gets no time.
pub(super) async fn date_up(bus: &Connection, units: &mut [&mut UnitSeen]) {
    let asked = units
        .iter()
        .map(|unit| call(bus, Method::of_properties(unit, "Get"), &(UNIT, UP_SINCE)));
    let replies = join_all(asked).await;
    for (unit, reply) in units.iter_mut().zip(replies) {
        unit.up_since = reply.ok().and_then(|reply| time(&reply));
    }
}

/// Requests the time at which these units last changed their states. A unit that has disappeared
/// gets no time.
pub(super) async fn date(bus: &Connection, units: &mut [&mut UnitSeen]) {
    let asked = units.iter().map(|unit| {
        call(
            bus,
            Method::of_properties(unit, "Get"),
            &(UNIT, "StateChangeTimestamp"),
        )
    });
    let replies = join_all(asked).await;
    for (unit, reply) in units.iter_mut().zip(replies) {
        unit.changed = reply
            .ok()
            .and_then(|reply| time(&reply))
            .map(|at| at / 1_000);
    }
}

/// Reads a time in microseconds; `None`: never.
fn time(reply: &Message) -> Option<u64> {
    let body = reply.body();
    let value: Variant<'_> = body.deserialize().ok()?;
    match value {
        Variant::U64(at) if at > 0 => Some(at),
        _ => None,
    }
}

/// Returns the `STATUS=` text of a service.
pub(super) async fn status_text(bus: &Connection, unit: &UnitSeen) -> Option<String> {
    let reply = call(
        bus,
        Method::of_properties(unit, "Get"),
        &(SERVICE, "StatusText"),
    )
    .await
    .ok()?;
    let body = reply.body();
    let value: Variant<'_> = body.deserialize().ok()?;
    Some(text(&value).to_owned()).filter(|text| !text.is_empty())
}

/// A method of one of systemd's objects.
#[derive(Debug, Clone, Copy)]
struct Method<'a> {
    path: &'a str,
    interface: &'a str,
    name: &'a str,
}

impl<'a> Method<'a> {
    /// Makes a method of the manager.
    const fn of_manager(name: &'a str) -> Self {
        Self {
            path: MANAGER_PATH,
            interface: MANAGER,
            name,
        }
    }

    /// Makes a method that reads properties of a unit.
    fn of_properties(unit: &'a UnitSeen, name: &'a str) -> Self {
        Self {
            path: &unit.path,
            interface: PROPERTIES,
            name,
        }
    }
}

async fn call<B>(bus: &Connection, method: Method<'_>, body: &B) -> anyhow::Result<Message>
where
    B: serde::Serialize + zbus::DynamicType,
{
    let Method {
        path,
        interface,
        name,
    } = method;
    let called = bus.call_method(Some(SYSTEMD), path, Some(interface), name, body);
    match tokio::time::timeout(PATIENCE, called).await {
        Ok(reply) => reply.context("failed to ask systemd"),
        Err(_) => bail!(
            "failed to ask systemd: it did not answer within {} s",
            PATIENCE.as_secs()
        ),
    }
}

#[cfg(test)]
mod tests;
