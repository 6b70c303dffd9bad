//! Which other unit has taken this one down with it: by `BindsTo=`, `Requires=`, `PartOf=` and the like.
//!
//! PID 1 does not say why it stops a unit. But while it does so the unit that others are stopped with is down, or has a job that is
//! going to stop it.

use crate::edge::pid1::{self, Properties, Wanted};

/// The lists of units whose end, or whose stop, is this one's.
pub(super) const LISTS: [&str; 5] = ["BindsTo", "Requires", "Requisite", "PartOf", "StopPropagatedFrom"];

/// When a unit was no longer active.
const LEFT: &str = "ActiveExitTimestampMonotonic";

/// The first of them that is going down or is down; `None`: there is none, or the host goes down as a whole.
pub(super) fn by(known: &Properties) -> Option<String> {
    let others: Vec<&str> = LISTS.iter().flat_map(|list| known.texts(list)).filter(|unit| may_go_down(unit)).collect();
    if others.is_empty() {
        return None;
    }
    let shown = pid1::ask_all(&others, Wanted { unit: &["Job", "ActiveState", LEFT], own: &[] }).ok()?;
    let began = known.number("InactiveExitTimestampMonotonic").unwrap_or(0);
    let unit =
        others.iter().zip(&shown).find(|(_, shown)| goes_down(shown, began)).map(|(unit, _)| (*unit).to_owned())?;
    (!pid1::is_going_down()).then_some(unit)
}

/// What every service requires is not what took one down.
fn may_go_down(unit: &str) -> bool {
    !unit.ends_with(".slice") && !matches!(unit, "sysinit.target" | "basic.target" | "-.mount")
}

/// Whether it is about to be stopped, or has gone down since this run began: a oneshot that it needed may have been done long before.
fn goes_down(shown: &Properties, began: u64) -> bool {
    match shown.text("ActiveState") {
        "active" | "reloading" | "refreshing" => shown.job().is_some(),
        "" => false,
        _ => shown.number(LEFT).is_some_and(|left: u64| left > 0 && left >= began),
    }
}
