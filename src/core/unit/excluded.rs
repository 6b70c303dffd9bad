//! The condition in an excluded ward's unit that PID 1 tests before it starts the unit.
//!
//! It holds against every cause of a start (a socket, a timer, `Upholds=`, a name on the bus,
//! `systemctl start`), costs no process, and needs neither the daemon nor a bus. PID 1 does not
//! test it before an automatic restart (systemd 254 and later), and a drop-in that resets the
//! conditions removes it; in those cases `begin` refuses the start.

/// Returns the path of the file whose presence excludes a ward.
#[must_use]
pub fn mark_of(ward: &str) -> String {
    ["/run/unitward/wards/", ward, "/excluded.json"].concat()
}

/// Returns the line for `[Unit]`. A ward's name contains nothing that systemd would expand or
/// unquote.
pub(super) fn line(ward: &str) -> String {
    ["ConditionPathExists=!", &mark_of(ward), "\n"].concat()
}
