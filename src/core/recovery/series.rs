//! The series of a ward: its history since it was last healthy or stopped by hand.
//!
//! A start by request resets the restarts, but not the count of deaths: a socket, a timer,
//! `Upholds=` or a name on the bus requests one after each death, and any local user may cause it.
//! Only an end by request or a readmission clears the count. A clean end that systemd does not
//! answer is no death that counts. Times are milliseconds of boot time, which the caller reads.

use crate::core::config::time_span::millis;
use std::collections::BTreeSet;
use std::time::Duration;

/// State of a ward that is kept from run to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// Restarts in a row.
    pub restarts: u32,
    /// Times of the deaths that count towards the limit, oldest first.
    pub deaths: Vec<u64>,
    /// `NRestarts` at the last start or end; an automatic restart shows another value above 0.
    pub nrestarts: u32,
    /// True if a run has begun whose end is not recorded.
    pub open: bool,
    /// Time since which the present run is up, its steps included.
    pub up_since: Option<u64>,
    /// End of the last run.
    pub last_end: LastEnd,
    /// Run whose death the next start answers, if that start is an automatic one.
    pub died_in: Option<String>,
    /// Earliest time of the restart after that death, in microseconds of the monotonic clock;
    /// `None`: no restart is due.
    pub restart_due: Option<u64>,
    /// Number of deaths with which the limit was reached; 0: not since the last start by request.
    pub limit_at: usize,
    /// Conditions with `Once=` that have fired.
    pub spent: BTreeSet<String>,
}

/// End of a run, as far as it matters for the next start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LastEnd {
    /// No run has ended yet, or its end is not recorded.
    #[default]
    Unknown,
    /// It was requested.
    Asked,
    /// It ended by itself, cleanly.
    Death,
    /// It ended by itself, in a crash.
    AbnormalDeath,
}

/// Reason for a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Start {
    /// It was requested, or is part of the boot.
    First,
    /// An automatic restart after a clean end.
    AfterDeath,
    /// An automatic restart after a crash.
    AfterAbnormalDeath,
}

impl Start {
    /// Returns true for an automatic restart.
    #[must_use]
    pub fn is_restart(self) -> bool {
        self != Self::First
    }
}

/// Limit on the number of deaths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeathLimit {
    /// Number of deaths that are tolerated; zero: any number.
    pub deaths: u32,
    /// … within this time.
    pub within: Duration,
    /// A run that was up this long begins a new series.
    pub reset_after: Duration,
}

/// Consequence of a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// systemd may restart the unit.
    Restart,
    /// The death limit is reached.
    LimitReached,
}

impl Series {
    /// Records a start. `nrestarts` is systemd's counter, `None` if it could not be read;
    /// `is_turned` is the result of [`super::turned::is_turned_restart`].
    ///
    /// systemd resets the counter at a manual start and at `reset-failed`, but not if the unit is
    /// stopped while it waits for its restart; so a counter unchanged since the last end is no
    /// restart. After an end by request no start answers a death: systemd restarts processes that a
    /// full restart kills.
    pub fn start(&mut self, nrestarts: Option<u32>, is_turned: bool) -> Start {
        let automatic = match nrestarts {
            _ if is_turned => true,
            Some(count) => count > 0 && count != self.nrestarts && self.last_end != LastEnd::Asked,
            None => matches!(self.last_end, LastEnd::Death | LastEnd::AbnormalDeath),
        };
        // For this start only: an unrecorded end of this run must not pass for a request later.
        let last_end = std::mem::take(&mut self.last_end);
        self.up_since = None;
        self.restart_due = None;
        self.open = true;
        self.nrestarts = nrestarts.unwrap_or(self.nrestarts);
        if automatic {
            self.restarts = self.restarts.saturating_add(1);
            // An automatic restart follows a death; an unrecorded one counts as a crash.
            return if last_end == LastEnd::Death {
                Start::AfterDeath
            } else {
                Start::AfterAbnormalDeath
            };
        }
        match last_end {
            LastEnd::Asked => self.deaths.clear(),
            LastEnd::Death => drop(self.deaths.pop()),
            LastEnd::Unknown | LastEnd::AbnormalDeath => {}
        }
        self.restarts = 0;
        self.limit_at = 0;
        self.spent.clear();
        Start::First
    }

