//! Wards whose steps restart each other in a circle.
//!
//! If a restarts b and b restarts a, two deaths at once make each stop the other's recovery, and
//! with `[OnStart]` the circle never ends. The condition that closes a circle is removed.
//!
//! A full restart of a stack is a first start for its members. A death may ask for one, since the
//! ends of the members in it are not deaths; a first start may not if the full restart leads back
//! to the same ward: it would ask again and again.

use super::Stacks;
use super::condition::{Condition, ConditionKind};
use super::names::{StackName, UnitName};
use super::place::Place;
use super::problem::{Mistake, Problem};
use super::step::Action;
use super::ward::Ward;
use std::collections::{BTreeMap, HashMap};

/// For each unit, the units that its recovery restarts.
type Edges = BTreeMap<UnitName, Vec<UnitName>>;

/// The restarts of the wards so far.
#[derive(Debug, Default)]
pub(super) struct Circles {
    edges: Edges,
    /// The units that stand for the stacks.
    stacks: HashMap<StackName, UnitName>,
}

impl Circles {
    /// Starts with no ward, beside these stacks.
    pub(super) fn beside(stacks: &Stacks) -> Self {
        let stacks = stacks
            .iter()
            .map(|stack| (stack.name.clone(), stack.unit()))
            .collect();
        Self {
            edges: Edges::new(),
            stacks,
        }
    }

    /// Removes the conditions of the next ward that close a circle.
    pub(super) fn admit(&mut self, ward: &mut Ward) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(stack) = ward.stack.as_ref().and_then(|name| self.stacks.get(name)) {
            self.edges
                .entry(stack.clone())
                .or_default()
                .push(ward.unit());
        }
        while let Some((condition, at, circle)) = self.first_circle(ward) {
            let removed = ward.conditions.remove(condition);
            let circle = circle
                .iter()
                .map(UnitName::as_str)
                .collect::<Vec<_>>()
                .join(" → ");
            problems.push(Problem {
                at,
                mistake: Mistake::Loop {
                    section: removed.id,
                    circle,
                },
            });
        }
        let targets: Vec<_> = ward
            .conditions
            .iter()
            .flat_map(|condition| self.restarts(condition))
            .map(|(unit, _)| unit.clone())
            .collect();
        if !targets.is_empty() {
            self.edges.insert(ward.unit().specified(), targets);
        }
        problems
    }

    /// Returns the first condition of `ward` with a step that leads, over the wards before it, back
    /// to it.
    fn first_circle(&self, ward: &Ward) -> Option<(usize, Place, Vec<UnitName>)> {
        // As the steps of a template name its instance.
        let own = ward.unit().specified();
        for (position, condition) in ward.conditions.iter().enumerate() {
            for (target, at) in self.restarts(condition) {
                if let Some(mut path) = path_between(&self.edges, target, &own) {
                    path.insert(0, own);
                    return Some((position, at.clone(), path));
                }
            }
        }
        None
    }

    /// Returns the units that a condition starts or restarts, with the place that names each.
    fn restarts<'a>(
        &'a self,
        condition: &'a Condition,
    ) -> impl Iterator<Item = (&'a UnitName, &'a Place)> {
        // A full restart that a first start or a stop asks for can repeat without end; one that a
        // death asks for cannot.
        let at_first_start = matches!(condition.kind, ConditionKind::Start | ConditionKind::Stop)
            || condition.do_now;
        condition
            .steps
            .iter()
            .filter_map(move |step| match &step.action {
                // The start of a stack's unit starts no member that is up.
                Action::Start(unit) if self.stacks.values().any(|stack| stack == unit) => None,
                Action::Restart(unit) | Action::Start(unit) => Some((unit, &step.at)),
                Action::RestartStack(stack) if at_first_start => {
                    Some((self.stacks.get(stack)?, &step.at))
                }
                _ => None,
            })
    }
}

/// Returns the units on the way from one to the other, both included.
fn path_between(edges: &Edges, from: &UnitName, to: &UnitName) -> Option<Vec<UnitName>> {
    if from != to && !edges.contains_key(from) {
        return None;
    }
    let mut came_from: BTreeMap<&UnitName, Option<&UnitName>> = BTreeMap::from([(from, None)]);
    let mut open = vec![from];
    while let Some(unit) = open.pop() {
        if unit == to {
            let mut path: Vec<_> =
                std::iter::successors(Some(unit), |at| came_from.get(*at).copied().flatten())
                    .cloned()
                    .collect();
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
