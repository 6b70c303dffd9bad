//! Names that are checked once, on entry: wards, stacks, units.
//!
//! The rules for unit names are systemd's (systemd.unit(5), `unit_name_is_valid`): letters, digits
//! and `:-_.\@`, at most 255 bytes, a known suffix.

use super::wrong::{Wrong, nearest};
use std::fmt;

/// systemd's specifier for the name of an instance (systemd.unit(5)).
const INSTANCE: &str = "%i";

/// Longest unit name systemd accepts, in bytes.
const UNIT_NAME_MAX: usize = 255;

/// Longest name of a stack, in bytes: unix(7) has 107 for a path, and `/run/unitward/stacks/` takes
/// 21 of them.
const STACK_NAME_MAX: usize = 86;

const SUFFIXES: [&str; 11] = [
    "service",
    "target",
    "socket",
    "mount",
    "automount",
    "swap",
    "timer",
    "path",
    "slice",
    "scope",
    "device",
];

/// The reason for refusing a name; the text continues a sentence: "… is not a unit name: it …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Empty.
    #[error("it is empty")]
    Empty,
    /// Longer than [`UNIT_NAME_MAX`].
    #[error("it is longer than 255 bytes")]
    TooLong,
    /// A character systemd does not allow.
    #[error("only letters, digits and \":-_.\\@\" may stand in it")]
    Character,
    /// No or an unknown suffix.
    #[error("it needs a suffix such as .service or .target")]
    Suffix,
    /// `name@.service`: one file for many units.
    #[error("it is a template; name one instance of it, such as name@instance.service")]
    Template,
    /// Longer than [`STACK_NAME_MAX`].
    #[error("it is longer than 86 bytes, and a socket has no room for more")]
    TooLongForSocket,
    /// An `@` that is not allowed.
    #[error("no \"@\" may stand in it")]
    Instance,
}

/// Returns true if `name` means this unit: the suffix `.service` may be left out.
#[must_use]
pub fn is_meant(unit: &str, name: &str) -> bool {
    unit == name || unit.strip_suffix(".service") == Some(name)
}

/// The name of a unit, instance included, suffix included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName(String);

impl UnitName {
    /// Checks `name`.
    ///
    /// # Errors
    /// [`BadName`], the rule that the name breaks.
    pub fn new(name: &str) -> Result<Self, BadName> {
        let (stem, suffix) = name.rsplit_once('.').ok_or(if name.is_empty() {
            BadName::Empty
        } else {
            BadName::Suffix
        })?;
        if !SUFFIXES.contains(&suffix) {
            return Err(BadName::Suffix);
        }
        check_stem(stem, name.len())?;
        Ok(Self(name.to_owned()))
    }

    /// Checks `name`, which may be a template's: `name@.service`.
    ///
    /// # Errors
    /// [`BadName`] tells which rule it breaks.
    pub fn new_or_template(name: &str) -> Result<Self, BadName> {
        or_template(Self::new(name), || Self(name.to_owned()))
    }

    /// The same for what somebody wrote: with the name that may have been meant.
    ///
    /// # Errors
    /// A [`Wrong`] that says what is wrong and what to write instead.
    pub fn read(name: &str) -> Result<Self, Wrong> {
        Self::new(name).map_err(|why| {
            let nearest = (why == BadName::Suffix)
                .then(|| with_suffix(name))
                .flatten();
            Wrong {
                nearest,
                ..Wrong::from(format!("{name:?} is not a unit: {why}"))
            }
        })
    }

    /// The same where a template may stand.
    ///
    /// # Errors
    /// What is wrong and what to write instead.
    pub fn read_or_template(name: &str) -> Result<Self, Wrong> {
        Self::new_or_template(name).or_else(|_| Self::read(name))
    }

    /// The same in a template's steps, where the instance may be left to systemd: `name@%i.service`.
    ///
    /// # Errors
    /// What is wrong and what to write instead.
    pub fn read_specified(name: &str) -> Result<Self, Wrong> {
        Self::read(&name.replace(INSTANCE, "i"))?;
        Ok(Self(name.to_owned()))
    }

    /// Whether somebody who writes `name` means it, as [`is_meant`] says.
    #[must_use]
    pub fn is_meant_by(&self, name: &str) -> bool {
        is_meant(&self.0, name)
    }

