//! Choice of `Restart=` for a unit that has none.

use super::{Found, Section};

/// Returns the section for a unit with `Restart=no`; for others a note on the ends that their own
/// setting does not cover.
pub(super) fn section(found: &Found) -> (Option<Section>, Option<String>) {
    if !matches!(found.restart.as_str(), "" | "no") {
        return (None, kept(&found.restart));
    }
    let (value, why) = chosen(found);
    let why = format!(
        "{} has Restart=no, so nothing restarts it. {why}",
        found.unit
    );
    (
        Some(Section {
            heading: "Service",
            why: vec![why],
            lines: vec![format!("Restart={value}")],
        }),
        None,
    )
}

/// Chooses the value and its reason. For a daemon that must always be up every end is a failure,
/// also a clean one: SIGTERM from a stray kill counts as clean. A service that is started on
/// demand, or whose type says nothing, may end when its work is done.
fn chosen(found: &Found) -> (&'static str, &'static str) {
    match found.kind.as_str() {
        "oneshot" => (
            "on-failure",
            "on-failure: systemd refuses \"always\" for Type=oneshot, which is done when it has succeeded.",
        ),
        _ if !found.triggers.is_empty() => (
            "on-failure",
            "on-failure, not always: it is started on demand, and may end when there is nothing to do.",
        ),
        "dbus" => (
            "on-failure",
            "on-failure, not always: a service of the bus is started on demand, and may end when idle.",
        ),
        "forking" | "notify" | "notify-reload" => (
            "always",
            "always, not on-failure: such a daemon is not meant to end by itself, and SIGTERM from a stray kill counts as a \
             clean end.",
        ),
        _ => (
            "on-failure",
            "on-failure: a clean end may be meant. Write always if it must never end by itself: SIGTERM from a stray kill counts \
             as a clean end.",
        ),
    }
}

/// Describes the ends after which a unit's own `Restart=` leaves it down.
fn kept(restart: &str) -> Option<String> {
    let left_down = match restart {
        "on-success" => "a crash leaves it down",
        "on-abnormal" => "an exit status other than 0 leaves it down, and so does a clean end",
        "on-abort" => "only a signal or a core dump restarts it",
        "on-watchdog" => "only the watchdog restarts it",
        _ => return None,
    };
    Some(format!(
        "Restart={restart} stays as it is: {left_down}. Restart= in [Service] of the ward would change that."
    ))
}
