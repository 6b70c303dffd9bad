//! Wards whose steps restart each other in a circle.
//!
//! If a restarts b and b restarts a, two deaths at once make each stop the other's recovery, and with
//! `[OnStart]` the circle turns without end. The condition that closes a circle is taken out.

use super::condition::Condition;
use super::names::UnitName;
use super::problem::{Mistake, Problem};
use super::step::Action;
use super::ward::{Place, Ward};
use std::collections::BTreeMap;

/// Which unit's recovery restarts which units.
type Edges = BTreeMap<UnitName, Vec<UnitName>>;

/// The restarts of the wards so far.
#[derive(Debug, Default)]
pub(super) struct Circles {
    edges: Edges,
}

impl Circles {
    /// Removes the conditions of the next ward that close a circle.
    pub(super) fn admit(&mut self, ward: &mut Ward) -> Vec<Problem> {
        let mut problems = Vec::new();
        while let Some((condition, line, circle)) = first_circle(ward, &self.edges) {
            let removed = ward.conditions.remove(condition);
            let circle = circle.iter().map(UnitName::as_str).collect::<Vec<_>>().join(" → ");
            let at = Place { path: ward.path.clone(), line };
            problems.push(Problem { at, mistake: Mistake::Loop { section: removed.id, circle } });
        }
        let targets: Vec<_> = ward.conditions.iter().flat_map(restarts).map(|(unit, _)| unit.clone()).collect();
        if !targets.is_empty() {
            self.edges.insert(ward.unit(), targets);
        }
        problems
    }
}

/// The first condition of `ward` with a step that leads, over the wards before it, back to it.
fn first_circle(ward: &Ward, edges: &Edges) -> Option<(usize, usize, Vec<UnitName>)> {
    let own = ward.unit();
    for (position, condition) in ward.conditions.iter().enumerate() {
        for (target, line) in restarts(condition) {
            if let Some(mut path) = path_between(edges, target, &own) {
                path.insert(0, own);
                return Some((position, line, path));
            }
        }
    }
    None
}

/// Units a condition starts or restarts, with the line of the step.
fn restarts(condition: &Condition) -> impl Iterator<Item = (&UnitName, usize)> {
    condition.steps.iter().filter_map(|step| match &step.action {
        Action::Restart(unit) | Action::Start(unit) => Some((unit, step.line)),
        _ => None,
    })
}

/// The units on the way from one to the other, both included.
fn path_between(edges: &Edges, from: &UnitName, to: &UnitName) -> Option<Vec<UnitName>> {
    if from != to && !edges.contains_key(from) {
        return None;
    }
    let mut came_from: BTreeMap<&UnitName, Option<&UnitName>> = BTreeMap::from([(from, None)]);
    let mut open = vec![from];
    while let Some(unit) = open.pop() {
        if unit == to {
            let mut path: Vec<_> =
                std::iter::successors(Some(unit), |at| came_from.get(*at).copied().flatten()).cloned().collect();
            path.reverse();
            return Some(path);
        }
        for next in edges.get(unit).into_iter().flatten() {
            if !came_from.contains_key(next) {
                came_from.insert(next, Some(unit));
                open.push(next);
            }
        }
    }
    None
}
