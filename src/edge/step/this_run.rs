//! The run that a line belongs to.
//!
//! PID 1 is the source. The line's environment is not trusted: an `EnvironmentFile=` of the
//! service's user may have set the variable.

use super::list::{Phase, Run, Site};
use crate::core::crash::observation::InvocationId;
use crate::core::unit::condition_service_name;
use crate::edge::full_restart::peer;
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::program::Life;
use crate::edge::record::{RunRecord, StartKind, WardState};
use rustix::fs::Mode;
use std::io;

/// Property: the run of a unit.
pub(super) const PROPERTY: &str = "InvocationID";

/// Returns the run in PID 1's answer about a unit, if [`PROPERTY`] was requested.
pub(super) fn known(known: &Properties) -> Option<InvocationId> {
    InvocationId::parse(&known.id(PROPERTY)?)
}

/// Returns the run of a unit that has just left `inactive` or `failed`, from a link that every user
/// can read; `None`: PID 1 must be asked.
///
/// systemd renews its link only when a unit leaves these states, which before version 254 an
/// automatic restart does not. So the link must equal the variable in the environment of this line,
/// which belongs to this very start and is trusted for nothing else: a forged variable can only
/// repeat the link.
pub(super) fn linked(unit: &str) -> Option<InvocationId> {
    let said = std::env::var("INVOCATION_ID").ok()?;
    pid1::run_of(unit)
        .filter(|run| *run == said)
        .and_then(|run| InvocationId::parse(&run))
}

/// Returns the run like [`known`], or an error.
///
/// # Errors
/// PID 1 did not tell the run.
pub(super) fn required(properties: &Properties) -> io::Result<InvocationId> {
    known(properties)
        .ok_or_else(|| io::Error::other("systemd does not say which run of the unit this is"))
}

/// Returns the present run of a ward's unit, as its first line has recorded it; if that line is of
/// a version that does not record it, as PID 1 knows it.
///
/// # Errors
/// The run is not recorded, and PID 1 cannot be asked.
pub(super) fn of_ward(state: &WardState) -> io::Result<InvocationId> {
    if let Some(run) = state.current() {
        return Ok(run);
    }
    let unit = peer::unit_of(std::process::id())
        .ok_or_else(|| io::Error::other("this process is in no unit"))?;
    of_unit(&unit)
}

/// Returns the present run of a condition's own service. It never restarts, so systemd's link is
/// right, and every user can read it, even without a bus.
///
/// # Errors
/// There is no link, and PID 1 cannot be asked.
pub(super) fn of_condition(ward: &str, condition: &str) -> io::Result<InvocationId> {
    let unit = condition_service_name(ward, condition);
    let linked = pid1::run_of(&unit).and_then(|run| InvocationId::parse(&run));
    linked.map_or_else(|| of_unit(&unit), Ok)
}

/// Returns that run with its record, which is created here if it does not exist.
///
/// # Errors
/// As [`of_condition`].
pub(super) fn condition_run<'a>(
    state: &'a WardState,
    ward: &str,
    condition: &str,
    umask: Mode,
) -> io::Result<Run<'a>> {
    let run = of_condition(ward, condition)?;
    let record = state.run(run.as_str());
    let record =
        record.unwrap_or_else(|_| RunRecord::new(ward, "", run.as_str(), StartKind::Condition));
    let mut run = Run::new(
        state,
        record,
        Site {
            phase: Phase::Condition,
            umask,
            life: Life::Own,
        },
    );
    run.unit = condition_service_name(ward, condition);
    Ok(run)
}

/// Returns true if this process belongs to a condition's own service.
pub(super) fn is_in_condition(ward: &str, condition: &str) -> bool {
    peer::unit_of(std::process::id())
        .is_some_and(|unit| unit == condition_service_name(ward, condition))
}

fn of_unit(unit: &str) -> io::Result<InvocationId> {
    required(&pid1::ask_patiently(
        unit,
        Wanted {
            unit: &[PROPERTY],
            own: &[],
        },
    )?)
}
