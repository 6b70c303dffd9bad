//! The list of watched units.

use crate::core::config::template;
use std::collections::HashSet;

/// The watched units; the reducer drops the signals of all others.
#[derive(Debug, Default)]
pub struct WatchList {
    units: HashSet<String>,
    /// The units that represent stacks.
    stacks: HashSet<String>,
    patterns: Vec<glob::Pattern>,
}

/// Prefix of the services that restart stacks: `unitward-stack@NAME.service`.
pub const RESTARTER: &str = "unitward-stack@";

impl WatchList {
    /// Takes the names of units, those of the units that represent stacks, and patterns.
    #[must_use]
    pub fn new(
        units: impl IntoIterator<Item = String>,
        stacks: impl IntoIterator<Item = String>,
        patterns: Vec<glob::Pattern>,
    ) -> Self {
        Self {
            units: units.into_iter().collect(),
            stacks: stacks.into_iter().collect(),
            patterns,
        }
    }

    /// Returns true if this unit represents a stack.
    #[must_use]
    pub fn is_stack(&self, unit: &str) -> bool {
        self.stacks.contains(unit)
    }

    /// Returns true if a unit of this name is watched. Patterns do not match the services of a
    /// ward's conditions and those that restart stacks: their failures are in the reports of the
    /// ward and the stack.
    #[must_use]
    pub fn covers(&self, unit: &str) -> bool {
        if self.units.contains(unit)
            || template::split(unit).is_some_and(|(template, _)| self.units.contains(&template))
        {
            return true;
        }
        let ours = unit
            .strip_prefix("unitward-")
            .is_some_and(|rest| rest.contains("-On") || rest.starts_with("stack@"));
        unit.ends_with(".service")
            && !ours
            && self.patterns.iter().any(|pattern| pattern.matches(unit))
    }
}
