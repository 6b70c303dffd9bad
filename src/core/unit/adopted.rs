//! The settings in the files of an adopted unit that the generator needs.

use super::hidden;
use super::timeouts::{Timeout, given};
use crate::core::config::Ward;
use crate::core::config::read_native::{value, values};
use crate::core::config::ward::NativeLine;
use std::time::Duration;

/// The settings in an adopted unit's own files that the drop-in depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdoptedUnit {
    /// All `[Service]` lines of its main file and of the drop-ins that sort before ours, in the
    /// order they apply.
    pub lines: Vec<NativeLine>,
    /// All `[Service]` lines of the drop-ins that sort after ours, which take precedence.
    pub later: Vec<NativeLine>,
    /// Of a template those in the drop-ins of single instances: what one of them may be confined by.
    pub of_instances: Vec<NativeLine>,
    /// `Type=`.
    pub kind: Option<String>,
    /// `Restart=`.
    pub restart: Option<String>,
    /// True if `RootDirectory=` or `RootImage=` gives it a root of its own.
    pub rooted: bool,
    /// Lines of its mounts, which may hide paths that our lines need.
    pub mounts: Vec<NativeLine>,
    /// `User=`.
    pub user: Option<String>,
    /// `Delegate=`.
    pub delegate: Option<String>,
    /// Values of the settings that give the service directories of its own.
    pub directories: Vec<String>,
    /// Values of `EnvironmentFile=`.
    pub environment_files: Vec<String>,
    /// `TimeoutStartSec=` or `TimeoutSec=`.
    pub start: Timeout,
    /// `TimeoutStopSec=` or `TimeoutSec=`.
    pub stop: Timeout,
}

/// Settings whose directories become the service's user's: below `/run`, `/var/lib`, `/var/cache`,
/// `/var/log` and `/etc`.
const DIRECTORIES: [&str; 5] = [
    "RuntimeDirectory",
    "StateDirectory",
    "CacheDirectory",
    "LogsDirectory",
    "ConfigurationDirectory",
];

impl AdoptedUnit {
    /// Reads the `[Service]` lines of its files, in the order they apply: `lines` before our own
    /// drop-in, `later` after it.
    #[must_use]
    pub fn new(lines: Vec<NativeLine>, later: Vec<NativeLine>) -> Self {
        let mut all = lines;
        let before = all.len();
        all.extend(later);
        let read = Self::read(&all);
        let later = all.split_off(before);
        Self {
            lines: all,
            later,
            ..read
        }
    }

    /// Returns true if its own settings give lines at least `growth` of time; `key` is
    /// `TimeoutStartSec` or `TimeoutStopSec`.
    #[must_use]
    pub fn lets_take(&self, key: &str, growth: Duration) -> bool {
        let is_start = key == "TimeoutStartSec";
        match if is_start { self.start } else { self.stop } {
            Timeout::Never => true,
            Timeout::After(span) => span >= growth,
            // A oneshot's start has no time-out unless one is given (systemd.service(5)).
            Timeout::Default => is_start && self.kind.as_deref() == Some("oneshot"),
        }
    }

    fn read(service: &[NativeLine]) -> Self {
        Self {
            lines: Vec::new(),
            later: Vec::new(),
            of_instances: Vec::new(),
            kind: value(service, "Type").map(str::to_owned),
            restart: value(service, "Restart").map(str::to_owned),
            rooted: rooted(service),
            mounts: service
                .iter()
                .filter(|line| hidden::KEYS.contains(&line.key.as_str()))
                .cloned()
                .collect(),
            user: value(service, "User").map(str::to_owned),
            delegate: value(service, "Delegate").map(str::to_owned),
            directories: DIRECTORIES
                .iter()
                .flat_map(|key| values(service, key))
                .map(|line| line.value.clone())
                .collect(),
            environment_files: values(service, "EnvironmentFile")
                .map(|line| line.value.clone())
                .collect(),
            start: given(service, "TimeoutStartSec"),
            stop: given(service, "TimeoutStopSec"),
        }
    }
}

/// All `[Service]` lines of a ward's unit in the order they apply, without those that we add.
#[derive(Debug, Clone, Copy)]
pub struct ServiceLines<'a> {
    ward: &'a Ward,
    adopted: Option<&'a AdoptedUnit>,
}

impl<'a> ServiceLines<'a> {
    /// Takes the lines of the unit that `ward` defines or adopts.
    #[must_use]
    pub fn of(ward: &'a Ward, adopted: Option<&'a AdoptedUnit>) -> Self {
        Self { ward, adopted }
    }

    /// Iterates over the lines.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = &'a NativeLine> {
        let before = self.adopted.into_iter().flat_map(|unit| &unit.lines);
        let later = self.adopted.into_iter().flat_map(|unit| &unit.later);
        before.chain(&self.ward.native.service).chain(later)
    }

    /// Returns the effective line of `key`: the last, unless it is empty.
    #[must_use]
    pub fn last(self, key: &str) -> Option<&'a NativeLine> {
        self.iter()
            .rfind(|line| line.key == key)
            .filter(|line| !line.value.is_empty())
    }

    /// Returns the effective value of `key`.
    #[must_use]
    pub fn value(self, key: &str) -> Option<&'a str> {
        self.last(key).map(|line| line.value.as_str())
    }

    /// Returns true if the line is one of a drop-in that sorts after ours, and so has the last word.
    #[must_use]
    pub fn is_later(self, line: &NativeLine) -> bool {
        self.adopted
            .into_iter()
            .flat_map(|unit| &unit.later)
            .any(|later| std::ptr::eq(later, line))
    }

    /// Returns the effective lines of a list, resets applied.
    #[must_use]
    pub fn values(self, key: &str) -> Vec<&'a NativeLine> {
        let mut standing = Vec::new();
        for line in self.iter().filter(|line| line.key == key) {
            if line.value.is_empty() {
                standing.clear();
            } else {
                standing.push(line);
            }
        }
        standing
    }

    /// Returns true if the line is one of the ward, not of the unit's own files.
    #[must_use]
    pub fn is_of_ward(self, line: &NativeLine) -> bool {
        self.ward
            .native
            .service
            .iter()
            .any(|own| std::ptr::eq(own, line))
    }
}

/// Returns true if the lines give the service a root of its own, which does not contain the helper.
pub(super) fn rooted(service: &[NativeLine]) -> bool {
    ["RootDirectory", "RootImage"]
        .iter()
        .any(|key| value(service, key).is_some())
}
