//! The lanes: the waiting reports, the order of turns, and the lanes that have more on disk.
//!
//! All waiting reports of a complete lane are held here. A lane that is behind has more on disk,
//! after some `seq`; new reports of it are left to the disk, so that they come in after the older
//! ones. While a question about it is under way, changes that make the answer incomplete or out of
//! date are noted beside the question.
//!
//! A lane that is complete and empty is forgotten, because the number of transient units is
//! unlimited.

use super::Portion;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Number of waiting reports from which a lane that is behind is not asked for more: enough to keep
/// a connection busy, and few enough to leave room for the others.
const ENOUGH: usize = 32;

/// Time after which an answer may be lost and is asked for again; it doubles each time, because the
/// answer may also be slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// All lanes.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<String, Lane>,
    /// The lanes with waiting reports, in the order of their turns.
    turns: VecDeque<String>,
    /// The lanes that are behind and not asked for, in the order of their turns.
    hungry: VecDeque<String>,
    /// The lanes with a question under way; few.
    asked: Vec<String>,
}

#[derive(Debug, Default)]
struct Lane {
    /// The `seq`s of the waiting reports.
    waiting: BTreeSet<u64>,
    shelf: Shelf,
}

/// The state of a lane's reports on disk.
#[derive(Debug, Default)]
enum Shelf {
    /// All waiting reports are held here.
    #[default]
    Complete,
    /// Reports after this `seq` may not be held.
    Behind(u64),
    /// A question about them is under way.
    Asked(Question),
}

/// A question under way.
#[derive(Debug)]
struct Question {
    asked: Portion,
    patience: Duration,
    /// End of the patience.
    until: Instant,
    /// Reports after this `seq` may have been stored too late for the answer.
    again: Option<u64>,
}

/// An answered question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// Reports after this `seq` have to be asked for once more.
    pub(super) again: Option<u64>,
}

impl Lanes {
    /// Adds a waiting report.
    pub(super) fn insert(&mut self, lane: &str, seq: u64) {
        let entry = self.lanes.entry(lane.to_owned()).or_default();
        if entry.waiting.is_empty() {
            self.turns.push_back(lane.to_owned());
        }
        entry.waiting.insert(seq);
    }

    /// Removes a waiting report out of turn.
    pub(super) fn remove(&mut self, lane: &str, seq: u64) {
        let Some(entry) = self.lanes.get_mut(lane) else {
            return;
        };
        if entry.waiting.remove(&seq) && entry.waiting.is_empty() {
            self.turns.retain(|name| name != lane);
            self.forget_if_idle(lane);
        }
    }

    /// Takes the next report in turn.
    pub(super) fn take_turn(&mut self) -> Option<u64> {
        let lane = self.turns.pop_front()?;
        let entry = self.lanes.get_mut(&lane)?;
        let seq = entry.waiting.pop_first();
        if entry.waiting.is_empty() {
            self.forget_if_idle(&lane);
        } else {
            self.turns.push_back(lane);
        }
        seq
    }

    /// Returns true if a lane may have more on disk than is held.
    pub(super) fn is_behind(&self, lane: &str) -> bool {
        self.lanes
            .get(lane)
            .is_some_and(|entry| !matches!(entry.shelf, Shelf::Complete))
    }

    /// Notes that reports after this `seq` are on disk and not held.
    pub(super) fn fall_behind(&mut self, lane: &str, after: u64) {
        match &mut self.lanes.entry(lane.to_owned()).or_default().shelf {
            shelf @ Shelf::Complete => {
                *shelf = Shelf::Behind(after);
                self.hungry.push_back(lane.to_owned());
            }
            Shelf::Behind(from) => *from = after.min(*from),
            Shelf::Asked(Question { again, .. }) => {
                *again = Some(again.map_or(after, |from| from.min(after)));
            }
        }
    }

    /// Notes that reports from this `seq` on, which were held or left to the disk, are to be asked
    /// for before all later ones. A question about later ones is withdrawn.
    pub(super) fn rewind(&mut self, lane: &str, from: u64) {
        let after = from.saturating_sub(1);
        if let Some(Lane {
            shelf: shelf @ Shelf::Asked(_),
            ..
        }) = self.lanes.get_mut(lane)
            && let Shelf::Asked(question) = &*shelf
            && after < question.asked.after
        {
            *shelf = Shelf::Behind(question.again.map_or(after, |again| again.min(after)));
            self.asked.retain(|name| name != lane);
            self.hungry.push_back(lane.to_owned());
            return;
        }
        self.fall_behind(lane, after);
    }

    /// Returns the number of questions under way.
    pub(super) fn questions(&self) -> usize {
        self.asked.len()
    }

    /// Returns the time at which a question is to be asked again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let questions = self
            .asked
            .iter()
            .filter_map(|lane| match &self.lanes.get(lane)?.shelf {
                Shelf::Asked(question) => Some(question.until),
                Shelf::Complete | Shelf::Behind(_) => None,
            });
        questions.min()
    }

    /// Returns a lane whose answer is overdue, with the `seq` after which it was asked for. The
    /// answer to the earlier question is ignored from then on.
    pub(super) fn ask_again(&mut self, limit: usize, now: Instant) -> Option<(String, u64)> {
        for lane in &self.asked {
            if let Some(Lane {
                shelf: Shelf::Asked(question),
                ..
            }) = self.lanes.get_mut(lane)
                && question.until <= now
            {
                question.patience = question.patience.saturating_mul(2);
                question.until = now + question.patience;
                question.asked.limit = limit;
                return Some((lane.clone(), question.asked.after));
            }
        }
        None
    }

    /// Returns the lane to be asked for next, with the `seq` after which its reports are wanted.
    pub(super) fn ask(&mut self, limit: usize, now: Instant) -> Option<(String, u64)> {
        for _ in 0..self.hungry.len() {
            let lane = self.hungry.pop_front()?;
            match self.lanes.get_mut(&lane) {
                Some(Lane {
                    waiting,
                    shelf: shelf @ Shelf::Behind(_),
                }) if waiting.len() < ENOUGH => {
                    let Shelf::Behind(after) = *shelf else {
                        continue;
                    };
                    let (patience, until) = (PATIENCE, now + PATIENCE);
                    *shelf = Shelf::Asked(Question {
                        asked: Portion { after, limit },
                        patience,
                        until,
                        again: None,
                    });
                    self.asked.push(lane.clone());
                    return Some((lane, after));
                }
                Some(_) => self.hungry.push_back(lane),
                None => {}
            }
        }
        None
    }

    /// Notes that the question about this lane is answered, and the lane complete; `None`: there is
    /// no such question.
    pub(super) fn answered(&mut self, lane: &str, asked: Portion) -> Option<Answered> {
        let entry = self.lanes.get_mut(lane)?;
        match std::mem::take(&mut entry.shelf) {
            Shelf::Asked(question) if question.asked == asked => {
                self.asked.retain(|name| name != lane);
                self.forget_if_idle(lane);
                Some(Answered {
                    again: question.again,
                })
            }
            other => {
                entry.shelf = other;
                None
            }
        }
    }

    fn forget_if_idle(&mut self, lane: &str) {
        if self
            .lanes
            .get(lane)
            .is_some_and(|entry| entry.waiting.is_empty() && matches!(entry.shelf, Shelf::Complete))
        {
            self.lanes.remove(lane);
        }
    }

    /// Returns the number of known lanes.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }
}
