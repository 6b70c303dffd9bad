//! Core dumps, from the entries that systemd-coredump writes to the journal.
//!
//! # Trusted entries
//!
//! Any process may write an entry with any field, as long as the field's name does not begin with
//! an underscore: those are added by journald, from what the kernel says of the writer. Neither
//! `_UID` nor `_EXE` suffices on its own. systemd-coredump drops its rights to those of the process
//! that crashed, or to the user `systemd-coredump` if that is root or a system user; and it has
//! often ended before journald looks, which leaves no more than `_UID`, `_GID` and `_PID`.
//! Therefore an entry counts if either holds:
//!
//! * `_SYSTEMD_UNIT` is an instance of `systemd-coredump@.service`: only root can make one,
//! * `_UID` is the user `systemd-coredump`: nothing else runs as it.
//!
//! The core of an ordinary user's process is lost if journald is too busy to look in time.
//!
//! journalctl selects by the same two facts, [`Dumper::matches`], so entries of other writers are
//! skipped cheaply. It cannot select by a part of a unit's name, hence by the slice of all
//! instances. journald takes both from the same control group, so neither is there without the
//! other.
//!
//! `COREDUMP_UNIT` is the unit whose control group the process was in. The run is taken from the
//! process's environment, which the process controls; it can only name another run of the same
//! unit. A process of a user's service manager has `user@UID.service` as its unit and a run that is
//! not of that unit, so it matches nothing.

use super::symbols::{BuildIds, Marks, Resolver, digest};
use crate::core::crash::backtrace::{Frame, frames, render};
use crate::core::crash::memory_map::{MappedFile, MemoryMap};
use crate::core::crash::observation::InvocationId;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The MESSAGE_ID of all entries about core dumps, as a match of journalctl(1); every process may
/// write such entries.
pub const MATCH: &str = "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1";

/// The slice of all instances of `systemd-coredump@.service`, as a match of journalctl(1) for the
/// entries that are written in it.
pub const SLICE: &str = r"_SYSTEMD_SLICE=system-systemd\x2dcoredump.slice";

/// The fields that [`Core::parse`] reads, for `--output-fields=`. An entry may hold the whole core
/// beside them.
pub const FIELDS: &str = "MESSAGE,COREDUMP_UNIT,COREDUMP_PID,COREDUMP_SIGNAL,COREDUMP_TIMESTAMP,COREDUMP_ENVIRON,\
    COREDUMP_PROC_MAPS,COREDUMP_PACKAGE_JSON,COREDUMP_FILENAME,COREDUMP_ROOT,COREDUMP_CONTAINER_CMDLINE,MESSAGE_ID,_SYSTEMD_UNIT,_UID";

/// Returns the directory of this host's journal, for `--directory=`: below `/run` while journald
/// does not write to the disk.
///
/// Directories of containers and other machines may stand beside it; their writers are not trusted.
#[must_use]
pub fn journal_directory(root: &Path) -> Option<PathBuf> {
    let machine = fs::read_to_string(root.join("etc/machine-id")).ok()?;
    let places =
        ["run/log/journal", "var/log/journal"].map(|place| root.join(place).join(machine.trim()));
    places
        .into_iter()
        .find(|place| place.join("system.journal").exists())
}

/// systemd-coredump on this host, known by its user ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dumper {
    uid: Option<u32>,
}

/// One core dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// The boot in which it happened: 32 hexadecimal digits.
    pub boot: String,
    /// The unit the process belonged to.
    pub unit: String,
    /// The run of the unit, by the process's environment; some programs empty that.
    pub invocation: Option<InvocationId>,
    /// ID of the process.
    pub pid: u32,
    /// The signal that ended it.
    pub signal: i32,
    /// Time of the crash, in milliseconds since the epoch. The kernel gives whole seconds.
    pub at_ms: u64,
    message: String,
    maps: String,
    packages: String,
    /// Path of the core itself; empty if it was not kept.
    file: String,
    filesystem: Filesystem,
}

/// The file system that the paths of the process refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filesystem {
    /// The host's.
    Host,
    /// Another one: that of a container, of `RootDirectory=` or of a chroot.
    Other,
}

/// Returns true if the kernel passes core dumps to a program or a socket, as systemd-coredump needs
/// it (core(5)), or if its setting cannot be read.
#[must_use]
pub fn are_handed_over(root: &Path) -> bool {
    fs::read_to_string(root.join("proc/sys/kernel/core_pattern"))
        .map_or(true, |pattern| pattern.starts_with(['|', '@']))
}

impl Dumper {
    /// Looks up the user `systemd-coredump` in `/etc/passwd` below `root`.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        let users = fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
        let uid = users.lines().find_map(|line| {
            let mut words = line.strip_prefix("systemd-coredump:")?.split(':').skip(1);
            words.next()?.parse().ok()
        });
        Self { uid }
    }

    /// Returns the arguments of journalctl that select the entries that [`Core::parse`] may trust,
    /// and hardly any others.
    pub fn matches(self) -> impl Iterator<Item = String> {
        let by_user = self
            .uid
            .map(|uid| ["+".to_owned(), MATCH.to_owned(), format!("_UID={uid}")]);
        [MATCH, SLICE]
            .map(str::to_owned)
            .into_iter()
            .chain(by_user.into_iter().flatten())
    }

    fn wrote(self, entry: &Entry) -> bool {
        let unit = &entry.writer_unit.0;
        let is_instance = unit.starts_with("systemd-coredump@") && unit.ends_with(".service");
        is_instance
            || self
                .uid
                .is_some_and(|uid| entry.writer_uid.number() == Some(uid))
    }
}

