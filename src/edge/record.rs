//! The run record: one file for each run of a ward, from its start to its end.
//!
//! `unitward-step` writes it to `/run/unitward/wards/WARD/runs/INVOCATION.json`: `begin` creates
//! it, every step adds its result, `stopped` adds the end. If the run ended without a request it is
//! the death record. The daemon reads it as the second witness beside D-Bus.
//!
//! Invariants: a file is replaced whole (temporary name, rename), never edited in place; only root
//! writes, all users may read; a ward keeps its last [`RUNS_KEPT`] records, and its [`Totals`] keep
//! the counts of older ones.

mod contents;
mod current;
mod end;
mod planned;
mod present;
mod secure;
mod told;
mod totals;
mod turn;

pub use end::{End, GivenUp, TimedOut};
pub use planned::Planned;
pub use present::Present;
pub use totals::{Fired, StepTotals, Totals};
pub use turn::Turn;

use self::contents::contents;
use super::replace::{Durability, replace};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Directory of the state of all wards. A tmpfs: the records are of this boot.
pub const STATE_DIRECTORY: &str = "/run/unitward/wards";

/// Number of records kept for each ward: bounds the memory that a flapping ward can fill while no
/// daemon reads.
pub const RUNS_KEPT: usize = 64;

/// Time within which the order of two records cannot be told from their files: the times of files
/// advance in ticks of the kernel.
const TICK: Duration = Duration::from_millis(50);

/// Status of a step that SIGKILL ended, as shells number it. A running step is recorded with it
/// until it ends.
pub const KILLED: i32 = 128 + 9;

/// Replacement for a name that leads elsewhere: no path can contain it, so nothing is found or
/// created there.
const NOWHERE: &str = "\0";

/// One run of a ward's unit, identified by its InvocationID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The ward's name.
    pub ward: String,
    /// The unit that ran.
    pub unit: String,
    /// 32 hexadecimal digits, systemd's InvocationID.
    pub invocation: String,
    /// Reason of the start.
    pub start: StartKind,
    /// Restarts in a row, this one included, since the ward was last healthy; 0 for a first start.
    pub restarts: u32,
    /// Time at which its first line ran, in milliseconds since the epoch; `None` in records of
    /// older versions.
    #[serde(default)]
    pub begun: Option<u64>,
    /// The same by the boot's clock, which cannot be set: in milliseconds since boot, time asleep
    /// included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_since_boot: Option<u64>,
    /// Time at which the unit was down before this start, according to systemd: from then on it
    /// waited for its restart. In milliseconds since the epoch; `None` for a first start, and in
    /// records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<u64>,
    /// The same by the boot's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_since_boot: Option<u64>,
    /// Back-off that this start waits, in milliseconds; `None` if it does not wait, and in records
    /// of older versions.
    #[serde(default)]
    pub backoff_ms: Option<u64>,
    /// The run whose death this start answers; `None` for a first start, and if that death was not
    /// recorded.
    #[serde(default)]
    pub follows: Option<String>,
    /// The run after whose death systemd was about to restart the unit when this start was
    /// requested instead, which has ended that recovery; otherwise `None`, also in records of older
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaks_off: Option<String>,
    /// Conditions with `Once=` that have fired in an earlier run and so do not fire in this one.
    pub spent: Vec<String>,
    /// The steps that were ahead when this restart began, in lines behind its first; none in records of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned: Vec<Planned>,
    /// What the steps did, in the order they ran.
    pub results: Vec<StepResult>,
    /// Time at which the run was up, its steps included; `None` until then.
    #[serde(default)]
    pub up: Option<Up>,
    /// End of the run; `None` while it goes on.
    pub end: Option<End>,
}

impl RunRecord {
    /// Makes the record of a run of which only the start is known.
    #[must_use]
    pub fn new(ward: &str, unit: &str, invocation: &str, start: StartKind) -> Self {
        Self {
            ward: ward.to_owned(),
            unit: unit.to_owned(),
            invocation: invocation.to_owned(),
            start,
            restarts: 0,
            begun: None,
            begun_since_boot: None,
            down: None,
            down_since_boot: None,
            backoff_ms: None,
            follows: None,
            breaks_off: None,
            spent: Vec::new(),
            planned: Vec::new(),
            results: Vec::new(),
            up: None,
            end: None,
        }
    }

