//! The run record: one file for each run of a ward, from how it started to how it ended.
//!
//! `unitward-step` writes it in `/run/unitward/wards/WARD/runs/INVOCATION.json`: `begin` creates it,
//! every step adds its result, `stopped` adds the end. When the run ended unasked it is the death
//! record. The daemon reads it as the second witness beside D-Bus.
//!
//! Invariants: a file is replaced whole (temporary name, rename), never edited in place; only root
//! writes, everyone reads; a ward keeps its last [`RUNS_KEPT`] records, and what older ones counted in its [`Totals`].

mod contents;
mod current;
mod end;
mod present;
mod secure;
mod told;
mod totals;
mod turn;

pub use end::{End, GivenUp, TimedOut};
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

/// Where records live. A tmpfs: they are of this boot.
pub const STATE_DIRECTORY: &str = "/run/unitward/wards";

/// Records kept for each ward: bounds what a flapping ward can fill while no daemon reads.
pub const RUNS_KEPT: usize = 64;

/// Records written within this time of each other were written in no order that their files tell: the times of files advance in
/// ticks of the kernel's.
const TICK: Duration = Duration::from_millis(50);

/// The status of a step that SIGKILL ended, as shells number it. One that runs is on record with it until it ends.
pub const KILLED: i32 = 128 + 9;

/// In place of a name that leads elsewhere: no path may have it, so nothing is found there and nothing can be made.
const NOWHERE: &str = "\0";

/// One run of a ward's unit, an InvocationID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The ward's name.
    pub ward: String,
    /// The unit that ran.
    pub unit: String,
    /// 32 hexadecimal digits, systemd's InvocationID.
    pub invocation: String,
    /// Why this run was started.
    pub start: StartKind,
    /// Restarts in a row, this one included, since the ward was last healthy; 0 for a first start.
    pub restarts: u32,
    /// When its first line ran, milliseconds since the epoch; `None` in records of older versions.
    #[serde(default)]
    pub begun: Option<u64>,
    /// The same by the boot's clock, which nobody sets: milliseconds since boot, time asleep included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_since_boot: Option<u64>,
    /// When the unit was down before this start, by systemd's account: from then on it waited with its restart. Milliseconds since
    /// the epoch; `None` for a first start, and in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<u64>,
    /// The same by the boot's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_since_boot: Option<u64>,
    /// How long the back-off was that this start waits, milliseconds; `None` where it did not wait, and in records of older
    /// versions.
    #[serde(default)]
    pub backoff_ms: Option<u64>,
    /// The run whose death this start answers; `None` for a first start, and where nobody noted that death.
    #[serde(default)]
    pub follows: Option<String>,
    /// The run after whose death systemd was about to restart the unit when somebody asked for this start instead, which has
    /// ended that recovery; `None` else, and in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaks_off: Option<String>,
    /// Conditions with `Once=` that have fired in an earlier run and so keep still.
    pub spent: Vec<String>,
    /// What the steps did, in the order they ran.
    pub results: Vec<StepResult>,
    /// When the run was up, its steps included; `None` until then.
    #[serde(default)]
    pub up: Option<Up>,
    /// How the run ended; `None` while it goes on.
    pub end: Option<End>,
}

impl RunRecord {
    /// A run of which nothing but its beginning is known.
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
            results: Vec::new(),
            up: None,
            end: None,
        }
    }

    /// The step that was noted last, if it runs yet or was killed.
    #[must_use]
    pub fn unended(&self) -> Option<&StepResult> {
        self.results.last().filter(|last| last.status == KILLED)
    }
}

/// Why a run was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartKind {
    /// Somebody asked for it, or the boot did.
    First,
    /// systemd restarted the unit after it ended cleanly, unasked.
    AfterDeath,
    /// systemd restarted the unit after a crash.
    AfterAbnormalDeath,
    /// Not a run of the ward's unit but of a condition's own service.
    Condition,
}

/// When a run was up, milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Up {
    /// When its main process was started.
    pub main: u64,
    /// When all steps of the start were done.
    pub at: u64,
    /// The same by the boot's clock; `None` in records of older versions, and where the journal tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_boot: Option<UpSinceBoot>,
}

/// When a run was up, milliseconds since boot, time asleep included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpSinceBoot {
    /// When its main process was started.
    pub main: u64,
    /// When all steps of the start were done.
    pub at: u64,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// The condition's id, `OnDeath`.
    pub condition: String,
    /// Where the step stands in it: `2`, or `2.1` for the first `Else…` step of step 2.
    pub step: String,
    /// The step's keyword, `Execute`.
    pub action: String,
    /// Its argument as the ward has it.
    pub argument: String,
    /// Whether it did what it should.
    pub outcome: Outcome,
    /// Exit status of the step's line; 128 + n for signal n.
    pub status: i32,
    /// When it ended, milliseconds since the epoch.
    pub at: u64,
    /// How long it took, milliseconds.
    pub ms: u64,
}

