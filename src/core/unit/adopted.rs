//! What the files of an adopted unit say, as far as we must know.

use super::hidden;
use super::timeouts::{Timeout, given};
use crate::core::config::read_native::{value, values};
use crate::core::config::ward::NativeLine;

/// What an adopted unit's own files say, as far as the drop-in must know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdoptedUnit {
    /// `Type=`.
    pub kind: Option<String>,
    /// TMP
    pub lines: Vec<NativeLine>,
    /// TMP
    pub later: Vec<NativeLine>,
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

/// Settings whose directories become the service's user's: below `/run`, `/var/lib`, `/var/cache`, `/var/log` and `/etc`.
const DIRECTORIES: [&str; 5] =
    ["RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory", "ConfigurationDirectory"];

impl AdoptedUnit {
    /// From the `[Service]` lines of its files, in the order they apply.
    #[must_use]
    pub fn from_lines(service: &[NativeLine]) -> Self {
        Self {
            lines: service.to_vec(),
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

/// Whether the lines give the service a root of its own, in which the helper would not be found.
pub(super) fn rooted(service: &[NativeLine]) -> bool {
    ["RootDirectory", "RootImage"].iter().any(|key| value(service, key).is_some())
}
