//! The outbox: the unacknowledged reports in memory, and the order in which they are sent.
//!
//! Each report belongs to a lane. Lanes take turns, so a ward with ten thousand reports never
//! delays the first crash of another; within a lane reports leave in the order of `seq`. Reports
//! that find no room here wait on disk, and are asked for when there is room: see [`lanes`].
//!
//! Invariants:
//! * At most [`WINDOW`] reports are held, those asked for included, and at most [`IN_FLIGHT`] are
//!   in flight.
//! * A report is forgotten only when the broker has acknowledged or refused it, or when the disk
//!   has it and its lane is known to be behind, or to be so later: see [`aside`]. So none is lost
//!   and none leaves out of order, in any order of events.
//! * A report is sent again only if its connection was lost before its acknowledgement.
//!
//! Order yields to delivery in two cases: a report that seems to end every connection is parked,
//! the later ones of its lane go first, and it is tried again alone: see [`doubt`]. And declined
//! reports do not delay those of another channel.

mod aside;
#[cfg(test)]
mod declines;
mod departed;
mod doubt;
mod flight;
mod lanes;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use super::News;
use crate::edge::history::entry::{Channel, StoredReport};
use aside::Aside;
use departed::Departed;
use doubt::Doubt;
use flight::Flight;
use lanes::{Answered, Lanes};
use std::collections::HashMap;
use tokio::time::Instant;

/// Upper bound of reports held in memory.
pub(super) const WINDOW: usize = 512;
/// Upper bound of reports in flight: below every broker's receive maximum in use (mosquitto: 20).
pub(super) const IN_FLIGHT: usize = 16;
/// Smallest number of reports that a question asks for.
const PORTION: usize = 16;
/// Largest number. It differs from question to question, so that a late answer to an earlier
/// question is told apart from the expected one.
const LARGEST_PORTION: usize = 31;
/// Upper bound of questions under way.
const QUESTIONS: usize = 4;
/// Number of reports that have left and are remembered, as a multiple of the window.
const REMEMBERED: usize = 4;

/// The outbox.
#[derive(Debug)]
pub(super) struct Outbox {
    window: usize,
    /// All reports that are held: in a lane, in flight or parked.
    held: HashMap<u64, StoredReport>,
    lanes: Lanes,
    /// Number of reports that the next question asks for.
    limit: usize,
    flight: Flight,
    doubt: Doubt,
    aside: Aside,
    departed: Departed,
    sent: u64,
}

/// The possible culprit of a lost connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// No report: the broker or the network has given another cause.
    Nobody,
    /// Possibly a report that was in flight.
    OnTheirWay,
}

/// The bounds of a question for reports on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Portion {
    /// Only those with a greater `seq`.
    pub(super) after: u64,
    /// Upper bound of reports.
    pub(super) limit: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new(WINDOW)
    }
}

impl Outbox {
    /// Returns an empty outbox for at most `window` reports.
    fn new(window: usize) -> Self {
        Self {
            window,
            held: HashMap::new(),
            lanes: Lanes::default(),
            limit: PORTION,
            flight: Flight::default(),
            doubt: Doubt::default(),
            aside: Aside::default(),
            departed: Departed::default(),
            sent: 0,
        }
    }

