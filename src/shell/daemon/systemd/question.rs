//! Questions to PID 1, and the objects that they are about.

use crate::edge::pid1::{MANAGER_PATH, label};

/// A question to PID 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell::daemon) enum Question {
    /// `Subscribe`; a reply to it gives no sight.
    Subscribe,
    /// `ListUnits`.
    Units,
    /// `GetUnit`, which finds aliases and does not load anything.
    Find(String),
    /// All properties of a unit.
    Describe(UnitAt),
    /// The state of a stack's unit.
    Stack(UnitAt),
    /// The kind of a job.
    JobType(JobAt),
}

impl Question {
    /// Returns true if it asks for all properties of this unit.
    pub(in crate::shell::daemon) fn is_to_describe(&self, unit: &str) -> bool {
        matches!(self, Self::Describe(at) if at.unit == unit)
    }
}

/// A unit and the path of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell::daemon) struct UnitAt {
    pub(in crate::shell::daemon) unit: String,
    pub(in crate::shell::daemon) path: String,
}

impl UnitAt {
    /// Returns the object of a unit; systemd derives the path from the name.
    pub(in crate::shell::daemon) fn new(unit: &str) -> Self {
        Self {
            unit: unit.to_owned(),
            path: format!("{MANAGER_PATH}/unit/{}", label::escape(unit)),
        }
    }
}

/// A job and the path of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell::daemon) struct JobAt {
    pub(in crate::shell::daemon) unit: String,
    pub(in crate::shell::daemon) id: u32,
    pub(in crate::shell::daemon) path: String,
}
