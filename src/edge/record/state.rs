//! The files of the run records, ward by ward.

use super::contents::contents;
use super::{End, RunRecord, STATE_DIRECTORY, StartKind};
use crate::core::config::time_span::millis;
use crate::edge::replace::replace;
use crate::edge::trusted::Durability;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time within which the order of two records cannot be told from their files: the times of files
/// advance in ticks of the kernel.
const TICK: Duration = Duration::from_millis(50);

/// Replacement for a name that leads elsewhere: no path can contain it, so nothing is found or
/// created there.
const NOWHERE: &str = "\0";

/// The records of one ward.
#[derive(Debug, Clone)]
pub struct WardState {
    pub(super) directory: PathBuf,
}

impl WardState {
    /// Returns the state of `ward` below [`STATE_DIRECTORY`]. A name that leads elsewhere, such as
    /// `../x`, has no state.
    #[must_use]
    pub fn of(ward: &str) -> Self {
        Self::below(Path::new(STATE_DIRECTORY), ward)
    }

    /// Returns the state of `ward` below another directory, for tests.
    #[must_use]
    pub fn below(states: &Path, ward: &str) -> Self {
        Self {
            directory: states.join(plain(ward)),
        }
    }

    /// Reads the run with this InvocationID.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if there is none, [`io::ErrorKind::InvalidData`] if the file is
    /// damaged.
    pub fn run(&self, invocation: &str) -> io::Result<RunRecord> {
        Ok(serde_json::from_slice(&contents(
            &self.run_path(invocation),
        )?)?)
    }

    /// Returns the run that died last, if its record is still kept.
    #[must_use]
    pub fn latest_death(&self) -> Option<RunRecord> {
        runs_in(&self.directory)
            .filter(|record| {
                record
                    .end
                    .as_ref()
                    .is_some_and(|end| !end.asked && !end.finished)
            })
            .max_by_key(|record| record.end.as_ref().map(End::in_order))
    }

    /// Returns the run that ended last, in any way, if its record is still kept.
    #[must_use]
    pub fn latest_end(&self) -> Option<RunRecord> {
        runs_in(&self.directory)
            .filter(|record| record.end.is_some())
            .max_by_key(|record| record.end.as_ref().map(End::in_order))
    }

    /// Returns the run of the ward's unit that began last.
    #[must_use]
    pub fn latest_run(&self) -> Option<RunRecord> {
        self.newest_runs()
            .find(|run| run.start != StartKind::Condition)
    }

    /// Returns all runs that are kept. Damaged records are left out.
    #[must_use]
    pub fn runs(&self) -> Vec<RunRecord> {
        runs_in(&self.directory).collect()
    }

    /// Writes a run's record.
    ///
    /// # Errors
    /// The directory cannot be created or the file cannot be written.
    pub fn save_run(&self, record: &RunRecord) -> io::Result<()> {
        replace(
            &self.run_path(&record.invocation),
            &serde_json::to_vec(record)?,
            Durability::Process,
        )
    }

    /// Iterates over the records, newest first. A record is read together with those written at
    /// about the same time, and only when it is requested. Damaged ones are left out.
    pub fn newest_runs(&self) -> impl Iterator<Item = RunRecord> + use<> {
        let mut listed = self.dated().unwrap_or_default();
        std::iter::from_fn(move || take_newest(&mut listed)).flatten()
    }

    /// Returns the files of the records, in the order in which they were last written.
    pub(super) fn listed(&self) -> io::Result<Vec<PathBuf>> {
        Ok(self.dated()?.into_iter().map(|file| file.path).collect())
    }

    /// Returns the same files with the times at which they were last written.
    fn dated(&self) -> io::Result<Vec<Dated>> {
        let mut runs: Vec<_> = fs::read_dir(self.directory.join("runs"))?
            .flatten()
            // Another process may be about to rename a file that it has just written.
            .filter(|entry| entry.path().extension().is_some_and(|kind| kind == "json"))
            .filter_map(|entry| {
                Some(Dated {
                    written: entry.metadata().ok()?.modified().ok()?,
                    path: entry.path(),
                })
            })
            .collect();
        runs.sort_unstable();
        Ok(runs)
    }

    /// Reads a state file beside the runs.
    ///
    /// # Errors
    /// As [`fs::read`], and if it is not a regular file, does not belong to root, or is larger than
    /// any state file.
    pub fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        contents(&self.directory.join(file))
    }

    /// Returns the time at which a state file beside the runs was last written, in milliseconds
    /// since the epoch.
    #[must_use]
    pub fn written(&self, file: &str) -> Option<u64> {
        let found = self.directory.join(file).symlink_metadata().ok()?;
        let since = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(millis(since))
    }

    /// Replaces a state file beside the runs.
    ///
    /// # Errors
    /// The directory cannot be created or the file cannot be written.
    pub fn write(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        replace(&self.directory.join(file), bytes, Durability::Process)
    }

    /// Renames a state file beside the runs.
    ///
    /// # Errors
    /// As [`fs::rename`].
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.directory.join(from), self.directory.join(to))
    }

    /// Removes a state file beside the runs.
    ///
    /// # Errors
    /// As [`fs::remove_file`].
    pub fn remove(&self, file: &str) -> io::Result<()> {
        fs::remove_file(self.directory.join(file))
    }

    pub(super) fn run_path(&self, invocation: &str) -> PathBuf {
        self.directory
            .join("runs")
            .join(format!("{}.json", plain(invocation)))
    }
}

/// A record's file. In the order of these fields, which is that of writing.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Dated {
    /// Time at which it was last written.
    written: SystemTime,
    path: PathBuf,
}

/// Removes the newest file from the list, with those written at about the same time, and returns
/// their records, newest first; `None`: the list is empty.
fn take_newest(listed: &mut Vec<Dated>) -> Option<Vec<RunRecord>> {
    let mut first = listed.len().checked_sub(1)?;
    while first > 0
        && listed[first]
            .written
            .duration_since(listed[first - 1].written)
            .is_ok_and(|gap| gap < TICK)
    {
        first -= 1;
    }
    let files = listed.split_off(first).into_iter().rev();
    let mut runs: Vec<RunRecord> = files.filter_map(|file| read(&file.path)).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.begun));
    Some(runs)
}

/// Returns the name if it is a plain file name, else [`NOWHERE`].
fn plain(name: &str) -> &str {
    if Path::new(name).file_name().is_some_and(|file| file == name) {
        name
    } else {
        NOWHERE
    }
}

/// Returns the records of all wards. Damaged ones are left out.
#[must_use]
pub fn all() -> Vec<RunRecord> {
    all_below(Path::new(STATE_DIRECTORY))
}

fn all_below(states: &Path) -> Vec<RunRecord> {
    entries(states).flat_map(|ward| runs_in(&ward)).collect()
}

/// Returns the names of the wards that have a state directory.
#[must_use]
pub fn wards() -> Vec<String> {
    entries(Path::new(STATE_DIRECTORY))
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect()
}

fn runs_in(ward: &Path) -> impl Iterator<Item = RunRecord> + use<> {
    paths_in(ward).filter_map(|path| read(&path))
}

fn read(path: &Path) -> Option<RunRecord> {
    serde_json::from_slice(&contents(path).ok()?).ok()
}

fn paths_in(ward: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    entries(&ward.join("runs")).filter(|path| path.extension().is_some_and(|kind| kind == "json"))
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}
