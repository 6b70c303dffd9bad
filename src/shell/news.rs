//! Events that the daemon publishes on the bus as they happen, and `unitward monitor` prints: one
//! type for both ends.
//!
//! Invariants: a signal's arguments are the fields of its type in their order, and the JSON has
//! them by their camelCase names. Fields may be added to the JSON, never to a signal.

use crate::shell::interface::{MANAGER_INTERFACE, WARDS_INTERFACE};
use serde::{Deserialize, Serialize};
use zbus::Type;
use zbus::message::Message;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// A run ended without a request.
    Death(Death),
    /// A recovery is over.
    Recovery(Recovery),
    /// A ward is kept down from now on.
    Excluded(Excluded),
    /// A ward is not kept down any more.
    Readmitted(Readmitted),
    /// A ward's unit is in another state.
    StateChanged(StateChanged),
    /// A stack is restarted as a whole.
    FullRestart(FullRestart),
    /// A full restart is over.
    FullRestartOver(FullRestartOver),
}

/// `Wards.Death`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(super) struct Death {
    /// Name of the ward; for a watched unit without a ward the unit's name without suffix.
    pub(super) ward: String,
    pub(super) unit: String,
    pub(super) invocation: String,
    pub(super) reason: String,
    /// ID of the main process; 0: not known.
    pub(super) pid: u32,
    /// Time of the death, in milliseconds since the epoch.
    pub(super) at: u64,
    /// True for a crash, false for a clean end.
    pub(super) crash: bool,
}

/// `Wards.Recovery`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recovery {
    pub(super) ward: String,
    /// The run whose death began the recovery.
    pub(super) invocation: String,
    pub(super) outcome: String,
    pub(super) restarts: u32,
    /// Milliseconds from the death until the main process ran again for good; 0: it did not come
    /// back.
    pub(super) downtime_ms: u64,
    /// Milliseconds from the death until the run was up, steps included; 0: it did not come back.
    pub(super) recovery_ms: u64,
}

/// `Wards.Excluded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(super) struct Excluded {
    pub(super) ward: String,
    /// `hand` or `limit`.
    pub(super) by: String,
    pub(super) why: String,
}

/// `Wards.Readmitted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(super) struct Readmitted {
    pub(super) ward: String,
    /// `hand`, or `start`: somebody has started its unit.
    pub(super) by: String,
}

/// `Wards.StateChanged`, in systemd's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(super) struct StateChanged {
    pub(super) ward: String,
    pub(super) unit: String,
    pub(super) state: String,
    pub(super) substate: String,
}

/// `Manager.FullRestart`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(super) struct FullRestart {
    pub(super) stack: String,
    pub(super) caller: String,
    pub(super) reason: String,
    /// Start time, in milliseconds since the epoch.
    pub(super) at: u64,
}

/// `Manager.FullRestartOver`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(super) struct FullRestartOver {
    pub(super) stack: String,
    /// `restarted` or `failed`.
    pub(super) outcome: String,
    /// Description of what went wrong; may be empty.
    pub(super) trouble: String,
}

impl News {
    /// Returns the interface and the name of the signal.
    pub(super) const fn signal(&self) -> (&'static str, &'static str) {
        match self {
            Self::Death(_) => (WARDS_INTERFACE, "Death"),
            Self::Recovery(_) => (WARDS_INTERFACE, "Recovery"),
            Self::Excluded(_) => (WARDS_INTERFACE, "Excluded"),
            Self::Readmitted(_) => (WARDS_INTERFACE, "Readmitted"),
            Self::StateChanged(_) => (WARDS_INTERFACE, "StateChanged"),
            Self::FullRestart(_) => (MANAGER_INTERFACE, "FullRestart"),
            Self::FullRestartOver(_) => (MANAGER_INTERFACE, "FullRestartOver"),
        }
    }

    /// Parses a signal; `None` if it is none of these.
    pub(super) fn read(message: &Message) -> Option<Self> {
        let header = message.header();
        let body = message.body();
        match (header.interface()?.as_str(), header.member()?.as_str()) {
            (WARDS_INTERFACE, "Death") => body.deserialize().ok().map(Self::Death),
            (WARDS_INTERFACE, "Recovery") => body.deserialize().ok().map(Self::Recovery),
            (WARDS_INTERFACE, "Excluded") => body.deserialize().ok().map(Self::Excluded),
            (WARDS_INTERFACE, "Readmitted") => body.deserialize().ok().map(Self::Readmitted),
            (WARDS_INTERFACE, "StateChanged") => body.deserialize().ok().map(Self::StateChanged),
            (MANAGER_INTERFACE, "FullRestart") => body.deserialize().ok().map(Self::FullRestart),
            (MANAGER_INTERFACE, "FullRestartOver") => {
                body.deserialize().ok().map(Self::FullRestartOver)
            }
            _ => None,
        }
    }

    /// Returns the name of the ward or stack that it is about.
    pub(super) fn subject(&self) -> &str {
        match self {
            Self::Death(Death { ward, .. })
            | Self::Recovery(Recovery { ward, .. })
            | Self::Excluded(Excluded { ward, .. })
            | Self::Readmitted(Readmitted { ward, .. })
            | Self::StateChanged(StateChanged { ward, .. }) => ward,
            Self::FullRestart(FullRestart { stack, .. })
            | Self::FullRestartOver(FullRestartOver { stack, .. }) => stack,
        }
    }

    /// Returns true if it is about a ward, not a stack.
    pub(super) fn is_of_a_ward(&self) -> bool {
        self.signal().0 == WARDS_INTERFACE
    }

    /// Returns the time at which it happened; `now` if the signal does not say.
    pub(super) fn at(&self, now: u64) -> u64 {
        match self {
            Self::Death(Death { at, .. }) | Self::FullRestart(FullRestart { at, .. }) => *at,
            Self::Recovery(_)
            | Self::Excluded(_)
            | Self::Readmitted(_)
            | Self::StateChanged(_)
            | Self::FullRestartOver(_) => now,
        }
    }
}
