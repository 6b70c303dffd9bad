//! The series of a ward: what has happened since it was last healthy or stopped by hand.
//!
//! A start that somebody asks for begins the restarts anew, but not the count of deaths: a socket, a timer, `Upholds=` or a name on
//! the bus asks for one after each death, and any local user may be behind it. Only an end that was asked for clears the count, and
//! a readmission. A clean end that systemd leaves at that, as one of an idle service's, is no death that counts.
//!
//! Times are milliseconds of a clock that does not jump (boot time); the caller reads it.

use crate::core::config::time_span::millis;
use std::collections::BTreeSet;
use std::time::Duration;

/// What is remembered of a ward from run to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// Restarts in a row.
    pub restarts: u32,
    /// When the deaths that count towards the limit happened, oldest first.
    pub deaths: Vec<u64>,
    /// systemd's `NRestarts` when it was last seen, at a start or an end: it changes, and is not 0, if and only if the
    /// next start is an automatic one.
    pub nrestarts: u32,
    /// Whether a run has begun whose end nobody has noted.
    pub open: bool,
    /// Since when the present run is up, its steps included.
    pub up_since: Option<u64>,
    /// How the last run ended.
    pub last_end: LastEnd,
    /// The run whose death the next start will answer, if that start is an automatic one.
    pub died_in: Option<String>,
    /// Before when systemd does not restart the unit after that death, microseconds of the monotonic clock; `None`: it is not going
    /// to restart it, or has done so.
    pub restart_due: Option<u64>,
    /// The deaths with which the limit was reached last; 0: it was not, or a start has come since that somebody asked for.
    pub limit_at: usize,
    /// Conditions with `Once=` that have fired.
    pub spent: BTreeSet<String>,
}

/// How a run ended, as far as the next start cares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LastEnd {
    /// No run has ended yet, or nobody noted how.
    #[default]
    Unknown,
    /// Somebody asked for it.
    Asked,
    /// It ended by itself, cleanly.
    Death,
    /// It ended by itself, in a crash.
    AbnormalDeath,
}

/// Why a start happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Start {
    /// Somebody asked for it, or the boot did.
    First,
    /// An automatic restart after a clean end.
    AfterDeath,
    /// An automatic restart after a crash.
    AfterAbnormalDeath,
}

impl Start {
    /// Whether it is an automatic restart.
    #[must_use]
    pub fn is_restart(self) -> bool {
        self != Self::First
    }
}

/// When too many deaths are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeathLimit {
    /// Deaths that are tolerated; zero: any number.
    pub deaths: u32,
    /// … within this time.
    pub within: Duration,
    /// A run that was up this long begins a new series.
    pub reset_after: Duration,
}

/// What a death means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// systemd may restart it.
    Restart,
    /// One death too many.
    LimitReached,
}

