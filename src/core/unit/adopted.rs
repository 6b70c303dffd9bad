//! What the files of an adopted unit say, as far as we must know.

use super::hidden;
use super::timeouts::{Timeout, given};
use crate::core::config::Ward;
use crate::core::config::read_native::{value, values};
use crate::core::config::ward::NativeLine;
use std::time::Duration;

/// What an adopted unit's own files say, as far as the drop-in must know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdoptedUnit {
    /// All `[Service]` lines of its main file and of the drop-ins that sort before ours, in the
    /// order they apply.
    pub lines: Vec<NativeLine>,
    /// Those of the drop-ins that sort after ours, and so have the last word.
    pub later: Vec<NativeLine>,
    /// `Type=`.
    pub kind: Option<String>,
    /// `Restart=`.
    pub restart: Option<String>,
    /// Whether `RootDirectory=` or `RootImage=` gives it a root of its own.
    pub rooted: bool,
    /// What it mounts, which may hide from our lines what they need.
    pub mounts: Vec<NativeLine>,
    /// `User=`.
    pub user: Option<String>,
    /// `Delegate=`.
    pub delegate: Option<String>,
    /// The values of the settings that give the service directories of its own.
    pub directories: Vec<String>,
    /// The values of `EnvironmentFile=`.
    pub environment_files: Vec<String>,
    /// `TimeoutStartSec=` or `TimeoutSec=`.
    pub start: Timeout,
    /// `TimeoutStopSec=` or `TimeoutSec=`.
    pub stop: Timeout,
}

/// Settings whose directories become the service's user's: below `/run`, `/var/lib`, `/var/cache`,
/// `/var/log` and `/etc`.
const DIRECTORIES: [&str; 5] =
    ["RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory", "ConfigurationDirectory"];

impl AdoptedUnit {
    /// From the `[Service]` lines of its files, in the order they apply: those before our own
    /// drop-in, and those after it.
    #[must_use]
    pub fn new(lines: Vec<NativeLine>, later: Vec<NativeLine>) -> Self {
        let mut all = lines;
        let before = all.len();
        all.extend(later);
        let read = Self::read(&all);
        let later = all.split_off(before);
        Self { lines: all, later, ..read }
    }

    /// Whether its own time-out, `TimeoutStartSec` or `TimeoutStopSec`, lets lines take so long.
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
            kind: value(service, "Type").map(str::to_owned),
            restart: value(service, "Restart").map(str::to_owned),
            rooted: rooted(service),
            mounts: service.iter().filter(|line| hidden::KEYS.contains(&line.key.as_str())).cloned().collect(),
            user: value(service, "User").map(str::to_owned),
            delegate: value(service, "Delegate").map(str::to_owned),
            directories: DIRECTORIES
                .iter()
                .flat_map(|key| values(service, key))
                .map(|line| line.value.clone())
                .collect(),
            environment_files: values(service, "EnvironmentFile").map(|line| line.value.clone()).collect(),
            start: given(service, "TimeoutStartSec"),
            stop: given(service, "TimeoutStopSec"),
        }
    }
}

/// All `[Service]` lines of a ward's unit in the order they apply, but for those that we add.
#[derive(Debug, Clone, Copy)]
pub struct ServiceLines<'a> {
    ward: &'a Ward,
    adopted: Option<&'a AdoptedUnit>,
}

impl<'a> ServiceLines<'a> {
    /// Of the unit that `ward` defines or adopts.
    #[must_use]
    pub fn of(ward: &'a Ward, adopted: Option<&'a AdoptedUnit>) -> Self {
        Self { ward, adopted }
    }

    /// The lines.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = &'a NativeLine> {
        let before = self.adopted.into_iter().flat_map(|unit| &unit.lines);
        let later = self.adopted.into_iter().flat_map(|unit| &unit.later);
        before.chain(&self.ward.native.service).chain(later)
    }

    /// The line whose value of `key` stands: the last, unless it is empty.
    #[must_use]
    pub fn last(self, key: &str) -> Option<&'a NativeLine> {
        self.iter().rfind(|line| line.key == key).filter(|line| !line.value.is_empty())
    }

    /// The one value of `key` that stands.
    #[must_use]
    pub fn value(self, key: &str) -> Option<&'a str> {
        self.last(key).map(|line| line.value.as_str())
    }

    /// The lines of a list that stand, resets applied.
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

    /// Whether the line stands in the ward and not in the unit's own files.
    #[must_use]
    pub fn is_of_ward(self, line: &NativeLine) -> bool {
        self.ward.native.service.iter().any(|own| std::ptr::eq(own, line))
    }
}

/// Whether the lines give the service a root of its own, in which the helper would not be found.
pub(super) fn rooted(service: &[NativeLine]) -> bool {
    ["RootDirectory", "RootImage"].iter().any(|key| value(service, key).is_some())
}
