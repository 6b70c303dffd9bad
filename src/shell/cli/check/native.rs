//! Complaints of the host's own systemd about the native sections.
//!
//! Keys and their valid values differ between versions, so only systemd itself can judge them: the
//! units are written into a temporary directory, `systemd-analyze verify` reads them once for all
//! wards, and a complaint about a line that came from a ward is reported at the ward's line.
//! Complaints about other lines are dropped.

use super::Checked;
use crate::core::config::ward::NativeLine;
use crate::core::config::{Mistake, Problem, Ward, most_like};
use crate::core::unit::Content;
use crate::edge::program::HostProgram;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Returns systemd's complaints as problems.
///
/// # Errors
/// The reason why systemd was not asked.
pub(super) fn warnings(root: &Path, checked: &Checked) -> Result<Vec<Problem>, String> {
    if root != Path::new("/") {
        return Err(format!("the one below {} is another", root.display()));
    }
    let units: HashMap<&str, (&Ward, &str)> = checked
        .guarded
        .iter()
        .filter_map(|(ward, output)| {
            let output = checked.outputs.get(*output)?;
            let Content::File(text) = &output.content else { return None };
            Some((output.path.as_str(), (ward, text.as_str())))
        })
        .collect();
    if units.is_empty() {
        return Ok(Vec::new());
    }
    let complaints = complaints(&units)?;
    let mut problems: Vec<Problem> = complaints.iter().filter_map(|complaint| said_of(&units, complaint)).collect();
    if problems.iter().any(|problem| matches!(problem.mistake, Mistake::UnknownNative { .. })) {
        let (who, keys) = (version(), known_keys());
        for problem in &mut problems {
            name_nearest(&mut problem.mistake, &who, &keys);
        }
    }
    Ok(problems)
}

/// A line of a unit and systemd's complaint about it.
struct Complaint {
    unit: String,
    line: usize,
    text: String,
}

/// Has systemd verify the units, and returns its complaints.
fn complaints(units: &HashMap<&str, (&Ward, &str)>) -> Result<Vec<Complaint>, String> {
    let failed = |error: std::io::Error| format!("failed to write them into a temporary directory: {error}");
    let directory = tempfile::Builder::new().prefix("unitward-check.").tempdir().map_err(failed)?;
    for (path, (_, text)) in units {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(directory.path()))
            .and_then(|()| fs::write(&path, text))
            .map_err(failed)?;
    }
    // An empty end of the search path stands for the usual one (systemd.unit(5)).
    let search_path = format!("{}:", directory.path().display());
    let done = HostProgram::SystemdAnalyze
        .command()
        .args(["verify", "--man=no", "--recursive-errors=no", "--"])
        .args(units.values().map(|(ward, _)| ward.unit().to_string()))
        .current_dir(directory.path())
        .env("SYSTEMD_UNIT_PATH", search_path)
        .envs([("SYSTEMD_LOG_TARGET", "console"), ("SYSTEMD_LOG_LEVEL", "warning"), ("SYSTEMD_COLORS", "0")])
        .output()
        .map_err(|error| format!("failed to run systemd-analyze: {error}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    let prefix = format!("{}/", directory.path().display());
    Ok(said.lines().filter_map(|line| complaint(line.strip_prefix(&prefix)?)).collect())
}

/// Parses a line `UNIT:LINE: TEXT`.
fn complaint(line: &str) -> Option<Complaint> {
    let (place, text) = line.split_once(": ")?;
    let (unit, line) = place.rsplit_once(':')?;
    Some(Complaint { unit: unit.to_owned(), line: line.parse().ok()?, text: text.trim_end_matches('.').to_owned() })
}

/// Returns the complaint as a problem at the ward's line that the unit's line came from.
fn said_of(units: &HashMap<&str, (&Ward, &str)>, complaint: &Complaint) -> Option<Problem> {
    let (ward, text) = units.get(complaint.unit.as_str())?;
    let (section, line) = origin(ward, text, complaint.line)?;
    let unknown = complaint.text.starts_with("Unknown key");
    let mistake = if unknown {
        let (who, key) = ("systemd".to_owned(), line.key.clone());
        Mistake::UnknownNative { who, section: section.to_owned(), key, nearest: None }
    } else {
        Mistake::Warning(format!("systemd says of {}={}: {}; correct the value", line.key, line.value, complaint.text))
    };
    let at = if unknown { line.at.clone() } else { line.place_of(0) };
    Some(Problem { at, mistake })
}

/// Returns the ward's line from which line `number` of its unit was written, and its section.
///
/// Lines are copied unchanged, so the second occurrence of a line is the ward's second such line.
fn origin<'a>(ward: &'a Ward, unit: &'a str, number: usize) -> Option<(&'a str, &'a NativeLine)> {
    let before: Vec<&str> = unit.lines().take(number).collect();
    let written = *before.last()?;
    let begins = before.iter().rposition(|line| line.starts_with('['))?;
    let section = before[begins].trim_matches(['[', ']']);
    let earlier = before[begins..].iter().filter(|line| **line == written).count() - 1;
    let native = match section {
        "Unit" => &ward.native.unit,
        "Service" => &ward.native.service,
        _ => &ward.native.install,
    };
    let (key, value) = written.split_once('=')?;
    let line = native.iter().filter(|line| line.key == key && line.value == value).nth(earlier)?;
    Some((section, line))
}

/// Returns systemd's name and version, as it prints them: `systemd 252`.
fn version() -> String {
    let line = output(HostProgram::SystemdAnalyze, "--version");
    let words: Vec<_> = line.split_whitespace().take(2).collect();
    if words.len() == 2 { words.join(" ") } else { "systemd".to_owned() }
}

/// Returns the keys that systemd knows, by section.
fn known_keys() -> HashMap<String, Vec<String>> {
    let mut keys: HashMap<String, Vec<String>> = HashMap::new();
    let mut section = String::new();
    for line in output(HostProgram::Systemd, "--dump-configuration-items").lines() {
        match (line.strip_prefix('['), line.split_once('=')) {
            (Some(name), _) => section = name.trim_end_matches(']').to_owned(),
            (None, Some((key, _))) => keys.entry(section.clone()).or_default().push(key.to_owned()),
            (None, None) => {}
        }
    }
    keys
}

/// Returns the standard output of a program, or an empty text if it cannot be run.
fn output(program: HostProgram, argument: &str) -> String {
    let done = program.command().arg(argument).output();
    done.map(|done| String::from_utf8_lossy(&done.stdout).into_owned()).unwrap_or_default()
}

fn name_nearest(mistake: &mut Mistake, version: &str, keys: &HashMap<String, Vec<String>>) {
    if let Mistake::UnknownNative { who, section, key, nearest } = mistake {
        version.clone_into(who);
        let known = keys.get(section.as_str()).into_iter().flatten().map(String::as_str);
        *nearest = most_like(key, known, 0.85);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_taken_apart() {
        for (line, expected) in [
            ("web.service:6: Unknown key 'Foo' in section [Service], ignoring.", Some(("web.service", 6, true))),
            ("a.service.d/50-unitward.conf:2: Invalid x", Some(("a.service.d/50-unitward.conf", 2, false))),
            ("web.service: Command /bin/x is not executable", None),
            ("web.service", None),
        ] {
            let found = complaint(line);
            let found =
                found.as_ref().map(|found| (found.unit.as_str(), found.line, found.text.starts_with("Unknown key")));
            assert_eq!(found, expected, "{line}");
        }
    }
}
