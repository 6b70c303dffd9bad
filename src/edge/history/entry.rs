//! Values that are stored in the history and read from it: plain values, one for each row.

use crate::core::crash::observation::InvocationId;
use crate::core::full_restart::RestartOutcome;
use crate::core::full_restart::request::Cause;

/// Identity of a death, the same for all witnesses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The boot in which it happened: 32 hexadecimal digits of `/proc/sys/kernel/random/boot_id`,
    /// without dashes.
    pub boot: String,
    /// The unit's name.
    pub unit: String,
    /// The run that ended.
    pub invocation: InvocationId,
}

/// The end of a run without a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDeath {
    /// The run that ended.
    pub key: Key,
    /// Name in reports: the ward, or the unit's name without suffix.
    pub name: String,
    /// Severity: systemd calls it a failure, or a clean end.
    pub severity: Severity,
    /// Id of the process that died, if a witness knew it.
    pub pid: Option<u32>,
    /// Reason, in the words of the report.
    pub reason: String,
    /// Time of the death, in milliseconds since the epoch.
    pub at: u64,
    /// The frames of the crashed thread, if it dumped core and they were found.
    pub backtrace: Option<String>,
    /// First witness.
    pub witness: Witness,
    /// State of its report.
    pub fate: Fate,
}

/// Severity of a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// systemd calls it a failure.
    Crash,
    /// It ended cleanly, without a request.
    Death,
}

/// First witness of a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// A D-Bus signal of PID 1.
    Bus,
    /// The run record that `unitward-step` wrote.
    Record,
    /// The journal.
    Journal,
}

/// State of the report of a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its report waits for the backtrace.
    Open,
    /// It has a report of its own.
    Reported,
    /// It exceeds the burst limit, and waits for a summary.
    Held,
    /// It is part of a summary.
    SummedUp,
    /// It is reported only in the journal: no broker is configured.
    Local,
    /// It is not reported because of `Report=` or `Crashes=`.
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
    /// Its number in the order of all reports; the maker of the report assigns it, beginning with
    /// [`super::Opened::next_seq`].
    pub seq: u64,
    /// The user property `report-id`.
    pub id: String,
    /// Lane, within which reports leave in order: the ward, or the unit if there is none.
    pub lane: String,
    /// The topic it goes to.
    pub channel: Channel,
    /// The reported death, the last one in a summary, or the one that was recovered from.
    pub death: Key,
    /// The message's bytes.
    pub payload: Vec<u8>,
}

/// A recovery that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecovery {
    /// The death that it recovered from, the first one if it took several restarts.
    pub death: Key,
    /// The ward.
    pub ward: String,
    /// `recovered`, `step-failed`, `excluded`, `stack-restarted`, `rebooting` or `ended`.
    pub outcome: String,
    /// Time of the end, in milliseconds since the epoch.
    pub at: u64,
    /// The recovery record as published, JSON.
    pub record: String,
    /// Times of its parts, JSON of [`crate::core::recovery::course`]; `None`: an older version
    /// stored it.
    pub course: Option<String>,
}

/// Data of a full restart in addition to its row among the deaths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRestart {
    /// Its row: the boot, the stack's unit, and the restart's id.
    pub death: Key,
    /// The stack's file stem.
    pub stack: String,
    /// Caller that requested it.
    pub caller: String,
    /// The run of the stack's unit that it ended; `None`: the unit did not run.
    pub ended: Option<InvocationId>,
    /// The death that led to it.
    pub cause: Option<Cause>,
}

/// End of a full restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRestartEnd {
    /// Time of the end, in milliseconds since the epoch.
    pub at: u64,
    /// Success or failure.
    pub outcome: RestartOutcome,
    /// Description of the failure; empty if there was none.
    pub trouble: String,
}

/// Progress of a full restart as the history knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartKnown {
    /// It is not stored.
    No,
    /// Its request is stored.
    Begun,
    /// Its end is stored.
    Over,
}

/// One change to the history. A batch of changes is stored together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A death; a known one is left unchanged.
    Death(Box<StoredDeath>),
    /// The new state of a death's report; a backtrace or pid that is `None` keeps the stored one.
    Fate {
        /// The death.
        key: Key,
        /// The new state.
        fate: Fate,
        /// Its backtrace, if it was found since.
        backtrace: Option<String>,
        /// Its pid, if it was found since.
        pid: Option<u32>,
    },
    /// A summary: all held deaths of this unit become summed up.
    SummedUp {
        /// The unit.
        unit: String,
    },
    /// A report that waits for the broker; one with a known id is left unchanged. If another report
    /// has its number already, it is stored with a higher one.
    Report(Box<StoredReport>),
    /// The broker has acknowledged the report; the payload is deleted.
    Sent {
        /// The report's number.
        seq: u64,
        /// Time of the acknowledgement, in milliseconds since the epoch.
        at: u64,
    },
    /// The broker has rejected the report for good.
    Refused {
        /// The report's number.
        seq: u64,
        /// Time of the rejection, in milliseconds since the epoch.
        at: u64,
        /// The broker's reason.
        why: String,
    },
    /// A recovery; it is ignored if the death has one already, or is unknown.
    Recovery(Box<StoredRecovery>),
    /// A full restart; a known one is left unchanged, and it is ignored if its row among the deaths
    /// is unknown.
    Restart(Box<StoredRestart>),
    /// A full restart is over.
    RestartOver {
        /// Its row.
        death: Key,
        /// Its end.
        end: StoredRestartEnd,
    },
    /// Cursor up to which the whole journal was examined.
    Cursor(String),
}
