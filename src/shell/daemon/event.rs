//! The events and actions of the main loop.

use super::archive::{Order, Tale};
use super::bus::Facts;
use super::cloud::{Command, News, Status as CloudStatus};
use super::cores::Found;
use super::identity::Identity;
use super::incident::Incident;
use super::last_lines::{Lines, Wanted};
use super::systemd::{Question, Sight};
use crate::core::config::Config;
use crate::core::crash::observation::InvocationId;
use crate::core::crash::verdict::Testimony;
use crate::core::recovery::account::Account;
use crate::core::watch_list::WatchList;
use crate::edge::history::entry::{Change, Key, StoredReport};
use crate::edge::recoveries::{Chain, UnderWay};
use crate::edge::ruling::Ruling;
use crate::edge::step::stand_in::Unnoted;
use crate::shell::news::News as BusNews;
use std::sync::Arc;
use std::time::Duration;

/// An event, the input of [`super::state::State::step`].
#[derive(Debug)]
pub(super) enum Event {
    /// The configuration was read: at the start, after each daemon-reload and after [`Event::Hangup`].
    ///
    /// The list has the wards that were excluded at that moment if their units were down.
    Configured(Box<Config>, Box<Identity>, Vec<String>),
    /// Something on the bus.
    Bus(Sight),
    /// A run record that was asked for was read, or there is none.
    Record(Box<Witness>),
    /// An answer of the archive.
    Archive(Tale),
    /// A message of the publisher.
    Courier(News),
    /// The answer to [`Action::SeekCore`].
    Core(Found),
    /// The answer to [`Action::ReadLog`].
    Log(Lines),
    /// The state of the connection to the broker changed.
    Cloud(CloudStatus),
    /// Root has excluded or readmitted a ward.
    Ruled(Ruling),
    /// The deadline returned by [`super::state::State::deadline`] has come.
    Tick,
    /// SIGHUP.
    Hangup,
    /// SIGTERM or SIGINT.
    Stop,
}

/// Times at which a run became up, as the bus showed them, on PID 1's monotonic clock in
/// microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UpSeen {
    /// Time at which its unit became `active`.
    pub(super) active: u64,
    /// Start of its main process; 0: not known.
    pub(super) main: u64,
}

/// The contents of a run record: the answer to [`Action::ReadRecord`].
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) unit: String,
    pub(super) invocation: InvocationId,
    /// End of the run, if it has ended and the record has it.
    pub(super) testimony: Option<Testimony>,
    /// Recoveries that ended with this run.
    pub(super) recoveries: Vec<Chain>,
    /// The recovery under way of which the run is a part.
    pub(super) under_way: Option<UnderWay>,
}

/// An action, the output of [`super::state::State::step`].
#[derive(Debug)]
pub(super) enum Action {
    /// Reads the configuration; gives [`Event::Configured`].
    LoadConfiguration,
    /// Gives the bus' reader the list of watched units.
    Watch(Arc<WatchList>),
    /// Sends a question to PID 1.
    Ask(Question),
    /// Reads one run record; gives [`Event::Record`]. `up` has the times at which the run became
    /// up, if the bus showed them.
    ReadRecord {
        unit: String,
        ward: String,
        invocation: InvocationId,
        up: Option<UpSeen>,
    },
    /// Notes a death that no line of the unit has noted; gives [`Event::Record`].
    Note(Box<Unnoted>),
    /// Sends an order to the archive.
    Order(Order),
    /// Writes an incident to the journal.
    Journal(Box<Incident>),
    /// Writes the end of a recovery to the journal.
    JournalRecovery(Box<(Key, Account)>),
    /// Hands a report to the publisher.
    Publish(Box<StoredReport>),
    /// Sends another command to the publisher.
    Tell(Command),
    /// Looks for the core of a process that died; gives [`Event::Core`] if there is one.
    SeekCore {
        key: Key,
        pid: Option<u32>,
        at: u64,
        patience: Duration,
    },
    /// Reads the last log lines of a run; gives [`Event::Log`].
    ReadLog(Wanted),
    /// Notifies systemd of the daemon's state.
    Notify(Notice),
    /// Sends a signal on the bus.
    Announce(Box<BusNews>),
    /// Updates the facts of the D-Bus service.
    Know(Box<Facts>),
    /// Writes a remark to the log.
    Say(Remark),
}

impl Action {
    /// Returns the archive's order for a message of the publisher.
    pub(super) fn of_courier(now: Now, news: News) -> Self {
        let at = now.epoch_ms;
        Self::Order(match news {
            News::Sent(seq) => Order::Store(vec![Change::Sent { seq, at }]),
            News::Refused(seq, why) => Order::Store(vec![Change::Refused { seq, at, why }]),
            News::Wanted { lane, after, limit } => Order::Fetch { lane, after, limit },
        })
    }
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

/// Log lines that the state decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remark {
    /// Listening to systemd.
    Listening,
    /// The bus is gone.
    BusLost(String),
    /// Signals were dropped or may have been missed.
    Overflow,
    /// The catch-up was not complete in time.
    RecallLate,
    /// There is more in the journal than could be read in time.
    RecallUnfinished,
    /// The journal has too many ends; this number of the oldest were left out.
    TooMany(usize),
    /// The journal cannot be read.
    NoJournal(String),
    /// PID 1 did not answer a resync in time.
    ResyncLate,
    /// The configuration in force: numbers of wards, and of patterns of other units.
    Guarding(usize, usize),
    /// The daemon ends with this number of unacknowledged reports.
    LeftBehind(u64),
    /// A stack was restarted by hand while its inhibit file is there.
    Inhibited(String),
    /// A pattern in `[Watch] Units=` that is not valid.
    BadPattern(String),
}

/// The time of an event.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Now {
    /// `CLOCK_MONOTONIC`.
    pub(super) monotonic: Duration,
    /// `CLOCK_BOOTTIME`, milliseconds.
    pub(super) boot_ms: u64,
    /// `CLOCK_REALTIME`, milliseconds since the epoch.
    pub(super) epoch_ms: u64,
}
