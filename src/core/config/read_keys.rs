//! Sections that hold plain keys: each key once or more, the last value counts, an empty one resets
//! it.

use super::mistake::Applies;
use super::problem::{Cost, Mistake, Problem};
use super::syntax::{Entry, Section};
use super::time_span;
use super::wrong::{Wrong, nearest};
use std::time::Duration;

/// The reason for refusing a line.
pub(super) enum Refusal {
    /// The value does not fit the key.
    Bad(Wrong),
    /// This version does not implement the key or value.
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

/// Feeds key and value of every line of `section` to `set` and returns the problems.
pub(super) fn read(
    section: &Section<'_>,
    keys: &[&str],
    mut set: impl FnMut(&str, &str) -> Result<(), Refusal>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    // Keys whose last line so far has a value that fits; an empty one is the default.
    let mut set_before: Vec<&str> = Vec::new();
    for entry @ Entry { key, value, at, .. } in &section.entries {
        let mistake = match set(key, value) {
            Ok(()) => {
                set_before.retain(|before| *before != key.as_ref());
                set_before.extend((!value.is_empty()).then_some(key.as_ref()));
                continue;
            }
            Err(Refusal::Bad(wrong)) => {
                let at = entry.place_of(wrong.offset);
                let mistake = Mistake::BadValue {
                    key: key.to_string(),
                    value: value.to_string(),
                    wrong,
                    applies: if set_before.contains(&key.as_ref()) {
                        Applies::Earlier
                    } else if at.is_in_drop_in() {
                        Applies::Before
                    } else {
                        Applies::Default
                    },
                };
                problems.push(Problem { at, mistake });
                continue;
            }
            Err(Refusal::NotYet(what)) => Mistake::NotYet {
                what,
                left_out: "the line is ignored".into(),
                cost: Cost::Key,
            },
            Err(Refusal::Unknown) => Mistake::UnknownKey {
                section: section.name.to_string(),
                key: key.to_string(),
                nearest: nearest(key, keys.iter().copied()),
            },
        };
        problems.push(Problem {
            at: at.clone(),
            mistake,
        });
    }
    problems.extend(section.strays.iter().map(|stray| Problem {
        at: stray.at.clone(),
        mistake: Mistake::NotALine {
            found: stray.found.clone(),
        },
    }));
    problems
}

/// Replaces the problem of an unknown key that another section has; `home` returns that section.
pub(super) fn sent_home(
    problems: Vec<Problem>,
    home: impl Fn(&str) -> Option<&'static str>,
) -> Vec<Problem> {
    problems
        .into_iter()
        .map(|Problem { at, mistake }| Problem {
            at,
            mistake: with_home(mistake, &home),
        })
        .collect()
}

/// Returns the mistake, or instead of an unknown key one of another section if `home` returns that.
fn with_home(mistake: Mistake, home: &impl Fn(&str) -> Option<&'static str>) -> Mistake {
    match mistake {
        Mistake::UnknownKey {
            section,
            key,
            nearest,
        } => match home(&key) {
            Some(home) => Mistake::WrongSection { section, key, home },
            None => Mistake::UnknownKey {
                section,
                key,
                nearest,
            },
        },
        other => other,
    }
}

/// Parses a time span; an empty value stands for the default.
///
/// # Errors
/// As [`time_span::parse`].
pub(super) fn span_or(default: Duration, value: &str) -> Result<Duration, Wrong> {
    if value.is_empty() {
        Ok(default)
    } else {
        time_span::parse(value)
    }
}

/// Parses a boolean as systemd does (systemd.syntax(7)).
///
/// # Errors
/// A [`Wrong`] that names the expected words.
pub(super) fn boolean(value: &str) -> Result<bool, Wrong> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" | "y" | "t" => Ok(true),
        "0" | "no" | "false" | "off" | "n" | "f" | "" => Ok(false),
        _ => Err(Wrong::none_of(value, ["yes", "no"])),
    }
}
