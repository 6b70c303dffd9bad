//! Asking PID 1 for everything: at the start, after a reload, a re-execution, a loss of signals or of the bus.
//!
//! First the list of loaded units, then each watched one in full, a few at a time. Units that are not loaded
//! are not asked for: asking would load them.

use super::systemd::{Question, UnitAt};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// Questions on their way at once; each answer is some 15 KB.
const AT_ONCE: usize = 32;
/// How long PID 1 may keep silent before it is asked again.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long after a loss of signals everything is asked for: at most once in this time, however long the
/// flood lasts.
const POSTPONEMENT: Duration = Duration::from_secs(1);
/// How long a reload may take before its end counts as missed.
const RELOAD_PATIENCE: Duration = Duration::from_secs(120);

/// How far a resync is.
#[derive(Debug, Default)]
pub(super) struct Resync {
    phase: Phase,
    connection: Connection,
    completed: Completed,
}

/// Whether all there was to ask was answered.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Completed {
    #[default]
    Never,
    JustNow,
    Before,
}

#[derive(Debug, Default)]
enum Phase {
    /// Nothing is being asked.
    #[default]
    Idle,
    /// PID 1 reloads; what is asked now is stale at once.
    Held { until: Duration },
    /// Signals were lost; in a flood more will be, so it is let pass.
    Postponed { until: Duration },
    /// The list is on its way.
    Listing { until: Duration },
    /// Units are being asked for.
    Describing { queue: VecDeque<Question>, asked: HashSet<String>, until: Duration },
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Connection {
    #[default]
    Never,
    Up,
    Lost,
}

/// Whether the resync goes as it should.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It does, or none is under way.
    Fine,
    /// What was postponed is due.
    Due(Question),
    /// PID 1 kept silent for too long; this is to be asked again.
    Again(Question),
}

impl Resync {
    /// The bus is there.
    pub(super) fn connected(&mut self) {
        self.connection = Connection::Up;
    }

    /// The bus is gone; `true`: it was there, or this is the first failure.
    pub(super) fn lost(&mut self) -> bool {
        let news = self.connection != Connection::Lost;
        self.connection = Connection::Lost;
        self.phase = Phase::Idle;
        news
    }

    /// Whether PID 1 can be heard.
    pub(super) fn is_connected(&self) -> bool {
        self.connection == Connection::Up
    }

    /// Whether all there was to ask was answered once.
    pub(super) fn is_complete(&self) -> bool {
        self.completed != Completed::Never
    }

    /// Whether that happened since this was asked last.
    pub(super) fn has_just_completed(&mut self) -> bool {
        let news = self.completed == Completed::JustNow;
        if news {
            self.completed = Completed::Before;
        }
        news
    }

    /// Starts afresh.
    pub(super) fn begin(&mut self, now: Duration) -> Option<Question> {
        if !self.is_connected() {
            return None;
        }
        self.phase = Phase::Listing { until: now + PATIENCE };
        Some(Question::Units)
    }

    /// Starts afresh in a while; `false`: that was planned already.
    pub(super) fn postpone(&mut self, now: Duration) -> bool {
        let news = !matches!(self.phase, Phase::Postponed { .. });
        if news {
            self.phase = Phase::Postponed { until: now + POSTPONEMENT };
        }
        news
    }

    /// PID 1 has begun a reload; its end will [`Resync::begin`].
    pub(super) fn hold(&mut self, now: Duration) {
        self.phase = Phase::Held { until: now + RELOAD_PATIENCE };
    }

