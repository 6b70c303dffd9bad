//! Limit, back-off and which steps act: what `unitward-step` decides, as plain functions of the past.

pub mod backoff;
pub mod gate;
pub mod series;

pub use series::Series;
