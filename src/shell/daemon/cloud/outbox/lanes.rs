//! Who waits in which lane, whose turn it is, and which lanes have more on disk.
//!
//! A lane that is complete has nothing waiting on disk that is not held here. A lane that is behind has, after some `seq`;
//! new reports of it are left to the disk, so that they come in after the older ones. While a question about it is under
//! way, whatever makes the answer incomplete or out of date is noted beside the question.
//!
//! A lane of which nothing is known but that it is complete and empty is forgotten: transient units come and go without
//! number.

use super::Portion;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// A lane that is behind and has so many waiting is not asked for more: enough to keep a connection busy, and little enough
/// to leave room for the others.
const ENOUGH: usize = 32;

/// An answer that has not come by then may be lost, and is asked for again; each time it is waited for twice as long, for it
/// may also be slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// All lanes.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<String, Lane>,
    /// The lanes in which somebody waits, in the order of their turns.
    turns: VecDeque<String>,
    /// The lanes that are behind and not asked for, likewise.
    hungry: VecDeque<String>,
    /// The lanes that are asked for; few.
    asked: Vec<String>,
}

#[derive(Debug, Default)]
struct Lane {
    /// The `seq`s of those that wait.
    waiting: BTreeSet<u64>,
    shelf: Shelf,
}

/// What is known of a lane's reports on disk.
#[derive(Debug, Default)]
enum Shelf {
    /// All that wait there are held here.
    #[default]
    Complete,
    /// Those after this `seq` may not be.
    Behind(u64),
    /// They were asked for.
    Asked(Question),
}

/// A question under way.
#[derive(Debug)]
struct Question {
    asked: Portion,
    patience: Duration,
    /// When that ends.
    until: Instant,
    /// Reports after this `seq` may have come to the disk too late for the answer.
    again: Option<u64>,
}

/// A question that is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// Reports after this `seq` have to be asked for once more, whatever the answer.
    pub(super) again: Option<u64>,
}

impl Lanes {
    /// A report waits.
    pub(super) fn insert(&mut self, lane: &str, seq: u64) {
        let entry = self.lanes.entry(lane.to_owned()).or_default();
        if entry.waiting.is_empty() {
            self.turns.push_back(lane.to_owned());
        }
        entry.waiting.insert(seq);
    }

    /// This report does not wait any more, out of turn.
    pub(super) fn remove(&mut self, lane: &str, seq: u64) {
        let Some(entry) = self.lanes.get_mut(lane) else { return };
        if entry.waiting.remove(&seq) && entry.waiting.is_empty() {
            self.turns.retain(|name| name != lane);
            self.forget_if_idle(lane);
        }
    }

    /// The next report in turn, which does not wait any more.
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

    /// Whether there may be more on disk than is held.
    pub(super) fn is_behind(&self, lane: &str) -> bool {
        self.lanes.get(lane).is_some_and(|entry| !matches!(entry.shelf, Shelf::Complete))
    }

    /// There are reports after this `seq` on disk that are not held.
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

    /// Reports from this `seq` on that were held, or left to the disk, are to be asked for, and before all later ones. A
    /// question about later ones is taken back.
    pub(super) fn rewind(&mut self, lane: &str, from: u64) {
        let after = from.saturating_sub(1);
        if let Some(Lane { shelf: shelf @ Shelf::Asked(_), .. }) = self.lanes.get_mut(lane)
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

    /// Questions under way.
    pub(super) fn questions(&self) -> usize {
        self.asked.len()
    }

    /// When a question is to be asked again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let questions = self.asked.iter().filter_map(|lane| match &self.lanes.get(lane)?.shelf {
            Shelf::Asked(question) => Some(question.until),
            Shelf::Complete | Shelf::Behind(_) => None,
        });
        questions.min()
    }

    /// A lane of which the answer is overdue, and after which `seq` it was asked for. The answer to the first question does not
    /// count any more.
    pub(super) fn ask_again(&mut self, limit: usize, now: Instant) -> Option<(String, u64)> {
        for lane in &self.asked {
            if let Some(Lane { shelf: Shelf::Asked(question), .. }) = self.lanes.get_mut(lane)
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

    /// The lane to be asked for next, and after which `seq`.
    pub(super) fn ask(&mut self, limit: usize, now: Instant) -> Option<(String, u64)> {
        for _ in 0..self.hungry.len() {
            let lane = self.hungry.pop_front()?;
            match self.lanes.get_mut(&lane) {
                Some(Lane { waiting, shelf: shelf @ Shelf::Behind(_) }) if waiting.len() < ENOUGH => {
                    let Shelf::Behind(after) = *shelf else { continue };
                    let (patience, until) = (PATIENCE, now + PATIENCE);
                    *shelf = Shelf::Asked(Question { asked: Portion { after, limit }, patience, until, again: None });
                    self.asked.push(lane.clone());
                    return Some((lane, after));
                }
                Some(_) => self.hungry.push_back(lane),
                None => {}
            }
        }
        None
    }

    /// The question about this lane is answered, and the lane complete for all that is known here.
    pub(super) fn answered(&mut self, lane: &str, asked: Portion) -> Option<Answered> {
        let entry = self.lanes.get_mut(lane)?;
        match std::mem::take(&mut entry.shelf) {
            Shelf::Asked(question) if question.asked == asked => {
                self.asked.retain(|name| name != lane);
                self.forget_if_idle(lane);
                Some(Answered { again: question.again })
            }
            other => {
                entry.shelf = other;
                None
            }
        }
    }

    fn forget_if_idle(&mut self, lane: &str) {
        if self.lanes.get(lane).is_some_and(|entry| entry.waiting.is_empty() && matches!(entry.shelf, Shelf::Complete))
        {
            self.lanes.remove(lane);
        }
    }

    /// Lanes of which something is known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lanes.len()
    }
}
