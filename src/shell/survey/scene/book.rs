//! Records of a ward, as far as an answer needs them.

use super::Depth;
use crate::core::recovery::Series;
use crate::edge::dying::Shown;
use crate::edge::exclusion::{self, Exclusion, Standing};
use crate::edge::record::{RunRecord, StartKind, Totals, WardState};
use crate::edge::{clock, series_file, up};
use crate::shell::survey::pid1::UnitSeen;

/// Records of a ward.
#[derive(Debug, Default)]
pub(in crate::shell::survey) struct Book {
    pub(in crate::shell::survey) totals: Totals,
    /// Runs, newest first; for [`Depth::Line`] only as many as a line needs.
    pub(in crate::shell::survey) runs: Vec<RunRecord>,
    pub(in crate::shell::survey) series: Series,
    pub(in crate::shell::survey) exclusion: Option<Exclusion>,
}

impl Book {
    pub(in crate::shell::survey) fn read(
        state: &WardState,
        depth: Depth,
        standing: Standing,
    ) -> Self {
        let (totals, runs) = if depth == Depth::Line {
            glance(state)
        } else {
            state.sum()
        };
        Self {
            totals,
            runs,
            series: series_file::load(state),
            exclusion: exclusion::of(state, standing),
        }
    }

    /// Returns the run of the ward's unit that began last.
    pub(in crate::shell::survey) fn latest(&self) -> Option<&RunRecord> {
        self.runs
            .iter()
            .find(|run| run.start != StartKind::Condition)
    }

    /// Returns the record of this run.
    pub(in crate::shell::survey) fn run(&self, invocation: &str) -> Option<&RunRecord> {
        self.runs.iter().find(|run| run.invocation == invocation)
    }

    /// Adds the death that PID 1 shows of the latest run, whose lines have not recorded it yet.
    pub(in crate::shell::survey) fn dies(&mut self, shown: &Shown) {
        let latest = self
            .runs
            .iter_mut()
            .find(|run| run.start != StartKind::Condition);
        let Some(end) = latest.and_then(|run| shown.complete(run)) else {
            return;
        };
        self.totals.deaths += 1;
        self.totals.crashes += u64::from(end.result != "success");
        let counts = end.result != "success" || end.restart_follows == Some(true);
        if let Some(at) = end.since_boot.filter(|_| counts) {
            self.series.deaths.push(at);
        }
    }

    /// Sets the time since which the latest run is up.
    pub(super) fn complete(&mut self, unit: &UnitSeen) {
        let Some(since) = unit.up_since else { return };
        let main = unit
            .details
            .as_ref()
            .map_or(0, |details| details.main_started);
        if let Some(run) = self
            .runs
            .iter_mut()
            .find(|run| run.start != StartKind::Condition)
        {
            run.up = Some(up::at(since, main));
        }
        self.series
            .up_since
            .get_or_insert_with(|| clock::since_boot_of_monotonic(since));
    }
}

/// Returns the records back to the last death, and, if there is none, the totals of those that are
/// gone.
fn glance(state: &WardState) -> (Totals, Vec<RunRecord>) {
    let mut runs = Vec::new();
    for run in state.newest_runs() {
        let died = run.end.as_ref().is_some_and(|end| end.is_death());
        runs.push(run);
        if died {
            return (Totals::default(), runs);
        }
    }
    (state.totals(), runs)
}
