//! Files in the configuration's directories that look like configuration and are not read.
//!
//! Passwords, certificates and notes may lie beside the wards. A file counts as configuration if
//! its name has `.ward`, `.stack` or `.sr` before another ending or ends in `.conf`, or, below `/etc`,
//! if its first section is one of ours or of a service.

use crate::core::config::{ConditionKind, Mistake, Place, Problem};
use crate::edge::paths;
use crate::edge::root::SEARCH_PATH;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;

/// Endings of the names of files that are read.
const READ: [&str; 3] = [".ward", ".stack", ".sr"];

/// Number of bytes of a file that are read to find its first section.
const BEGINNING: u64 = 4096;

/// The warnings.
pub(super) fn warnings(below: &Path) -> Vec<Problem> {
    let listings =
        SEARCH_PATH.map(|directory| (Path::new(directory), names(below, Path::new(directory))));
    let all: BTreeSet<&str> = listings
        .iter()
        .flat_map(|(_, names)| names)
        .map(String::as_str)
        .collect();
    let mut warnings = Vec::new();
    for (directory, names) in &listings {
        for name in names {
            let path = directory.join(name);
            match name.strip_suffix(".d") {
                Some(main) if is_read(main) || main == "unitward.conf" => {
                    warnings.extend(drop_ins(
                        below,
                        &path,
                        all.contains(main) || main == "unitward.conf",
                    ));
                }
                _ if is_read(name) || name == "unitward.conf" || name.starts_with('.') => {}
                _ => warnings.extend(meant(below, &path, name)),
            }
        }
    }
    warnings
}

fn is_read(name: &str) -> bool {
    READ.iter().any(|ending| name.ends_with(ending))
}

fn names(below: &Path, directory: &Path) -> Vec<String> {
    let listing = paths::resolve(below, directory).map(fs::read_dir);
    let entries = listing.into_iter().flatten().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Returns the problems of a directory of drop-ins.
fn drop_ins(below: &Path, directory: &Path, has_main: bool) -> Vec<Problem> {
    let name = directory
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if !paths::below(below, directory).is_dir() {
        return vec![unread(
            directory,
            format!("{name} is the name of a directory of drop-ins; rename the file"),
        )];
    }
    let names = names(below, directory);
    if !has_main {
        let main = name.trim_end_matches(".d");
        let why = format!(
            "there is no {main}, which the drop-ins in it belong to; write that, or rename the directory"
        );
        return vec![unread(directory, why)];
    }
    let wrong = names
        .iter()
        .filter(|name| !name.ends_with(".conf") && !name.starts_with('.'));
    wrong
        .map(|name| {
            let why =
                "the names of drop-ins end in .conf; rename the file, or remove it".to_owned();
            unread(&directory.join(name), why)
        })
        .collect()
}

/// Warns of a file that looks like configuration and is not read.
fn meant(below: &Path, path: &Path, name: &str) -> Option<Problem> {
    let outside = paths::resolve(below, path)?;
    if !outside.is_file() {
        return None;
    }
    let kept = ["~", ".bak", ".orig", ".old", ".save", ".swp", ".rej"]
        .iter()
        .any(|ending| name.ends_with(ending));
    let lowercase = name.to_ascii_lowercase();
    if READ.iter().any(|ending| {
        lowercase.contains(&[*ending, "."].concat()) || kept && name.contains(*ending)
    }) {
        return Some(unread(
            path,
            "its name does not end in .ward or .stack; rename it, or remove it".to_owned(),
        ));
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let in_etc = path.starts_with("/etc");
    let ending = match first_section(&outside).filter(|_| in_etc).as_deref() {
        Some("Stack") => ".stack",
        Some("Node" | "MQTT" | "Reports" | "Watch") => {
            let why = "settings stand in unitward.conf or unitward.conf.d/*.conf; move it there, or remove it";
            return Some(unread(path, why.to_owned()));
        }
        Some(_) => ".ward",
        None if name.ends_with(".conf") => {
            let why = format!(
                "a ward is called {stem}.ward, and settings stand in unitward.conf.d/{name}; rename it, or move it there"
            );
            return Some(unread(path, why));
        }
        None => return None,
    };
    let nearest = Some([stem, ending].concat());
    let why = format!("the name of a {} ends in {ending}; rename it", &ending[1..]);
    Some(Problem {
        at: Place::whole(path.into()),
        mistake: Mistake::Unread { why, nearest },
    })
}

/// Returns the first section of a file, if it is one of ours or of a service.
fn first_section(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .ok()?
        .take(BEGINNING)
        .read_to_end(&mut bytes)
        .ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with(['#', ';']))?;
    let name = line.strip_prefix('[')?.strip_suffix(']')?;
    let word = name.split_whitespace().next()?;
    let plain = [
        "Unit", "Service", "Install", "Ward", "Recovery", "Stack", "Node", "MQTT", "Reports",
        "Watch",
    ];
    let known = plain.contains(&word)
        || ConditionKind::SECTIONS
            .iter()
            .any(|(section, _)| *section == word);
    known.then(|| word.to_owned())
}

fn unread(path: &Path, why: String) -> Problem {
    Problem {
        at: Place::whole(path.into()),
        mistake: Mistake::Unread { why, nearest: None },
    }
}
