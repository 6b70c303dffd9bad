//! Sections that hold plain keys: each key once or more, the last value stands, an empty one resets it.

use super::problem::{Cost, Mistake, Problem, nearest};
use super::syntax::{Entry, Section};
use super::ward::Place;

/// Why a value was refused; [`Mistake::NotYet`] for values of a later version.
pub(super) enum Refusal {
    /// It does not fit.
    Bad(String),
    /// It is a key or value this version does not do.
    NotYet(String),
    /// The key is not one of this section.
    Unknown,
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self::Bad(why.to_owned())
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Bad(why)
    }
}

/// Feeds every line of `section` to `set`, which takes key and value, and says what went wrong.
pub(super) fn read(
    section: &Section<'_>,
    keys: &[&str],
    mut set: impl FnMut(&str, &str) -> Result<(), Refusal>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for Entry { key, value, at } in &section.entries {
        let mistake = match set(key, value) {
            Ok(()) => continue,
            Err(Refusal::Bad(why)) => Mistake::BadValue { key: key.to_string(), value: value.to_string(), why },
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
    problems.extend(section.strays.iter().map(|(line, found)| Problem {
        at: Place { path: section.at.path.clone(), line: *line },
        mistake: Mistake::NotALine { found: found.clone() },
    }));
    problems
}

/// A boolean as systemd reads it (systemd.syntax(7)).
///
/// # Errors
/// A sentence that says what is expected.
pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" | "y" | "t" => Ok(true),
        "0" | "no" | "false" | "off" | "n" | "f" | "" => Ok(false),
        _ => Err("expected yes or no".into()),
    }
}