    /// Whether it was begun after this end of another run of the boot, by the boot's clock where both have noted it.
    pub(super) fn has_begun_after(&self, end: &End) -> bool {
        match (self.begun_since_boot, end.since_boot) {
            (Some(begun), Some(ended)) => begun > ended,
            _ => self.begun.is_some_and(|begun| begun > end.at),
        }
    }

    /// The step that was noted last, if it runs yet or was killed.
    #[must_use]
    pub fn unended(&self) -> Option<&StepResult> {
        self.results.last().filter(|last| last.status == KILLED)
    }
}

/// Reason of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartKind {
    /// A user or the boot requested it.
    First,
    /// systemd restarted the unit after a clean end without a request.
    AfterDeath,
    /// systemd restarted the unit after a crash.
    AfterAbnormalDeath,
    /// Not a run of the ward's unit but of a condition's own service.
    Condition,
}

/// Times at which a run was up, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Up {
    /// Start of its main process.
    pub main: u64,
    /// End of the last step of the start.
    pub at: u64,
    /// The same by the boot's clock; `None` in records of older versions, and if read from the
    /// journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_boot: Option<UpSinceBoot>,
}

/// Times at which a run was up, in milliseconds since boot, time asleep included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpSinceBoot {
    /// Start of its main process.
    pub main: u64,
    /// End of the last step of the start.
    pub at: u64,
}

/// Result of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// The condition's id, `OnDeath`.
    pub condition: String,
    /// Position of the step in the condition: `2`, or `2.1` for the first `Else…` step of step 2.
    pub step: String,
    /// The step's keyword, `Execute`.
    pub action: String,
    /// The step's argument as written in the ward.
    pub argument: String,
    /// Success or failure.
    pub outcome: Outcome,
    /// Exit status of the step's line; 128 + n for signal n.
    pub status: i32,
    /// End of the step, in milliseconds since the epoch.
    pub at: u64,
    /// Duration of the step, in milliseconds.
    pub ms: u64,
}

/// Outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The step succeeded.
    Ok,
    /// The step failed.
    Failed,
}

/// The records of one ward.
#[derive(Debug, Clone)]
pub struct WardState {
    directory: PathBuf,
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
        let died = |record: &RunRecord| {
            record
                .end
                .as_ref()
                .filter(|end| !end.asked && !end.finished)
                .map(End::in_order)
        };
        runs_in(&self.directory)
            .filter(|record| died(record).is_some())
            .max_by_key(died)
    }

    /// Returns the run that ended last, in any way, if its record is still kept.
    #[must_use]
    pub fn latest_end(&self) -> Option<RunRecord> {
        let ended = |record: &RunRecord| record.end.as_ref().map(End::in_order);
        runs_in(&self.directory)
            .filter(|record| record.end.is_some())
            .max_by_key(ended)
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
        let together = move || {
            let mut first = listed.len().checked_sub(1)?;
            let is_near = |later: usize| {
                listed[later]
                    .0
                    .duration_since(listed[later - 1].0)
                    .is_ok_and(|gap| gap < TICK)
            };
            while first > 0 && is_near(first) {
                first -= 1;
            }
            let files = listed.split_off(first).into_iter().rev();
            let mut runs: Vec<RunRecord> = files.filter_map(|(_, path)| read(&path)).collect();
            runs.sort_by_key(|run| std::cmp::Reverse(run.begun));
            Some(runs)
        };
        std::iter::from_fn(together).flatten()
    }

    /// Returns the files of the records, in the order in which they were last written.
    fn listed(&self) -> io::Result<Vec<PathBuf>> {
        Ok(self.dated()?.into_iter().map(|(_, path)| path).collect())
    }

    /// Returns the same files with the times at which they were last written.
    fn dated(&self) -> io::Result<Vec<(SystemTime, PathBuf)>> {
        let mut runs: Vec<_> = fs::read_dir(self.directory.join("runs"))?
            .flatten()
            // Another process may be about to rename a file that it has just written.
            .filter(|entry| entry.path().extension().is_some_and(|kind| kind == "json"))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
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

    fn run_path(&self, invocation: &str) -> PathBuf {
        self.directory
            .join("runs")
            .join(format!("{}.json", plain(invocation)))
    }
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
    let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_owned());
    entries(Path::new(STATE_DIRECTORY))
        .filter_map(name)
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

#[cfg(test)]
mod tests;
