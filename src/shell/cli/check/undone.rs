//! Drop-ins of the administrator that cancel lines which the generator writes.
//!
//! systemd reads drop-ins in the order of their names and after the unit itself, so one that resets
//! a list, or sets a time-out, cancels the lines before it.

use crate::core::config::ward::NativeLine;
use crate::core::config::{Form, Mistake, Problem, Ward};
use crate::core::unit::{Content, DROP_IN, Output};
use crate::edge::unit_files;
use std::path::Path;

/// Lists that contain generated lines.
const LISTS: [&str; 4] = [
    "ExecCondition",
    "ExecStartPre",
    "ExecStartPost",
    "ExecStopPost",
];

/// Returns warnings about the lines of drop-ins that undo the unit of `ward`, the first of
/// `outputs`.
pub(super) fn warnings(root: &Path, ward: &Ward, outputs: &[Output]) -> Vec<Problem> {
    let Some(Content::File(ours)) = outputs.first().map(|output| &output.content) else {
        return Vec::new();
    };
    // A drop-in for a generated unit always comes after it.
    let after = (ward.form != Form::Defined).then_some(DROP_IN);
    let unit = Generated { ward, ours, after };
    unit_files::drop_in_lines(root, &ward.unit(), after)
        .into_iter()
        .filter_map(|(section, line)| unit.undone_by(&section, line))
        .collect()
}

/// A unit that the generator has written.
struct Generated<'a> {
    ward: &'a Ward,
    /// Its text.
    ours: &'a str,
    /// The name of the drop-in that it is; `None`: a whole unit.
    after: Option<&'a str>,
}

impl<'a> Generated<'a> {
    /// Returns the last value that the generator has written for this key.
    fn written(&self, key: &str) -> Option<&'a str> {
        self.ours
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }

    /// Warns of the line of a drop-in, if it undoes a line of the unit.
    fn undone_by(&self, section: &str, line: NativeLine) -> Option<Problem> {
        let Self { ward, ours, after } = self;
        let key = line.key.as_str();
        let text = match (section, key) {
            ("Service", _)
                if LISTS.contains(&key) && line.value.is_empty() && self.written(key).is_some() =>
            {
                format!(
                    "this takes away the {key}= lines of {}, without which no recovery runs; take the line out{}",
                    ward.path.display(),
                    if after.is_some() {
                        ", or name the file so that it sorts before 50-unitward.conf"
                    } else {
                        ""
                    },
                )
            }
            ("Service", "TimeoutStartSec" | "TimeoutStopSec") => {
                let needed = self.written(key).filter(|needed| *needed != line.value)?;
                let source = ward.path.display();
                format!(
                    "this takes the place of {key}={needed}, which the steps in {source} need; write {needed}"
                )
            }
            ("Service", "PIDFile")
                if !line.value.is_empty() && ours.lines().any(|line| line == "PIDFile=") =>
            {
                format!(
                    "this file is read after the ward's, and with its lines systemd waits for it at each start, though Type= is not forking: \
                 a start fails when {} does not come; take the line out, or name the file so that it sorts before 50-unitward.conf",
                    line.value
                )
            }
            ("Unit" | "Service", "StartLimitIntervalSec" | "StartLimitInterval")
                if !["0", ""].contains(&&*line.value) =>
            {
                let source = ward.path.display();
                format!(
                    "this changes systemd's start limit, the net beneath DeathLimit= in {source}; take the line out"
                )
            }
            // A burst of 0 means no limit.
            ("Unit" | "Service", "StartLimitBurst")
                if self
                    .written(key)
                    .is_some_and(|wide| is_narrower(&line.value, wide)) =>
            {
                let source = ward.path.display();
                format!(
                    "this narrows systemd's start limit below DeathLimit= in {source}; take the line out"
                )
            }
            _ => return None,
        };
        Some(Problem {
            at: line.at,
            mistake: Mistake::Warning(text),
        })
    }
}

/// Returns true if a drop-in's number of starts is a limit below ours.
fn is_narrower(theirs: &str, ours: &str) -> bool {
    let (Ok(theirs), Ok(ours)) = (theirs.parse::<u32>(), ours.parse::<u32>()) else {
        return false;
    };
    0 < theirs && theirs < ours
}
