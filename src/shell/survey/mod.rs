//! The answers of the desk: what `unitward list`, `status`, `tree`, `timeline` and `reports` tell, and what
//! `org.unitward1` answers on the bus. One code for both, so that one says what the other says.
//!
//! Who may read the history, root, is answered by the command itself, whether the daemon runs or not; everybody else asks
//! the daemon on the bus ([`ask`]), which runs the same code.
//!
//! An answer is a JSON document, as `--json` prints it; its shape is documented in unitward(1) and kept by fixtures. Commands
//! that print tables read the document back.

mod acts;
mod ask;
pub(super) mod called;
mod line;
pub(super) mod list;
mod memory;
mod outlook;
mod pid1;
pub(super) mod reports;
mod restarts;
#[cfg(test)]
mod sample;
mod scene;
pub(super) mod status;
pub(super) mod timeline;
pub(super) mod tree;
pub(super) mod watched;

pub(super) use acts::{ConditionTold, Counters, StepTold};
use ask::connect;
pub(super) use ask::{
    BUS_NAME, MANAGER_INTERFACE, OBJECT_PATH, REFUSED, WARDS_INTERFACE, ask, connect_to_daemon, is_absent, sentence,
};
#[cfg(test)]
pub(super) use line::ExclusionTold;
pub(super) use line::{DeathTold, Down, DownBy, Line, State, StepAt};
pub(super) use memory::CrashTold;
#[cfg(test)]
pub(super) use outlook::Outlook;

use crate::core::crash::backtrace::Addresses;
use timeline::Which;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// All wards, one line each: `Wards.List`.
    List,
    /// Everything about one ward: `Wards.Status`.
    Status(String),
    /// Wards, conditions and steps with their counters, of all wards or one: `Wards.Tree`; empty: all.
    Tree(String),
    /// The course of recoveries: `Manager.Timeline`.
    Timeline(Which),
    /// Deaths with their reports and recoveries: `Manager.Reports`.
    Reports(reports::Wanted),
    /// One of these: `Manager.Report`.
    Report(String),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The document, JSON. Of reports: one document a line.
    Document(String),
    /// A sentence that says why there is none and what to do: no such ward, nothing is known of that id.
    Refused(String),
}

/// Answers a question on the spot: reads configuration, run records and history, and asks PID 1.
///
/// The history is root's alone, and so are the addresses in backtraces: `addresses` says whether root has asked. All else that is told
/// systemd tells everybody, too, with `systemctl cat` and `systemctl show`: command lines, states, times, `STATUS=` texts.
///
/// Blocks for as long as the files take to be read. Only what PID 1 is asked for needs the system bus.
///
/// # Errors
/// PID 1 does not answer, or a file cannot be read.
pub(super) async fn answer(question: &Question, addresses: Addresses) -> anyhow::Result<Answer> {
    match question {
        Question::List => list::answer(&connect().await?).await,
        Question::Status(ward) => status::answer(&connect().await?, ward, addresses).await,
        Question::Tree(ward) => tree::answer(&connect().await?, ward).await,
        Question::Timeline(which) => timeline::answer(which, addresses),
        Question::Reports(wanted) => reports::answer(wanted, addresses),
        Question::Report(id) => reports::answer_one(id, addresses),
    }
}
