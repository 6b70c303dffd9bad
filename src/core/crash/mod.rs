//! From systemd's data on a unit to a verdict, a reason and the report.
//!
//! [`tracker`] follows one unit's [`observation`]s and reports the end of each run once;
//! [`verdict`] judges it, with the run record as second witness; [`reason`] renders the cause for
//! the report; [`burst`] bounds the number of reports of a flapping ward; [`report`] is the
//! document that leaves the host, with the frames that [`backtrace`] finds in the text of a core
//! dump's journal entry.

pub mod backtrace;
pub mod burst;
pub mod exit_status;
pub mod memory_map;
pub mod observation;
pub mod reason;
pub mod report;
pub mod tracker;
pub mod verdict;
pub mod witness;

pub use burst::{Admission, Burst, Rate};
pub use observation::{
    InvocationId, Life, MainProcess, Observation, ProcessEnd, ServiceResult, Stage,
};
pub use reason::{Cause, TimeLimits};
pub use report::Report;
pub use tracker::{Ended, Evidence, Findings, JobKind, Tracker, Waited};
pub use verdict::{Death, Testimony, Verdict};
pub use witness::JournalEnd;

#[cfg(test)]
mod tests;
