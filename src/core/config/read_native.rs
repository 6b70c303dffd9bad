//! The native sections: what of them would make systemd refuse the unit, or let it say something else than it seems to.
//!
//! systemd goes on without a line it cannot read. For a guarded service that is the worst outcome, a unit that
//! starts but does not restart for example, so the few keys recovery stands on are checked here.

use super::problem::{Mistake, Problem};
use super::ward::{Form, Native, NativeLine};

const TYPES: [&str; 8] = ["simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle"];
const RESTARTS: [&str; 7] = ["no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always"];
const COMMANDS: [&str; 7] =
    ["ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"];

/// The values of `key` that stand, resets applied.
pub(crate) fn values<'a>(lines: &'a [NativeLine], key: &'a str) -> impl Iterator<Item = &'a NativeLine> {
    let same = move |line: &&NativeLine| line.key == key;
    let reset = lines.iter().rposition(|line| line.key == key && line.value.is_empty()).map_or(0, |at| at + 1);
    lines[reset..].iter().filter(same)
}

/// The one value of `key` that stands: the last.
pub(crate) fn value<'a>(lines: &'a [NativeLine], key: &'a str) -> Option<&'a str> {
    values(lines, key).last().map(|line| line.value.as_str())
}

/// Everything in the native sections that costs the ward.
pub(super) fn check(native: &Native, form: Option<&Form>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |line: &NativeLine, why: &str| {
        let mistake = Mistake::BadNative { key: line.key.clone(), value: line.value.clone(), why: why.to_owned() };
        problems.push(Problem { at: line.at.clone(), mistake });
    };
    for line in &native.service {
        match line.key.as_str() {
            "Type" if !line.value.is_empty() && !TYPES.contains(&line.value.as_str()) => {
                refuse(line, &format!("expected one of {}", TYPES.join(", ")));
            }
            "Restart" if !line.value.is_empty() && !RESTARTS.contains(&line.value.as_str()) => {
                refuse(line, &format!("expected one of {}", RESTARTS.join(", ")));
            }
            key if COMMANDS.contains(&key) && !line.value.is_empty() && !is_command(&line.value) => {
                refuse(line, "expected a program, best with its absolute path");
            }
            _ => {}
        }
    }
    if form == Some(&Form::Defined) {
        let kind = value(&native.service, "Type").unwrap_or("simple");
        let restart = values(&native.service, "Restart")
            .last()
            .filter(|line| ["always", "on-success"].contains(&line.value.as_str()));
        if let (true, Some(line)) = (kind == "oneshot", restart) {
            refuse(line, "systemd refuses it with Type=oneshot; write on-failure");
        }
        let starts: Vec<_> = values(&native.service, "ExecStart").collect();
        if let (true, Some(line)) = (kind != "oneshot" && starts.len() > 1, starts.last()) {
            refuse(line, "only Type=oneshot may have more than one");
        }
    }
    problems
}

/// Whether systemd could run it: a path without a trailing slash, or a bare name it looks up.
fn is_command(value: &str) -> bool {
    let program = value.trim_start_matches(['-', '+', '@', ':', '!', '|']).trim_start_matches(['"', '\'']);
    let program = program.split(char::is_whitespace).next().unwrap_or_default();
    !program.is_empty() && !program.ends_with('/') && (program.starts_with(['/', '%', '$']) || !program.contains('/'))
}
