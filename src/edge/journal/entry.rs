//! Selects the entries that are read, checks who wrote them, and parses them.
//!
//! Trusted are the fields that begin with `_`: journald takes them from the kernel
//! (systemd.journal-fields(7)).
//!
//! * PID 1: `_PID=1`.
//! * `unitward-step`: `_UID=0`, in the control group of the very unit that the entry is about. So
//!   no service can speak for another, and only a service of root's can speak at all. If a helper
//!   has ended before journald comes to its message, the kernel does not report everything about
//!   it: in two of three cases not the executable, and in one of a hundred, on a host that can
//!   hardly keep up, not even the control group. The fields that are there must be right; without
//!   the group, PID 1 must have logged that run's end. Without the executable it may be another
//!   program of root's in that unit, such as a setuid program that writes its user's text to a
//!   descriptor of its user's, here a socket to journald. So the end of the run counts only if PID
//!   1 says the same ([`confirms`]); otherwise PID 1's entry alone counts. That one is missing if
//!   `LogLevelMax=` hides it.
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

/// Name of the field with a run's record.
pub(super) const RUN: &str = "UNITWARD_RUN";

/// All fields that are read, for `--output-fields=`.
pub(super) const FIELDS: &str = "MESSAGE_ID,UNIT,INVOCATION_ID,UNIT_RESULT,EXIT_CODE,EXIT_STATUS,COMMAND,COREDUMP_PID,\
    COREDUMP_UNIT,COREDUMP_SIGNAL,COREDUMP_ENVIRON,COREDUMP_PROC_STATUS,JOB_TYPE,UNITWARD_ENDED,UNITWARD_RUN,_BOOT_ID,_PID,_UID,_EXE,_COMM,_TRANSPORT,\
    _SYSTEMD_UNIT,_SOURCE_REALTIME_TIMESTAMP";

/// The template whose instances restart stacks.
const RESTARTER: &str = "unitward-stack@";

const LOGIND: &str = "systemd-logind.service";

/// The template whose instances handle core dumps, one each.
const COREDUMP: &str = "systemd-coredump@";

/// Returns the arguments of journalctl that select all entries that count.
pub(super) fn matches() -> impl Iterator<Item = String> {
    let shutdown = [
        id(facts::SHUTDOWN),
        format!("_SYSTEMD_UNIT={LOGIND}"),
        "+".to_owned(),
    ];
    let dumps = [id(facts::CORE_DUMP), SLICE.to_owned(), "+".to_owned()];
    let ours = [
        id(messages::ENDED),
        id(messages::RESTARTED),
        "_UID=0".to_owned(),
        "+".to_owned(),
    ];
    let asked = [
        id(restarts::RESTARTING),
        "_UID=0".to_owned(),
        "+".to_owned(),
    ];
    let rest = of_pid_1().chain(["_PID=1".to_owned()]);
    ["--".to_owned()]
        .into_iter()
        .chain(shutdown)
        .chain(dumps)
        .chain(ours)
        .chain(asked)
        .chain(rest)
}

/// Returns the arguments that select PID 1's entries about the runs of units.
pub(super) fn of_pid_1() -> impl Iterator<Item = String> {
    facts::OF_PID_1.into_iter().map(id)
}

fn id(message: &str) -> String {
    format!("MESSAGE_ID={message}")
}

/// Parses an entry about a unit's run or the host; `None` if its author is not trusted.
pub(super) fn fact(fields: &Fields) -> Option<Entry> {
    let unit = fields.get("_SYSTEMD_UNIT").unwrap_or_default();
    let trusted = match fields.get("MESSAGE_ID")? {
        facts::SHUTDOWN => unit == LOGIND,
        facts::CORE_DUMP => unit.starts_with(COREDUMP),
        _ => fields.get("_PID") == Some("1"),
    };
    trusted.then(|| Entry::read(&|name| fields.get(name)))?
}

/// Returns the run of a stack's unit that ends by a full restart that somebody asked for.
pub(super) fn asked_for(fields: &Fields) -> Option<InvocationId> {
    let trusted = fields
        .get("_SYSTEMD_UNIT")
        .is_some_and(|unit| unit.starts_with(RESTARTER));
    let is_one = trusted && fields.get("MESSAGE_ID") == Some(restarts::RESTARTING);
    is_one.then(|| InvocationId::parse(fields.get("UNITWARD_ENDED")?))?
}

/// Certainty about the author of an entry with a run's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    /// The helper.
    Helper,
    /// The helper, or another process of root's in the same unit that was as short-lived.
    InUnit,
    /// The helper, or any other process of root's that was as short-lived.
    ShortLived,
}

/// The helper's `_COMM`, which journald knows while it can still see the process; the kernel cuts
/// it after 15 bytes.
const COMM: &str = "unitward-step";

/// The `_TRANSPORT` of the helper's messages: they come by journald's own protocol, not by a
/// standard output.
const TRANSPORT: &str = "journal";

/// Returns the record in an entry of the helper's own, with its boot and the certainty about its
/// author.
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
    let trusted = fields.is("_UID", "0")
        && fields.is("_TRANSPORT", TRANSPORT)
        && fields.is_or_lacks("_SYSTEMD_UNIT", &record.unit)
        && fields.is_or_lacks("_EXE", HELPER)
        && fields.is_or_lacks("_COMM", COMM);
    trusted.then(|| Some((fields.get("_BOOT_ID")?.to_owned(), record, author)))?
}

/// Returns true if PID 1's testimony agrees with a record about the end of a run. The record may
/// add facts that PID 1 does not log.
pub(super) fn confirms(told: &Testimony, end: &End) -> bool {
    let result = ServiceResult::parse(&end.result);
    let process = process_end(&end.code, &end.status);
    let asked = end.asked;
    let is_clean = matches!(
        result,
        ServiceResult::Success | ServiceResult::ExecCondition
    );
    result == told.result
        && told.process.is_none_or(|it| process == Some(it))
        && (told.evidence == Evidence::Asked || !asked)
        && (is_clean || !end.finished)
}
