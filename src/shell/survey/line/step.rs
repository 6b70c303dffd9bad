//! The step of a ward that runs.

use super::document::StepAt;
use crate::core::config::step::Action;
use crate::core::config::{Condition, ConditionKind, Ward};
use crate::core::unit::words;
use crate::edge::record::{RunRecord, StartKind};
use crate::shell::survey::pid1::UnitSeen;
use crate::shell::survey::scene::Book;

/// Returns the step that runs.
pub(super) fn step(ward: &Ward, unit: &UnitSeen, book: &Book) -> Option<StepAt> {
    let (condition, step, since) = at_work(ward, unit, book.latest())?;
    let condition = ward.conditions.iter().find(|known| known.id == condition)?;
    let (action, argument) = wording(condition, step)?;
    let of = condition.steps.len() as u64;
    Some(StepAt {
        condition: condition.id.clone(),
        step: step.to_owned(),
        of,
        action,
        argument,
        since,
    })
}

/// Returns the condition and the number of the step that runs, and its beginning: from the unit's
/// latest run, in which a running step is on record as killed; for a step with a line of its own,
/// from PID 1.
pub(in crate::shell::survey) fn at_work<'a>(
    ward: &Ward,
    unit: &'a UnitSeen,
    run: Option<&'a RunRecord>,
) -> Option<(&'a str, &'a str, u64)> {
    unit.step().or_else(|| on_record(ward, unit, run?))
}

/// Returns the same from the record of the run alone.
fn on_record<'a>(
    ward: &Ward,
    unit: &UnitSeen,
    run: &'a RunRecord,
) -> Option<(&'a str, &'a str, u64)> {
    let last = run.unended()?;
    let condition = ward
        .conditions
        .iter()
        .find(|known| known.id == last.condition)?;
    let of_a_stop = condition.kind == ConditionKind::Stop && run.start != StartKind::Condition;
    let goes_on = match unit.active.as_str() {
        "deactivating" => of_a_stop && run.end.is_some(),
        _ => !of_a_stop && run.up.is_none() && run.end.is_none(),
    };
    (goes_on && (unit.runs_a_list() || unit.has_forgotten_its_line())).then_some((
        last.condition.as_str(),
        last.step.as_str(),
        last.at,
    ))
}

/// Returns a step's key and value, nearly as the ward's file has them.
pub(in crate::shell::survey) fn wording(
    condition: &Condition,
    step: &str,
) -> Option<(String, String)> {
    let (number, below) = step
        .split_once('.')
        .map_or((step, None), |(number, below)| (number, Some(below)));
    let above = condition
        .steps
        .get(number.parse::<usize>().ok()?.checked_sub(1)?)?;
    let action = match below {
        None => &above.action,
        Some(below) => {
            &above
                .otherwise
                .get(below.parse::<usize>().ok()?.checked_sub(1)?)?
                .action
        }
    };
    let words = words(action);
    let (key, value) = words.split_once(' ').unwrap_or((&words, ""));
    let value = if let Action::Log(text) = action {
        text.as_str()
    } else {
        value
    };
    Some((
        format!("{}{key}", if below.is_some() { "Else" } else { "" }),
        value.to_owned(),
    ))
}
