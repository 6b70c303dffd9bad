//! What keeps an excluded ward's unit down: a condition that PID 1 itself tests before it starts the unit.
//!
//! It holds against whoever has the unit started (a socket, a timer, `Upholds=`, a name on the bus, `systemctl start`), costs no
//! process, and needs neither the daemon nor a bus. PID 1 does not test it before an automatic restart (systemd 254 and later),
//! and a drop-in that resets the conditions takes it away; there `begin` refuses the start.

/// The file whose presence excludes a ward.
#[must_use]
pub fn mark_of(ward: &str) -> String {
    ["/run/unitward/wards/", ward, "/excluded.json"].concat()
}

/// The line for `[Unit]`. The name of a ward has nothing in it that systemd would expand or unquote.
pub(super) fn line(ward: &str) -> String {
    ["ConditionPathExists=!", &mark_of(ward), "\n"].concat()
}
