//! The end of a run before its verdict, and the causes of its waiting.

use crate::core::crash::observation::InvocationId;
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

impl End {
    /// Returns true if the bus has shown only that the run is over, and no record says more.
    pub(super) fn is_unobserved(&self) -> bool {
        self.ended.last.is_none() && self.testimony.is_none()
    }
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
    Recovery(Box<Recovered>),
}

/// The end of a recovery.
#[derive(Debug)]
pub(super) struct Recovered {
    /// The boot in which the recovery's death was.
    pub(super) boot: String,
    pub(super) chain: Chain,
}

impl Held {
    /// Returns true if it is the end of this run.
    pub(super) fn is_end_of(&self, run: &InvocationId) -> bool {
        match self {
            Self::End(end) => end.ended.invocation == *run,
            Self::Recovery(..) => false,
        }
    }

    /// Returns the same, marked to wait for the next catch-up if it is an end.
    pub(super) fn unseen(self) -> Self {
        match self {
            Self::End(end) => Self::End(Box::new(End {
                source: Source::Unseen,
                ..*end
            })),
            Self::Recovery(..) => self,
        }
    }
}

/// An end that waits for its last witness.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) unit: String,
    pub(super) end: End,
    pub(super) until: Duration,
}
