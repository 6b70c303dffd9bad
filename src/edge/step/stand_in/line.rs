//! The line that records the ends of a unit's runs, as PID 1 has it.

use super::Unnoted;
use crate::core::recovery::list;
use crate::edge::pid1::{self, Wanted};
use crate::edge::step::answer;
use crate::edge::step::arguments::Arguments;
use std::io;

/// The line that records the ends of the unit's runs.
pub(super) struct Line {
    pub(super) arguments: Arguments,
    /// True if systemd restarts the unit after this death.
    pub(super) restarts: bool,
}

impl Line {
    /// Reads that line from PID 1; `None`: the unit has none.
    pub(super) fn of(death: &Unnoted) -> io::Result<Option<Self>> {
        let own = [&["ExecStopPost"], &answer::PROPERTIES[..]].concat();
        let known = pid1::ask_patiently(
            &death.unit,
            Wanted {
                unit: &[],
                own: &own,
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
            restarts: answer::restarts(&known, &death.result, death.process),
        }))
    }
}
