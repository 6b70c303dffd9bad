//! Conversion of the properties that PID 1 tells of a unit.

use super::{Details, UnitSeen};
use crate::core::crash::reason::TimeLimits;
use crate::edge::up;
use crate::shell::daemon::systemd::decode::{Properties, number, text};
use std::time::Duration;
use zbus::Variant;

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
    pub(super) fn renew(&mut self, properties: &Properties<'_>) {
        for (own, key) in [
            (&mut self.description, "Description"),
            (&mut self.load, "LoadState"),
            (&mut self.active, "ActiveState"),
            (&mut self.sub, "SubState"),
        ] {
            *own = word(properties, key);
        }
        self.job = self
            .job
            .take()
            .filter(|_| properties.get("Job").is_some_and(is_job));
        let changed = properties.get("StateChangeTimestamp").and_then(number);
        self.changed = changed.filter(|at| *at > 0).map(|at| at / 1_000);
        let up_since = properties.get(UP_SINCE).and_then(number);
        self.up_since = up_since.filter(|at| *at > 0 && up::is_up(&self.active));
        self.details = Some(details(properties));
    }
}

fn details(properties: &Properties<'_>) -> Details {
    let main = std::iter::once(word(properties, "FragmentPath")).filter(|path| !path.is_empty());
    let start_timeout = span(properties, "TimeoutStartUSec");
    Details {
        pid: properties
            .get("MainPID")
            .and_then(number)
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|pid| *pid > 0),
        files: main
            .chain(properties.get("DropInPaths").map(words).unwrap_or_default())
            .collect(),
        file_state: word(properties, "UnitFileState"),
        load_error: properties.get("LoadError").and_then(load_error),
        restart: word(properties, "Restart"),
        restart_delay: span(properties, "RestartUSec").unwrap_or_default(),
        start_timeout,
        limits: TimeLimits {
            watchdog: span(properties, "WatchdogUSec"),
            start: start_timeout,
            run: span(properties, "RuntimeMaxUSec"),
            stop: span(properties, "TimeoutStopUSec"),
        },
        restarts: properties.get("NRestarts").and_then(number),
        line: LINES
            .iter()
            .filter_map(|key| properties.get(key))
            .find_map(running),
        status_text: word(properties, "StatusText"),
        main_started: properties
            .get(up::MAIN_STARTED)
            .and_then(number)
            .unwrap_or(0),
    }
}

/// Reads a text; empty: there is none.
fn word(properties: &Properties<'_>, key: &str) -> String {
    properties
        .get(key)
        .and_then(text)
        .unwrap_or_default()
        .to_owned()
}

/// Reads a time span in microseconds; `None`: it is 0 or infinite.
fn span(properties: &Properties<'_>, key: &str) -> Option<Duration> {
    let micros = properties.get(key).and_then(number)?;
    (micros != 0 && micros != u64::MAX).then(|| Duration::from_micros(micros))
}

fn words(list: &Variant<'_>) -> Vec<String> {
    let Variant::Array(list) = list else {
        return Vec::new();
    };
    list.iter().filter_map(text).map(str::to_owned).collect()
}

/// Reads a job, its number and its path: returns true if the number is not 0, which means no job.
fn is_job(job: &Variant<'_>) -> bool {
    let Variant::Structure(job) = job else {
        return false;
    };
    job.fields()
        .first()
        .and_then(number)
        .is_some_and(|number| number > 0)
}

/// Reads the text of an error, `(ss)`: name and text; empty if the unit could be loaded.
fn load_error(error: &Variant<'_>) -> Option<String> {
    let Variant::Structure(error) = error else {
        return None;
    };
    error
        .fields()
        .get(1)
        .and_then(text)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// Returns the command of a list, `a(sasbttttuii)`, that has begun and not ended: its words, and
/// its start time in milliseconds since the epoch.
fn running(list: &Variant<'_>) -> Option<(Vec<String>, u64)> {
    let Variant::Array(commands) = list else {
        return None;
    };
    commands.iter().find_map(|command| {
        let Variant::Structure(command) = command else {
            return None;
        };
        let fields = command.fields();
        let (began, ended) = (number(fields.get(3)?)?, number(fields.get(5)?)?);
        (began > 0 && ended == 0).then(|| Some((words(fields.get(1)?), began / 1_000)))?
    })
}
