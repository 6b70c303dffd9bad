//! The end of a run on its way to a verdict, and what it may have to wait for.

use crate::core::crash::tracker::Ended;
use crate::core::crash::verdict::{FailedControl, Testimony};
use crate::edge::history::entry;
use crate::edge::recoveries::Chain;
use std::time::Duration;

/// The end of a run with its witnesses.
#[derive(Debug)]
pub(super) struct End {
    pub(super) ended: Ended,
    pub(super) testimony: Option<Testimony>,
    pub(super) control: Option<FailedControl>,
    pub(super) source: Source,
}

/// Where an end comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The bus told it, just now.
    Bus,
    /// The bus told it and nobody saw it, while books were open that may be older than it: it waits for the next ones.
    Unseen,
    /// The bus told it, and the books were asked.
    Late,
    /// The books told it, of this boot.
    Books(String, entry::Witness),
}

/// What waits for the books.
#[derive(Debug)]
pub(super) enum Held {
    End(Box<End>),
    /// The end of a recovery in this boot.
    Recovery(String, Box<Chain>),
}

/// An end whose last witness has not spoken.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) unit: String,
    pub(super) end: End,
    pub(super) until: Duration,
}
