//! Sections that hold plain keys: each key once or more, the last value stands, an empty one resets it.

use super::problem::{Cost, Mistake, Problem};
use super::syntax::{Entry, Section};
use super::wrong::{Wrong, nearest};

/// Why a value was refused; [`Mistake::NotYet`] for values of a later version.
pub(super) enum Refusal {
    /// It does not fit.
    Bad(Wrong),
    /// It is a key or value this version does not do.
    NotYet(String),
    /// The key is not one of this section.
    Unknown,
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self::Bad(why.into())
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Bad(why.into())
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        Self::Bad(wrong)
    }
}

/// Feeds every line of `section` to `set`, which takes key and value, and says what went wrong.
pub(super) fn read(
    section: &Section<'_>,
    keys: &[&str],
    mut set: impl FnMut(&str, &str) -> Result<(), Refusal>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for entry @ Entry { key, value, at, .. } in &section.entries {
        let mistake = match set(key, value) {
            Ok(()) => continue,
            Err(Refusal::Bad(wrong)) => {
                let at = entry.place_of(wrong.offset);
                let mistake = Mistake::BadValue { key: key.to_string(), value: value.to_string(), wrong };
                problems.push(Problem { at, mistake });
                continue;
            }
            Err(Refusal::NotYet(what)) => {
                Mistake::NotYet { what, left_out: "the line is ignored".into(), cost: Cost::Key }
            }
            Err(Refusal::Unknown) => Mistake::UnknownKey {
                section: section.name.to_string(),
                key: key.to_string(),
                nearest: nearest(key, keys.iter().copied()),
            },
        };
        problems.push(Problem { at: at.clone(), mistake });
    }
    problems.extend(
        section
            .strays
            .iter()
            .map(|stray| Problem { at: stray.at.clone(), mistake: Mistake::NotALine { found: stray.found.clone() } }),
    );
    problems
}

/// Says of unknown keys that are known elsewhere where that is; `home` tells the section.
pub(super) fn sent_home(problems: Vec<Problem>, home: impl Fn(&str) -> Option<&'static str>) -> Vec<Problem> {
    let send = |problem: Problem| match problem.mistake {
        Mistake::UnknownKey { section, key, nearest } => {
            let mistake = match home(&key) {
                Some(home) => Mistake::WrongSection { section, key, home },
                None => Mistake::UnknownKey { section, key, nearest },
            };
            Problem { mistake, ..problem }
        }
        mistake => Problem { mistake, ..problem },
    };
    problems.into_iter().map(send).collect()
}

/// A boolean as systemd reads it (systemd.syntax(7)).
///
/// # Errors
/// What is expected.
pub(super) fn boolean(value: &str) -> Result<bool, Wrong> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" | "y" | "t" => Ok(true),
        "0" | "no" | "false" | "off" | "n" | "f" | "" => Ok(false),
        _ => Err(Wrong::none_of(value, ["yes", "no"])),
    }
}
