//! Steps that may take longer than a time-out that is not known: of a unit without a file.

use super::time_span;
use std::time::Duration;

/// What may be too short, and for what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the steps and the back-off may take {}, and the time-out of {unit} is not known here; write {key}={} or more in \
     [Service] of the ward", time_span::render(*.growth), time_span::render(*.enough)
)]
pub struct TimeoutNotKnown {
    /// The unit.
    pub unit: String,
    /// The setting.
    pub key: &'static str,
    /// How long they may take.
    pub growth: Duration,
    /// What is enough for any unit.
    pub enough: Duration,
}