    /// Takes in a new report, or leaves it to the disk if there is no room, it is kept out for now
    /// or older ones have to come first.
    pub(super) fn publish(&mut self, report: StoredReport) {
        let seq = report.seq;
        if self.held.contains_key(&seq) || self.departed.contains(seq) {
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

    /// Notes that this lane has reports on disk.
    pub(super) fn behind(&mut self, lane: &str) {
        self.lanes.fall_behind(lane, 0);
    }

    /// Returns the question to be asked now. Room is kept for the answer.
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
        self.limit = if limit < LARGEST_PORTION {
            limit + 1
        } else {
            PORTION
        };
        Some(News::Wanted { lane, after, limit })
    }

    /// Takes in an answer; one to no question under way is ignored.
    pub(super) fn loaded(&mut self, lane: &str, asked: Portion, reports: Vec<StoredReport>) {
        let Some(Answered { again }) = self.lanes.answered(lane, asked) else {
            return;
        };
        let more = reports.len() >= asked.limit;
        let last = reports
            .iter()
            .map(|report| report.seq)
            .max()
            .filter(|last| *last > asked.after);
        for report in reports {
            let known = self.departed.contains(report.seq) || self.held.contains_key(&report.seq);
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

    /// Returns the next report to publish, which from then on is in flight.
    pub(super) fn next(&mut self, now: Instant) -> Option<&StoredReport> {
        let alone = self.flight.is_empty();
        let seq = if let Some(suspect) = self.doubt.suspect() {
            let lane = self
                .held
                .get(&suspect)
                .filter(|_| alone)
                .map(|report| report.lane.as_str())?;
            self.lanes.remove(lane, suspect);
            suspect
        } else if self.doubt.on_trial() || (self.doubt.is_due(now) && !alone) {
            return None;
        } else if let Some(parked) = self.doubt.try_parked(now) {
            parked
        } else if self.flight.len() < IN_FLIGHT {
            self.lanes.take_turn()?
        } else {
            return None;
        };
        self.flight.add(seq);
        self.held.get(&seq)
    }

    /// Sets the packet id of the oldest report in flight without one.
    pub(super) fn numbered(&mut self, packet: u16) {
        self.flight.numbered(packet);
    }

    /// Notes that the broker has acknowledged the report of this packet.
    pub(super) fn acknowledged(&mut self, packet: u16, now: Instant) -> Option<StoredReport> {
        let report = self.arrive(packet)?;
        self.aside.acknowledged(report.channel);
        if self.doubt.acknowledged(report.seq, now) {
            self.aside.recall_crowd(now);
        }
        self.sent += 1;
        Some(report)
    }

    /// Notes that the broker will never take the report of this packet.
    pub(super) fn refused(&mut self, packet: u16) -> Option<StoredReport> {
        let report = self.arrive(packet)?;
        self.doubt.forget(report.seq);
        Some(report)
    }

    /// Notes that the broker declines the report of this packet for now: it is tried again later.
    /// Returns its channel.
    pub(super) fn declined(&mut self, packet: u16, now: Instant) -> Option<Channel> {
        let seq = self.flight.remove(packet)?;
        let report = self.held.get(&seq)?;
        let channel = report.channel;
        // One that was parked before is no new sign about its channel.
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

    /// Drops the report that [`Outbox::next`] returned last: it can never be published.
    pub(super) fn give_up_last(&mut self) -> Option<StoredReport> {
        let seq = self.flight.remove_last()?;
        self.doubt.forget(seq);
        self.leave(seq)
    }

    /// Returns the report in flight, if it is the only one.
    pub(super) fn only_one(&self) -> Option<&StoredReport> {
        self.held.get(&self.flight.only_one()?)
    }

    /// Notes that the connection is lost: the reports in flight wait again. Returns the report that
    /// is parked for it for the first time.
    pub(super) fn lost(&mut self, now: Instant, blame: Blame) -> Option<&StoredReport> {
        let flying = self.flight.take_all();
        let parked = match blame {
            Blame::OnTheirWay => self.doubt.lost(&flying, now),
            Blame::Nobody => self.doubt.interrupted(now),
        };
        for seq in flying {
            let Some(report) = self.held.get(&seq).filter(|_| !self.doubt.is_parked(seq)) else {
                continue;
            };
            if self.aside.keeps_out(report) {
                self.put_aside(seq);
            } else {
                self.lanes.insert(&report.lane, seq);
            }
        }
        self.thin_out(now);
        self.held.get(&parked?)
    }

    /// Clears all doubts: the broker is another, or a new try was asked for.
    pub(super) fn trust(&mut self, now: Instant) {
        self.doubt.trust(now);
        self.aside.trust(now);
    }

    /// Returns the time at which a parked report is to be tried again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.doubt.deadline()
    }

    /// Returns the time at which a question is to be asked again, or a new one is due.
    pub(super) fn question_deadline(&self) -> Option<Instant> {
        self.lanes
            .deadline()
            .into_iter()
            .chain(self.aside.deadline())
            .min()
    }

    /// Returns the number of acknowledged reports.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the number of unacknowledged reports in memory.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Returns the number of reports in flight.
    pub(super) fn flying(&self) -> usize {
        self.flight.len()
    }

    /// Returns true if all reports that are held are parked.
    pub(super) fn is_drained(&self) -> bool {
        self.held.len() == self.doubt.parked()
    }

    fn room(&self) -> usize {
        self.window
            .saturating_sub(self.held.len() + LARGEST_PORTION * self.lanes.questions())
    }

    fn take_in(&mut self, report: StoredReport) {
        self.lanes.insert(&report.lane, report.seq);
        self.held.insert(report.seq, report);
    }

    /// Leaves the reports of a shut channel to the disk, except those in flight.
    fn clear(&mut self, channel: Channel) {
        let held = self
            .held
            .values()
            .filter(|report| report.channel == channel && !self.flight.contains(report.seq));
        let seqs: Vec<_> = held.map(|report| report.seq).collect();
        seqs.into_iter().for_each(|seq| self.put_aside(seq));
    }

    /// Leaves a report to the disk until its channel is tried again.
    fn put_aside(&mut self, seq: u64) {
        if let Some(report) = self.put_down(seq) {
            self.aside.leave(&report);
        }
    }

    /// Leaves surplus parked reports to the disk.
    fn thin_out(&mut self, now: Instant) {
        while let Some(report) = self.doubt.one_too_many().and_then(|seq| self.put_down(seq)) {
            self.aside.crowd_out(&report, now);
        }
    }

    /// Stops holding a report that has not left.
    fn put_down(&mut self, seq: u64) -> Option<StoredReport> {
        self.doubt.dismiss(seq);
        let report = self.held.remove(&seq)?;
        self.lanes.remove(&report.lane, seq);
        Some(report)
    }

    fn arrive(&mut self, packet: u16) -> Option<StoredReport> {
        let seq = self.flight.remove(packet)?;
        self.leave(seq)
    }

    fn leave(&mut self, seq: u64) -> Option<StoredReport> {
        let report = self.held.remove(&seq)?;
        self.departed.add(seq, REMEMBERED * self.window);
        Some(report)
    }
}
