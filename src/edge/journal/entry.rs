//! Which entries are asked for, who must have written them, and what they hold.
//!
//! Trusted are the fields that begin with `_`: journald takes them from the kernel (systemd.journal-fields(7)).
//!
//! * PID 1: `_PID=1`.
//! * `unitward-step`: `_UID=0`, in the control group of the very unit it tells of. So no service can speak for another, and
//!   none at all that is not root's. Of a helper that has ended by the time journald comes to its message the kernel does not
//!   tell everything: in two of three cases not the executable, and in one of a hundred, on a host that can hardly keep up,
//!   not even the control group. What is there must be right; without the group, PID 1 must have told of that run's end.
//!   Without the executable it may be another program of root's in that unit, such as a setuid
//!   program that writes what its user has told it to a descriptor of its user's, here a socket to
//!   journald. So how the run ended counts only if PID 1 says the same ([`confirms`]): otherwise
//!   PID 1's word is all there is. That is missing where `LogLevelMax=` hides it.
//! * The restarter: a service of root's, `unitward-stack@NAME.service`.
//! * `systemd-logind` and `systemd-coredump`: their units.

use super::child::Fields;
use super::messages;
use crate::core::crash::observation::{InvocationId, ServiceResult};
use crate::core::crash::tracker::Evidence;
use crate::core::crash::verdict::{Testimony, process_end};
use crate::core::crash::witness::{Entry, entry as facts};
use crate::core::unit::HELPER;
use crate::edge::coredump::SLICE;
use crate::edge::full_restart::messages as restarts;
use crate::edge::record::{End, RunRecord};

/// The field with a run's record.
pub(super) const RUN: &str = "UNITWARD_RUN";

/// Every field that is looked at.
pub(super) const FIELDS: &str = "MESSAGE_ID,UNIT,INVOCATION_ID,UNIT_RESULT,EXIT_CODE,EXIT_STATUS,COMMAND,COREDUMP_PID,\
    COREDUMP_UNIT,COREDUMP_SIGNAL,COREDUMP_ENVIRON,COREDUMP_PROC_STATUS,JOB_TYPE,UNITWARD_ENDED,UNITWARD_RUN,_BOOT_ID,_PID,_UID,_EXE,_COMM,_TRANSPORT,\
    _SYSTEMD_UNIT,_SOURCE_REALTIME_TIMESTAMP";

/// The template whose instances restart stacks.
const RESTARTER: &str = "unitward-stack@";

const LOGIND: &str = "systemd-logind.service";

/// The template of which each core dump has an instance.
const COREDUMP: &str = "systemd-coredump@";

/// journalctl's arguments that select all entries that count.
pub(super) fn matches() -> impl Iterator<Item = String> {
    let shutdown = [id(facts::SHUTDOWN), format!("_SYSTEMD_UNIT={LOGIND}"), "+".to_owned()];
    let dumps = [id(facts::CORE_DUMP), SLICE.to_owned(), "+".to_owned()];
    let ours = [id(messages::ENDED), id(messages::RESTARTED), "_UID=0".to_owned(), "+".to_owned()];
    let asked = [id(restarts::RESTARTING), "_UID=0".to_owned(), "+".to_owned()];
    let rest = of_pid_1().chain(["_PID=1".to_owned()]);
    ["--".to_owned()].into_iter().chain(shutdown).chain(dumps).chain(ours).chain(asked).chain(rest)
}

/// Those that select what PID 1 tells of a run.
pub(super) fn of_pid_1() -> impl Iterator<Item = String> {
    facts::OF_PID_1.into_iter().map(id)
}

fn id(message: &str) -> String {
    format!("MESSAGE_ID={message}")
}

/// What a trusted entry says of a unit's run or of the host.
pub(super) fn fact(fields: &Fields) -> Option<Entry> {
    let unit = fields.get("_SYSTEMD_UNIT").unwrap_or_default();
    let trusted = match fields.get("MESSAGE_ID")? {
        facts::SHUTDOWN => unit == LOGIND,
        facts::CORE_DUMP => unit.starts_with(COREDUMP),
        _ => fields.get("_PID") == Some("1"),
    };
    trusted.then(|| Entry::read(&|name| fields.get(name)))?
}

/// The run of a stack's unit that a full restart ends for which somebody asked.
pub(super) fn asked_for(fields: &Fields) -> Option<InvocationId> {
    let trusted = fields.get("_SYSTEMD_UNIT").is_some_and(|unit| unit.starts_with(RESTARTER));
    let is_one = trusted && fields.get("MESSAGE_ID") == Some(restarts::RESTARTING);
    is_one.then(|| InvocationId::parse(fields.get("UNITWARD_ENDED")?))?
}

/// How sure it is who wrote an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    /// The helper.
    Helper,
    /// The helper, or another process of root's in the same unit that was as short-lived.
    InUnit,
    /// The helper, or any other process of root's that was as short-lived.
    ShortLived,
}

/// What journald knows the helper's process by while it can still see it; the kernel cuts it after
/// 15 bytes.
const COMM: &str = "unitward-step";

/// The helper's messages come by journald's own protocol, not by a standard output.
const TRANSPORT: &str = "journal";

/// The record in an entry of the helper's own, with its boot.
pub(super) fn run(fields: &Fields) -> Option<(String, RunRecord, Author)> {
    if ![messages::ENDED, messages::RESTARTED].contains(&fields.get("MESSAGE_ID")?) {
        return None;
    }
    let record: RunRecord = serde_json::from_str(fields.get(RUN)?).ok()?;
    let author = match (fields.get("_SYSTEMD_UNIT"), fields.get("_EXE")) {
        (Some(_), Some(_)) => Author::Helper,
        (Some(_), None) => Author::InUnit,
        (None, _) => Author::ShortLived,
    };
    let is = |field: &str, expected: &str| fields.get(field) == Some(expected);
    let says = |field: &str, expected: &str| fields.get(field).is_none_or(|value| value == expected);
    let trusted = is("_UID", "0")
        && is("_TRANSPORT", TRANSPORT)
        && says("_SYSTEMD_UNIT", &record.unit)
        && says("_EXE", HELPER)
        && says("_COMM", COMM);
    trusted.then(|| Some((fields.get("_BOOT_ID")?.to_owned(), record, author)))?
}

/// Whether PID 1 tells the same end of a run as a record does. What PID 1 does not tell, the record
/// may.
pub(super) fn confirms(told: &Testimony, end: &End) -> bool {
    let result = ServiceResult::parse(&end.result);
    let process = process_end(&end.code, &end.status);
    let asked = end.asked;
    let is_clean = matches!(result, ServiceResult::Success | ServiceResult::ExecCondition);
    result == told.result
        && told.process.is_none_or(|it| process == Some(it))
        && (told.evidence == Evidence::Asked || !asked)
        && (is_clean || !end.finished)
}
