//! The reports in memory that the broker has not acknowledged, and what is to be sent next.
//!
//! Each report belongs to a lane. Lanes take turns, so a ward with ten thousand reports never holds up the first crash of
//! another; within a lane reports leave in the order of `seq`. What finds no room here waits on disk, and is asked for when
//! there is room: see [`lanes`].
//!
//! Invariants:
//! * At most [`WINDOW`] reports are held, what was asked for among them, and at most [`IN_FLIGHT`] are on their way.
//! * A report is forgotten only when the broker has acknowledged or refused it, or when the disk has it and its lane is known
//!   to be behind, or to be so later: see [`aside`]. So whatever comes when, none is lost and none leaves out of order.
//! * A report is sent again only if its connection was lost before its acknowledgement.
//!
//! Order yields to delivery in two places: a report that seems to kill every connection is parked, the later ones of its lane
//! go first, and it is tried again by itself: see [`doubt`]. And what is declined does not hold up what goes elsewhere.

mod aside;
#[cfg(test)]
mod declines;
mod doubt;
mod lanes;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use super::News;
use crate::edge::history::entry::{Channel, StoredReport};
use aside::Aside;
use doubt::Doubt;
use lanes::{Answered, Lanes};
use std::collections::{HashMap, HashSet, VecDeque};
use tokio::time::Instant;

/// Reports held in memory.
pub(super) const WINDOW: usize = 512;
/// Reports on their way at once: below every broker's receive maximum in use (mosquitto: 20).
pub(super) const IN_FLIGHT: usize = 16;
/// Reports asked for at once, at least.
const PORTION: usize = 16;
/// … and at most. The number differs from question to question, and so an answer that comes late, when it was asked for again
/// or for something else, is told from the one that is waited for.
const LARGEST_PORTION: usize = 31;
/// Questions under way at once.
const QUESTIONS: usize = 4;
/// So many times the window are remembered of those that have left, lest one comes in once more: by another way, or in an
/// answer that was given before it had left.
const REMEMBERED: usize = 4;

/// The outbox.
#[derive(Debug)]
pub(super) struct Outbox {
    window: usize,
    /// All reports that are held, wherever they stand: in a lane, on their way or parked.
    held: HashMap<u64, StoredReport>,
    lanes: Lanes,
    /// How many the next question asks for.
    limit: usize,
    flying: VecDeque<Flying>,
    doubt: Doubt,
    aside: Aside,
    /// The latest that have left, in that order.
    left: VecDeque<u64>,
    left_set: HashSet<u64>,
    sent: u64,
}

#[derive(Debug)]
struct Flying {
    /// The packet id, once the client has given one; it does so in the order of publishing.
    packet: Option<u16>,
    seq: u64,
}

/// Whose fault the loss of a connection may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The broker or the network has said what it was.
    Nobody,
    /// Possibly a report's that was on its way.
    OnTheirWay,
}

/// What was asked of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Portion {
    /// Only those with a greater `seq`.
    pub(super) after: u64,
    /// At most so many.
    pub(super) limit: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new(WINDOW)
    }
}

impl Outbox {
    /// An empty one that holds so many reports.
    fn new(window: usize) -> Self {
        Self {
            window,
            held: HashMap::new(),
            lanes: Lanes::default(),
            limit: PORTION,
            flying: VecDeque::new(),
            doubt: Doubt::default(),
            aside: Aside::default(),
            left: VecDeque::new(),
            left_set: HashSet::new(),
            sent: 0,
        }
    }

    /// Takes in a new report, or leaves it to the disk where there is no room, it is not wanted for now or older ones have to
    /// come first.
    pub(super) fn publish(&mut self, report: StoredReport) {
        let seq = report.seq;
        if self.held.contains_key(&seq) || self.left_set.contains(&seq) {
            return;
        }
        if self.aside.keeps_out(&report) {
            return self.aside.leave(&report);
        }
        if self.room() == 0 || self.lanes.is_behind(&report.lane) {
            self.lanes.fall_behind(&report.lane, seq.saturating_sub(1));
            return;
        }
        self.take_in(report);
    }

    /// There are reports of this lane on disk.
    pub(super) fn behind(&mut self, lane: &str) {
        self.lanes.fall_behind(lane, 0);
    }

