//! The line that records the ends of a unit's runs, as PID 1 has it.

use super::Unnoted;
use crate::core::recovery::{list, policy};
use crate::edge::pid1::{self, Wanted};
use crate::edge::step::arguments::Arguments;
use std::io;

/// Properties with the ends after which systemd does otherwise than `Restart=` says.
const PREVENT: &str = "RestartPreventExitStatus";
const FORCE: &str = "RestartForceExitStatus";

/// The line that records the ends of the unit's runs.
pub(super) struct Line {
    pub(super) arguments: Arguments,
    /// The unit's `Restart=`.
    pub(super) restart: String,
    /// True if `RestartPreventExitStatus=` has this end.
    pub(super) is_prevented: bool,
    /// True if `RestartForceExitStatus=` has it.
    pub(super) is_forced: bool,
}

impl Line {
    /// Reads that line from PID 1; `None`: the unit has none.
    pub(super) fn of(death: &Unnoted) -> io::Result<Option<Self>> {
        let known = pid1::ask_patiently(
            &death.unit,
            Wanted {
                unit: &[],
                own: &["ExecStopPost", "Restart", PREVENT, FORCE],
            },
        )?;
        let arguments =
            known
                .commands("ExecStopPost")
                .find_map(|line| match line.words.as_slice() {
                    [_, command, rest @ ..]
                        if command == "stopped" && rest.first() == Some(&death.ward) =>
                    {
                        // Without the steps of a stop.
                        Some(Arguments::parse(list::split(rest).0))
                    }
                    _ => None,
                });
        Ok(arguments.map(|arguments| Self {
            arguments,
            restart: known.text("Restart").to_owned(),
            is_prevented: death.process.is_some_and(|end| known.names(PREVENT, end)),
            is_forced: death.process.is_some_and(|end| known.names(FORCE, end)),
        }))
    }

    /// Returns true if systemd restarts the unit after this death.
    pub(super) fn restarts(&self, death: &Unnoted) -> bool {
        !self.is_prevented && (self.is_forced || policy::restarts(&self.restart, &death.result))
    }
}