/// Whether a step did what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did.
    Ok,
    /// It did not.
    Failed,
}

/// The records of one ward.
#[derive(Debug, Clone)]
pub struct WardState {
    directory: PathBuf,
}

impl WardState {
    /// The state of `ward` below [`STATE_DIRECTORY`]. Of a name that leads elsewhere, such as `../x`, there is none.
    #[must_use]
    pub fn of(ward: &str) -> Self {
        Self::below(Path::new(STATE_DIRECTORY), ward)
    }

    /// The state of `ward` below another directory, for tests.
    #[must_use]
    pub fn below(states: &Path, ward: &str) -> Self {
        Self { directory: states.join(plain(ward)) }
    }

    /// The run with this InvocationID.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none, [`io::ErrorKind::InvalidData`] when the file is damaged.
    pub fn run(&self, invocation: &str) -> io::Result<RunRecord> {
        Ok(serde_json::from_slice(&contents(&self.run_path(invocation))?)?)
    }

    /// The run that died last, as far as its record is kept.
    #[must_use]
    pub fn latest_death(&self) -> Option<RunRecord> {
        let died =
            |record: &RunRecord| record.end.as_ref().filter(|end| !end.asked && !end.finished).map(End::in_order);
        runs_in(&self.directory).filter(|record| died(record).is_some()).max_by_key(died)
    }

    /// The run that ended last, in whatever way, as far as its record is kept.
    #[must_use]
    pub fn latest_end(&self) -> Option<RunRecord> {
        let ended = |record: &RunRecord| record.end.as_ref().map(End::in_order);
        runs_in(&self.directory).filter(|record| record.end.is_some()).max_by_key(ended)
    }

    /// The run of the ward's unit that was begun last.
    #[must_use]
    pub fn latest_run(&self) -> Option<RunRecord> {
        self.newest_runs().find(|run| run.start != StartKind::Condition)
    }

    /// All runs that are kept. Damaged records are left out.
    #[must_use]
    pub fn runs(&self) -> Vec<RunRecord> {
        runs_in(&self.directory).collect()
    }

    /// Writes a run's record.
    ///
    /// # Errors
    /// When the directory cannot be made or the file not written.
    pub fn save_run(&self, record: &RunRecord) -> io::Result<()> {
        replace(&self.run_path(&record.invocation), &serde_json::to_vec(record)?, Durability::Process)
    }

    /// The records, newest first, each read when it is asked for, or one written at about the same time is. Damaged ones are left
    /// out.
    pub fn newest_runs(&self) -> impl Iterator<Item = RunRecord> + use<> {
        let mut listed = self.dated().unwrap_or_default();
        let together = move || {
            let mut first = listed.len().checked_sub(1)?;
            let is_near =
                |later: usize| listed[later].0.duration_since(listed[later - 1].0).is_ok_and(|gap| gap < TICK);
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

    /// The files of the records, in the order in which they were written last.
    fn listed(&self) -> io::Result<Vec<PathBuf>> {
        Ok(self.dated()?.into_iter().map(|(_, path)| path).collect())
    }

    /// The same, and when that was.
    fn dated(&self) -> io::Result<Vec<(SystemTime, PathBuf)>> {
        let mut runs: Vec<_> = fs::read_dir(self.directory.join("runs"))?
            .flatten()
            // Another process may be about to rename a file it has just written.
            .filter(|entry| entry.path().extension().is_some_and(|kind| kind == "json"))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        runs.sort_unstable();
        Ok(runs)
    }

    /// A state file beside the runs, as its text.
    ///
    /// # Errors
    /// As [`fs::read`], and when it is no regular file or larger than any of ours.
    pub fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        contents(&self.directory.join(file))
    }

    /// Replaces a state file beside the runs.
    ///
    /// # Errors
    /// When the directory cannot be made or the file not written.
    pub fn write(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        replace(&self.directory.join(file), bytes, Durability::Process)
    }

    /// Gives a state file beside the runs another name.
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
        self.directory.join("runs").join(format!("{}.json", plain(invocation)))
    }
}

/// The name of a file, if that is all it is.
fn plain(name: &str) -> &str {
    if Path::new(name).file_name().is_some_and(|file| file == name) { name } else { NOWHERE }
}

/// The records of all wards. Damaged ones are left out.
#[must_use]
pub fn all() -> Vec<RunRecord> {
    all_below(Path::new(STATE_DIRECTORY))
}

fn all_below(states: &Path) -> Vec<RunRecord> {
    entries(states).flat_map(|ward| runs_in(&ward)).collect()
}

/// The names of the wards that have records.
#[must_use]
pub fn wards() -> Vec<String> {
    let name = |path: PathBuf| Some(path.file_name()?.to_str()?.to_owned());
    entries(Path::new(STATE_DIRECTORY)).filter_map(name).collect()
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
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

#[cfg(test)]
mod tests;