    /// Whether PID 1 reloads, as far as is known.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Held { .. })
    }

    /// The list has come; `missing` are units to be found by another name.
    pub(super) fn listed(&mut self, units: Vec<UnitAt>, missing: Vec<String>) {
        if let Phase::Listing { until } = self.phase {
            let describe = units.into_iter().map(Question::Describe);
            let queue = describe.chain(missing.into_iter().map(Question::Find)).collect();
            self.phase = Phase::Describing { queue, asked: HashSet::new(), until };
        }
    }

    /// A unit was found under its own name.
    pub(super) fn found(&mut self, alias: &str, at: UnitAt) {
        if let Phase::Describing { queue, asked, .. } = &mut self.phase {
            asked.remove(alias);
            queue.push_back(Question::Describe(at));
        }
    }

    /// A unit was described.
    pub(super) fn described(&mut self, unit: &str) {
        if let Phase::Describing { asked, .. } = &mut self.phase {
            asked.remove(unit);
        }
    }

    /// What was asked about is gone.
    pub(super) fn unanswered(&mut self, question: &Question) {
        if let (Phase::Describing { asked, .. }, Some(name)) = (&mut self.phase, subject(question)) {
            asked.remove(name);
        }
    }

    /// The questions whose turn has come; notes the end when there are none left.
    pub(super) fn next(&mut self, now: Duration) -> Vec<Question> {
        let Phase::Describing { queue, asked, until } = &mut self.phase else { return Vec::new() };
        let mut questions = Vec::new();
        while asked.len() < AT_ONCE
            && let Some(question) = queue.pop_front()
        {
            asked.extend(subject(&question).map(str::to_owned));
            questions.push(question);
            *until = now + PATIENCE;
        }
        if asked.is_empty() {
            self.phase = Phase::Idle;
            self.completed = Completed::JustNow;
        }
        questions
    }

    /// When [`Resync::overdue`] wants to be asked.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Idle => None,
            Phase::Held { until }
            | Phase::Postponed { until }
            | Phase::Listing { until }
            | Phase::Describing { until, .. } => Some(until),
        }
    }

    /// Gives a resync that got stuck another try.
    pub(super) fn overdue(&mut self, now: Duration) -> Progress {
        if self.deadline().is_none_or(|until| until > now) {
            return Progress::Fine;
        }
        let planned = matches!(self.phase, Phase::Postponed { .. });
        match self.begin(now) {
            None => {
                self.phase = Phase::Idle;
                Progress::Fine
            }
            Some(question) if planned => Progress::Due(question),
            Some(question) => Progress::Again(question),
        }
    }
}

/// The unit a question of a resync is about.
fn subject(question: &Question) -> Option<&str> {
    match question {
        Question::Find(unit) => Some(unit),
        Question::Describe(at) => Some(&at.unit),
        // Nobody waits for a stack's unit: whatever is not known of it is no restart.
        Question::Subscribe | Question::Units | Question::Stack(_) | Question::JobType(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn units(names: std::ops::Range<usize>) -> Vec<UnitAt> {
        names.map(|n| UnitAt::new(&format!("u{n}.service"))).collect()
    }

    #[test]
    fn every_unit_is_asked_for_a_few_at_a_time() {
        let mut resync = Resync::default();
        assert_eq!(resync.begin(NOW), None, "nobody to ask");
        resync.connected();
        assert_eq!(resync.begin(NOW), Some(Question::Units));
        resync.listed(units(0..100), vec!["alias.service".into()]);
        let mut asked = 0;
        loop {
            let questions = resync.next(NOW);
            asked += questions.len();
            assert!(questions.len() <= AT_ONCE);
            for question in &questions {
                match question {
                    Question::Describe(at) => resync.described(&at.unit),
                    other => resync.unanswered(other),
                }
            }
            if resync.is_complete() {
                break;
            }
        }
        assert_eq!(asked, 101);
        assert_eq!(resync.deadline(), None);
    }

    #[test]
    fn silence_is_met_by_asking_again() {
        let mut resync = Resync::default();
        resync.connected();
        let _ = resync.begin(NOW);
        assert_eq!(resync.overdue(NOW), Progress::Fine);
        assert_eq!(resync.overdue(NOW + PATIENCE), Progress::Again(Question::Units));
        assert!(resync.lost() && !resync.lost());
        assert_eq!(resync.deadline(), None, "a lost bus starts anew by itself");
    }

    #[test]
    fn a_flood_is_let_pass_before_everything_is_asked_for() {
        let mut resync = Resync::default();
        resync.connected();
        assert!(resync.postpone(NOW) && !resync.postpone(NOW + POSTPONEMENT / 2));
        assert_eq!(resync.deadline(), Some(NOW + POSTPONEMENT));
        assert_eq!(resync.overdue(NOW + POSTPONEMENT), Progress::Due(Question::Units));
    }

    #[test]
    fn a_reload_whose_end_is_missed_does_not_hold_up_for_ever() {
        let mut resync = Resync::default();
        resync.connected();
        let _ = resync.begin(NOW);
        resync.hold(NOW);
        assert_eq!(resync.overdue(NOW + PATIENCE), Progress::Fine);
        assert_eq!(resync.overdue(NOW + RELOAD_PATIENCE), Progress::Again(Question::Units));
    }
}
