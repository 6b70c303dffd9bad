//! The resync: asks PID 1 for the state of all watched units at the start, after a reload, a
//! re-execution, a loss of signals or of the bus.
//!
//! It asks for the list of loaded units, then for each watched one in full, a few at a time. Units
//! that are not loaded are not asked for: asking would load them.

use super::systemd::{Question, UnitAt};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// Upper bound of unanswered questions; each answer is some 15 KB.
const AT_ONCE: usize = 32;
/// Time without an answer after which PID 1 is asked again.
const PATIENCE: Duration = Duration::from_secs(15);
/// Delay of a resync after a loss of signals: a flood causes at most one in this time, however long
/// it lasts.
const POSTPONEMENT: Duration = Duration::from_secs(1);
/// Time after which the end of a reload counts as missed.
const RELOAD_PATIENCE: Duration = Duration::from_secs(120);

/// State of the resync.
#[derive(Debug, Default)]
pub(super) struct Resync {
    phase: Phase,
    connection: Connection,
    completed: Completed,
}

/// Completion of a resync.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Completed {
    #[default]
    Never,
    JustNow,
    Before,
}

#[derive(Debug, Default)]
enum Phase {
    /// No resync is under way.
    #[default]
    Idle,
    /// PID 1 reloads; an answer would be stale at once.
    Held { until: Duration },
    /// Signals were lost; the resync waits, because in a flood more will be.
    Postponed { until: Duration },
    /// The list is on its way.
    Listing { until: Duration },
    /// Units are being asked for.
    Describing {
        queue: VecDeque<Question>,
        asked: HashSet<String>,
        until: Duration,
    },
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Connection {
    #[default]
    Never,
    Up,
    Lost,
}

/// Result of the check for an overdue resync.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It is in time, or none is under way.
    Fine,
    /// A postponed resync is due; its first question.
    Due(Question),
    /// PID 1 did not answer in time; the first question of the next try.
    Again(Question),
}

impl Resync {
    /// Notes that the bus is connected.
    pub(super) fn connected(&mut self) {
        self.connection = Connection::Up;
    }

    /// Notes that the bus is lost; `true`: it was connected, or this is the first failure.
    pub(super) fn lost(&mut self) -> bool {
        let news = self.connection != Connection::Lost;
        self.connection = Connection::Lost;
        self.phase = Phase::Idle;
        news
    }

    /// Returns true while the bus is connected.
    pub(super) fn is_connected(&self) -> bool {
        self.connection == Connection::Up
    }

    /// Returns true if a resync was ever complete.
    pub(super) fn is_complete(&self) -> bool {
        self.completed != Completed::Never
    }

    /// Returns true if a resync was completed since the last call.
    pub(super) fn has_just_completed(&mut self) -> bool {
        let news = self.completed == Completed::JustNow;
        if news {
            self.completed = Completed::Before;
        }
        news
    }

    /// Starts a resync; `None`: the bus is not connected.
    pub(super) fn begin(&mut self, now: Duration) -> Option<Question> {
        if !self.is_connected() {
            return None;
        }
        self.phase = Phase::Listing {
            until: now + PATIENCE,
        };
        Some(Question::Units)
    }

    /// Plans a resync after [`POSTPONEMENT`]; `false`: one was planned already.
    pub(super) fn postpone(&mut self, now: Duration) -> bool {
        let news = !matches!(self.phase, Phase::Postponed { .. });
        if news {
            self.phase = Phase::Postponed {
                until: now + POSTPONEMENT,
            };
        }
        news
    }

    /// Notes that PID 1 has begun a reload; at its end [`Resync::begin`] is called.
    pub(super) fn hold(&mut self, now: Duration) {
        self.phase = Phase::Held {
            until: now + RELOAD_PATIENCE,
        };
    }

    /// Returns true while PID 1 reloads, as far as is known.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Held { .. })
    }

    /// Takes in the list of units; `missing` are units to be found by another name.
    pub(super) fn listed(&mut self, units: Vec<UnitAt>, missing: Vec<String>) {
        if let Phase::Listing { until } = self.phase {
            let describe = units.into_iter().map(Question::Describe);
            let queue = describe
                .chain(missing.into_iter().map(Question::Find))
                .collect();
            self.phase = Phase::Describing {
                queue,
                asked: HashSet::new(),
                until,
            };
        }
    }

    /// Notes that a unit was found under its own name.
    pub(super) fn found(&mut self, alias: &str, at: UnitAt) {
        if let Phase::Describing { queue, asked, .. } = &mut self.phase {
            asked.remove(alias);
            queue.push_back(Question::Describe(at));
        }
    }

    /// Notes that a unit was described.
    pub(super) fn described(&mut self, unit: &str) {
        if let Phase::Describing { asked, .. } = &mut self.phase {
            asked.remove(unit);
        }
    }

    /// Notes that a question has no answer.
    pub(super) fn unanswered(&mut self, question: &Question) {
        if let (Phase::Describing { asked, .. }, Some(name)) = (&mut self.phase, subject(question))
        {
            asked.remove(name);
        }
    }

    /// Returns the questions whose turn has come; notes the end when there are none left.
    pub(super) fn next(&mut self, now: Duration) -> Vec<Question> {
        let Phase::Describing {
            queue,
            asked,
            until,
        } = &mut self.phase
        else {
            return Vec::new();
        };
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

    /// Time of the next call of [`Resync::overdue`].
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Idle => None,
            Phase::Held { until }
            | Phase::Postponed { until }
            | Phase::Listing { until }
            | Phase::Describing { until, .. } => Some(until),
        }
    }

    /// Starts a resync that is due, or is stuck and gets another try.
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

/// Returns the unit that a question of a resync is about.
fn subject(question: &Question) -> Option<&str> {
    match question {
        Question::Find(unit) => Some(unit),
        Question::Describe(at) => Some(&at.unit),
        // The resync does not wait for a stack's unit: an unknown change of it counts as no
        // restart.
        Question::Subscribe | Question::Units | Question::Stack(_) | Question::JobType(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn units(names: std::ops::Range<usize>) -> Vec<UnitAt> {
        names
            .map(|n| UnitAt::new(&format!("u{n}.service")))
            .collect()
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
        assert_eq!(
            resync.overdue(NOW + PATIENCE),
            Progress::Again(Question::Units)
        );
        assert!(resync.lost() && !resync.lost());
        assert_eq!(resync.deadline(), None, "a lost bus starts anew by itself");
    }

    #[test]
    fn a_flood_is_let_pass_before_everything_is_asked_for() {
        let mut resync = Resync::default();
        resync.connected();
        assert!(resync.postpone(NOW) && !resync.postpone(NOW + POSTPONEMENT / 2));
        assert_eq!(resync.deadline(), Some(NOW + POSTPONEMENT));
        assert_eq!(
            resync.overdue(NOW + POSTPONEMENT),
            Progress::Due(Question::Units)
        );
    }

    #[test]
    fn a_reload_whose_end_is_missed_does_not_hold_up_for_ever() {
        let mut resync = Resync::default();
        resync.connected();
        let _ = resync.begin(NOW);
        resync.hold(NOW);
        assert_eq!(resync.overdue(NOW + PATIENCE), Progress::Fine);
        assert_eq!(
            resync.overdue(NOW + RELOAD_PATIENCE),
            Progress::Again(Question::Units)
        );
    }
}