    /// Returns the whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name without its suffix (`%N` in unit files).
    #[must_use]
    pub fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or(&self.0, |(stem, _)| stem)
    }

    /// Returns the unit's type: the part after the last dot.
    #[must_use]
    pub fn suffix(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, suffix)| suffix)
    }

    /// Returns the part before `@`, or the stem if there is none (`%p` in unit files).
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.stem().split('@').next().unwrap_or_default()
    }

    /// Returns the part between `@` and the suffix, empty if there is none (`%i` in unit files).
    #[must_use]
    pub fn instance(&self) -> &str {
        self.stem()
            .split_once('@')
            .map_or("", |(_, instance)| instance)
    }

    /// Whether it is a template: one file for many units.
    #[must_use]
    pub fn is_template(&self) -> bool {
        is_template(self.stem())
    }

    /// The template that it is an instance of.
    #[must_use]
    pub fn template(&self) -> Option<Self> {
        let is_instance = !self.instance().is_empty();
        is_instance.then(|| Self([self.prefix(), "@.", self.suffix()].concat()))
    }

    /// The unit of this instance, where it is a template.
    #[must_use]
    pub fn of_instance(&self, instance: &str) -> Option<Self> {
        self.is_template()
            .then(|| Self::new(&self.with(instance)).ok())
            .flatten()
    }

    /// The name as a template's own lines say it, for each instance to read as its own: `name@%i.service`.
    #[must_use]
    pub fn specified(&self) -> Self {
        if self.is_template() {
            Self(self.with(INSTANCE))
        } else {
            self.clone()
        }
    }

    /// Whether the instance in it is left to systemd.
    #[must_use]
    pub fn is_specified(&self) -> bool {
        self.instance() == INSTANCE
    }

    /// Puts this instance where it was left to systemd.
    pub(super) fn name_instance(&mut self, instance: &str) {
        if self.0.contains(INSTANCE) {
            self.0 = self.0.replace(INSTANCE, instance);
        }
    }

    fn with(&self, instance: &str) -> String {
        [self.prefix(), "@", instance, ".", self.suffix()].concat()
    }

    /// Whether it names a service.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.0.ends_with(".service")
    }

    /// Returns true if it names a target.
    #[must_use]
    pub fn is_target(&self) -> bool {
        self.0.ends_with(".target")
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The name of a ward: the stem of its file, and of the service it defines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WardName(String);

impl WardName {
    /// Checks `name`, which must make a valid name when `.service` is added to it. It may be a template's: `name@`.
    ///
    /// # Errors
    /// [`BadName`], the rule that the name breaks.
    pub fn new(name: &str) -> Result<Self, BadName> {
        let checked =
            check_stem(name, name.len() + ".service".len()).map(|()| Self(name.to_owned()));
        or_template(checked, || Self(name.to_owned()))
    }

    /// Whether it is a template's, whose instances are wards.
    #[must_use]
    pub fn is_template(&self) -> bool {
        is_template(&self.0)
    }

    /// The name of this instance, where it is a template's.
    #[must_use]
    pub fn of_instance(&self, instance: &str) -> Option<Self> {
        let name = self
            .is_template()
            .then(|| Self([&self.0, instance].concat()));
        name.filter(|name| check_stem(&name.0, name.0.len() + ".service".len()).is_ok())
    }

    /// The name as a template's own lines say it: `name@%i`.
    #[must_use]
    pub fn specified(&self) -> Self {
        if self.is_template() {
            Self([&self.0, INSTANCE].concat())
        } else {
            self.clone()
        }
    }

    /// Returns true if it is a template's as its own lines say it ([`Self::specified`]).
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.ends_with(&["@", INSTANCE].concat())
    }

    /// Returns the name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the service of a defined ward of this name.
    #[must_use]
    pub fn service(&self) -> UnitName {
        UnitName([self.0.as_str(), ".service"].concat())
    }
}

impl fmt::Display for WardName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The name of a stack: the stem of its file, and of the target it defines. It is the instance of
/// `unitward-stack@NAME.service` too, so no `@` may stand in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackName(String);

impl StackName {
    /// Checks `name`.
    ///
    /// # Errors
    /// [`BadName`], the rule that the name breaks.
    pub fn new(name: &str) -> Result<Self, BadName> {
        if name.contains('@') {
            return Err(BadName::Instance);
        }
        if name.len() > STACK_NAME_MAX {
            return Err(BadName::TooLongForSocket);
        }
        check_stem(name, name.len())?;
        Ok(Self(name.to_owned()))
    }

    /// Returns the name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the target of a defined stack of this name.
    #[must_use]
    pub fn target(&self) -> UnitName {
        UnitName([self.0.as_str(), ".target"].concat())
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A template's name is right in all but one way.
fn or_template<T>(checked: Result<T, BadName>, template: impl FnOnce() -> T) -> Result<T, BadName> {
    if checked.as_ref().is_err_and(|why| *why == BadName::Template) {
        Ok(template())
    } else {
        checked
    }
}

fn is_template(stem: &str) -> bool {
    stem.split_once('@')
        .is_some_and(|(_, instance)| instance.is_empty())
}

/// The name with the suffix that it may have been meant to have.
fn with_suffix(name: &str) -> Option<String> {
    let meant = name
        .rsplit_once('.')
        .and_then(|(stem, suffix)| Some((stem, nearest(suffix, SUFFIXES)?)));
    let (stem, suffix) = meant.unwrap_or((name, "service".to_owned()));
    let name = [stem, ".", &suffix].concat();
    UnitName::new(&name).is_ok().then_some(name)
}

fn check_stem(stem: &str, whole: usize) -> Result<(), BadName> {
    if stem.is_empty() {
        return Err(BadName::Empty);
    }
    if whole > UNIT_NAME_MAX {
        return Err(BadName::TooLong);
    }
    if stem.starts_with('.')
        || !stem
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c))
    {
        return Err(BadName::Character);
    }
    match stem.split_once('@') {
        Some(("", _)) => Err(BadName::Empty),
        Some((_, "")) => Err(BadName::Template),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
