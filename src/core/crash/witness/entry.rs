//! Parsing of one journal entry about a unit's run: from its fields to a [`Fact`].
//!
//! The author of an entry is not checked here: the reader of the journal takes only entries whose
//! trusted fields name PID 1, `systemd-logind` or `systemd-coredump` (systemd.journal-fields(7),
//! the fields that begin with `_`).

use crate::core::crash::observation::{InvocationId, ProcessEnd, ServiceResult};
use crate::core::crash::verdict::process_end;

/// MESSAGE_IDs of PID 1 (systemd's `sd-messages.h`) that concern a run.
pub const OF_PID_1: [&str; 9] = [
    STARTING,
    STARTED,
    STOPPING,
    STOPPED,
    PROCESS_EXIT,
    FAILED,
    SUCCEEDED,
    SKIPPED,
    RESTART_SCHEDULED,
];

/// "Starting x.service...": a start job that takes time has begun.
const STARTING: &str = "7d4958e842da4a758f6c1cdc7b36dcc5";
/// "Started x.service.", "Finished x.service.": a start job is done.
const STARTED: &str = "39f53479d3a045ac8e11786248231fbf";
/// "Stopping x.service...": a stop or restart job has begun.
const STOPPING: &str = "de5b426a63be47a7b6ac3eaac82e2f6f";
/// "Stopped x.service.": a stop or restart job is done.
const STOPPED: &str = "9d1aaa27d60140bd96365438aad20286";
/// "Main process exited, code=killed, status=9/KILL"; not written for clean exits and those that
/// `-` excuses.
const PROCESS_EXIT: &str = "98e322203f7a4ed290d09fe03c09fe15";
/// "Failed with result 'signal'."
const FAILED: &str = "d9b373ed55a64feb8242e02dbe79a49c";
/// "Deactivated successfully."
const SUCCEEDED: &str = "7ad2d189f7e94e70a38c781354912448";
/// "Skipped due to 'exec-condition'."
const SKIPPED: &str = "0e4284a0caca4bfc81c0bb6786972673";
/// "Scheduled restart job, restart counter is at 1."
const RESTART_SCHEDULED: &str = "5eb03494b6584870a536b337290809b3";
/// `systemd-logind`: "System is rebooting."
pub const SHUTDOWN: &str = "98268866d1d54a499c4e98921d93bc40";
/// `systemd-coredump`: "Process 60 (sleep) of user 0 dumped core."
pub const CORE_DUMP: &str = "fc2e22bc6ee647b6b90729ab34a250b1";

/// The target whose stop is the first sign of a shutdown that was not announced to
/// `systemd-logind`.
const EVERYBODY: &str = "multi-user.target";

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The boot that it belongs to: 32 hexadecimal digits.
    pub boot: String,
    /// Time of the entry, in milliseconds since the epoch.
    pub at: u64,
    /// The fact that it states.
    pub fact: Fact,
}

/// Statement of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An event of a unit's run.
    Run {
        /// The unit.
        unit: String,
        /// The run.
        invocation: InvocationId,
        /// The event.
        event: RunEvent,
    },
    /// A target was restarted, which ended this run of it.
    TargetRestarted {
        /// The target.
        unit: String,
        /// The run.
        invocation: InvocationId,
    },
    /// The host is going down.
    GoingDown,
    /// The shutdown did not happen, or the host is up again.
    ComeUp,
}

/// Event in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvent {
    /// Its start job has begun.
    Starting,
    /// Its start job is done.
    Started,
    /// A stop or restart job has begun.
    Stopping,
    /// A stop or restart job is done.
    Stopped,
    /// One of its processes failed.
    Exited(Role, ProcessEnd),
    /// It is over.
    Ended(ServiceResult),
    /// systemd is going to restart the unit by itself.
    RestartScheduled,
    /// Its main process dumped core; the entry has its id.
    Dumped {
        /// The process.
        pid: u32,
        /// The signal.
        signal: i32,
    },
}

/// Role of a process in a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The process of `ExecStart=`.
    Main,
    /// A process of `ExecStartPre=`, `ExecStopPost=` and so on, or a mount command.
    Control,
}

impl Entry {
    /// Parses the fields of an entry; `None`: it is irrelevant.
    #[must_use]
    pub fn read<'f>(field: &dyn Fn(&str) -> Option<&'f str>) -> Option<Self> {
        let times = ["_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"];
        let micros = times
            .iter()
            .find_map(|name| field(name)?.parse::<u64>().ok())?;
        let fact = match field("MESSAGE_ID")? {
            SHUTDOWN => Fact::GoingDown,
            CORE_DUMP => dump(field)?,
            STOPPED if field("UNIT") == Some(EVERYBODY) => Fact::GoingDown,
            STARTED if field("UNIT") == Some(EVERYBODY) => Fact::ComeUp,
            STOPPED if is_restart_of_a_target(field) => Fact::TargetRestarted {
                unit: field("UNIT")?.to_owned(),
                invocation: InvocationId::parse(field("INVOCATION_ID")?)?,
            },
            id => Fact::Run {
                unit: field("UNIT")?.to_owned(),
                invocation: InvocationId::parse(field("INVOCATION_ID")?)?,
                event: event(id, field)?,
            },
        };
        Some(Self {
            boot: field("_BOOT_ID")?.to_owned(),
            at: micros / 1_000,
            fact,
        })
    }
}

/// Returns true for the restart of a target. On 252 an automatic restart of a service has the same
/// kind of job; a target never restarts by itself.
fn is_restart_of_a_target<'f>(field: &dyn Fn(&str) -> Option<&'f str>) -> bool {
    field("JOB_TYPE") == Some("restart")
        && field("UNIT").is_some_and(|unit| unit.ends_with(".target"))
}

fn event<'f>(id: &str, field: &dyn Fn(&str) -> Option<&'f str>) -> Option<RunEvent> {
    Some(match id {
        STARTING => RunEvent::Starting,
        STARTED => RunEvent::Started,
        STOPPING => RunEvent::Stopping,
        STOPPED => RunEvent::Stopped,
        PROCESS_EXIT => {
            let role = if field("COMMAND") == Some("ExecStart") {
                Role::Main
            } else {
                Role::Control
            };
            RunEvent::Exited(
                role,
                process_end(field("EXIT_CODE")?, field("EXIT_STATUS")?)?,
            )
        }
        FAILED | SKIPPED => RunEvent::Ended(ServiceResult::parse(field("UNIT_RESULT")?)),
        SUCCEEDED => RunEvent::Ended(ServiceResult::Success),
        RESTART_SCHEDULED => RunEvent::RestartScheduled,
        _ => return None,
    })
}

/// Parses the entry of a core dump. The environment of the process shows the run, its parent, PID
/// 1, that it is the main process: a watchdog makes all processes of a service dump core.
fn dump<'f>(field: &dyn Fn(&str) -> Option<&'f str>) -> Option<Fact> {
    if !field("COREDUMP_PROC_STATUS")?
        .lines()
        .any(|line| line == "PPid:\t1")
    {
        return None;
    }
    let (pid, signal) = (
        field("COREDUMP_PID")?.parse().ok()?,
        field("COREDUMP_SIGNAL")?.parse().ok()?,
    );
    Some(Fact::Run {
        unit: field("COREDUMP_UNIT")?.to_owned(),
        invocation: field("COREDUMP_ENVIRON")?.lines().find_map(|line| {
            line.strip_prefix("INVOCATION_ID=")
                .and_then(InvocationId::parse)
        })?,
        event: RunEvent::Dumped { pid, signal },
    })
}
