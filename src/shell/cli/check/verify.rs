//! One call of `systemd-analyze verify` for all planned units, and its complaints.
//!
//! systemd sees the host as it would be after a reload, each unit as `systemctl cat` would show it: what the generator is to write
//! stands at the generator's place in the search path (systemd.unit(5)), before what it wrote last time, and whatever the packages,
//! the administrator and other generators have written stands at theirs. No generator is run.
//!
//! Nothing is written but in a temporary directory; `systemd-analyze` makes an empty one of its own in `/tmp`, and removes it.

use crate::core::unit::{Content, Output, Rank};
use crate::edge::program::HostProgram;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output as Done;

/// The directories of the search path before those of generators, and behind the first of these.
const BEFORE: [&str; 8] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
];
const BEHIND: [&str; 4] = [
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const LAST: &str = "/run/systemd/generator.late";

/// How long it may take, in seconds. Two hundred wards take less than one.
const PATIENCE: &str = "30";

/// Longest part of its words that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// Exit statuses of timeout(1): it had to end the other, or to kill it; it could not run it.
const TIMED_OUT: [i32; 2] = [124, 137];
const NOT_RUN: [i32; 2] = [126, 127];

/// Something systemd complains of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Complaint {
    /// A line of a file.
    Line {
        file: File,
        line: usize,
        text: String,
    },
    /// A unit as a whole.
    Unit { unit: String, text: String },
    /// It will not load the unit, for what it complained of just before.
    NotLoaded { unit: String },
    /// Units that wait for each other, so that it has to leave one of them out.
    Cycle { units: Vec<String> },
}

/// The file that a line stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum File {
    /// One of those that the generator is to write, as it is called there.
    Planned(String),
    /// Another one.
    Other(PathBuf),
}

/// The name of the unit that a planned file belongs to.
pub(super) fn unit_of(output: &Output) -> &str {
    output
        .path
        .split_once(".d/")
        .map_or(output.path.as_str(), |(unit, _)| unit)
}

/// Says that the units could not be written for systemd.
fn not_written(error: io::Error) -> String {
    format!("failed to write them into a temporary directory: {error}")
}

/// Shows systemd the units.
///
/// # Errors
/// Why it has not judged them.
pub(super) fn complaints(outputs: &[Output]) -> Result<Vec<Complaint>, String> {
    let files = outputs
        .iter()
        .filter(|output| matches!(output.content, Content::File(_)));
    let units: BTreeSet<_> = files.map(unit_of).collect();
    if units.is_empty() {
        return Ok(Vec::new());
    }
    let place = tempfile::Builder::new()
        .prefix("unitward-check.")
        .tempdir()
        .map_err(not_written)?;
    // The directory of a unit that is named comes first in the search path: so that must have nothing in it.
    let [ours, late, empty] =
        ["generator", "generator.late", "empty"].map(|name| place.path().join(name));
    for directory in [&ours, &late, &empty] {
        fs::create_dir(directory).map_err(not_written)?;
    }
    for output in outputs {
        write(
            if output.rank == Rank::Late {
                &late
            } else {
                &ours
            },
            output,
        )
        .map_err(not_written)?;
    }
    let (ours, late) = (ours.display().to_string(), late.display().to_string());
    let path: Vec<_> = BEFORE
        .into_iter()
        .chain([ours.as_str()])
        .chain(BEHIND)
        .chain([late.as_str(), LAST])
        .collect();
    let done = HostProgram::Timeout
        .command()
        .args([
            "--kill-after=5",
            PATIENCE,
            HostProgram::SystemdAnalyze.path(),
        ])
        .args([
            "verify",
            "--man=no",
            "--generators=no",
            "--recursive-errors=one",
            "--",
        ])
        .args(units)
        .current_dir(&empty)
        .env("SYSTEMD_UNIT_PATH", path.join(":"))
        .envs([
            ("SYSTEMD_LOG_TARGET", "console"),
            ("SYSTEMD_LOG_LEVEL", "warning"),
            ("SYSTEMD_COLORS", "0"),
        ])
        .output()
        .map_err(|error| format!("failed to run systemd-analyze: {error}"))?;
    said(&done).map(|said| read(said.lines(), &format!("{ours}/")))
}

fn write(directory: &Path, output: &Output) -> io::Result<()> {
    let path = directory.join(&output.path);
    fs::create_dir_all(path.parent().unwrap_or(directory))?;
    match &output.content {
        Content::File(text) => fs::write(&path, text),
        Content::Link(target) => symlink(target, &path),
    }
}

