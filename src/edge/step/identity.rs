//! The user as whom a unit's commands run.
//!
//! The generator reads it from files, and gives the helper only the commands of services that run
//! as root. But a file may differ from systemd's view: the drop-in of an alias, one that was added
//! since, a unit of another generator. So PID 1, which knows, decides before the helper runs a
//! command of the service.

use super::list::Run;
use crate::edge::pid1::{self, Properties, Wanted};
use std::io;

/// Properties of the service that [`is_roots`] reads.
pub(super) const PROPERTIES: [&str; 4] = ["User", "Group", "SupplementaryGroups", "DynamicUser"];

/// Returns true if the commands run as root; `None`: PID 1 did not tell.
pub(super) fn is_roots(known: &Properties) -> Option<bool> {
    let dynamic = known.flag("DynamicUser")?;
    Some(
        !dynamic
            && is_root(known.text("User"))
            && is_root(known.text("Group"))
            && known.texts("SupplementaryGroups").next().is_none(),
    )
}

/// Returns true if this name of a user or group, empty by default, is root's.
fn is_root(name: &str) -> bool {
    matches!(name, "" | "root" | "0")
}

/// Returns an error unless the commands of the unit, and of its ward's unit, run as root.
///
/// # Errors
/// The commands run as another user, or PID 1 does not tell.
pub(super) fn must_be_roots(run: &Run<'_>) -> io::Result<()> {
    let own = match run.is_roots {
        None => ask(&run.unit)?,
        known => known,
    };
    judge(own)?;
    // A condition's own service runs commands of the ward.
    run.ward_unit.as_deref().map_or(Ok(()), must_be_roots_in)
}

/// The same check for this unit alone, whose command runs as root already.
///
/// # Errors
/// As [`must_be_roots`].
pub(super) fn must_be_roots_in(unit: &str) -> io::Result<()> {
    judge(ask(unit)?)
}

/// Queries PID 1. For a unit that is not loaded systemd returns the default values; they are
/// discarded.
fn ask(unit: &str) -> io::Result<Option<bool>> {
    let known = pid1::ask(
        unit,
        Wanted {
            unit: &["LoadState"],
            own: &PROPERTIES,
        },
    )?;
    Ok(is_roots(&known).filter(|_| known.text("LoadState") == "loaded"))
}

fn judge(is_roots: Option<bool>) -> io::Result<()> {
    match is_roots {
        Some(true) => Ok(()),
        None => Err(io::Error::other(
            "systemd does not say as whom the service's commands run",
        )),
        Some(false) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "systemd runs the service's commands as another user than its files seemed to say, and this one would run as root: run \
             \"systemctl daemon-reload\"; where that does not help, write User= into [Service] of the ward, or Execute=+",
        )),
    }
}
