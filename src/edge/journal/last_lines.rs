//! The last lines that a run of a unit has logged.
//!
//! journald knows the unit and the run of a writer by the control group. For a user's own units it
//! takes the run (`_SYSTEMD_INVOCATION_ID`) from a link of that user's, so the unit must be right
//! too. The lines of a service are foreign text all the same: characters that a terminal acts on
//! are replaced, and lengths are bounded; journalctl leaves out a message above 4 KiB.

use super::child::{self, Fields};
use crate::core::crash::observation::InvocationId;
use crate::core::visible::visible;
use std::collections::VecDeque;
use std::io;

/// The fields of an entry that are read, for `--output-fields=`.
const FIELDS: &str = "MESSAGE,SYSLOG_IDENTIFIER";

/// Upper bound of the search in journald's files, in seconds.
const PATIENCE: &str = "8";

/// Number of entries that are read beyond the wanted ones, because the helper's own lines are among
/// them.
const SPARE: usize = 40;

/// The identifier of the helper's lines, which run in the unit too and are left out.
const OURS: &str = "unitward-step";

/// Number of characters of a line that are kept.
const LONGEST: usize = 1_000;

/// Returns the last `count` lines of a run of this unit, oldest first; none if the journal has
/// none, or none any more.
///
/// # Errors
/// If journalctl cannot be run or fails.
pub fn last_lines(unit: &str, run: &InvocationId, count: usize) -> io::Result<Vec<String>> {
    let lines = format!("--lines={}", count + SPARE);
    let arguments = [
        lines,
        format!("_SYSTEMD_UNIT={unit}"),
        format!("_SYSTEMD_INVOCATION_ID={run}"),
    ];
    let mut kept = VecDeque::new();
    child::read(
        child::Wanted {
            fields: FIELDS,
            seconds: PATIENCE,
            whole: false,
        },
        &arguments,
        &mut |entry| take(&mut kept, &entry, count),
    )?;
    Ok(kept.into())
}

fn take(kept: &mut VecDeque<String>, entry: &Fields, count: usize) {
    if entry.get("SYSLOG_IDENTIFIER") == Some(OURS) {
        return;
    }
    for line in entry.get("MESSAGE").unwrap_or_default().lines() {
        let short: String = line.chars().take(LONGEST).collect();
        let cut = if short.len() < line.len() {
            "\u{2026}"
        } else {
            ""
        };
        kept.push_back(visible(&short) + cut);
        if kept.len() > count {
            kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_without_ours_and_without_what_a_terminal_acts_on() {
        let entries = [
            r#"{"MESSAGE":"first","SYSLOG_IDENTIFIER":"web"}"#.to_owned(),
            r#"{"MESSAGE":"two\nlines","SYSLOG_IDENTIFIER":"web"}"#.to_owned(),
            r#"{"MESSAGE":"Noted the end","SYSLOG_IDENTIFIER":"unitward-step"}"#.to_owned(),
            r#"{"MESSAGE":[27,91,51,49,109,255],"SYSLOG_IDENTIFIER":"web"}"#.to_owned(),
            format!(r#"{{"MESSAGE":"{}"}}"#, "x".repeat(5_000)),
        ];
        let mut kept = VecDeque::new();
        for entry in &entries {
            take(&mut kept, &Fields::parse(entry.as_bytes()).unwrap(), 4);
        }
        let long = "x".repeat(LONGEST) + "\u{2026}";
        assert_eq!(kept, ["two", "lines", "\u{fffd}[31m\u{fffd}", &long]);
        take(&mut kept, &Fields::parse(b"{}").unwrap(), 4);
        assert_eq!(kept.len(), 4);
    }
}