/// What it said; or why it said nothing.
fn said(done: &Done) -> Result<String, String> {
    let said = &done.stderr[..done.stderr.len().min(LONGEST)];
    let said = String::from_utf8_lossy(said).into_owned();
    match done.status.code() {
        Some(status) if TIMED_OUT.contains(&status) => {
            Err(format!("systemd-analyze takes longer than {PATIENCE} s"))
        }
        Some(status) if NOT_RUN.contains(&status) => Err(format!(
            "failed to run systemd-analyze: {}",
            said.lines().next().unwrap_or("it said nothing")
        )),
        _ => Ok(said),
    }
}

/// Takes its lines apart; `planned` begins the paths of planned files.
fn read<'a>(lines: impl Iterator<Item = &'a str>, planned: &str) -> Vec<Complaint> {
    let mut complaints: Vec<Complaint> = Vec::new();
    for line in lines {
        match (complaint(line, planned), complaints.last_mut()) {
            (Some(Complaint::Unit { text, .. }), Some(Complaint::Cycle { units }))
                if text.starts_with("Found dependency on ") =>
            {
                units.extend(jobs(&text));
            }
            (Some(Complaint::Unit { text, .. }), _) if text.starts_with("Found ordering cycle") => {
                complaints.push(Complaint::Cycle {
                    units: jobs(&text).collect(),
                });
            }
            (complaint, _) => complaints.extend(complaint),
        }
    }
    complaints
}

/// The units whose start is named: `a.service/start`.
fn jobs(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace()
        .filter_map(|word| word.strip_suffix("/start"))
        .map(str::to_owned)
}

/// `FILE:LINE: TEXT`, `UNIT: TEXT`, `Unit UNIT has a bad unit file setting.`
fn complaint(line: &str, planned: &str) -> Option<Complaint> {
    if let Some(unit) = line
        .strip_prefix("Unit ")
        .and_then(|rest| rest.strip_suffix(" has a bad unit file setting."))
    {
        return Some(Complaint::NotLoaded {
            unit: unit.to_owned(),
        });
    }
    let (place, text) = line.split_once(": ")?;
    let text = text.trim_end_matches('.').to_owned();
    if !place.starts_with('/') {
        let is_unit = place.contains('.') && !place.contains(char::is_whitespace);
        return is_unit.then(|| Complaint::Unit {
            unit: place.to_owned(),
            text,
        });
    }
    let (path, line) = place.rsplit_once(':')?;
    let file = path.strip_prefix(planned).map_or_else(
        || File::Other(path.into()),
        |path| File::Planned(path.into()),
    );
    Some(Complaint::Line {
        file,
        line: line.parse().ok()?,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(unit: &str, text: &str) -> Complaint {
        Complaint::Unit {
            unit: unit.to_owned(),
            text: text.to_owned(),
        }
    }

    fn line(file: File, line: usize, text: &str) -> Complaint {
        Complaint::Line {
            file,
            line,
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_complaint_is_taken_apart() {
        let ours = |path: &str| File::Planned(path.to_owned());
        for (said, expected) in [
            (
                "/t/web.service:6: Unknown key 'Foo' in section [Service], ignoring.",
                Some(line(
                    ours("web.service"),
                    6,
                    "Unknown key 'Foo' in section [Service], ignoring",
                )),
            ),
            (
                "/t/a.service.d/50.conf:2: Bad: x",
                Some(line(ours("a.service.d/50.conf"), 2, "Bad: x")),
            ),
            (
                "/etc/a.service:3: Bad",
                Some(line(File::Other("/etc/a.service".into()), 3, "Bad")),
            ),
            (
                "web.service: Command /x is not executable",
                Some(unit("web.service", "Command /x is not executable")),
            ),
            (
                "Unit a.b.service has a bad unit file setting.",
                Some(Complaint::NotLoaded {
                    unit: "a.b.service".into(),
                }),
            ),
            ("Unit absent.service not found.", None),
            ("Failed to do it: no", None),
            ("web.service", None),
        ] {
            assert_eq!(complaint(said, "/t/"), expected, "{said}");
        }
    }

    #[test]
    fn a_cycle_is_one_complaint_in_the_words_of_each_version() {
        let of_252 = "a.service: Found ordering cycle on b.service/start\n\
                      a.service: Found dependency on a.service/start\n\
                      a.service: Job b.service/start deleted to break ordering cycle starting with a.service/start";
        let of_262 = "a.service: Found ordering cycle: b.service/start after a.service/start - after b.service";
        let cycle = Complaint::Cycle {
            units: vec!["b.service".into(), "a.service".into()],
        };
        for said in [of_252, of_262] {
            assert_eq!(read(said.lines(), "/t/").first(), Some(&cycle), "{said}");
        }
    }
}
