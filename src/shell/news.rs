//! What the daemon tells on the bus as it happens, and `unitward monitor` prints: one type for both ends.
//!
//! Invariants: a signal's arguments are the fields of its type in their order, and the JSON has them by their camelCase names.
//! Fields may be added to the JSON, never to a signal.

use super::survey::{MANAGER_INTERFACE, WARDS_INTERFACE};
use serde::{Deserialize, Serialize};
use zbus::Type;
use zbus::message::Message;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// A run ended and nobody had asked for it.
    Death(Death),
    /// A recovery is over.
    Recovery(Recovery),
    /// A ward is kept down from now on.
    Excluded(Excluded),
    /// It is not any more.
    Readmitted(Readmitted),
    /// A ward's unit is in another state.
    StateChanged(StateChanged),
    /// A stack is restarted as a whole.
    FullRestart(FullRestart),
    /// That is over.
    FullRestartOver(FullRestartOver),
}

/// `Wards.Death`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(super) struct Death {
    /// The ward; of a watched unit without one its name without suffix.
    pub(super) ward: String,
    pub(super) unit: String,
    pub(super) invocation: String,
    pub(super) reason: String,
    /// 0: not known.
    pub(super) pid: u32,
    /// Milliseconds since the epoch.
    pub(super) at: u64,
    /// Whether it was a crash and no clean end.
    pub(super) crash: bool,
}

/// `Wards.Recovery`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(super) struct Recovery {
    pub(super) ward: String,
    /// The run whose death began it.
    pub(super) invocation: String,
    pub(super) outcome: String,
    pub(super) restarts: u32,
    /// 0: it did not come back.
    pub(super) downtime_ms: u64,
    /// 0: it did not come back.
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
    /// Milliseconds since the epoch.
    pub(super) at: u64,
}

/// `Manager.FullRestartOver`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "camelCase")]
pub(super) struct FullRestartOver {
    pub(super) stack: String,
    /// `restarted` or `failed`.
    pub(super) outcome: String,
    /// What went wrong; may be empty.
    pub(super) trouble: String,
}

impl News {
    /// The signal: its interface and its name.
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

    /// Reads a signal; nothing where it is none of these.
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
            (MANAGER_INTERFACE, "FullRestartOver") => body.deserialize().ok().map(Self::FullRestartOver),
            _ => None,
        }
    }

    /// The ward or the stack that it is about.
    pub(super) fn subject(&self) -> &str {
        match self {
            Self::Death(Death { ward, .. })
            | Self::Recovery(Recovery { ward, .. })
            | Self::Excluded(Excluded { ward, .. })
            | Self::Readmitted(Readmitted { ward, .. })
            | Self::StateChanged(StateChanged { ward, .. }) => ward,
            Self::FullRestart(FullRestart { stack, .. }) | Self::FullRestartOver(FullRestartOver { stack, .. }) => {
                stack
            }
        }
    }

    /// Whether it is about a ward and not about a stack.
    pub(super) fn is_of_a_ward(&self) -> bool {
        self.signal().0 == WARDS_INTERFACE
    }

    /// When it happened; `now` where the signal does not say.
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
