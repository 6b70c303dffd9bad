//! Warning about steps that may exceed an unknown time-out: that of a unit without a file.

use super::time_span;
use std::time::Duration;

/// An unknown time-out that may be too short for the steps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the steps and the back-off may take {}, and the time-out of {unit} is not known here; write {key}={} or more in \
     [Service] of the ward", time_span::render(*.growth), time_span::render(*.enough)
)]
pub struct TimeoutNotKnown {
    /// The unit.
    pub unit: String,
    /// The setting that gives the time-out.
    pub key: &'static str,
    /// Longest time that the steps and the back-off may take.
    pub growth: Duration,
    /// Value that is enough for any such unit.
    pub enough: Duration,
}
