//! A condition while its sections are read.

use crate::core::config::condition::{Condition, ConditionKind};
use crate::core::config::place::Place;

/// A condition of which not all lines may be known yet.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) condition: Condition,
    pub(super) label: String,
    pub(super) header: String,
    pub(super) at: Place,
    /// Places of its plain keys.
    pub(super) keys: Vec<(String, Place)>,
    /// True after an empty assignment with no step since: the condition is dropped without a
    /// message.
    pub(super) cleared: bool,
    pub(super) broken: bool,
}

impl Draft {
    /// Returns true if it stands under the header of this kind and label.
    pub(super) fn is_under(&self, kind: ConditionKind, label: &str) -> bool {
        self.condition.kind == kind && self.label == label
    }

    /// Returns the place of a plain key, the last one if it is given several times.
    pub(super) fn place_of(&self, key: &str) -> Option<&Place> {
        let (_, at) = self.keys.iter().rfind(|(known, _)| known == key)?;
        Some(at)
    }
}
