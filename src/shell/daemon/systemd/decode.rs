//! Decodes D-Bus values to observations. A value that is missing or of another type makes `None`,
//! never a panic.

use super::{Description, StackSeen, UnitState};
use crate::core::crash::observation::{
    InvocationId, Life, MainProcess, Observation, ProcessEnd, ServiceResult, Stage,
};
use crate::core::crash::reason::TimeLimits;
use crate::core::crash::verdict::{FailedControl, Kind, Nature};
use crate::edge::up;
use std::collections::HashMap;
use std::time::Duration;
use zbus::{Structure, Variant};

/// A dictionary of properties that borrows from the message.
pub(in crate::shell) type Properties<'m> = HashMap<&'m str, Variant<'m>>;

/// The lists of commands whose failure may end a run, in the order of their execution.
const CONTROL_COMMANDS: [&str; 6] = [
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecStop",
    "ExecStopPost",
];

/// The properties of the Service interface: the first half of an observation.
#[derive(Debug, Clone)]
pub(super) struct ServicePart {
    result: ServiceResult,
    life: Life,
    main: MainProcess,
    restarts: u32,
}

/// Decodes the Service interface's half.
pub(super) fn service_part(properties: &Properties<'_>) -> Option<ServicePart> {
    let main_pid = number(properties.get("MainPID")?)?;
    let control_pid = number(properties.get("ControlPID")?)?;
    let code = integer(properties.get("ExecMainCode")?)?;
    let status = integer(properties.get("ExecMainStatus")?)?;
    let started_at = number(properties.get("ExecMainStartTimestamp")?)?;
    let ended_at = number(properties.get("ExecMainExitTimestamp")?)?;
    Some(ServicePart {
        result: ServiceResult::parse(text(properties.get("Result")?)?),
        life: match (main_pid, control_pid) {
            (0, 0) => Life::None,
            (0, _) => Life::Control,
            (_, _) => Life::Main,
        },
        main: MainProcess {
            pid: u32::try_from(number(properties.get("ExecMainPID")?)?).ok()?,
            started_at: (started_at != 0).then_some(started_at),
            started: number(properties.get(up::MAIN_STARTED)?)?,
            end: ProcessEnd::from_wait(code, status),
            ended_at: (ended_at != 0).then_some(ended_at),
        },
        restarts: u32::try_from(number(properties.get("NRestarts")?)?).ok()?,
    })
}

/// Adds the Unit interface's half, which completes an observation.
pub(super) fn observation(service: ServicePart, unit: &Properties<'_>) -> Option<Observation> {
    Some(Observation {
        stage: Stage::of(
            text(unit.get("ActiveState")?)?,
            text(unit.get("SubState")?)?,
        ),
        invocation: InvocationId::from_bytes(&bytes(unit.get("InvocationID")?)?),
        job: job(unit)?,
        result: service.result,
        life: service.life,
        main: service.main,
        restarts: service.restarts,
        entered_active: number(unit.get("ActiveEnterTimestampMonotonic")?)?,
        left_active: number(unit.get("ActiveExitTimestamp")?)?,
        changed_at: number(unit.get("StateChangeTimestamp")?)?,
        changed: Duration::from_micros(number(unit.get("StateChangeTimestampMonotonic")?)?),
    })
}

/// Decodes the two words of a unit's state.
pub(super) fn state(unit: &Properties<'_>) -> Option<UnitState> {
    Some(UnitState {
        active: text(unit.get("ActiveState")?)?.to_owned(),
        sub: text(unit.get("SubState")?)?.to_owned(),
    })
}

/// Decodes the Unit interface's properties of a stack's unit.
pub(super) fn stack_seen(unit: &Properties<'_>) -> Option<StackSeen> {
    Some(StackSeen {
        is_up: matches!(
            text(unit.get("ActiveState")?)?,
            "active" | "reloading" | "refreshing"
        ),
        run: InvocationId::from_bytes(&bytes(unit.get("InvocationID")?)?),
        job: job(unit)?,
        left_active: number(unit.get("ActiveExitTimestamp")?)?,
        requires: required(unit),
    })
}

/// Decodes the units that a unit requires: when those are restarted, so is it. Signals do not have
/// them.
fn required(unit: &Properties<'_>) -> Option<Vec<String>> {
    let lists: Vec<Vec<String>> = ["Requires", "BindsTo", "PartOf"]
        .iter()
        .filter_map(|key| unit.get(*key))
        .map(names)
        .collect();
    (!lists.is_empty()).then(|| lists.concat())
}

