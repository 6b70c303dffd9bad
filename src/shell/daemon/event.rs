//! The daemon's vocabulary: all that can happen to it, and all that it can do.

use super::cloud::{Endpoint, Outgoing, Status as CloudStatus};
use super::identity::Identity;
use super::systemd::{Question, Sight, WatchList};
use crate::core::config::Config;
use crate::core::crash::observation::InvocationId;
use crate::core::crash::verdict::Testimony;
use std::sync::Arc;
use std::time::Duration;

/// What happens to the daemon.
#[derive(Debug)]
pub(super) enum Event {
    /// The configuration was read: at the start, after each daemon-reload and after [`Event::Hangup`].
    Configured(Box<Config>, Box<Identity>),
    /// Something on the bus.
    Bus(Sight),
    /// A run record that was asked for was read, or there is none.
    Record(Witness),
    /// All records of a ward that tell an end, oldest first.
    Records(String, Vec<(InvocationId, Testimony)>),
    /// The state of the connection to the broker changed.
    Cloud(CloudStatus),
    /// The time [`super::state::State::deadline`] named has come.
    Tick,
    /// SIGHUP.
    Hangup,
    /// SIGTERM or SIGINT.
    Stop,
}

/// The answer to [`Action::ReadRecord`].
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) unit: String,
    pub(super) invocation: InvocationId,
    pub(super) testimony: Option<Testimony>,
}

/// What the daemon does to the world.
#[derive(Debug)]
pub(super) enum Action {
    /// Reads the configuration; gives [`Event::Configured`].
    LoadConfiguration,
    /// Tells the bus' reader which units count.
    Watch(Arc<WatchList>),
    /// Asks PID 1.
    Ask(Question),
    /// Reads one run record; gives [`Event::Record`].
    ReadRecord { unit: String, ward: String, invocation: InvocationId },
    /// Reads all run records of a ward; gives [`Event::Records`].
    ReadRecords { unit: String, ward: String },
    /// Writes an incident to the journal.
    Journal(Box<Incident>),
    /// Hands a report to the connection to the broker.
    Publish(Box<Outgoing>),
    /// Tells the connection to the broker where to go; `None`: nowhere.
    Connect(Option<Box<Endpoint>>),
    /// Asks the connection to the broker to end when all is sent.
    Drain,
    /// Tells systemd how the daemon is.
    Notify(Notice),
    /// Says something in the log.
    Say(Remark),
}

/// sd_notify(3) messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// `READY=1`.
    Ready,
    /// `RELOADING=1`.
    Reloading,
    /// `STOPPING=1`.
    Stopping,
    /// `WATCHDOG=1`.
    Watchdog,
    /// `STATUS=`.
    Status(String),
}

/// Log lines whose occasion is decided in the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remark {
    /// Listening to systemd.
    Listening,
    /// The bus is gone.
    BusLost(String),
    /// Signals were dropped or may have been missed.
    Overflow,
    /// Runs of a unit came and went unseen.
    Missed(String, u32),
    /// PID 1 did not answer a resync in time.
    ResyncLate,
    /// The configuration in force.
    Guarding(usize, usize),
    /// The daemon ends with reports that were not acknowledged.
    LeftBehind(usize),
    /// A pattern in `[Watch] Units=` that cannot be one.
    BadPattern(String),
}

/// One report in the making, and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Incident {
    /// The unit that died.
    pub(super) unit: String,
    /// The ward's name, or the unit's without suffix.
    pub(super) name: String,
    pub(super) invocation: InvocationId,
    pub(super) kind: IncidentKind,
    pub(super) pid: Option<u32>,
    pub(super) reason: String,
    /// Milliseconds since the epoch.
    pub(super) at: u64,
}

/// What an incident tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IncidentKind {
    /// A crash.
    Crash,
    /// A clean end nobody asked for.
    Death,
    /// Crashes beyond the burst limit.
    SummedUp,
}

/// The time of an event.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Now {
    /// `CLOCK_MONOTONIC`.
    pub(super) monotonic: Duration,
    /// `CLOCK_REALTIME`, milliseconds since the epoch.
    pub(super) epoch_ms: u64,
}
