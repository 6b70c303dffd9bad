//! The daemon's vocabulary: all that can happen to it, and all that it can do.

use super::archive::{Order, Tale};
use super::bus::Facts;
use super::cloud::{Command, News, Status as CloudStatus};
use super::cores::Found;
use super::identity::Identity;
use super::incident::Incident;
use super::last_lines::{Lines, Wanted};
use super::systemd::{Question, Sight, WatchList};
use crate::core::config::Config;
use crate::core::crash::observation::InvocationId;
use crate::core::crash::verdict::Testimony;
use crate::core::recovery::account::Account;
use crate::edge::history::entry::{Change, Key, StoredReport};
use crate::edge::recoveries::{Chain, UnderWay};
use crate::edge::ruling::Ruling;
use crate::edge::step::stand_in::Unnoted;
use crate::shell::news::News as BusNews;
use std::sync::Arc;
use std::time::Duration;

/// What happens to the daemon.
#[derive(Debug)]
pub(super) enum Event {
    /// The configuration was read: at the start, after each daemon-reload and after [`Event::Hangup`].
    ///
    /// With the wards that were excluded at that moment if their units were down.
    Configured(Box<Config>, Box<Identity>, Vec<String>),
    /// Something on the bus.
    Bus(Sight),
    /// A run record that was asked for was read, or there is none.
    Record(Box<Witness>),
    /// The archive told something.
    Archive(Tale),
    /// The courier to the broker told something.
    Courier(News),
    /// A core was found that somebody waits for.
    Core(Found),
    /// The last log lines of a run that somebody waits for.
    Log(Lines),
    /// The state of the connection to the broker changed.
    Cloud(CloudStatus),
    /// Root has excluded or readmitted a ward.
    Ruled(Ruling),
    /// The time [`super::state::State::deadline`] named has come.
    Tick,
    /// SIGHUP.
    Hangup,
    /// SIGTERM or SIGINT.
    Stop,
}

/// When the bus has shown a run to be up, by PID 1's monotonic clock in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UpSeen {
    /// Its unit became `active`.
    pub(super) active: u64,
    /// Its main process was started; 0: not known.
    pub(super) main: u64,
}

/// What a run record tells: the answer to [`Action::ReadRecord`].
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) unit: String,
    pub(super) invocation: InvocationId,
    /// How the run ended, if it has and the record knows.
    pub(super) testimony: Option<Testimony>,
    /// The recoveries that came to their end with this run.
    pub(super) recoveries: Vec<Chain>,
    /// The one of which it is a part and that goes on.
    pub(super) under_way: Option<UnderWay>,
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
    /// Reads one run record; gives [`Event::Record`]. With when the run was up, as far as the bus has shown it.
    ReadRecord { unit: String, ward: String, invocation: InvocationId, up: Option<UpSeen> },
    /// Notes a death that no line of the unit has noted; gives [`Event::Record`].
    Note(Box<Unnoted>),
    /// Asks the archive.
    Order(Order),
    /// Writes an incident to the journal.
    Journal(Box<Incident>),
    /// Writes the end of a recovery to the journal.
    JournalRecovery(Box<(Key, Account)>),
    /// Hands a report to the courier.
    Publish(Box<StoredReport>),
    /// Tells the courier something else.
    Tell(Command),
    /// Looks for the core of a process that died; gives [`Event::Core`] if there is one.
    SeekCore { key: Key, pid: Option<u32>, at: u64, patience: Duration },
    /// Reads the last log lines of a run; gives [`Event::Log`].
    ReadLog(Wanted),
    /// Tells systemd how the daemon is.
    Notify(Notice),
    /// Tells the bus what has happened.
    Announce(Box<BusNews>),
    /// Tells the service on the bus how things stand.
    Know(Box<Facts>),
    /// Says something in the log.
    Say(Remark),
}

impl Action {
    /// What the courier tells is for the history.
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

/// Log lines whose occasion is decided in the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remark {
    /// Listening to systemd.
    Listening,
    /// The bus is gone.
    BusLost(String),
    /// Signals were dropped or may have been missed.
    Overflow,
    /// The books could not be read in time.
    RecallLate,
    /// There is more in the journal than could be read in time.
    RecallUnfinished,
    /// So many ends stand in the journal that the oldest were left out.
    TooMany(usize),
    /// The journal cannot be read.
    NoJournal(String),
    /// PID 1 did not answer a resync in time.
    ResyncLate,
    /// The configuration in force.
    Guarding(usize, usize),
    /// The daemon ends with reports that were not acknowledged.
    LeftBehind(u64),
    /// A stack was restarted by hand while its inhibit file is there.
    Inhibited(String),
    /// A pattern in `[Watch] Units=` that cannot be one.
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
