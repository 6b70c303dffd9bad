//! The end of a run before its verdict, and the causes of its waiting.

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

/// The source of an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The bus, just now.
    Bus,
    /// The bus, but the end was not observed, and the catch-up under way may be older: it waits for
    /// the next one.
    Unseen,
    /// The bus, and the catch-up is complete or was given up.
    Late,
    /// The catch-up: the end's boot, and the witness.
    Books(String, entry::Witness),
}

/// An item that waits for the catch-up.
#[derive(Debug)]
pub(super) enum Held {
    End(Box<End>),
    /// The end of a recovery, with its boot.
    Recovery(String, Box<Chain>),
}

/// An end that waits for its last witness.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) unit: String,
    pub(super) end: End,
    pub(super) until: Duration,
}
