//! The unit that has taken this one down with it: by `BindsTo=`, `Requires=`, `PartOf=` and the
//! like.
//!
//! PID 1 does not tell the reason of a stop. But during the stop, the unit that caused it is down,
//! or has a job that is going to stop it.

use crate::edge::pid1::{self, Properties, Wanted};

/// Properties that list the units whose end or stop also stops this one.
pub(super) const LISTS: [&str; 5] = [
    "BindsTo",
    "Requires",
    "Requisite",
    "PartOf",
    "StopPropagatedFrom",
];

/// Property: the time at which a unit left `active`.
const LEFT: &str = "ActiveExitTimestampMonotonic";

/// Returns the first listed unit that is going down or is down; `None`: there is none, PID 1 cannot
/// be asked, or the whole host shuts down.
pub(super) fn by(known: &Properties) -> Option<String> {
    let others: Vec<&str> = LISTS
        .iter()
        .flat_map(|list| known.texts(list))
        .filter(|unit| may_go_down(unit))
        .collect();
    if others.is_empty() {
        return None;
    }
    let shown = pid1::ask_all(
        &others,
        Wanted {
            unit: &["Job", "ActiveState", LEFT],
            own: &[],
        },
    )
    .ok()?;
    let began = known.number("InactiveExitTimestampMonotonic").unwrap_or(0);
    let unit = others
        .iter()
        .zip(&shown)
        .find(|(_, shown)| goes_down(shown, began))
        .map(|(unit, _)| (*unit).to_owned())?;
    (!pid1::is_going_down()).then_some(unit)
}

/// Returns false for units that every service requires: they are not the cause.
fn may_go_down(unit: &str) -> bool {
    !unit.ends_with(".slice") && !matches!(unit, "sysinit.target" | "basic.target" | "-.mount")
}

/// Returns true if the unit is about to be stopped, or has gone down since this run began: a
/// oneshot may have finished long before.
fn goes_down(shown: &Properties, began: u64) -> bool {
    match shown.text("ActiveState") {
        "active" | "reloading" | "refreshing" => shown.job().is_some(),
        "" => false,
        _ => shown
            .number(LEFT)
            .is_some_and(|left: u64| left > 0 && left >= began),
    }
}
