//! What PID 1 has said in the journal of a unit. Asked only where nothing else tells, for it takes some time.

use crate::edge::program::HostProgram;

/// Of PID 1's message that it begins to stop a unit because a job wants it (`sd-messages.h`, `SD_MESSAGE_UNIT_STOPPING`).
const STOPPING: &str = "de5b426a63be47a7b6ac3eaac82e2f6f";

/// Longest the journal may take, in seconds.
const PATIENCE: &str = "5";

/// Whether a stop of this run was asked for: PID 1 says so when it begins with one, and not when a service stops by itself.
/// Where the journal does not tell, it was not: better a death that was none than one that nobody hears of.
pub(super) fn is_stopping(unit: &str, invocation: &str) -> bool {
    let (unit, run) = (format!("UNIT={unit}"), format!("INVOCATION_ID={invocation}"));
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
