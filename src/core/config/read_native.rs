//! Checks of the native sections: lines for which systemd would refuse the unit, or ignore what
//! they say.
//!
//! systemd goes on without a line that it cannot read. For a guarded service that is the worst
//! outcome, for example a unit that starts but does not restart, so the few keys that recovery
//! depends on are checked here.

use super::command_line::shell_word;
use super::problem::{Mistake, Problem};
use super::read_ward;
use super::ward::{Form, Native, NativeLine};
use super::wrong::{Wrong, most_like};

const TYPES: [&str; 8] = [
    "simple",
    "exec",
    "forking",
    "oneshot",
    "dbus",
    "notify",
    "notify-reload",
    "idle",
];
const RESTARTS: [&str; 7] = [
    "no",
    "on-success",
    "on-failure",
    "on-abnormal",
    "on-watchdog",
    "on-abort",
    "always",
];
const COMMANDS: [&str; 7] = [
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
];

/// Returns the effective lines of `key`, resets applied.
pub(crate) fn values<'a>(
    lines: &'a [NativeLine],
    key: &'a str,
) -> impl Iterator<Item = &'a NativeLine> {
    let reset = lines
        .iter()
        .rposition(|line| line.key == key && line.value.is_empty())
        .map_or(0, |at| at + 1);
    lines[reset..].iter().filter(move |line| line.key == key)
}

/// Returns the one effective value of `key`: the last.
pub(crate) fn value<'a>(lines: &'a [NativeLine], key: &'a str) -> Option<&'a str> {
    values(lines, key).last().map(|line| line.value.as_str())
}

/// Returns the mistakes in the native sections that cost the ward, and warnings: keys of other
/// sections, words of a shell.
pub(super) fn check(native: &Native, form: Option<&Form>) -> Vec<Problem> {
    let mut problems: Vec<_> = misplaced("Unit", &native.unit)
        .chain(misplaced("Service", &native.service))
        .collect();
    for line in &native.service {
        match line.key.as_str() {
            "Type" if !line.value.is_empty() && !TYPES.contains(&line.value.as_str()) => {
                problems.push(refused(line, Wrong::none_of(&line.value, TYPES)));
            }
            "Restart" if !line.value.is_empty() && !RESTARTS.contains(&line.value.as_str()) => {
                problems.push(refused(line, Wrong::none_of(&line.value, RESTARTS)));
            }
            key if COMMANDS.contains(&key)
                && !line.value.is_empty()
                && !is_command(&line.value) =>
            {
                problems.push(refused(
                    line,
                    Wrong::from(
                        "expected a program, best with its absolute path, as in /usr/bin/true",
                    ),
                ));
            }
            _ => {}
        }
    }
    // Between systemd's own commands a ";" is allowed.
    let commands = native
        .service
        .iter()
        .filter(|line| COMMANDS.contains(&line.key.as_str()));
    let shells =
        commands.filter_map(|line| Some((line, shell_word(&line.value.replace(" ; ", " , "))?)));
    let warnings: Vec<_> = shells
        .map(|(line, wrong)| Problem {
            at: line.place_of(wrong.offset),
            mistake: Mistake::Warning(format!("{}: {}", line.key, wrong.why)),
        })
        .collect();
    if form == Some(&Form::Defined) {
        let kind = value(&native.service, "Type").unwrap_or("simple");
        let restart = values(&native.service, "Restart")
            .last()
            .filter(|line| ["always", "on-success"].contains(&line.value.as_str()));
        if let (true, Some(line)) = (kind == "oneshot", restart) {
            problems.push(refused(
                line,
                Wrong::from("systemd refuses it with Type=oneshot; write on-failure"),
            ));
        }
        let starts: Vec<_> = values(&native.service, "ExecStart").collect();
        if let (true, Some(line)) = (kind != "oneshot" && starts.len() > 1, starts.last()) {
            problems.push(refused(
                line,
                Wrong::from("only Type=oneshot may have more than one; take this line out"),
            ));
        }
    }
    problems.extend(warnings);
    problems
}

/// Returns the problem of a value for which systemd would refuse the unit or ignore the line.
fn refused(line: &NativeLine, wrong: Wrong) -> Problem {
    Problem {
        at: line.place_of(wrong.offset),
        mistake: Mistake::BadNative {
            key: line.key.clone(),
            value: line.value.clone(),
            wrong,
        },
    }
}

/// Returns a warning for each of Unitward's own keys, which systemd would ignore.
fn misplaced<'a>(
    section: &'static str,
    lines: &'a [NativeLine],
) -> impl Iterator<Item = Problem> + 'a {
    lines.iter().filter_map(move |line| {
        let home = our_home(&line.key)?;
        Some(Problem {
            at: line.at.clone(),
            mistake: Mistake::Misplaced {
                section,
                key: line.key.clone(),
                home,
            },
        })
    })
}

/// Returns Unitward's own section that has this key.
fn our_home(key: &str) -> Option<&'static str> {
    match key {
        _ if read_ward::WARD.contains(&key) => Some("Ward"),
        _ if read_ward::RECOVERY.contains(&key) => Some("Recovery"),
        "Execute" | "WaitFor" | "Start" | "Stop" | "Reload" | "Signal" | "Log" | "RestartStack"
        | "Reboot" => Some("OnDeath"),
        _ => None,
    }
}

/// Returns the section that has this key, including native keys that are often misplaced.
pub(super) fn home_of(key: &str) -> Option<&'static str> {
    our_home(key).or_else(|| match key {
        "Type" | "Restart" | "RestartSec" | "User" | "Group" | "Environment" | "WatchdogSec"
        | "TimeoutStartSec" | "TimeoutStopSec" | "TimeoutSec" => Some("Service"),
        _ if COMMANDS.contains(&key) => Some("Service"),
        "Description" | "After" | "Before" | "Wants" | "Requires" | "BindsTo" | "PartOf" => {
            Some("Unit")
        }
        "WantedBy" | "RequiredBy" | "UpheldBy" | "Alias" => Some("Install"),
        _ => None,
    })
}

/// Returns the line that was probably meant to be `ExecStart=`: its key resembles no other command
/// more.
pub(super) fn misspelt_start(service: &[NativeLine]) -> Option<&NativeLine> {
    let mut unknown = service
        .iter()
        .filter(|line| !COMMANDS.contains(&line.key.as_str()));
    unknown
        .find(|line| most_like(&line.key, COMMANDS, 0.9).is_some_and(|meant| meant == "ExecStart"))
}

/// Returns true if systemd could run it: a path without a trailing slash, or a bare name that it
/// looks up.
fn is_command(value: &str) -> bool {
    let program = value
        .trim_start_matches(['-', '+', '@', ':', '!', '|'])
        .trim_start_matches(['"', '\'']);
    let program = program
        .split(char::is_whitespace)
        .next()
        .unwrap_or_default();
    !program.is_empty()
        && !program.ends_with('/')
        && (program.starts_with(['/', '%', '$']) || !program.contains('/'))
}
