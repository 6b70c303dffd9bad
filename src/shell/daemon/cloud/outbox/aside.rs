//! Reports that are left to the disk because the broker declines them for now, and the times at
//! which they are fetched again.
//!
//! A broker gives rights by topic, so a few reports declined in a row shut their channel, like a
//! circuit breaker. Of a shut channel only reports in flight are held, and none is asked for until
//! its rest is over; the other channel is not affected. Then the channel is ajar: one lane is
//! fetched, and new reports are sent. The first that is declined shuts it again, for longer; the
//! first that is acknowledged opens it, and all lanes are fetched.
//!
//! Parked reports that are too many to be held are left to the disk likewise.
//!
//! Invariant: reports left of a lane keep out all of that lane and channel until they are fetched
//! from the oldest on; so none overtakes another of its lane and channel.

use crate::edge::history::entry::{Channel, StoredReport};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;
use tokio::time::Instant;

/// Number of reports declined in a row that shuts their channel. Fewer may be the reports' own
/// fault.
pub(super) const DECLINES: u8 = 3;
const FIRST_REST: Duration = Duration::from_secs(60);
/// Short, because rights may be given again at any time.
const LONGEST_REST: Duration = Duration::from_secs(300);
/// As long as the longest rest of a parked report.
const CROWD_REST: Duration = Duration::from_secs(3600);

/// The reports that are left to the disk.
#[derive(Debug, Default)]
pub(super) struct Aside {
    crash: Gate,
    recovery: Gate,
    crowd: Crowd,
}

/// The state of a channel.
#[derive(Debug)]
struct Gate {
    position: Position,
    rest: Duration,
    /// The lanes with reports left to the disk, each with the lowest `seq`.
    left: BTreeMap<String, u64>,
    /// The lane that was fetched last while the channel was ajar; the next one follows it.
    tried: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Number of reports declined since one was acknowledged.
    Open { declined: u8 },
    /// Shut until this time.
    Shut { until: Instant },
    /// Was shut. Another lane is fetched at this time.
    Ajar { until: Instant },
}

/// Parked reports for which there was no room.
#[derive(Debug, Default)]
struct Crowd {
    /// The lowest `seq` of each lane.
    left: BTreeMap<String, u64>,
    due: Option<Instant>,
}

impl Default for Gate {
    fn default() -> Self {
        let position = Position::Open { declined: 0 };
        Self {
            position,
            rest: FIRST_REST,
            left: BTreeMap::new(),
            tried: String::new(),
        }
    }
}

impl Aside {
    /// Returns true if this report is to be left to the disk.
    pub(super) fn keeps_out(&self, report: &StoredReport) -> bool {
        let gate = self.gate(report.channel);
        matches!(gate.position, Position::Shut { .. }) || gate.left.contains_key(&report.lane)
    }

    /// Notes that this report is left to the disk because of its channel.
    pub(super) fn leave(&mut self, report: &StoredReport) {
        note(
            &mut self.gate_mut(report.channel).left,
            &report.lane,
            report.seq,
        );
    }

    /// Notes that this parked report is left to the disk to make room.
    pub(super) fn crowd_out(&mut self, report: &StoredReport, now: Instant) {
        note(&mut self.crowd.left, &report.lane, report.seq);
        self.crowd.due.get_or_insert(now + CROWD_REST);
    }

    /// Notes that the broker has declined a report of this channel; `true`: that shuts the channel.
    pub(super) fn declined(&mut self, channel: Channel, now: Instant) -> bool {
        let gate = self.gate_mut(channel);
        match gate.position {
            Position::Shut { .. } => return false,
            Position::Open { declined } if declined + 1 < DECLINES => {
                gate.position = Position::Open {
                    declined: declined + 1,
                };
                return false;
            }
            Position::Open { .. } | Position::Ajar { .. } => {}
        }
        gate.position = Position::Shut {
            until: now + gate.rest,
        };
        gate.rest = gate.rest.saturating_mul(2).min(LONGEST_REST);
        true
    }

    /// Notes that the broker has acknowledged a report of this channel. While the channel is shut
    /// it was in flight before, and proves nothing.
    pub(super) fn acknowledged(&mut self, channel: Channel) {
        let gate = self.gate_mut(channel);
        match gate.position {
            Position::Shut { .. } => {}
            Position::Open { .. } | Position::Ajar { .. } => gate.open(),
        }
    }

    /// Makes the reports that were crowded out due now.
    pub(super) fn recall_crowd(&mut self, now: Instant) {
        self.crowd.due = self.crowd.due.map(|due| due.min(now));
    }

    /// Opens both channels and makes all reports due.
    pub(super) fn trust(&mut self, now: Instant) {
        self.crash.open();
        self.recovery.open();
        self.recall_crowd(now);
    }

    /// Returns the lanes that are to be fetched again now, each with its lowest `seq`.
    pub(super) fn release(&mut self, now: Instant) -> Vec<(String, u64)> {
        let mut lanes = self.crash.release(now);
        lanes.extend(self.recovery.release(now));
        if self.crowd.due.is_some_and(|due| due <= now) {
            lanes.extend(std::mem::take(&mut self.crowd).left);
        }
        lanes
    }

    /// Returns the next time for [`Aside::release`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        [
            self.crash.deadline(),
            self.recovery.deadline(),
            self.crowd.due,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    const fn gate(&self, channel: Channel) -> &Gate {
        match channel {
            Channel::Crash => &self.crash,
            Channel::Recovery => &self.recovery,
        }
    }

    const fn gate_mut(&mut self, channel: Channel) -> &mut Gate {
        match channel {
            Channel::Crash => &mut self.crash,
            Channel::Recovery => &mut self.recovery,
        }
    }
}

impl Gate {
    fn open(&mut self) {
        self.position = Position::Open { declined: 0 };
        self.rest = FIRST_REST;
    }

    fn release(&mut self, now: Instant) -> Vec<(String, u64)> {
        match self.position {
            Position::Open { .. } => std::mem::take(&mut self.left).into_iter().collect(),
            Position::Shut { until } | Position::Ajar { until } if until <= now => {
                self.position = Position::Ajar {
                    until: now + FIRST_REST,
                };
                self.next_lane().into_iter().collect()
            }
            Position::Shut { .. } | Position::Ajar { .. } => Vec::new(),
        }
    }

    /// Takes the next lane in turn: the reports of one may be gone from the disk, or be declined by
    /// their own fault.
    fn next_lane(&mut self) -> Option<(String, u64)> {
        let after = self
            .left
            .range::<str, _>((Excluded(self.tried.as_str()), Unbounded))
            .next();
        let (lane, _) = after.or_else(|| self.left.first_key_value())?;
        self.tried = lane.clone();
        self.left.remove_entry(&self.tried)
    }

    fn deadline(&self) -> Option<Instant> {
        match self.position {
            Position::Shut { until } | Position::Ajar { until } if !self.left.is_empty() => {
                Some(until)
            }
            Position::Open { .. } | Position::Shut { .. } | Position::Ajar { .. } => None,
        }
    }
}

fn note(left: &mut BTreeMap<String, u64>, lane: &str, seq: u64) {
    left.entry(lane.to_owned())
        .and_modify(|lowest| *lowest = seq.min(*lowest))
        .or_insert(seq);
}
