//! Deaths that systemd answers with no restart: `Restart=` or `RestartPreventExitStatus=` forbids
//! it. The steps of `[OnDeath]` and `[OnAbnormalDeath]` then run in services of their own.

use super::lists::stands_alone;
use super::{AdoptedUnit, ServiceLines};
use crate::core::config::{Condition, ConditionKind, Form, Ward};

/// Returns the effective `Restart=` of a ward's unit; `None`: the files of the unit that it adopts
/// are not known.
#[must_use]
pub fn policy<'a>(ward: &'a Ward, adopted: Option<&'a AdoptedUnit>) -> Option<&'a str> {
    let default = match ward.form {
        Form::Defined => Some("on-failure"),
        Form::Adopted(_) => adopted.map(|unit| unit.restart.as_deref().unwrap_or("no")),
    };
    ServiceLines::of(ward, adopted).value("Restart").or(default)
}

/// Iterates over the conditions that fire at a death which no restart follows, if this unit can
/// have one.
pub fn conditions<'a>(
    ward: &'a Ward,
    adopted: Option<&'a AdoptedUnit>,
) -> impl Iterator<Item = &'a Condition> + Clone {
    let policy = policy(ward, adopted);
    let is_prevented = !ServiceLines::of(ward, adopted)
        .values("RestartPreventExitStatus")
        .is_empty();
    ward.conditions.iter().filter(move |condition| {
        let is_always_restarted = match condition.kind {
            ConditionKind::Death => policy == Some("always"),
            ConditionKind::AbnormalDeath => matches!(policy, Some("always" | "on-failure")),
            _ => return false,
        };
        is_prevented || !is_always_restarted
    })
}

/// Iterates over all conditions that have a service of their own.
pub(super) fn with_services<'a>(
    ward: &'a Ward,
    adopted: Option<&'a AdoptedUnit>,
) -> impl Iterator<Item = &'a Condition> {
    let unrestarted = conditions(ward, adopted);
    ward.conditions.iter().filter(move |condition| {
        stands_alone(condition)
            || unrestarted
                .clone()
                .any(|other| std::ptr::eq(other, *condition))
    })
}
