//! What one entry of the journal says of a unit's run: from its fields to a [`Fact`].
//!
//! Who wrote an entry is not looked at here: whoever reads the journal takes only entries whose trusted fields name
//! PID 1, `systemd-logind` or `systemd-coredump` (systemd.journal-fields(7), the fields that begin with `_`).

use crate::core::crash::observation::{InvocationId, ProcessEnd, ServiceResult};
use crate::core::crash::verdict::process_end;

/// MESSAGE_IDs of PID 1 (systemd's `sd-messages.h`) that tell of a run.
pub const OF_PID_1: [&str; 9] =
    [STARTING, STARTED, STOPPING, STOPPED, PROCESS_EXIT, FAILED, SUCCEEDED, SKIPPED, RESTART_SCHEDULED];

/// "Starting x.service...": a start job has begun that takes its time.
const STARTING: &str = "7d4958e842da4a758f6c1cdc7b36dcc5";
/// "Started x.service.", "Finished x.service.": a start job is done.
const STARTED: &str = "39f53479d3a045ac8e11786248231fbf";
/// "Stopping x.service...": a stop or restart job has begun.
const STOPPING: &str = "de5b426a63be47a7b6ac3eaac82e2f6f";
/// "Stopped x.service.": one is done.
const STOPPED: &str = "9d1aaa27d60140bd96365438aad20286";
/// "Main process exited, code=killed, status=9/KILL"; clean exits and those that `-` excuses are not told.
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

/// The target whose stop is the first thing of a shutdown that nobody announced to `systemd-logind`.
const EVERYBODY: &str = "multi-user.target";

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The boot it is of: 32 hexadecimal digits.
    pub boot: String,
    /// When, milliseconds since the epoch.
    pub at: u64,
    /// What it says.
    pub fact: Fact,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Of a unit's run.
    Run {
        /// The unit.
        unit: String,
        /// The run.
        invocation: InvocationId,
        /// What.
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
    /// It is up after all, or again.
    ComeUp,
}

/// What happened in a run.
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
    /// A process of it ended badly.
    Exited(Role, ProcessEnd),
    /// It is over.
    Ended(ServiceResult),
    /// systemd is going to restart the unit by itself.
    RestartScheduled,
    /// Its main process dumped core, which says its id.
    Dumped {
        /// The process.
        pid: u32,
        /// The signal.
        signal: i32,
    },
}

/// Which process of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// That of `ExecStart=`.
    Main,
    /// One of `ExecStartPre=`, `ExecStopPost=` and so on, or a mount command.
    Control,
}

impl Entry {
    /// Reads an entry by its fields; `None`: it says nothing that matters.
    #[must_use]
    pub fn read<'f>(field: &dyn Fn(&str) -> Option<&'f str>) -> Option<Self> {
        let times = ["_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"];
        let micros = times.iter().find_map(|name| field(name)?.parse::<u64>().ok())?;
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
        Some(Self { boot: field("_BOOT_ID")?.to_owned(), at: micros / 1_000, fact })
    }
}

/// A service that systemd restarts by itself, after a crash, has the same kind of job on 252; a target never has.
fn is_restart_of_a_target<'f>(field: &dyn Fn(&str) -> Option<&'f str>) -> bool {
    field("JOB_TYPE") == Some("restart") && field("UNIT").is_some_and(|unit| unit.ends_with(".target"))
}

fn event<'f>(id: &str, field: &dyn Fn(&str) -> Option<&'f str>) -> Option<RunEvent> {
    Some(match id {
        STARTING => RunEvent::Starting,
        STARTED => RunEvent::Started,
        STOPPING => RunEvent::Stopping,
        STOPPED => RunEvent::Stopped,
        PROCESS_EXIT => {
            let role = if field("COMMAND") == Some("ExecStart") { Role::Main } else { Role::Control };
            RunEvent::Exited(role, process_end(field("EXIT_CODE")?, field("EXIT_STATUS")?)?)
        }
        FAILED | SKIPPED => RunEvent::Ended(ServiceResult::parse(field("UNIT_RESULT")?)),
        SUCCEEDED => RunEvent::Ended(ServiceResult::Success),
        RESTART_SCHEDULED => RunEvent::RestartScheduled,
        _ => return None,
    })
}

/// The run is known by the environment of the process that dumped core, the main process by its parent, PID 1: a watchdog
/// has all processes of a service dump core.
fn dump<'f>(field: &dyn Fn(&str) -> Option<&'f str>) -> Option<Fact> {
    let of_run = |line: &'f str| line.strip_prefix("INVOCATION_ID=").and_then(InvocationId::parse);
    if !field("COREDUMP_PROC_STATUS")?.lines().any(|line| line == "PPid:\t1") {
        return None;
    }
    let (pid, signal) = (field("COREDUMP_PID")?.parse().ok()?, field("COREDUMP_SIGNAL")?.parse().ok()?);
    Some(Fact::Run {
        unit: field("COREDUMP_UNIT")?.to_owned(),
        invocation: field("COREDUMP_ENVIRON")?.lines().find_map(of_run)?,
        event: RunEvent::Dumped { pid, signal },
    })
}
