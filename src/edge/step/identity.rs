//! As whom a unit's commands run.
//!
//! The generator finds that out from files, and gives the helper only the commands of services that are root's. But a file may say
//! otherwise than systemd does: the drop-in of an alias, one that was added since, a unit of another generator. So PID 1, which knows,
//! has the last word before the helper runs a command of the service's.

use super::list::Run;
use crate::edge::pid1::{self, Properties, Wanted};
use std::io;

/// What [`is_roots`] reads, of the service.
pub(super) const PROPERTIES: [&str; 4] = ["User", "Group", "SupplementaryGroups", "DynamicUser"];

/// Whether the commands are root's; `None`: PID 1 has not said it.
pub(super) fn is_roots(known: &Properties) -> Option<bool> {
    let dynamic = known.flag("DynamicUser")?;
    let is_root = |property| matches!(known.text(property), "" | "root" | "0");
    Some(!dynamic && is_root("User") && is_root("Group") && known.texts("SupplementaryGroups").next().is_none())
}

/// Makes sure of it before a command of the service's is run.
///
/// # Errors
/// They are somebody else's, or PID 1 does not say.
pub(super) fn must_be_roots(run: &Run<'_>) -> io::Result<()> {
    let own = match run.is_roots {
        None => ask(&run.unit)?,
        known => known,
    };
    judge(own)?;
    // A condition's own service runs what is the ward's.
    run.ward_unit.as_deref().map_or(Ok(()), must_be_roots_in)
}

/// The same of a command of this unit's that runs as root already.
///
/// # Errors
/// As [`must_be_roots`].
pub(super) fn must_be_roots_in(unit: &str) -> io::Result<()> {
    judge(ask(unit)?)
}

/// Of a unit that is not there, or no more, systemd tells what any unit has that says nothing.
fn ask(unit: &str) -> io::Result<Option<bool>> {
    let known = pid1::ask(unit, Wanted { unit: &["LoadState"], own: &PROPERTIES })?;
    Ok(is_roots(&known).filter(|_| known.text("LoadState") == "loaded"))
}

fn judge(is_roots: Option<bool>) -> io::Result<()> {
    match is_roots {
        Some(true) => Ok(()),
        None => Err(io::Error::other("systemd does not say as whom the service's commands run")),
        Some(false) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "systemd runs the service's commands as another user than its files seemed to say, and this one would run as root: run \
             \"systemctl daemon-reload\"; where that does not help, write User= into [Service] of the ward, or Execute=+",
        )),
    }
}
