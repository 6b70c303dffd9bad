//! The record of a full restart: it is on disk before the restart is requested, and completed when
//! it is over.
//!
//! `unitward-stack@NAME.service` writes it to `/var/lib/unitward/restarts/NAME/ID.json`; unitwardd
//! reports it, whether it runs at that moment or starts later, and removes it once the restart is
//! over and stored in the history. If the disk takes no record it goes to `/run/unitward/restarts`:
//! readers read both.
//!
//! Invariants: a file is replaced whole and is on disk when [`Restarts::save`] returns
//! [`Saved::OnDisk`]; a restart is one record, wherever its files are; a stack keeps its last
//! [`RECORDS_KEPT`] records.

use crate::core::full_restart::RestartOutcome;
use crate::edge::replace::replace;
use crate::edge::trusted::{self, Durability, Missing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Directory of the records, and the fallback if it cannot be written: a tmpfs.
const DIRECTORIES: [&str; 2] = ["/var/lib/unitward/restarts", "/run/unitward/restarts"];

/// Number of records kept for each stack: bounds their number while no daemon reads.
pub const RECORDS_KEPT: usize = 64;

/// One requested full restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartRecord {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The stack's file stem.
    pub stack: String,
    /// Name of the stack in reports.
    pub name: String,
    /// The unit that stands for it.
    pub unit: String,
    /// The boot in which it happened, from [`crate::edge::boot::id`].
    pub boot: String,
    /// InvocationID of the unit's run that it ends; `None`: the unit did not run.
    pub ended: Option<String>,
    /// The members and their runs at that moment.
    pub members: Vec<Member>,
    /// Caller, as named in the request.
    pub caller: String,
    /// The caller's stack, in the lines of a report.
    pub backtrace: Option<String>,
    /// The death that led to it.
    pub cause: Option<DeathRef>,
    /// The process that asked.
    pub by: Asker,
    /// Time of the request, in milliseconds since the epoch.
    pub at: u64,
    /// Further callers while it was under way.
    #[serde(default)]
    pub joined: Vec<String>,
    /// End of the restart; `None` while it is under way, and if the restarter was killed.
    pub end: Option<RestartEnd>,
}

/// A member of the stack when the restart began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its unit.
    pub unit: String,
    /// Its InvocationID; `None`: it did not run.
    pub run: Option<String>,
}

/// The run whose death led to a full restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeathRef {
    /// The unit.
    pub unit: String,
    /// The run, its InvocationID.
    pub invocation: String,
}

/// The process that requested the restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// Its id.
    pub pid: u32,
    /// Its user id.
    pub uid: u32,
    /// The unit it belongs to, if it is known.
    pub unit: Option<String>,
}

/// End of a full restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartEnd {
    /// Success or failure.
    pub outcome: RestartOutcome,
    /// Description of the failure, in words that continue a sentence; empty if there was none.
    pub trouble: String,
    /// Time of the end, in milliseconds since the epoch.
    pub at: u64,
}

/// The records of one stack.
#[derive(Debug, Clone)]
pub struct Restarts {
    stack: String,
    /// On disk, and the fallback in memory.
    directories: [PathBuf; 2],
}

/// Place of a saved record.
#[derive(Debug)]
pub enum Saved {
    /// On the disk.
    OnDisk,
    /// Only in memory, with the error of the disk: it is lost when the host goes down.
    InMemory(io::Error),
}

impl Restarts {
    /// Returns the records of `stack`.
    #[must_use]
    pub fn of(stack: &str) -> Self {
        Self::below(DIRECTORIES.map(Path::new), stack)
    }

    fn below(directories: [&Path; 2], stack: &str) -> Self {
        Self {
            stack: stack.to_owned(),
            directories: directories.map(Path::to_owned),
        }
    }

    /// Writes a record.
    ///
    /// # Errors
    /// It can be written to neither place; the error is that of the disk.
    pub fn save(&self, record: &RestartRecord) -> io::Result<Saved> {
        let bytes = serde_json::to_vec(record)?;
        let [disk, memory] = &self.directories;
        match self.save_below(disk, &record.id, &bytes) {
            Ok(()) => {
                // An earlier version of the record may be in memory because the disk was full.
                let _ = fs::remove_file(self.path(memory, &record.id));
                Ok(Saved::OnDisk)
            }
            Err(error) => match self.save_below(memory, &record.id, &bytes) {
                Ok(()) => Ok(Saved::InMemory(error)),
                Err(_) => Err(error),
            },
        }
    }

    fn save_below(&self, directory: &Path, id: &str, bytes: &[u8]) -> io::Result<()> {
        // Only root may read there: a backtrace may contain confidential data.
        trusted::private(directory, Missing::Make(Durability::PowerCut))?;
        replace(&self.path(directory, id), bytes, Durability::PowerCut)
    }

