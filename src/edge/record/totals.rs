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
            if self.last_death.as_ref().is_none_or(|(_, last)| last.at <= end.at) {
                self.last_death = Some((record.invocation.clone(), end.clone()));
            }
        }
        let mut fired = BTreeSet::new();
        // Step 0 does not belong to the ward: it starts the service of a condition with
        // Independent=.
        for result in record.results.iter().filter(|result| result.step != "0") {
            let condition = self.conditions.entry(result.condition.clone()).or_default();
            condition.count += u64::from(fired.insert(&result.condition));
            condition.steps.entry(result.step.clone()).or_default().count(result);
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
        if lock.as_ref().is_some_and(|lock| flock(lock, FlockOperation::NonBlockingLockExclusive).is_err()) {
            // Another process is removing records.
            return Ok(());
        }
        let surplus = self.surplus(own)?;
        let mut totals = self.totals();
        let before = std::mem::take(&mut totals.counted);
        for path in surplus.iter().filter(|path| !before.contains(&stem(path))) {
            if let Some(record) = contents(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
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
        let written = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified());
        listed.sort_by_cached_key(|path| written(path).is_ok_and(|at| at <= now));
        listed.retain(|path| stem(path) != own);
        listed.truncate(surplus);
        Ok(listed)
    }
}

fn parse(text: Option<&[u8]>) -> Totals {
    text.and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default()
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Duration;

    fn end(at: u64, result: &str) -> End {
        End { result: result.into(), ..End::killed(at) }
    }

    fn result(step: &str, outcome: Outcome) -> StepResult {
        StepResult {
            condition: "OnDeath".into(),
            step: step.into(),
            action: "Execute".into(),
            argument: String::new(),
            outcome,
            status: 0,
            at: 0,
            ms: 1,
        }
    }

    /// Makes run `n` of a ward that flaps: the first was requested, each one dies, each restart
    /// does two steps.
    fn run(n: u64) -> RunRecord {
        let start = if n == 0 { StartKind::First } else { StartKind::AfterAbnormalDeath };
        let acted = vec![result("0", Outcome::Ok), result("1", Outcome::Ok), result("3", Outcome::Failed)];
        let results = if n == 0 { Vec::new() } else { acted };
        let end = Some(end(n, if n.is_multiple_of(2) { "signal" } else { "success" }));
        RunRecord { results, end, ..RunRecord::new("a", "a.service", &format!("{n:04}"), start) }
    }

    fn check(totals: &Totals, deaths: u64) {
        let counters = (totals.starts, totals.restarts(), totals.deaths, totals.crashes);
        assert_eq!(counters, (1, deaths - 1, deaths, deaths.div_ceil(2)));
        let condition = &totals.conditions["OnDeath"];
        assert_eq!(condition.count, deaths - 1);
        let steps: Vec<_> = condition.steps.iter().map(|(id, step)| (id.as_str(), step.done, step.failed)).collect();
        assert_eq!(steps, [("1", deaths - 1, 0), ("3", 0, deaths - 1)]);
        assert_eq!(totals.last_death.as_ref().unwrap().1.at, deaths - 1);
    }

    fn place() -> (tempfile::TempDir, WardState) {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "a");
        (place, state)
    }

    #[test]
    fn counters_are_those_of_all_runs_and_only_the_newest_records_are_kept() {
        let (place, state) = place();
        for n in 0..1_000 {
            state.save_run(&run(n)).unwrap();
            state.prune_runs(&run(n).invocation).unwrap();
            if n % 97 == 50 {
                check(&state.sum().0, n + 1);
            }
        }
        let (totals, kept) = state.sum();
        check(&totals, 1_000);
        assert_eq!((kept.len(), kept[0].invocation.as_str()), (RUNS_KEPT, "0999"));
        assert_eq!(fs::read_dir(place.path().join("a/runs")).unwrap().count(), RUNS_KEPT);
    }

    #[test]
    fn a_record_that_was_counted_and_is_still_there_counts_once() {
        let (_place, state) = place();
        let deaths = RUNS_KEPT as u64 + 3;
        (0..deaths).for_each(|n| state.save_run(&run(n)).unwrap());
        state.prune_runs("").unwrap();
        // As if the process had been killed before it removed the last one, which then is the
        // oldest again.
        state.save_run(&run(2)).unwrap();
        let file = File::options().write(true).open(state.run_path("0002")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        check(&state.sum().0, deaths);
        state.prune_runs("").unwrap();
        check(&state.sum().0, deaths);
        assert_eq!(state.run("0002").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn damaged_totals_begin_afresh_and_a_damaged_record_goes_uncounted() {
        let (place, state) = place();
        assert_eq!(state.sum(), (Totals::default(), Vec::new()));
        state.write(FILE, b"{\"deaths\":").unwrap();
        fs::create_dir_all(place.path().join("a/runs")).unwrap();
        let garbage = place.path().join("a/runs/garbage.json");
        fs::write(&garbage, "{").unwrap();
        File::options().write(true).open(&garbage).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let deaths = RUNS_KEPT as u64;
        (0..deaths).for_each(|n| state.save_run(&run(n)).unwrap());
        state.prune_runs("").unwrap();
        check(&state.sum().0, deaths);
        assert!(!garbage.exists());
    }

    #[test]
    fn who_finds_another_at_it_leaves_it_to_him() {
        let (place, state) = place();
        let deaths = RUNS_KEPT as u64 + 1;
        (0..deaths).for_each(|n| state.save_run(&run(n)).unwrap());
        let lock = File::create(place.path().join("a").join(LOCK)).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        state.prune_runs("").unwrap();
        assert!(state.run("0000").is_ok());
        drop(lock);
        state.prune_runs("").unwrap();
        assert!(state.run("0000").is_err());
        check(&state.sum().0, deaths);
    }

    #[test]
    fn records_from_before_the_clock_was_set_back_go_first_and_ones_own_never() {
        let (_place, state) = place();
        let date = |n: u64, at: SystemTime| {
            let file = File::options().write(true).open(state.run_path(&run(n).invocation)).unwrap();
            file.set_modified(at).unwrap();
        };
        let deaths = RUNS_KEPT as u64 + 2;
        let future = SystemTime::now() + Duration::from_secs(86_400);
        (0..deaths).for_each(|n| state.save_run(&run(n)).unwrap());
        (0..deaths - 2).for_each(|n| date(n, future + Duration::from_secs(n)));
        date(deaths - 1, SystemTime::UNIX_EPOCH);
        state.prune_runs(&run(deaths - 1).invocation).unwrap();
        let there: Vec<_> = [0, 1, 2, deaths - 2, deaths - 1].map(|n| state.run(&run(n).invocation).is_ok()).into();
        assert_eq!(there, [false, false, true, true, true]);
        // All other records are newer than the own one.
        state.save_run(&run(0)).unwrap();
        (2..deaths - 1).for_each(|n| date(n, SystemTime::UNIX_EPOCH + Duration::from_secs(n)));
        state.prune_runs(&run(deaths - 1).invocation).unwrap();
        assert!(state.run(&run(deaths - 1).invocation).is_ok());
        assert_eq!(state.runs().len(), RUNS_KEPT);
    }

    #[test]
    fn records_go_although_no_lock_can_be_made() {
        let (place, state) = place();
        (0..RUNS_KEPT as u64 + 3).for_each(|n| state.save_run(&run(n)).unwrap());
        fs::create_dir(place.path().join("a").join(LOCK)).unwrap();
        state.prune_runs("").unwrap();
        assert_eq!(state.runs().len(), RUNS_KEPT);
        check(&state.sum().0, RUNS_KEPT as u64 + 3);
    }
}