impl Series {
    /// Notes a start. `nrestarts` is systemd's counter, `None` when it could not be asked.
    ///
    /// systemd puts the counter back to 0 at a manual start and at `reset-failed`, but not when somebody stops the unit
    /// while it waits for its restart; so a counter that stands where it stood at the last end is no restart either.
    ///
    /// After an end that was asked for no start answers a death, whoever makes it: the full restart of a stack may kill a process,
    /// and systemd restarts it.
    ///
    /// `is_turned`: what [`super::turned::is_turned_restart`] says.
    pub fn start(&mut self, nrestarts: Option<u32>, is_turned: bool) -> Start {
        let automatic = match nrestarts {
            _ if is_turned => true,
            Some(count) => count > 0 && count != self.nrestarts && self.last_end != LastEnd::Asked,
            None => matches!(self.last_end, LastEnd::Death | LastEnd::AbnormalDeath),
        };
        // It is for this start alone: should the end of this run go unnoted, the next one must not be taken for asked.
        let last_end = std::mem::take(&mut self.last_end);
        self.up_since = None;
        self.restart_due = None;
        self.open = true;
        self.nrestarts = nrestarts.unwrap_or(self.nrestarts);
        if automatic {
            self.restarts = self.restarts.saturating_add(1);
            // An automatic restart follows a death; one that nobody noted is taken for the worse.
            return if last_end == LastEnd::Death { Start::AfterDeath } else { Start::AfterAbnormalDeath };
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

    /// The run whose death this start answers; `missed`: that death's end was noted by nobody, so the run is not known.
    pub fn answers(&mut self, start: Start, missed: bool) -> Option<String> {
        self.died_in.take().filter(|_| start.is_restart() && !missed)
    }

    /// Whether no death and no restart of systemd's stands behind the next start: the last run ended because somebody asked for it,
    /// or there was none.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let is_asked = matches!(self.last_end, LastEnd::Unknown | LastEnd::Asked);
        is_asked && !self.open && self.nrestarts == 0 && self.restart_due.is_none()
    }

    /// Whether a start with this counter follows a run that ended without anybody noting it.
    ///
    /// The line that notes an end may not have run: somebody has killed it, or PID 1 could not start it.
    #[must_use]
    pub fn missed_an_end(&self, nrestarts: Option<u32>) -> bool {
        self.open && nrestarts.is_some_and(|count| count > 0 && count != self.nrestarts)
    }

    /// Notes systemd's counter at an end.
    pub fn ended(&mut self, nrestarts: Option<u32>) {
        self.open = false;
        self.nrestarts = nrestarts.unwrap_or(self.nrestarts);
    }

    /// Notes that the run is up, its steps included.
    pub fn up(&mut self, now: u64) {
        self.up_since = Some(now);
    }

    /// Notes an end that was asked for.
    pub fn asked(&mut self) {
        self.up_since = None;
        self.last_end = LastEnd::Asked;
    }

    /// Notes a death and says whether it was one too many.
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

    /// Forgets what does not count any more for a death now.
    pub fn forget(&mut self, now: u64, limit: DeathLimit) {
        let up = self.up_since.map(|since| now.saturating_sub(since));
        if up.is_some_and(|up| up >= millis(limit.reset_after)) {
            self.restarts = 0;
            self.deaths.clear();
        }
        if limit.deaths > 0 {
            self.deaths.retain(|death| now.saturating_sub(*death) < millis(limit.within));
        }
    }

    /// How many deaths from now on, all at once, are one too many; `None`: no number is.
    #[must_use]
    pub fn deaths_left(&self, now: u64, limit: DeathLimit) -> Option<usize> {
        let mut counted = self.clone();
        counted.forget(now, limit);
        (limit.deaths > 0).then(|| (limit.deaths as usize).saturating_sub(counted.deaths.len()) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: DeathLimit =
        DeathLimit { deaths: 5, within: Duration::from_secs(60), reset_after: Duration::from_secs(600) };

    fn crash(series: &mut Series, now: u64) -> Verdict {
        series.death(now, LastEnd::AbnormalDeath, LIMIT)
    }

    #[test]
    fn five_deaths_are_tolerated_and_the_sixth_is_too_many() {
        let mut series = Series::default();
        let verdicts: Vec<_> = (0..6).map(|n| crash(&mut series, n * 9_000)).collect();
        assert_eq!(verdicts[..5], [Verdict::Restart; 5]);
        assert_eq!(verdicts[5], Verdict::LimitReached);
    }

    #[test]
    fn deaths_further_apart_than_the_interval_do_not_add_up() {
        let mut series = Series::default();
        assert!((0..100).all(|n| crash(&mut series, n * 12_000) == Verdict::Restart));
    }

    #[test]
    fn zero_is_no_limit() {
        let mut series = Series::default();
        let limit = DeathLimit { deaths: 0, ..LIMIT };
        assert!((0..100).all(|n| series.death(n, LastEnd::AbnormalDeath, limit) == Verdict::Restart));
        assert_eq!(series.deaths, [] as [u64; 0], "nothing piles up");
    }

    #[test]
    fn a_manual_start_counts_from_zero() {
        let mut series = Series::default();
        for n in 0..5 {
            let _ = crash(&mut series, n);
            assert_eq!(series.start(Some(u32::try_from(n).unwrap() + 1), false), Start::AfterAbnormalDeath);
        }
        assert_eq!(series.restarts, 5);
        series.spent.insert("OnDeath".into());
        series.asked();
        assert_eq!(series.start(Some(0), false), Start::First);
        assert_eq!((series.restarts, series.deaths.len(), series.spent.len()), (0, 0, 0));
    }

    #[test]
    fn a_series_is_at_rest_unless_a_restart_may_follow() {
        let mut series = Series::default();
        assert!(series.is_at_rest());
        let _ = series.start(Some(0), false);
        assert!(!series.is_at_rest(), "should nobody note its end, the next start may be a restart");
        series.asked();
        series.ended(Some(0));
        assert!(series.is_at_rest());
        let _ = series.start(Some(0), false);
        let _ = crash(&mut series, 1);
        series.ended(Some(0));
        assert!(!series.is_at_rest());
        let _ = series.start(Some(1), false);
        series.asked();
        series.ended(Some(1));
        assert!(!series.is_at_rest(), "systemd's counter is not 0, so it tells more");
    }

    #[test]
    fn starts_that_a_socket_asks_for_after_each_death_do_not_void_the_limit() {
        let mut series = Series::default();
        let mut die = |now| {
            assert_eq!(series.start(Some(0), false), Start::First);
            let verdict = crash(&mut series, now);
            series.ended(Some(0));
            verdict
        };
        let verdicts: Vec<_> = (0..6).map(&mut die).collect();
        assert_eq!(verdicts[4..], [Verdict::Restart, Verdict::LimitReached]);
        assert!((0..100).all(|n| die(60_000 + n * 12_000) == Verdict::Restart), "further apart than the interval");
    }

    #[test]
    fn clean_ends_after_which_a_timer_starts_it_again_do_not_add_up() {
        let mut series = Series::default();
        let _ = series.start(Some(0), false);
        let _ = crash(&mut series, 0);
        for n in 1..100 {
            assert_eq!(series.start(Some(0), false), Start::First);
            assert_eq!(series.death(n, LastEnd::Death, LIMIT), Verdict::Restart);
        }
        assert_eq!(series.deaths, [0, 99], "the crash counts, and the last end until it is known what follows");
    }

    #[test]
    fn healthy_time_begins_a_new_series() {
        let mut series = Series::default();
        for n in 0..5 {
            let _ = crash(&mut series, n);
            let _ = series.start(Some(u32::try_from(n).unwrap() + 1), false);
        }
        series.up(1_000);
        assert_eq!(crash(&mut series, 1_000 + 600_000), Verdict::Restart);
        assert_eq!((series.restarts, series.deaths.len()), (0, 1));
    }

    #[test]
    fn the_deaths_that_are_left_are_those_after_which_the_limit_is_reached() {
        let mut series = Series::default();
        for (now, up) in [(0, None), (1_000, None), (2_000, Some(1_500)), (61_000, None), (800_000, Some(70_000))] {
            series.up_since = up;
            let left = series.deaths_left(now, LIMIT).unwrap();
            let mut probe = series.clone();
            let tolerated = (1..).take_while(|_| crash(&mut probe, now) == Verdict::Restart).count();
            assert_eq!(left, tolerated + 1, "at {now}");
            let _ = crash(&mut series, now);
        }
        assert_eq!(series.deaths_left(0, DeathLimit { deaths: 0, ..LIMIT }), None);
    }

    #[test]
    fn a_counter_that_has_not_risen_is_a_manual_start() {
        let mut series = Series::default();
        let _ = series.start(Some(0), false);
        let _ = crash(&mut series, 1);
        assert_eq!(series.start(Some(1), false), Start::AfterAbnormalDeath);
        let _ = crash(&mut series, 2);
        // Stopped by hand while systemd waited with the restart, then started by hand: the counter stays at 1.
        assert_eq!(series.start(Some(1), false), Start::First);
    }

    #[test]
    fn a_counter_put_back_by_reset_failed_does_not_hide_a_restart() {
        let mut series = Series::default();
        let _ = series.start(Some(0), false);
        let _ = crash(&mut series, 1);
        series.ended(Some(0));
        assert_eq!(series.start(Some(1), false), Start::AfterAbnormalDeath);
        // reset-failed while it runs: the counter is 0 again at its next end.
        let _ = crash(&mut series, 2);
        series.ended(Some(0));
        assert_eq!(series.start(Some(1), false), Start::AfterAbnormalDeath);
    }

    #[test]
    fn an_end_that_nobody_noted_shows_at_the_next_automatic_start() {
        let mut series = Series::default();
        let _ = series.start(Some(0), false);
        assert!(series.missed_an_end(Some(1)));
        assert!(!series.missed_an_end(Some(0)), "a manual start tells nothing");
        series.ended(Some(0));
        assert!(!series.missed_an_end(Some(1)));
    }

    #[test]
    fn a_restart_answers_the_death_that_was_noted_last() {
        let died_in = |id: &str| Series { died_in: Some(id.to_owned()), ..Series::default() };
        assert_eq!(died_in("a").answers(Start::AfterDeath, false), Some("a".to_owned()));
        assert_eq!(died_in("a").answers(Start::First, false), None, "somebody asked for this start");
        assert_eq!(died_in("a").answers(Start::AfterAbnormalDeath, true), None, "the death was a later run's");
        let mut series = died_in("a");
        let _ = series.answers(Start::First, false);
        assert_eq!(series.died_in, None, "a death is answered once");
    }

    #[test]
    fn the_kind_of_death_decides_the_kind_of_restart() {
        for (end, start) in [
            (LastEnd::Death, Start::AfterDeath),
            (LastEnd::AbnormalDeath, Start::AfterAbnormalDeath),
            (LastEnd::Unknown, Start::AfterAbnormalDeath),
        ] {
            let mut series = Series { last_end: end, ..Series::default() };
            assert_eq!(series.start(Some(1), false), start);
        }
    }

    #[test]
    fn an_automatic_start_after_an_end_that_was_asked_for_begins_afresh() {
        let mut series = Series::default();
        let _ = series.start(Some(0), false);
        let _ = crash(&mut series, 1);
        assert_eq!(series.start(Some(1), false), Start::AfterAbnormalDeath);
        series.asked();
        series.ended(Some(1));
        assert_eq!(series.start(Some(2), false), Start::First, "the full restart of its stack has killed it");
        assert_eq!((series.restarts, series.deaths.len()), (0, 0));
        assert_eq!(series.start(Some(3), false), Start::AfterAbnormalDeath, "an end that nobody noted is a death");
    }

    #[test]
    fn without_the_counter_the_last_end_decides() {
        let mut series = Series::default();
        assert_eq!(series.start(None, false), Start::First);
        let _ = crash(&mut series, 1);
        assert_eq!(series.start(None, false), Start::AfterAbnormalDeath);
        series.asked();
        assert_eq!(series.start(None, false), Start::First);
    }
}