/// Decodes a list of names.
fn names(list: &Variant<'_>) -> Vec<String> {
    match list {
        Variant::Array(names) => names.iter().filter_map(text).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Decodes the job that is queued or running, if there is one.
fn job(unit: &Properties<'_>) -> Option<Option<u32>> {
    let Variant::Structure(job) = unit.get("Job")? else {
        return None;
    };
    let id = u32::try_from(number(job.fields().first()?)?).ok()?;
    Some((id != 0).then_some(id))
}

/// Decodes the reply to `GetAll` of all interfaces.
pub(super) fn description(properties: &Properties<'_>) -> Option<Description> {
    let kind = properties
        .get("Type")
        .and_then(text)
        .map(|kind| match kind {
            "oneshot" => Kind::Oneshot,
            _ => Kind::Lasting,
        });
    let limits = TimeLimits {
        watchdog: time_limit(properties, "WatchdogUSec"),
        start: time_limit(properties, "TimeoutStartUSec"),
        run: time_limit(properties, "RuntimeMaxUSec"),
        stop: time_limit(properties, "TimeoutStopUSec"),
    };
    let latest = CONTROL_COMMANDS
        .iter()
        .flat_map(|list| failed_commands(properties, list))
        .max_by_key(|control| control.at);
    let observation = observation(service_part(properties)?, properties)?;
    // A start command that fails stops the main process; its stop may make other commands fail
    // later.
    let main_ended_at = observation.main.ended_at;
    let first = failed_commands(properties, "ExecStartPost")
        .into_iter()
        .find(|control| main_ended_at.is_some_and(|at| control.at <= at));
    Some(Description {
        observation,
        state: state(properties)?,
        nature: Nature { kind, limits },
        failed_control: first.or(latest),
    })
}

/// Decodes a time limit; `None`: there is none.
fn time_limit(properties: &Properties<'_>, key: &str) -> Option<Duration> {
    let micros = number(properties.get(key)?)?;
    (micros != 0 && micros != u64::MAX).then(|| Duration::from_micros(micros))
}

/// Decodes the commands of one `Exec…=` list, `a(sasbttttuii)`, that failed and whose failure is
/// not ignored.
fn failed_commands(properties: &Properties<'_>, list: &str) -> Vec<FailedControl> {
    let Some(Variant::Array(commands)) = properties.get(list) else {
        return Vec::new();
    };
    let structures = commands.iter().filter_map(|command| match command {
        Variant::Structure(fields) => Some(fields),
        _ => None,
    });
    structures.filter_map(failed_command).collect()
}

fn failed_command(command: &Structure<'_>) -> Option<FailedControl> {
    let fields = command.fields();
    let failure_is_ignored = matches!(fields.get(2)?, Variant::Bool(true));
    let at = number(fields.get(5)?)?;
    let pid = u32::try_from(number(fields.get(7)?)?).ok()?;
    let end = ProcessEnd::from_wait(integer(fields.get(8)?)?, integer(fields.get(9)?)?)?;
    let failed = end != ProcessEnd::Exited(0) && !failure_is_ignored;
    failed.then_some(FailedControl { pid, end, at })
}

/// Returns the text of a string or an object path.
pub(in crate::shell) fn text<'v>(value: &'v Variant<'_>) -> Option<&'v str> {
    match value {
        Variant::Str(text) => Some(text.as_str()),
        Variant::ObjectPath(path) => Some(path.as_str()),
        _ => None,
    }
}

pub(in crate::shell) fn number(value: &Variant<'_>) -> Option<u64> {
    match value {
        Variant::U32(number) => Some(u64::from(*number)),
        Variant::U64(number) => Some(*number),
        _ => None,
    }
}

fn integer(value: &Variant<'_>) -> Option<i32> {
    match value {
        Variant::I32(number) => Some(*number),
        _ => None,
    }
}

fn bytes(value: &Variant<'_>) -> Option<Vec<u8>> {
    let Variant::Array(array) = value else {
        return None;
    };
    array
        .iter()
        .map(|value| match value {
            Variant::U8(byte) => Some(*byte),
            _ => None,
        })
        .collect()
}
