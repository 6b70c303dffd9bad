//! Makes observations of properties that the bus carries. Where one is missing or of another type
//! there is no observation.

use super::{Description, StackSeen, UnitState};
use crate::core::crash::observation::{
    InvocationId, Life, MainProcess, Observation, ProcessEnd, ServiceResult, Stage,
};
use crate::core::crash::verdict::{FailedControl, Kind, Nature};
use crate::edge::pid1::PropertiesOf;
use crate::edge::up;
use std::time::Duration;

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

/// Takes the Service interface's half.
pub(super) fn service_part(known: &PropertiesOf<'_>) -> Option<ServicePart> {
    let main_pid: u32 = known.number("MainPID")?;
    let control_pid: u32 = known.number("ControlPID")?;
    let started_at = known.number("ExecMainStartTimestamp")?;
    let ended_at = known.number("ExecMainExitTimestamp")?;
    if !known.has("ExecMainCode") || !known.has("ExecMainStatus") || !known.has("Result") {
        return None;
    }
    Some(ServicePart {
        result: ServiceResult::parse(known.text("Result")),
        life: match (main_pid, control_pid) {
            (0, 0) => Life::None,
            (0, _) => Life::Control,
            (_, _) => Life::Main,
        },
        main: MainProcess {
            pid: known.number("ExecMainPID")?,
            started_at: (started_at != 0).then_some(started_at),
            started: known.number(up::MAIN_STARTED)?,
            end: known.process_end("ExecMainCode", "ExecMainStatus"),
            ended_at: (ended_at != 0).then_some(ended_at),
        },
        restarts: known.number("NRestarts")?,
    })
}

/// Adds the Unit interface's half, which completes an observation.
pub(super) fn observation(service: ServicePart, unit: &PropertiesOf<'_>) -> Option<Observation> {
    let UnitState { active, sub } = state(unit)?;
    let Identity { run, job } = identity(unit)?;
    Some(Observation {
        stage: Stage::of(&active, &sub),
        invocation: run,
        job,
        result: service.result,
        life: service.life,
        main: service.main,
        restarts: service.restarts,
        entered_active: unit.number("ActiveEnterTimestampMonotonic")?,
        left_active: unit.number("ActiveExitTimestamp")?,
        changed_at: unit.number("StateChangeTimestamp")?,
        changed: Duration::from_micros(unit.number("StateChangeTimestampMonotonic")?),
    })
}

/// Takes the two words of a unit's state.
pub(super) fn state(unit: &PropertiesOf<'_>) -> Option<UnitState> {
    let is_known = unit.has("ActiveState") && unit.has("SubState");
    is_known.then(|| UnitState {
        active: unit.text("ActiveState").to_owned(),
        sub: unit.text("SubState").to_owned(),
    })
}

/// The run of a unit and the number of the job that is queued or runs, if it has them.
struct Identity {
    run: Option<InvocationId>,
    job: Option<u32>,
}

fn identity(unit: &PropertiesOf<'_>) -> Option<Identity> {
    let is_known = unit.has("InvocationID") && unit.has("Job");
    is_known.then(|| Identity {
        run: unit
            .id("InvocationID")
            .and_then(|run| InvocationId::parse(&run)),
        job: unit.job().map(|(number, _)| number),
    })
}

/// Takes the Unit interface's properties of a stack's unit.
pub(super) fn stack_seen(unit: &PropertiesOf<'_>) -> Option<StackSeen> {
    let Identity { run, job } = identity(unit)?;
    Some(StackSeen {
        is_up: matches!(
            state(unit)?.active.as_str(),
            "active" | "reloading" | "refreshing"
        ),
        run,
        job,
        left_active: unit.number("ActiveExitTimestamp")?,
        requires: required(unit),
    })
}

/// Takes the units that a unit requires: when those are restarted, so is it. Signals do not have
/// them.
fn required(unit: &PropertiesOf<'_>) -> Option<Vec<String>> {
    let lists = ["Requires", "BindsTo", "PartOf"];
    let names = lists.iter().flat_map(|list| unit.texts(list));
    lists
        .iter()
        .any(|list| unit.has(list))
        .then(|| names.map(str::to_owned).collect())
}

/// Takes the reply to `GetAll` of all interfaces.
pub(super) fn description(known: &PropertiesOf<'_>) -> Option<Description> {
    let kind = known.has("Type").then(|| match known.text("Type") {
        "oneshot" => Kind::Oneshot,
        _ => Kind::Lasting,
    });
    let latest = CONTROL_COMMANDS
        .iter()
        .flat_map(|list| failed_commands(known, list))
        .max_by_key(|control| control.at);
    let observation = observation(service_part(known)?, known)?;
    // A start command that fails stops the main process; its stop may make other commands fail
    // later.
    let main_ended_at = observation.main.ended_at;
    let first = failed_commands(known, "ExecStartPost")
        .find(|control| main_ended_at.is_some_and(|at| control.at <= at));
    Some(Description {
        observation,
        state: state(known)?,
        nature: Nature {
            kind,
            limits: known.time_limits(),
        },
        failed_control: first.or(latest),
    })
}

/// Takes the commands of one `Exec…=` list that failed and whose failure is not ignored.
fn failed_commands(known: &PropertiesOf<'_>, list: &str) -> impl Iterator<Item = FailedControl> {
    known.commands(list).filter_map(|command| {
        let end = command.end.filter(|_| !command.forgiven)?;
        (end != ProcessEnd::Exited(0)).then_some(FailedControl {
            pid: command.pid,
            end,
            at: command.ended,
        })
    })
}
