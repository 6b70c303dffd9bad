//! What the history is told and what it tells: plain values, one a row.

use crate::core::crash::observation::InvocationId;
use crate::core::full_restart::RestartOutcome;
use crate::core::full_restart::request::Cause;

/// What a crash is known by, however many witnesses there are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The boot it happened in: 32 hexadecimal digits of `/proc/sys/kernel/random/boot_id`, without dashes.
    pub boot: String,
    /// The unit's name.
    pub unit: String,
    /// The run that ended.
    pub invocation: InvocationId,
}

/// The end of a run that nobody had asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDeath {
    /// Which run ended.
    pub key: Key,
    /// What reports call the unit: its ward, or its name without suffix.
    pub name: String,
    /// Whether systemd calls it a failure.
    pub severity: Severity,
    /// The process that died, where a witness knew.
    pub pid: Option<u32>,
    /// Why, in the words of the report.
    pub reason: String,
    /// When, milliseconds since the epoch.
    pub at: u64,
    /// The frames of the crashed thread, where it dumped core and they were found.
    pub backtrace: Option<String>,
    /// Who told of it first.
    pub witness: Witness,
    /// What became of it.
    pub fate: Fate,
}

/// Whether a death was a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// systemd calls it a failure.
    Crash,
    /// It ended cleanly, unasked.
    Death,
}

/// Who told of a death first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// A D-Bus signal of PID 1.
    Bus,
    /// The run record that `unitward-step` wrote.
    Record,
    /// The journal.
    Journal,
}

/// What becomes of a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its report waits for the backtrace.
    Open,
    /// It has a report of its own.
    Reported,
    /// It is beyond the burst limit, and waits to be summed up.
    Held,
    /// It stands in a report that sums up.
    SummedUp,
    /// It is reported in the journal alone: no broker is configured.
    Local,
    /// It is not reported: `Report=` or `Crashes=` says so.
    Silent,
}

/// The topic a report goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// `CrashTopic=`.
    Crash,
    /// `RecoveryTopic=`.
    Recovery,
}

/// A report for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReport {
    /// Its place in the order of all reports; given by whoever makes it, from what the history said at its opening on.
    pub seq: u64,
    /// The user property `report-id`.
    pub id: String,
    /// Reports of one lane leave in order: the ward, or the unit where there is none.
    pub lane: String,
    /// Where it goes.
    pub channel: Channel,
    /// The death it tells of, the last one of those summed up, or the one that was recovered from.
    pub death: Key,
    /// The message's bytes.
    pub payload: Vec<u8>,
}

/// A recovery that has come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecovery {
    /// The death it recovered from, the first one where it took several restarts.
    pub death: Key,
    /// The ward.
    pub ward: String,
    /// `recovered`, `step-failed`, `excluded`, `stack-restarted`, `rebooting` or `ended`.
    pub outcome: String,
    /// When it was over, milliseconds since the epoch.
    pub at: u64,
    /// The recovery record as published, JSON.
    pub record: String,
    /// When what of it happened, JSON of [`crate::core::recovery::course`]; `None`: an older version stored it.
    pub course: Option<String>,
}

/// What is known of a full restart beside its row among the deaths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRestart {
    /// Its row: the boot, the stack's unit, and the restart's id.
    pub death: Key,
    /// The stack's file stem.
    pub stack: String,
    /// Who asked for it.
    pub caller: String,
    /// The run of the stack's unit that it ended.
    pub ended: Option<InvocationId>,
    /// The death that led to it.
    pub cause: Option<Cause>,
}

/// How a full restart went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRestartEnd {
    /// When it was over, milliseconds since the epoch.
    pub at: u64,
    /// Whether it came to what was wanted.
    pub outcome: RestartOutcome,
    /// What went wrong; empty where nothing did.
    pub trouble: String,
}

/// How far the history knows a full restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartKnown {
    /// Not at all.
    No,
    /// That it was asked for.
    Begun,
    /// How it went.
    Over,
}

/// One change to the history. A batch of them is stored together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A death; one that is known already is left as it is.
    Death(Box<StoredDeath>),
    /// What became of a death; a backtrace or pid that is `None` leaves what is there.
    Fate {
        /// The death.
        key: Key,
        /// What became of it.
        fate: Fate,
        /// Its backtrace, found since.
        backtrace: Option<String>,
        /// Its pid, found since.
        pid: Option<u32>,
    },
    /// All deaths of this lane that were held are summed up now.
    SummedUp {
        /// The unit.
        unit: String,
    },
    /// A report that waits for the broker; one with a known id is left as it is. Where another has its number already it is
    /// stored with a higher one.
    Report(Box<StoredReport>),
    /// The broker has acknowledged it; the payload is not needed any more.
    Sent {
        /// Which report.
        seq: u64,
        /// When, milliseconds since the epoch.
        at: u64,
    },
    /// The broker will never take it.
    Refused {
        /// Which report.
        seq: u64,
        /// When, milliseconds since the epoch.
        at: u64,
        /// The broker's word.
        why: String,
    },
    /// A recovery; one of a known death is left as it is.
    Recovery(Box<StoredRecovery>),
    /// A full restart; one that is known is left as it is.
    Restart(Box<StoredRestart>),
    /// A full restart is over.
    RestartOver {
        /// Its row.
        death: Key,
        /// How it went.
        end: StoredRestartEnd,
    },
    /// All of the journal up to here was looked at.
    Cursor(String),
}