    /// Returns the state after a readmission: nothing of before counts, but the next start ends a
    /// recovery that was under way. `None`: there was none.
    #[must_use]
    pub fn readmitted(self) -> Option<Self> {
        self.restart_due?;
        Some(Self {
            died_in: Some(self.died_in?),
            // So late that no start is taken for the restart itself.
            restart_due: Some(u64::MAX),
            ..Self::default()
        })
    }

    /// Returns the run whose death this start answers; none if that death was `missed`.
    pub fn answers(&mut self, start: Start, missed: bool) -> Option<String> {
        self.died_in
            .take()
            .filter(|_| start.is_restart() && !missed)
    }

    /// Returns true if the next start follows no death and no restart by systemd: the last run
    /// ended by request, or there was none.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let is_asked = matches!(self.last_end, LastEnd::Unknown | LastEnd::Asked);
        is_asked && !self.open && self.nrestarts == 0 && self.restart_due.is_none()
    }

    /// Returns true if a start with this counter follows a run with no recorded end: the line that
    /// records it was killed, or PID 1 could not start it.
    #[must_use]
    pub fn missed_an_end(&self, nrestarts: Option<u32>) -> bool {
        self.open && nrestarts.is_some_and(|count| count > 0 && count != self.nrestarts)
    }

    /// Records systemd's counter at an end.
    pub fn ended(&mut self, nrestarts: Option<u32>) {
        self.open = false;
        self.nrestarts = nrestarts.unwrap_or(self.nrestarts);
    }

    /// Records that the run is up, its steps included.
    pub fn up(&mut self, now: u64) {
        self.up_since = Some(now);
    }

    /// Records an end by request.
    pub fn asked(&mut self) {
        self.up_since = None;
        self.last_end = LastEnd::Asked;
    }

    /// Records a death and returns its consequence.
    pub fn death(&mut self, now: u64, end: LastEnd, limit: DeathLimit) -> Verdict {
        self.forget(now, limit);
        self.up_since = None;
        self.last_end = end;
        self.count(now, limit)
    }

    /// Notes the death of a run since which another one has begun: it counts, and is nothing that the next start would answer.
    pub fn late_death(&mut self, now: u64, limit: DeathLimit) -> Verdict {
        self.forget(now, limit);
        self.count(now, limit)
    }

    fn count(&mut self, now: u64, limit: DeathLimit) -> Verdict {
        if limit.deaths == 0 {
            return Verdict::Restart;
        }
        self.deaths.push(now);
        if self.deaths.len() > limit.deaths as usize {
            self.limit_at = std::mem::take(&mut self.deaths).len();
            return Verdict::LimitReached;
        }
        Verdict::Restart
    }

    /// Drops deaths that do not count any more at `now`.
    pub fn forget(&mut self, now: u64, limit: DeathLimit) {
        let up = self.up_since.map(|since| now.saturating_sub(since));
        if up.is_some_and(|up| up >= millis(limit.reset_after)) {
            self.restarts = 0;
            self.deaths.clear();
        }
        if limit.deaths > 0 {
            self.deaths
                .retain(|death| now.saturating_sub(*death) < millis(limit.within));
        }
    }

    /// Returns the number of deaths, all at `now`, that reach the limit; `None`: there is no limit.
    #[must_use]
    pub fn deaths_left(&self, now: u64, limit: DeathLimit) -> Option<usize> {
        let mut counted = self.clone();
        counted.forget(now, limit);
        (limit.deaths > 0).then(|| (limit.deaths as usize).saturating_sub(counted.deaths.len()) + 1)
    }
}

#[cfg(test)]
mod tests;
