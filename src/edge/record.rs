//! The run record: one file for each run of a ward, from how it started to how it ended.
//!
//! `unitward-step` writes it in `/run/unitward/wards/WARD/runs/INVOCATION.json`: `begin` creates it,
//! every step adds its result, `stopped` adds the end. When the run ended unasked it is the death
//! record. The daemon reads it as the second witness beside D-Bus.
//!
//! Invariants: a file is replaced whole (temporary name, rename), never edited in place; only root
//! writes, everyone reads; a ward keeps its last [`RUNS_KEPT`] records.

use serde::{Deserialize, Serialize};
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Where records live. A tmpfs: they are of this boot.
pub const STATE_DIRECTORY: &str = "/run/unitward/wards";

/// Records kept for each ward: bounds what a flapping ward can fill while no daemon reads.
pub const RUNS_KEPT: usize = 64;

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
    /// Conditions with `Once=` that have fired in an earlier run and so keep still.
    pub spent: Vec<String>,
    /// What the steps did, in the order they ended.
    pub results: Vec<StepResult>,
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
            spent: Vec::new(),
            results: Vec::new(),
            end: None,
        }
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

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// The condition's id, `OnDeath`.
    pub condition: String,
    /// Where the step stands in it: `2`, or `2.1` for the first `Else…` step of step 2.
    pub step: String,
    /// The step's keyword, `Execute`.
    pub action: String,
    /// Its argument as run.
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

/// How a run ended, as systemd told `ExecStopPost=` (systemd.exec(5), `$SERVICE_RESULT`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Whether a stop or restart was asked for.
    pub asked: bool,
    /// Not asked for, but no death either: a oneshot that has done its work, or `ExecCondition=` that said no.
    #[serde(default)]
    pub finished: bool,
    /// `$SERVICE_RESULT`: `success`, `exit-code`, `signal`, `core-dump`, `watchdog`, `timeout`, `oom-kill` …
    pub result: String,
    /// `$EXIT_CODE`: `exited`, `killed`, `dumped`; empty when the main process never ran.
    pub code: String,
    /// `$EXIT_STATUS`: a number, or a signal's name without `SIG`.
    pub status: String,
    /// The main process's id, where PID 1 still knew it.
    pub pid: Option<u32>,
    /// When the main process ended, milliseconds since the epoch.
    pub at: u64,
    /// Whether this death went over the death limit.
    pub limit_reached: bool,
}

/// The records of one ward.
#[derive(Debug, Clone)]
pub struct WardState {
    directory: PathBuf,
}

impl WardState {
    /// The state of `ward` below [`STATE_DIRECTORY`].
    #[must_use]
    pub fn of(ward: &str) -> Self {
        Self::below(Path::new(STATE_DIRECTORY), ward)
    }

    /// The state of `ward` below another directory, for tests.
    #[must_use]
    pub fn below(states: &Path, ward: &str) -> Self {
        Self { directory: states.join(ward) }
    }

    /// The run with this InvocationID.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none, [`io::ErrorKind::InvalidData`] when the file is damaged.
    pub fn run(&self, invocation: &str) -> io::Result<RunRecord> {
        Ok(serde_json::from_slice(&fs::read(self.run_path(invocation))?)?)
    }

    /// Writes a run's record.
    ///
    /// # Errors
    /// When the directory cannot be made or the file not written.
    pub fn save_run(&self, record: &RunRecord) -> io::Result<()> {
        replace(&self.run_path(&record.invocation), &serde_json::to_vec(record)?)
    }

    /// Removes all but the newest [`RUNS_KEPT`] records.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn prune_runs(&self) -> io::Result<()> {
        let mut runs: Vec<_> = fs::read_dir(self.directory.join("runs"))?
            .flatten()
            // Another process may be about to rename a file it has just written.
            .filter(|entry| entry.path().extension().is_some_and(|kind| kind == "json"))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        if runs.len() > RUNS_KEPT {
            runs.sort_unstable();
            let surplus = runs.len() - RUNS_KEPT;
            for (_, path) in runs.into_iter().take(surplus) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// A state file beside the runs, as its text.
    ///
    /// # Errors
    /// As [`fs::read`].
    pub fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        fs::read(self.directory.join(file))
    }

    /// Replaces a state file beside the runs.
    ///
    /// # Errors
    /// When the directory cannot be made or the file not written.
    pub fn write(&self, file: &str, bytes: &[u8]) -> io::Result<()> {
        replace(&self.directory.join(file), bytes)
    }

    fn run_path(&self, invocation: &str) -> PathBuf {
        self.directory.join("runs").join(format!("{invocation}.json"))
    }
}

/// Writes `bytes` under a temporary name and renames it, so that no reader meets half a file.
///
/// The modes are given and not left to the umask, which is the service's: steps that run as the service read here.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let file = File::create(&temporary).or_else(|_| {
        make_directories(path.parent().unwrap_or(Path::new("/")))?;
        File::create(&temporary)
    });
    let written = file.and_then(|mut file| {
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(bytes)
    });
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

fn make_directories(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    make_directories(path.parent().unwrap_or(Path::new("/")))?;
    match fs::create_dir(path) {
        // The line of another unit of this ward's may have come first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(invocation: &str) -> RunRecord {
        RunRecord::new("a", "a.service", invocation, StartKind::First)
    }

    #[test]
    fn a_saved_run_is_read_back() {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "a");
        assert_eq!(state.run("i").unwrap_err().kind(), io::ErrorKind::NotFound);
        state.save_run(&record("i")).unwrap();
        assert_eq!(state.run("i").unwrap(), record("i"));
    }

    #[test]
    fn only_the_newest_runs_are_kept() {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "a");
        for n in 0..RUNS_KEPT + 3 {
            state.save_run(&record(&format!("{n:03}"))).unwrap();
        }
        state.prune_runs().unwrap();
        let left = fs::read_dir(place.path().join("a/runs")).unwrap().count();
        assert_eq!(left, RUNS_KEPT);
        assert!(state.run(&format!("{:03}", RUNS_KEPT + 2)).is_ok(), "the newest stays");
    }
}