    /// What is to be asked for now. Room is kept for the answer.
    pub(super) fn wanted(&mut self, now: Instant) -> Option<News> {
        for (lane, from) in self.aside.release(now) {
            self.lanes.rewind(&lane, from);
        }
        let free = self.lanes.questions() < QUESTIONS && self.room() >= LARGEST_PORTION;
        let limit = self.limit;
        let (lane, after) = match self.lanes.ask_again(limit, now) {
            Some(again) => again,
            None if free => self.lanes.ask(limit, now)?,
            None => return None,
        };
        self.limit = if limit < LARGEST_PORTION { limit + 1 } else { PORTION };
        Some(News::Wanted { lane, after, limit })
    }

    /// Takes in an answer; one that nobody waits for is ignored.
    pub(super) fn loaded(&mut self, lane: &str, asked: Portion, reports: Vec<StoredReport>) {
        let Some(Answered { again }) = self.lanes.answered(lane, asked) else { return };
        let more = reports.len() >= asked.limit;
        let last = reports.iter().map(|report| report.seq).max().filter(|last| *last > asked.after);
        for report in reports {
            let known = self.left_set.contains(&report.seq) || self.held.contains_key(&report.seq);
            if report.lane != lane || known {
                continue;
            }
            if self.aside.keeps_out(&report) {
                self.aside.leave(&report);
            } else {
                self.take_in(report);
            }
        }
        if let Some(last) = last.filter(|_| more) {
            self.lanes.fall_behind(lane, last);
        }
        if let Some(again) = again {
            self.lanes.fall_behind(lane, again);
        }
    }

    /// The next report to publish, which from then on is on its way.
    pub(super) fn next(&mut self, now: Instant) -> Option<&StoredReport> {
        let alone = self.flying.is_empty();
        let seq = if let Some(suspect) = self.doubt.suspect() {
            let lane = self.held.get(&suspect).filter(|_| alone).map(|report| report.lane.as_str())?;
            self.lanes.remove(lane, suspect);
            suspect
        } else if self.doubt.on_trial() || (self.doubt.is_due(now) && !alone) {
            return None;
        } else if let Some(parked) = self.doubt.try_parked(now) {
            parked
        } else if self.flying.len() < IN_FLIGHT {
            self.lanes.take_turn()?
        } else {
            return None;
        };
        self.flying.push_back(Flying { packet: None, seq });
        self.held.get(&seq)
    }

    /// The oldest report without a packet id has got one.
    pub(super) fn numbered(&mut self, packet: u16) {
        if let Some(flying) = self.flying.iter_mut().find(|flying| flying.packet.is_none()) {
            flying.packet = Some(packet);
        }
    }

    /// The broker has the report of this packet.
    pub(super) fn acknowledged(&mut self, packet: u16, now: Instant) -> Option<StoredReport> {
        let report = self.arrive(packet)?;
        self.aside.acknowledged(report.channel);
        if self.doubt.acknowledged(report.seq, now) {
            self.aside.recall_crowd(now);
        }
        self.sent += 1;
        Some(report)
    }

    /// The broker will never have the report of this packet.
    pub(super) fn refused(&mut self, packet: u16) -> Option<StoredReport> {
        let report = self.arrive(packet)?;
        self.doubt.forget(report.seq);
        Some(report)
    }

    /// The broker does not take the report of this packet, which goes to this channel, for now: it is tried again later.
    pub(super) fn declined(&mut self, packet: u16, now: Instant) -> Option<Channel> {
        let seq = self.land(packet)?;
        let report = self.held.get(&seq)?;
        let channel = report.channel;
        // One that was parked before says nothing new of its channel.
        if !self.doubt.is_on_trial(seq) && self.aside.declined(channel, now) {
            self.clear(channel);
        } else if self.aside.keeps_out(report) {
            self.put_aside(seq);
        } else {
            self.doubt.declined(seq, now);
            self.thin_out(now);
        }
        Some(channel)
    }

    /// What [`Outbox::next`] gave last can never be published.
    pub(super) fn give_up_last(&mut self) -> Option<StoredReport> {
        let flying = self.flying.pop_back()?;
        self.doubt.forget(flying.seq);
        self.leave(flying.seq)
    }

