//! Answers about wards and stacks: those of `unitward list`, `status`, `tree`, `timeline` and
//! `reports`, and those of `org.unitward1` on the bus. Both use the same code, so that they agree.
//!
//! For root, who may read the history, the command itself answers, whether the daemon runs or not;
//! for other users it asks the daemon on the bus ([`ask`]), which runs the same code.
//!
//! An answer is a JSON document, as `--json` prints it; its shape is documented in unitward(1) and
//! checked by fixtures. Commands that print tables parse the document.

mod acts;
mod ask;
pub(super) mod called;
mod instances;
pub(super) mod left_out;
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
pub(super) use ask::{ask, connect_to_daemon, is_absent, sentence};
#[cfg(test)]
pub(super) use line::ExclusionTold;
pub(super) use line::{DeathTold, Down, DownBy, Line, State, StepAt};
pub(super) use memory::CrashTold;
#[cfg(test)]
pub(super) use outlook::Outlook;

use crate::core::crash::backtrace::Addresses;
use timeline::Which;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// All wards, one line each: `Wards.List`.
    List,
    /// Everything about one ward: `Wards.Status`.
    Status(String),
    /// Wards, conditions and steps with their counters, of all wards (empty text) or one:
    /// `Wards.Tree`.
    Tree(String),
    /// The course of recoveries: `Manager.Timeline`.
    Timeline(Which),
    /// Deaths with their reports and recoveries: `Manager.Reports`.
    Reports(reports::Wanted),
    /// One death: `Manager.Report`.
    Report(String),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The document, in JSON. For reports: one document a line.
    Document(String),
    /// A sentence with the reason why there is none and the remedy, such as for an unknown ward or
    /// id.
    Refused(String),
}

/// Answers a question in this process: reads configuration, run records and history, and asks PID
/// 1.
///
/// Only root may read the history, and see the addresses in backtraces: `addresses` says if root
/// has asked. All other data is public, too, through `systemctl cat` and `systemctl show`: command
/// lines, states, times, `STATUS=` texts.
///
/// Blocks while the files are read. The system bus is only needed for questions to PID 1.
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
