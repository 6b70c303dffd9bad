//! Conversion of the properties that PID 1 tells of a unit.

use super::{Details, UnitSeen};
use crate::edge::dying::Shown;
use crate::edge::pid1::{Command, PropertiesOf};
use crate::edge::up;

/// Property with the time at which a unit last became `active`.
pub(super) const UP_SINCE: &str = "ActiveEnterTimestampMonotonic";

/// Properties that may contain generated lines. The main process, which lasts, comes last.
const LINES: [&str; 5] = [
    "ExecCondition",
    "ExecStartPre",
    "ExecStartPost",
    "ExecStopPost",
    "ExecStart",
];

impl UnitSeen {
    /// Takes over the properties from one answer, so that all of them are of one moment. The type
    /// of a job is not among them.
    pub(super) fn renew(&mut self, known: &PropertiesOf<'_>) {
        for (own, key) in [
            (&mut self.description, "Description"),
            (&mut self.load, "LoadState"),
            (&mut self.active, "ActiveState"),
            (&mut self.sub, "SubState"),
        ] {
            known.text(key).clone_into(own);
        }
        self.job = self.job.take().filter(|_| known.job().is_some());
        self.changed = time(known, "StateChangeTimestamp").map(|at| at / 1_000);
        self.up_since = time(known, UP_SINCE).filter(|_| up::is_up(&self.active));
        self.details = Some(details(known));
    }
}

fn details(known: &PropertiesOf<'_>) -> Details {
    let main = std::iter::once(known.text("FragmentPath")).filter(|path| !path.is_empty());
    let limits = known.time_limits();
    Details {
        pid: known.number("MainPID").filter(|pid| *pid > 0),
        files: main
            .chain(known.texts("DropInPaths"))
            .map(str::to_owned)
            .collect(),
        file_state: known.text("UnitFileState").to_owned(),
        load_error: known.error("LoadError").map(str::to_owned),
        restart: known.text("Restart").to_owned(),
        restart_delay: known.span("RestartUSec").unwrap_or_default(),
        start_timeout: limits.start,
        limits,
        restarts: known.number("NRestarts"),
        line: LINES
            .iter()
            .flat_map(|list| known.commands(list))
            .find(|command| command.began > 0 && command.ended == 0)
            .map(running),
        status_text: known.text("StatusText").to_owned(),
        dying: Shown::of(known),
        main_started: known.number_or_zero(up::MAIN_STARTED),
    }
}

/// Returns a time in microseconds; `None`: never.
fn time(known: &PropertiesOf<'_>, property: &str) -> Option<u64> {
    known.number(property).filter(|at| *at > 0)
}

/// Returns the words of a command, and its start time in milliseconds since the epoch.
fn running(command: Command) -> (Vec<String>, u64) {
    (command.words, command.began / 1_000)
}