    /// The report on its way, if it is the only one.
    pub(super) fn only_one(&self) -> Option<&StoredReport> {
        match self.flying.len() {
            1 => self.held.get(&self.flying[0].seq),
            _ => None,
        }
    }

    /// The connection is gone: what was on its way waits again. Gives the report that is parked for it, the first time.
    pub(super) fn lost(&mut self, now: Instant, blame: Blame) -> Option<&StoredReport> {
        let flying: Vec<_> = self.flying.drain(..).map(|flying| flying.seq).collect();
        let parked = match blame {
            Blame::OnTheirWay => self.doubt.lost(&flying, now),
            Blame::Nobody => self.doubt.interrupted(now),
        };
        for seq in flying {
            let Some(report) = self.held.get(&seq).filter(|_| !self.doubt.is_parked(seq)) else { continue };
            if self.aside.keeps_out(report) {
                self.put_aside(seq);
            } else {
                self.lanes.insert(&report.lane, seq);
            }
        }
        self.thin_out(now);
        self.held.get(&parked?)
    }

    /// There is another broker, or somebody has asked to try again: no doubt stands any more.
    pub(super) fn trust(&mut self, now: Instant) {
        self.doubt.trust(now);
        self.aside.trust(now);
    }

    /// When a parked report is to be tried again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.doubt.deadline()
    }

    /// When a question is to be asked again, or there is a new one.
    pub(super) fn question_deadline(&self) -> Option<Instant> {
        self.lanes.deadline().into_iter().chain(self.aside.deadline()).min()
    }

    /// Acknowledged so far.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Not acknowledged yet, as far as they are in memory.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// On their way.
    pub(super) fn flying(&self) -> usize {
        self.flying.len()
    }

    /// Whether all that is held was tried in vain.
    pub(super) fn is_drained(&self) -> bool {
        self.held.len() == self.doubt.parked()
    }

    fn room(&self) -> usize {
        self.window.saturating_sub(self.held.len() + LARGEST_PORTION * self.lanes.questions())
    }

    fn take_in(&mut self, report: StoredReport) {
        self.lanes.insert(&report.lane, report.seq);
        self.held.insert(report.seq, report);
    }

    /// A channel is shut: what is held of it is left to the disk, except what is on its way.
    fn clear(&mut self, channel: Channel) {
        let flying: HashSet<_> = self.flying.iter().map(|flying| flying.seq).collect();
        let held = self.held.values().filter(|report| report.channel == channel && !flying.contains(&report.seq));
        let seqs: Vec<_> = held.map(|report| report.seq).collect();
        seqs.into_iter().for_each(|seq| self.put_aside(seq));
    }

    /// Leaves a report to the disk until its channel is tried again.
    fn put_aside(&mut self, seq: u64) {
        if let Some(report) = self.put_down(seq) {
            self.aside.leave(&report);
        }
    }

    /// Leaves parked reports that are too many to the disk.
    fn thin_out(&mut self, now: Instant) {
        while let Some(report) = self.doubt.one_too_many().and_then(|seq| self.put_down(seq)) {
            self.aside.crowd_out(&report, now);
        }
    }

    /// Holds a report no more that has not left.
    fn put_down(&mut self, seq: u64) -> Option<StoredReport> {
        self.doubt.dismiss(seq);
        let report = self.held.remove(&seq)?;
        self.lanes.remove(&report.lane, seq);
        Some(report)
    }

    fn arrive(&mut self, packet: u16) -> Option<StoredReport> {
        let seq = self.land(packet)?;
        self.leave(seq)
    }

    /// The report of this packet is not on its way any more.
    fn land(&mut self, packet: u16) -> Option<u64> {
        let index = self.flying.iter().position(|flying| flying.packet == Some(packet))?;
        self.flying.remove(index).map(|flying| flying.seq)
    }

    fn leave(&mut self, seq: u64) -> Option<StoredReport> {
        let report = self.held.remove(&seq)?;
        self.left.push_back(seq);
        self.left_set.insert(seq);
        if self.left.len() > REMEMBERED * self.window
            && let Some(oldest) = self.left.pop_front()
        {
            self.left_set.remove(&oldest);
        }
        Some(report)
    }
}