impl Core {
    /// Parses one line of `journalctl --output=json --all`. Returns `None` if it is no entry of
    /// `dumper` about a process of a unit.
    #[must_use]
    pub fn parse(line: &str, dumper: Dumper) -> Option<Self> {
        let entry: Entry = serde_json::from_str(line).ok()?;
        let is_core = MATCH
            .split_once('=')
            .is_some_and(|(_, id)| id == entry.message_id.0);
        if !is_core || !dumper.wrote(&entry) || entry.unit.0.is_empty() {
            return None;
        }
        let run = entry
            .environment
            .0
            .lines()
            .find_map(|line| line.strip_prefix("INVOCATION_ID="));
        let host = entry.container.is_none() && matches!(entry.root.0.as_str(), "" | "/");
        Some(Self {
            boot: entry.boot.0,
            unit: entry.unit.0,
            invocation: run.and_then(InvocationId::parse),
            pid: entry.pid.number()?,
            signal: entry.signal.number()?,
            at_ms: entry.timestamp.number::<u64>()? / 1000,
            message: entry.message.0,
            maps: entry.maps.0,
            packages: entry.packages.0,
            file: entry.file.0,
            filesystem: if host {
                Filesystem::Host
            } else {
                Filesystem::Other
            },
        })
    }

    /// Returns the frames of the thread that crashed, in the form of a report, with symbols from
    /// the objects below `root`. Returns `None` if systemd-coredump could not read the stack.
    #[must_use]
    pub fn backtrace(&self, root: &Path, resolver: &Resolver) -> Option<String> {
        let frames = self.frames(root, resolver);
        if frames.is_empty() {
            return None;
        }
        let symbols = match self.filesystem {
            Filesystem::Host => {
                let marks = Marks {
                    build_ids: build_ids(&self.packages),
                    at_ms: self.at_ms,
                };
                resolver.look_up(root, &frames, &marks)
            }
            Filesystem::Other => resolver.as_said(&frames),
        };
        Some(render(&frames, &symbols))
    }

    /// Returns the backtrace with the names that systemd-coredump gives, and with `mapped` in place
    /// of the files that the core at its path lists. For fuzz targets.
    pub(crate) fn digest(&self, mapped: Vec<MappedFile>) -> String {
        let frames = frames(&self.message, &MemoryMap::parse(&self.maps).with(mapped));
        render(&frames, &digest::as_said(&frames))
    }

    fn frames(&self, root: &Path, resolver: &Resolver) -> Vec<Frame> {
        let map = MemoryMap::parse(&self.maps);
        let first = frames(&self.message, &map);
        if self.file.is_empty() || first.iter().all(|frame| frame.object.is_some()) {
            return first;
        }
        let addresses: Vec<_> = first.iter().map(|frame| frame.instruction).collect();
        frames(
            &self.message,
            &map.with(resolver.mapped_files(root, &self.file, &addresses)),
        )
    }

    /// Returns its approximate size in memory, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.message.len() + self.maps.len() + self.packages.len()
    }
}

/// Parses `COREDUMP_PACKAGE_JSON`, such as
/// `{"libgcc_s.so.1":{"name":"gcc-14","buildId":"12ed…"},"elfType":"coredump"}`. Only objects that
/// carry the name of their package are in it.
fn build_ids(packages: &str) -> BuildIds {
    let packages: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(packages).unwrap_or_default();
    packages
        .into_iter()
        .filter_map(|(module, about)| Some((module, about.get("buildId")?.as_str()?.to_owned())))
        .collect()
}

/// The fields of an entry, as journalctl writes them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    #[serde(rename = "MESSAGE")]
    message: Text,
    #[serde(rename = "MESSAGE_ID")]
    message_id: Text,
    #[serde(rename = "COREDUMP_UNIT")]
    unit: Text,
    #[serde(rename = "COREDUMP_PID")]
    pid: Text,
    #[serde(rename = "COREDUMP_SIGNAL")]
    signal: Text,
    #[serde(rename = "COREDUMP_TIMESTAMP")]
    timestamp: Text,
    #[serde(rename = "COREDUMP_ENVIRON")]
    environment: Text,
    #[serde(rename = "COREDUMP_PROC_MAPS")]
    maps: Text,
    #[serde(rename = "COREDUMP_PACKAGE_JSON")]
    packages: Text,
    #[serde(rename = "COREDUMP_FILENAME")]
    file: Text,
    #[serde(rename = "COREDUMP_ROOT")]
    root: Text,
    #[serde(rename = "COREDUMP_CONTAINER_CMDLINE")]
    container: Option<Text>,
    #[serde(rename = "_BOOT_ID")]
    boot: Text,
    #[serde(rename = "_SYSTEMD_UNIT")]
    writer_unit: Text,
    #[serde(rename = "_UID")]
    writer_uid: Text,
}

/// A field's value; empty if the entry has no such field, or journalctl found it too long.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Option<Value>")]
struct Text(String);

/// A field's value, as journalctl writes it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Printable(String),
    Bytes(Vec<u8>),
    /// The values of a field that the entry has several times.
    Several(Vec<Option<Value>>),
}

impl From<Option<Value>> for Text {
    fn from(value: Option<Value>) -> Self {
        match value {
            Some(Value::Printable(text)) => Self(text),
            Some(Value::Bytes(bytes)) => Self(String::from_utf8_lossy(&bytes).into_owned()),
            Some(Value::Several(values)) => Self::from(values.into_iter().flatten().next()),
            None => Self::default(),
        }
    }
}

impl Text {
    fn number<T: std::str::FromStr>(&self) -> Option<T> {
        self.0.parse().ok()
    }
}

#[cfg(test)]
mod tests;
