//! Counters over all runs of a ward since boot, of which only the newest records are kept.
//!
//! A record that is removed is counted first, in `/run/unitward/wards/WARD/totals.json`. Invariant:
//! each record counts once, even if a process is killed in between. The totals name the records
//! that were counted last, so that one that still exists is not counted again; and they are
//! replaced before the first of these is removed.
//!
//! Only `begin` and the stand-in of unitwardd ([`crate::edge::step::stand_in`]) remove records, and
//! steps of a condition's own service may run meanwhile. Two that remove at a time are kept apart
//! by a lock that only root can take, and no process waits for it.

use super::contents::contents;
use super::{End, Outcome, RUNS_KEPT, RunRecord, StartKind, StepResult, WardState};
use crate::edge::trusted::{NOFOLLOW, NONBLOCK};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const FILE: &str = "totals.json";
const LOCK: &str = "totals.lock";
/// Number of attempts of a reader whose records are removed while it reads.
const TRIES: usize = 5;

/// Counters of one ward since boot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Totals {
    /// Requested starts.
    pub starts: u64,
    /// Automatic restarts after a clean end.
    pub restarts_after_death: u64,
    /// Automatic restarts after a crash.
    pub restarts_after_crash: u64,
    /// Ends without a request, crashes among them.
    pub deaths: u64,
    /// Deaths that systemd calls a failure.
    pub crashes: u64,
    /// The conditions that have fired, by id.
    pub conditions: BTreeMap<String, Fired>,
    /// The last of the runs that died: its InvocationID and its end.
    pub last_death: Option<(String, End)>,
    /// The runs that were counted last.
    counted: BTreeSet<String>,
}

/// Counters of a condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// Runs in which it fired: at least one of its steps acted.
    pub count: u64,
    /// Its steps, by their number.
    pub steps: BTreeMap<String, StepTotals>,
}

/// Counters of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTotals {
    /// Number of its successes.
    pub done: u64,
    /// Number of its failures.
    pub failed: u64,
    /// Its last result.
    pub last: Option<StepResult>,
}

impl Totals {
    /// Returns the number of automatic restarts.
    #[must_use]
    pub const fn restarts(&self) -> u64 {
        self.restarts_after_death + self.restarts_after_crash
    }

    /// Counts one run.
    pub fn count(&mut self, record: &RunRecord) {
        match record.start {
            StartKind::First => self.starts += 1,
            StartKind::AfterDeath => self.restarts_after_death += 1,
            StartKind::AfterAbnormalDeath => self.restarts_after_crash += 1,
            StartKind::Condition => {}
        }
        if let Some(end) = record.end.as_ref().filter(|end| end.is_death()) {
            self.deaths += 1;
            self.crashes += u64::from(end.result != "success");
            if self
                .last_death
                .as_ref()
                .is_none_or(|(_, last)| last.at <= end.at)
            {
                self.last_death = Some((record.invocation.clone(), end.clone()));
            }
        }
        let mut fired = BTreeSet::new();
        // Step 0 does not belong to the ward: it starts the service of a condition with
        // Independent=.
        for result in record.results.iter().filter(|result| result.step != "0") {
            let condition = self.conditions.entry(result.condition.clone()).or_default();
            condition.count += u64::from(fired.insert(&result.condition));
            condition
                .steps
                .entry(result.step.clone())
                .or_default()
                .count(result);
        }
    }
}

impl StepTotals {
    fn count(&mut self, result: &StepResult) {
        match result.outcome {
            Outcome::Ok => self.done += 1,
            Outcome::Failed => self.failed += 1,
        }
        if self.last.as_ref().is_none_or(|last| last.at <= result.at) {
            self.last = Some(result.clone());
        }
    }
}

impl End {
    /// Returns true if the end is a death: neither requested nor the end of its work.
    #[must_use]
    pub const fn is_death(&self) -> bool {
        !self.asked && !self.finished
    }
}

impl WardState {
    /// Returns the totals of all runs of this boot, and the records that are kept, newest first.
    /// Damaged ones are left out.
    #[must_use]
    pub fn sum(&self) -> (Totals, Vec<RunRecord>) {
        let mut before = self.read(FILE).ok();
        let mut runs: Vec<RunRecord> = self.newest_runs().collect();
        for _ in 1..TRIES {
            let after = self.read(FILE).ok();
            if before == after {
                break;
            }
            before = after;
            runs = self.newest_runs().collect();
        }
        let mut totals = parse(before.as_deref());
        // A record that is counted already is about to be removed.
        runs.retain(|run| !totals.counted.contains(&run.invocation));
        runs.iter().rev().for_each(|run| totals.count(run));
        (totals, runs)
    }

    /// Returns the totals of the removed records.
    #[must_use]
    pub fn totals(&self) -> Totals {
        parse(self.read(FILE).ok().as_deref())
    }

    /// Removes all but the newest [`RUNS_KEPT`] records, once they are counted; never that of the
    /// run `own`, independent of the clock.
    ///
    /// # Errors
    /// A directory cannot be read, or the totals cannot be written: the records are removed all the
    /// same, because a flapping ward must not fill the memory.
    pub fn prune_runs(&self, own: &str) -> io::Result<()> {
        if self.listed()?.len() <= RUNS_KEPT {
            return Ok(());
        }
        let path = self.directory.join(LOCK);
        // If there is no space for a lock, removal must make some.
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(NOFOLLOW | NONBLOCK)
            .open(path)
            .ok();
        if lock
            .as_ref()
            .is_some_and(|lock| flock(lock, FlockOperation::NonBlockingLockExclusive).is_err())
        {
            // Another process is removing records.
            return Ok(());
        }
        let surplus = self.surplus(own)?;
        let mut totals = self.totals();
        let before = std::mem::take(&mut totals.counted);
        for path in surplus.iter().filter(|path| !before.contains(&stem(path))) {
            if let Some(record) = contents(path)
                .ok()
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            {
                totals.count(&record);
            }
        }
        totals.counted = surplus.iter().map(|path| stem(path)).collect();
        let text = serde_json::to_vec(&totals)?;
        let saved = self.write(FILE, &text);
        surplus.iter().try_for_each(fs::remove_file)?;
        // The removal may have made space.
        saved.or_else(|_| self.write(FILE, &text))
    }

    /// Returns the records to remove. A file with a time in the future was written before the clock
    /// was set back: it is the oldest.
    fn surplus(&self, own: &str) -> io::Result<Vec<PathBuf>> {
        let mut listed = self.listed()?;
        let surplus = listed.len().saturating_sub(RUNS_KEPT);
        let now = SystemTime::now();
        listed.sort_by_cached_key(|path| {
            let written = fs::metadata(path).and_then(|file| file.modified());
            written.is_ok_and(|at| at <= now)
        });
        listed.retain(|path| stem(path) != own);
        listed.truncate(surplus);
        Ok(listed)
    }
}

fn parse(text: Option<&[u8]>) -> Totals {
    text.and_then(|text| serde_json::from_slice(text).ok())
        .unwrap_or_default()
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests;
