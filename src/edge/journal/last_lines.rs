//! The last lines that a run of a unit has logged.
//!
//! journald knows by the control group which unit and which run wrote what. Of a user's own units it takes the run
//! (`_SYSTEMD_INVOCATION_ID`) from a link of that user's, so the unit must be right too. What a service logs is foreign text all the
//! same: characters that a terminal acts on are replaced, and all of it is bounded; journalctl leaves out a message above 4 KiB.

use super::child::{self, Fields};
use crate::core::crash::observation::InvocationId;
use crate::core::visible::visible;
use std::collections::VecDeque;
use std::io;

/// What is read of an entry, for `--output-fields=`.
const FIELDS: &str = "MESSAGE,SYSLOG_IDENTIFIER";

/// How long journald's files may take to be looked through, in seconds.
const PATIENCE: &str = "8";

/// Entries that are read beyond those that are wanted: lines of ours stand among them.
const SPARE: usize = 40;

/// Our own lines run in the unit too.
const OURS: &str = "unitward-step";

/// Characters of a line that are kept.
const LONGEST: usize = 1_000;

/// The last `count` lines of a run of this unit, oldest first; none where the journal has none, or none any more.
///
/// # Errors
/// When journalctl cannot be run or fails.
pub fn last_lines(unit: &str, run: &InvocationId, count: usize) -> io::Result<Vec<String>> {
    let lines = format!("--lines={}", count + SPARE);
    let arguments = [lines, format!("_SYSTEMD_UNIT={unit}"), format!("_SYSTEMD_INVOCATION_ID={run}")];
    let mut kept = VecDeque::new();
    child::read(child::Wanted { fields: FIELDS, seconds: PATIENCE, whole: false }, &arguments, &mut |entry| {
        take(&mut kept, &entry, count)
    })?;
    Ok(kept.into())
}

fn take(kept: &mut VecDeque<String>, entry: &Fields, count: usize) {
    if entry.get("SYSLOG_IDENTIFIER") == Some(OURS) {
        return;
    }
    for line in entry.get("MESSAGE").unwrap_or_default().lines() {
        let short: String = line.chars().take(LONGEST).collect();
        let cut = if short.len() < line.len() { "\u{2026}" } else { "" };
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
