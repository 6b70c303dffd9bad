//! Messages of PID 1 in the journal of a unit. The query is slow, so it is the last resort.

use crate::edge::program::HostProgram;

/// MESSAGE_ID of PID 1's message that it begins to stop a unit because of a job (`sd-messages.h`,
/// `SD_MESSAGE_UNIT_STOPPING`).
const STOPPING: &str = "de5b426a63be47a7b6ac3eaac82e2f6f";

/// Longest time that the query may take, in seconds.
const PATIENCE: &str = "5";

/// Returns true if a stop of this run was requested: PID 1 logs a message at its beginning, and
/// none if a service stops by itself. If the journal does not tell, the result is false: a false
/// death is better than a missed one.
pub(super) fn is_stopping(unit: &str, invocation: &str) -> bool {
    let (unit, run) = (
        format!("UNIT={unit}"),
        format!("INVOCATION_ID={invocation}"),
    );
    let message = format!("MESSAGE_ID={STOPPING}");
    let asked = HostProgram::Timeout
        .command()
        .args([
            "--signal=KILL",
            PATIENCE,
            HostProgram::Journalctl.path(),
            "--quiet",
            "--boot",
            "--lines=1",
            "--output=cat",
        ])
        .args(["_PID=1", &message, &unit, &run])
        .output();
    asked.is_ok_and(|said| !said.stdout.is_empty())
}
