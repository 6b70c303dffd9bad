//! The run that a line belongs to.
//!
//! It is PID 1's to say. What stands in the line's environment is not asked: an `EnvironmentFile=` of the service's user may have
//! put it there.

use super::list::{Phase, Run, Site};
use crate::core::crash::observation::InvocationId;
use crate::core::unit::condition_service_name;
use crate::edge::full_restart::peer;
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::program::Life;
use crate::edge::record::{RunRecord, StartKind, WardState};
use rustix::fs::Mode;
use std::io;

/// The property that has it.
pub(super) const PROPERTY: &str = "InvocationID";

/// The run in what PID 1 has said of a unit, where [`PROPERTY`] was asked for.
pub(super) fn known(known: &Properties) -> Option<InvocationId> {
    InvocationId::parse(&known.id(PROPERTY)?)
}

/// The run of a unit that has just left `inactive` or `failed`, where everybody can read it; `None`: it must be asked for.
///
/// systemd renews its link only when a unit leaves these states, which before version 254 an automatic restart does not. So the
/// link must say the same as the environment of this line, which is of this very start, and is not believed in anything else: whoever
/// sets the variable can only repeat what the link says.
pub(super) fn linked(unit: &str) -> Option<InvocationId> {
    let said = std::env::var("INVOCATION_ID").ok()?;
    peer::run_of(unit).filter(|run| *run == said).and_then(|run| InvocationId::parse(&run))
}

/// The same, where there is no going on without it.
///
/// # Errors
/// PID 1 has not said it.
pub(super) fn required(properties: &Properties) -> io::Result<InvocationId> {
    known(properties).ok_or_else(|| io::Error::other("systemd does not say which run of the unit this is"))
}

/// The present run of a ward's unit, as its first line has noted it; where that was a line of a version that did not, as PID 1
/// knows it.
///
/// # Errors
/// It is not noted, and PID 1 cannot be asked.
pub(super) fn of_ward(state: &WardState) -> io::Result<InvocationId> {
    if let Some(run) = state.current() {
        return Ok(run);
    }
    let unit = peer::unit_of(std::process::id()).ok_or_else(|| io::Error::other("this process is in no unit"))?;
    of_unit(&unit)
}

/// The present run of a condition's own service. It never restarts, so systemd's link is right, and everybody can read it, also
/// without a bus.
///
/// # Errors
/// There is no link, and PID 1 cannot be asked.
pub(super) fn of_condition(ward: &str, condition: &str) -> io::Result<InvocationId> {
    let unit = condition_service_name(ward, condition);
    let linked = peer::run_of(&unit).and_then(|run| InvocationId::parse(&run));
    linked.map_or_else(|| of_unit(&unit), Ok)
}

/// That run with its record, which is begun here.
///
/// # Errors
/// As [`of_condition`].
pub(super) fn condition_run<'a>(
    state: &'a WardState,
    (ward, condition): (&str, &str),
    umask: Mode,
) -> io::Result<Run<'a>> {
    let run = of_condition(ward, condition)?;
    let record = state.run(run.as_str());
    let record = record.unwrap_or_else(|_| RunRecord::new(ward, "", run.as_str(), StartKind::Condition));
    let mut run = Run::new(state, record, Site { phase: Phase::Condition, umask, life: Life::Own });
    run.unit = condition_service_name(ward, condition);
    Ok(run)
}

/// Whether this process belongs to a condition's own service.
pub(super) fn is_in_condition(ward: &str, condition: &str) -> bool {
    peer::unit_of(std::process::id()).is_some_and(|unit| unit == condition_service_name(ward, condition))
}

fn of_unit(unit: &str) -> io::Result<InvocationId> {
    required(&pid1::ask_patiently(unit, Wanted { unit: &[PROPERTY], own: &[] })?)
}
