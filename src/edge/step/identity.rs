//! The user as whom a unit's commands run.
//!
//! The generator reads it from files, and gives the helper only the commands of services that run
//! as root. But a file may differ from systemd's view: the drop-in of an alias, one that was added
//! since, a unit of another generator. So PID 1, which knows, decides before the helper runs a
//! command of the service.

use super::list::Run;
use crate::edge::pid1::{self, Properties, Wanted};
use std::io;

/// Properties of the service that [`is_roots`] reads: its user, and the walls around it that matter
/// most to root.
pub(super) const PROPERTIES: [&str; 10] = [
    "User",
    "Group",
    "SupplementaryGroups",
    "DynamicUser",
    "CapabilityBoundingSet",
    "NoNewPrivileges",
    "ProtectSystem",
    "ProtectHome",
    "PrivateDevices",
    "PrivateNetwork",
];

/// Returns true if the commands run as root and without a sandbox; `None`: PID 1 did not tell.
pub(super) fn is_roots(known: &Properties) -> Option<bool> {
    has_roots_identity(known).map(|is_root| is_root && !is_confined(known))
}

/// Returns true if PID 1 takes something away from the commands of the service.
fn is_confined(known: &Properties) -> bool {
    const SWITCHES: [&str; 3] = ["NoNewPrivileges", "PrivateDevices", "PrivateNetwork"];
    const WORDS: [&str; 2] = ["ProtectSystem", "ProtectHome"];
    let capabilities = known.number::<u64>("CapabilityBoundingSet");
    capabilities.is_some_and(|left| !has_all_capabilities(left))
        || SWITCHES
            .iter()
            .any(|switch| known.flag(switch) == Some(true))
        || WORDS
            .iter()
            .any(|word| !matches!(known.text(word), "" | "no"))
}

/// Returns true if PID 1 itself has no capability that this set lacks. If that cannot be read, the
/// set is taken for whole.
fn has_all_capabilities(set: u64) -> bool {
    let status = std::fs::read_to_string("/proc/1/status").unwrap_or_default();
    let of_pid1 = status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    of_pid1.is_none_or(|all| set & all == all)
}

/// Returns true if the commands run as root; `None`: PID 1 did not tell.
fn has_roots_identity(known: &Properties) -> Option<bool> {
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
        None => ask(&run.unit, is_roots)?,
        known => known,
    };
    judge(own)?;
    // A condition's own service runs commands of the ward.
    match &run.ward_unit {
        Some(unit) => judge(ask(unit, is_roots)?),
        None => Ok(()),
    }
}

/// Returns an error unless the commands of this unit run as root, whatever is around them: PID 1 has
/// put this process, which becomes one of them, where it belongs.
///
/// # Errors
/// As [`must_be_roots`].
pub(super) fn must_be_roots_in(unit: &str) -> io::Result<()> {
    judge(ask(unit, has_roots_identity)?)
}

/// Queries PID 1. For a unit that is not loaded systemd returns the default values; they are
/// discarded.
fn ask(unit: &str, judge: fn(&Properties) -> Option<bool>) -> io::Result<Option<bool>> {
    let known = pid1::ask(
        unit,
        Wanted {
            unit: &["LoadState"],
            own: &PROPERTIES,
        },
    )?;
    Ok(judge(&known).filter(|_| known.text("LoadState") == "loaded"))
}

fn judge(is_roots: Option<bool>) -> io::Result<()> {
    match is_roots {
        Some(true) => Ok(()),
        None => Err(io::Error::other(
            "systemd does not say as whom the service's commands run",
        )),
        Some(false) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "systemd runs the service's commands as another user than its files seemed to say, or in a sandbox, and this one would run as root: run \
             \"systemctl daemon-reload\"; where that does not help, write User= into [Service] of the ward, or Execute=+",
        )),
    }
}