    /// Returns all records, the oldest first. Damaged ones are left out.
    #[must_use]
    pub fn all(&self) -> Vec<RestartRecord> {
        let mut found: Vec<RestartRecord> = self
            .files()
            .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
            .filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok())
            .collect();
        // If a restart has a record in both places, the one that is over is the later one.
        found.sort_by(|a, b| (a.at, &a.id, a.end.is_none()).cmp(&(b.at, &b.id, b.end.is_none())));
        found.dedup_by(|later, first| later.id == first.id);
        found
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        self.directories
            .iter()
            .flat_map(|directory| entries(&directory.join(&self.stack)))
    }

    /// Removes all but the newest [`RECORDS_KEPT`] records, and incomplete files from a power
    /// failure during a write. Only for the stack's restarter: it writes none meanwhile.
    pub fn prune(&self) {
        let all = self.all();
        for old in all.iter().take(all.len().saturating_sub(RECORDS_KEPT)) {
            let _ = self.remove(&old.id);
        }
        let incomplete = self.files().filter(|path| {
            path.extension()
                .is_some_and(|kind| kind.to_string_lossy().starts_with("tmp"))
        });
        for part in incomplete {
            let _ = fs::remove_file(part);
        }
    }

    /// Removes a record, wherever it is.
    ///
    /// # Errors
    /// As [`fs::remove_file`].
    pub fn remove(&self, id: &str) -> io::Result<()> {
        let [on_disk, in_memory] = self
            .directories
            .each_ref()
            .map(|directory| fs::remove_file(self.path(directory, id)));
        match (on_disk, in_memory) {
            (Err(error), Ok(())) | (Ok(()), Err(error)) if error.kind() == ErrorKind::NotFound => {
                Ok(())
            }
            (on_disk, in_memory) => on_disk.and(in_memory),
        }
    }

    fn path(&self, directory: &Path, id: &str) -> PathBuf {
        directory.join(&self.stack).join(format!("{id}.json"))
    }
}

/// Returns the records of all stacks, sorted by stack, those of each from the oldest on.
#[must_use]
pub fn all() -> Vec<RestartRecord> {
    let folders = DIRECTORIES
        .iter()
        .flat_map(|directory| entries(Path::new(directory)));
    let stacks =
        folders.filter_map(|folder| Some(folder.file_name()?.to_string_lossy().into_owned()));
    stacks
        .collect::<BTreeSet<_>>()
        .iter()
        .flat_map(|stack| Restarts::of(stack).all())
        .collect()
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(at: u64) -> RestartRecord {
        RestartRecord {
            id: format!("{at:032x}"),
            stack: "opensync".into(),
            name: "OpenSync".into(),
            unit: "opensync.target".into(),
            boot: "b".into(),
            ended: Some("1f".repeat(16)),
            members: vec![Member {
                unit: "cm.service".into(),
                run: None,
            }],
            caller: "f".into(),
            backtrace: None,
            cause: None,
            by: Asker {
                pid: 1,
                uid: 0,
                unit: None,
            },
            at,
            joined: Vec::new(),
            end: None,
        }
    }

    struct Place {
        directory: tempfile::TempDir,
        restarts: Restarts,
    }

    fn place() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let places = ["disk", "run"].map(|name| directory.path().join(name));
        Place {
            restarts: Restarts::below(places.each_ref().map(PathBuf::as_path), "opensync"),
            directory,
        }
    }

    fn over(at: u64) -> RestartRecord {
        let end = RestartEnd {
            outcome: RestartOutcome::Failed,
            trouble: "x did not come back".into(),
            at: at + 2,
        };
        RestartRecord {
            end: Some(end),
            ..record(at)
        }
    }

    #[test]
    fn a_record_is_read_back_and_completed() {
        let Place {
            directory,
            restarts,
        } = place();
        assert_eq!(restarts.all(), []);
        assert!(matches!(restarts.save(&record(7)), Ok(Saved::OnDisk)));
        restarts.save(&over(7)).unwrap();
        fs::write(directory.path().join("disk/opensync/damaged.json"), "{").unwrap();
        assert_eq!(restarts.all(), [over(7)]);
        restarts.remove(&record(7).id).unwrap();
        assert_eq!(restarts.all(), []);
        assert!(restarts.remove(&record(7).id).is_err());
    }

    #[test]
    fn what_the_disk_does_not_take_is_kept_in_memory_and_is_one_record() {
        let Place {
            directory,
            restarts,
        } = place();
        let (disk, broken) = (
            directory.path().join("disk"),
            directory.path().join("broken"),
        );
        let in_memory = || {
            fs::read_dir(directory.path().join("run/opensync"))
                .unwrap()
                .count()
        };
        restarts.save(&record(7)).unwrap();
        fs::rename(&disk, &broken).unwrap();
        fs::write(&disk, "no directory").unwrap();
        assert!(matches!(restarts.save(&over(7)), Ok(Saved::InMemory(_))));
        restarts.save(&record(9)).unwrap();
        assert_eq!(restarts.all(), [over(7), record(9)]);
        fs::remove_file(&disk).unwrap();
        fs::rename(&broken, &disk).unwrap();
        assert_eq!(
            restarts.all(),
            [over(7), record(9)],
            "its beginning is still on the disk"
        );
        assert!(matches!(restarts.save(&over(9)), Ok(Saved::OnDisk)));
        assert_eq!(in_memory(), 1);
        restarts.remove(&record(7).id).unwrap();
        assert_eq!((restarts.all(), in_memory()), (vec![over(9)], 0));
        for place in ["disk", "run"] {
            fs::remove_dir_all(directory.path().join(place)).unwrap();
            fs::write(directory.path().join(place), "no directory").unwrap();
        }
        assert!(restarts.save(&record(9)).is_err(), "both fail");
    }

    #[test]
    fn only_the_newest_records_are_kept_and_whole_ones() {
        let Place {
            directory,
            restarts,
        } = place();
        for at in 0..RECORDS_KEPT as u64 + 3 {
            restarts.save(&record(at)).unwrap();
        }
        let folder = directory.path().join("disk/opensync");
        fs::write(folder.join("1f.tmp123"), "{").unwrap();
        restarts.prune();
        let kept: Vec<_> = restarts.all().iter().map(|record| record.at).collect();
        assert_eq!(kept, (3..RECORDS_KEPT as u64 + 3).collect::<Vec<_>>());
        assert_eq!(fs::read_dir(folder).unwrap().count(), RECORDS_KEPT);
    }
}
