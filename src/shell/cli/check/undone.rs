//! Drop-ins of the administrator that undo what the generator writes.
//!
//! systemd reads drop-ins in the order of their names and after the unit itself, so a later one has
//! the last word. Each of its lines is compared with what the generated unit says: it may take away
//! our lines, or take the place of a setting by which the ward recovers. Other settings, such as
//! `Nice=`, are the administrator's to change.

use crate::core::config::time_span;
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

/// Settings of `[Service]` that decide whether, when and how a service is restarted. A ward that
/// sets one of them means it.
const MEANT: [&str; 13] = [
    "Restart",
    "RestartSec",
    "RestartSteps",
    "RestartMaxDelaySec",
    "RestartMode",
    "Type",
    "KillMode",
    "RemainAfterExit",
    "GuessMainPID",
    "WatchdogSec",
    "NotifyAccess",
    "OOMPolicy",
    "RootDirectoryStartOnly",
];

/// Lists of exit statuses, which decide what is a failure and what is restarted.
const STATUSES: [&str; 3] = [
    "RestartPreventExitStatus",
    "RestartForceExitStatus",
    "SuccessExitStatus",
];

/// Returns warnings about the lines of drop-ins that undo the unit of `ward`, the first of
/// `outputs`.
pub(in crate::shell::cli) fn warnings(
    root: &Path,
    ward: &Ward,
    outputs: &[Output],
) -> Vec<Problem> {
    let Some(Content::File(ours)) = outputs.first().map(|output| &output.content) else {
        return Vec::new();
    };
    // A drop-in for a generated unit always comes after it.
    let after = (ward.form != Form::Defined).then_some(DROP_IN);
    let unit = Generated { ward, ours, after };
    let lines = unit_files::drop_in_lines(root, &ward.unit(), after);
    let told = lines
        .iter()
        .enumerate()
        .filter_map(|(index, (section, line))| {
            let later = &lines[index + 1..];
            let is_last = !later.iter().any(|(_, other)| other.key == line.key);
            let text = unit
                .undone_by(section, line, later)
                .or_else(|| unit.limit_changed_by(section, line))
                .or_else(|| is_last.then(|| unit.replaced_by(section, line))?)?;
            Some(Problem {
                at: line.at.clone(),
                mistake: Mistake::Warning(text),
            })
        });
    told.collect()
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

    /// Returns the second way out, beside taking the line out: a drop-in may be named so that ours
    /// has the last word.
    fn or_rename(&self) -> &'static str {
        match self.after {
            Some(_) => ", or name the file so that it sorts before 50-unitward.conf",
            None => "",
        }
    }

    /// Returns the warning about the line of a drop-in that undoes lines of Unitward's own.
    fn undone_by(
        &self,
        section: &str,
        line: &NativeLine,
        later: &[(String, NativeLine)],
    ) -> Option<String> {
        let source = self.ward.path.display();
        let (key, value) = (line.key.as_str(), line.value.as_str());
        let text = match (section, key) {
            ("Service", _)
                if LISTS.contains(&key) && value.is_empty() && self.written(key).is_some() =>
            {
                format!(
                    "this takes away the {key}= lines of {source}, without which no recovery runs; take the line out{}",
                    self.or_rename()
                )
            }
            ("Service", "TimeoutStartSec" | "TimeoutStopSec") => {
                let is_replaced = later
                    .iter()
                    .any(|(at, other)| at == section && [key, "TimeoutSec"].contains(&&*other.key));
                if is_replaced {
                    return None;
                }
                let needed = self
                    .written(key)
                    .filter(|needed| is_shorter(value, needed))?;
                format!(
                    "this takes the place of {key}={needed}, which the steps in {source} need; write {needed}"
                )
            }
            ("Service", "TimeoutSec") => {
                let keys = ["TimeoutStartSec", "TimeoutStopSec"];
                let (key, needed) = keys
                    .iter()
                    .filter_map(|key| Some((*key, self.written(key)?)))
                    .find(|(key, needed)| {
                        is_shorter(value, needed)
                            && !later.iter().any(|(_, other)| other.key == **key)
                    })?;
                format!(
                    "this takes the place of {key}={needed}, which the steps in {source} need; add {key}={needed} behind it"
                )
            }
            ("Service", "PIDFile")
                if !value.is_empty() && self.ours.lines().any(|line| line == "PIDFile=") =>
            {
                format!(
                    "this file is read after the ward's, and with its lines systemd waits for it at each start, though Type= is not forking: \
                 a start fails when {value} does not come; take the line out, or name the file so that it sorts before 50-unitward.conf"
                )
            }
            _ => return None,
        };
        Some(text)
    }

    /// Returns the warning about a line that changes systemd's own start limit.
    fn limit_changed_by(&self, section: &str, line: &NativeLine) -> Option<String> {
        let source = self.ward.path.display();
        let (key, value) = (line.key.as_str(), line.value.as_str());
        let text = match (section, key) {
            ("Unit" | "Service", "StartLimitIntervalSec" | "StartLimitInterval")
                if !["0", ""].contains(&value) =>
            {
                format!(
                    "this changes systemd's start limit, the net beneath DeathLimit= in {source}; take the line out"
                )
            }
            // A burst of 0 means no limit.
            ("Unit" | "Service", "StartLimitBurst")
                if self
                    .written(key)
                    .is_some_and(|wide| is_narrower(value, wide)) =>
            {
                format!(
                    "this narrows systemd's start limit below DeathLimit= in {source}; take the line out"
                )
            }
            ("Unit" | "Service", "StartLimitAction")
                if self.written(key).is_some() && !["none", ""].contains(&value) =>
            {
                format!(
                    "this gives an action to systemd's start limit, the net beneath DeathLimit= in {source}; take the line out, and \
                     write OnLimit= in [Recovery] of the ward"
                )
            }
            _ => return None,
        };
        Some(text)
    }

    /// Returns the warning about the line of a drop-in, the last of its key, that takes the place of
    /// a setting by which the ward recovers.
    fn replaced_by(&self, section: &str, line: &NativeLine) -> Option<String> {
        let (key, value) = (line.key.as_str(), line.value.as_str());
        if section != "Service" {
            return None;
        }
        if STATUSES.contains(&key) {
            return self.adds_to(line);
        }
        let written = self.written(key).filter(|_| MEANT.contains(&key));
        // systemd ignores an empty value of these.
        let is_changed = !value.is_empty() && written.is_some_and(|ours| !is_same(ours, value));
        let stops = key == "Restart" && value == "no" && written != Some("no");
        if !stops && !is_changed {
            return None;
        }
        // The generator's own default is no word of the ward's.
        let says = self.own(key).next().is_some();
        if !stops && !says && key != "RootDirectoryStartOnly" {
            return None;
        }
        let (unit, source) = (self.ward.unit(), self.ward.path.display());
        let effect = match written {
            _ if stops => {
                format!("so systemd does not restart {unit}")
            }
            _ if key == "RootDirectoryStartOnly" => {
                format!("so the lines that Unitward adds to {unit} cannot run")
            }
            Some(ours) => format!("in place of {key}={ours}"),
            None => return None,
        };
        let advice = match self.after {
            Some(_) if says => self.or_rename().to_owned(),
            _ if key == "RootDirectoryStartOnly" => String::new(),
            _ => format!(", or write {key}={value} in [Service] of the ward if that is meant"),
        };
        Some(format!(
            "this sets {key}={value} behind what {source} makes, {effect}; take the line out{advice}"
        ))
    }

    /// Returns the warning about a line that resets, or adds to, exit statuses that the ward lists.
    fn adds_to(&self, line: &NativeLine) -> Option<String> {
        let (key, value) = (&line.key, &line.value);
        let mut own = self
            .own(key)
            .flat_map(|own| own.value.split_whitespace())
            .peekable();
        own.peek()?;
        let own: Vec<_> = own.collect();
        let is_new = value.is_empty() || value.split_whitespace().any(|word| !own.contains(&word));
        is_new.then(|| {
            let does = if value.is_empty() {
                "takes away"
            } else {
                "adds to"
            };
            format!(
                "this {does} {key}={} of {}; take the line out{}",
                own.join(" "),
                self.ward.path.display(),
                match self.after {
                    Some(_) if value.is_empty() => self.or_rename().to_owned(),
                    _ => format!(", or write {key}= in the ward as it is meant"),
                }
            )
        })
    }

    /// The ward's own lines of this key in `[Service]`.
    fn own<'k>(&self, key: &'k str) -> impl Iterator<Item = &'a NativeLine> + use<'a, 'k> {
        let lines = &self.ward.native.service;
        lines
            .iter()
            .filter(move |line| line.key == key && !line.value.is_empty())
    }
}

/// Returns true if two values of a setting say the same.
fn is_same(ours: &str, theirs: &str) -> bool {
    let switch = |value: &str| match value {
        "yes" | "true" | "on" | "1" => Some(true),
        "no" | "false" | "off" | "0" => Some(false),
        _ => None,
    };
    let spans = (time_span::parse(ours), time_span::parse(theirs));
    ours == theirs
        || matches!(spans, (Ok(ours), Ok(theirs)) if ours == theirs)
        || switch(ours).is_some_and(|on| switch(theirs) == Some(on))
}

/// Returns true if a drop-in's time-out is below ours. `infinity` and 0 are none.
fn is_shorter(theirs: &str, ours: &str) -> bool {
    let (Ok(theirs), Ok(ours)) = (time_span::parse(theirs), time_span::parse(ours)) else {
        return false;
    };
    !theirs.is_zero() && theirs < ours
}

/// Returns true if a drop-in's number of starts is a limit below ours.
fn is_narrower(theirs: &str, ours: &str) -> bool {
    let (Ok(theirs), Ok(ours)) = (theirs.parse::<u32>(), ours.parse::<u32>()) else {
        return false;
    };
    0 < theirs && theirs < ours
}
