//! The outbox with a history, a main loop and a broker that act at random.

use super::super::tests::report;
use super::super::*;
use super::{Random, STEPS, Seen};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A window so small that it is full all the time.
const SMALL: usize = 96;

/// A message of the main loop, as [`Command`](crate::shell::daemon::cloud::Command).
enum Order {
    Publish(StoredReport),
    Behind(String),
    Loaded(String, Portion, Vec<StoredReport>),
}

/// A request to the history; they are served in order.
enum Deed {
    Store(StoredReport),
    Settle(u64),
    Fetch(String, Portion),
}

/// The outbox and its surroundings.
pub(super) struct World {
    random: Random,
    outbox: Outbox,
    now: Instant,
    /// The history: the waiting reports.
    disk: BTreeMap<u64, StoredReport>,
    deeds: VecDeque<Deed>,
    next_seq: u64,
    orders: VecDeque<Order>,
    /// Lanes of which a report found no room among the orders.
    owed: BTreeSet<String>,
    news: VecDeque<News>,
    /// The reports on the wire: packet id and `seq`.
    wire: VecDeque<(u16, u64)>,
    next_packet: u16,
    /// Reports sent at least once; `settled` has those acknowledged or refused.
    ever: BTreeSet<u64>,
    settled: BTreeSet<u64>,
    /// The highest of each lane and channel that was ever on the wire.
    reached: BTreeMap<(String, bool), u64>,
    /// The channel that the broker does not allow for now.
    denied: Option<Channel>,
    /// Every so many reports one ends each connection that it is sent on. 0: none does.
    poison: u64,
    /// Probability of a crash, in eighths.
    busy: usize,
    pub(super) seen: Seen,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let poison = [0, 0, 53, 397][random.below(4)];
        let busy = [1, 1, 1, 4][random.below(4)];
        let backlog = random.below(120);
        let mut world = Self {
            random,
            outbox: Outbox::new(SMALL),
            now: Instant::now(),
            disk: BTreeMap::new(),
            deeds: VecDeque::new(),
            next_seq: 1,
            orders: VecDeque::new(),
            owed: BTreeSet::new(),
            news: VecDeque::new(),
            wire: VecDeque::new(),
            next_packet: 1,
            ever: BTreeSet::new(),
            settled: BTreeSet::new(),
            reached: BTreeMap::new(),
            denied: None,
            poison,
            busy,
            seen: Seen::default(),
        };
        // Reports of the daemon's last life.
        for _ in 0..backlog {
            let report = world.make();
            world.disk.insert(report.seq, report);
        }
        let lanes: BTreeSet<_> = world
            .disk
            .values()
            .map(|report| report.lane.clone())
            .collect();
        world.orders.extend(lanes.into_iter().map(Order::Behind));
        world
    }

    pub(super) fn step(&mut self) {
        match self.random.below(32) {
            0..=4 if self.random.below(8) < self.busy => self.crash(),
            5 => self.settle_debts(),
            6..=11 => self.obey(),
            12..=13 => self.hear(),
            14..=15 => self.do_a_deed(),
            16..=19 => self.ask(),
            20..=25 => self.send(),
            26..=29 => self.answer(),
            30 if self.random.one_in(3) => self.lose(Blame::OnTheirWay),
            30 if self.random.one_in(3) => self.lose(Blame::Nobody),
            31 if self.random.one_in(100) => self.outbox.trust(self.now),
            31 if self.random.one_in(20) => self.deny(),
            _ => self.now += Duration::from_secs(u64::try_from(self.random.below(8)).unwrap()),
        }
        assert!(
            self.outbox.held() + LARGEST_PORTION * self.outbox.lanes.questions() <= SMALL,
            "memory is bounded"
        );
        assert!(self.outbox.flying() <= IN_FLIGHT && self.outbox.flying() == self.wire.len());
        assert!(self.outbox.doubt.parked() <= doubt::PARKED);
        for (seq, report) in &self.outbox.held {
            assert!(
                !self.settled.contains(seq),
                "{seq} is held though the broker has spoken"
            );
            let excused = self.wire.iter().any(|(_, flying)| flying == seq)
                || self.outbox.doubt.is_parked(*seq);
            assert!(
                excused || !self.outbox.aside.keeps_out(report),
                "{seq} is held though it is not wanted"
            );
        }
    }

    /// Makes a report. The first lanes have most of them.
    fn make(&mut self) -> StoredReport {
        let lanes = 1 + self.random.below(12);
        self.next_seq += 1;
        let channel = if self.random.one_in(3) {
            Channel::Recovery
        } else {
            Channel::Crash
        };
        StoredReport {
            channel,
            ..report(
                &format!("lane{}", self.random.below(lanes)),
                self.next_seq - 1,
            )
        }
    }

    /// Changes the channel that is not allowed.
    fn deny(&mut self) {
        self.denied = [None, Some(Channel::Recovery), Some(Channel::Crash)][self.random.below(3)];
    }

    /// Hands over a report and requests its storing, as the main loop does.
    fn crash(&mut self) {
        self.seen.crashes += 1;
        let made = self.make();
        self.deeds.push_back(Deed::Store(made.clone()));
        if self.owed.contains(&made.lane) || self.random.one_in(20) {
            self.owed.insert(made.lane);
            return;
        }
        if self.random.one_in(10) {
            self.orders.push_back(Order::Publish(made.clone()));
        }
        self.orders.push_back(Order::Publish(made));
    }

    fn settle_debts(&mut self) {
        self.orders.extend(
            std::mem::take(&mut self.owed)
                .into_iter()
                .map(Order::Behind),
        );
    }

    fn obey(&mut self) {
        match self.orders.pop_front() {
            Some(Order::Publish(report)) => {
                let (seq, lane) = (report.seq, report.lane.clone());
                self.outbox.publish(report.clone());
                if !self.outbox.held.contains_key(&seq) && !self.settled.contains(&seq) {
                    self.seen.forgotten += 1;
                    let kept =
                        self.outbox.lanes.is_behind(&lane) || self.outbox.aside.keeps_out(&report);
                    assert!(kept, "the disk is asked for {seq}");
                }
            }
            Some(Order::Behind(lane)) => self.outbox.behind(&lane),
            Some(Order::Loaded(lane, asked, reports)) => self.outbox.loaded(&lane, asked, reports),
            None => {}
        }
    }

    fn hear(&mut self) {
        self.deeds
            .extend(self.news.pop_front().map(|news| match news {
                News::Sent(seq) | News::Refused(seq, _) => Deed::Settle(seq),
                News::Wanted { lane, after, limit } => Deed::Fetch(lane, Portion { after, limit }),
            }));
    }

    fn do_a_deed(&mut self) {
        match self.deeds.pop_front() {
            Some(Deed::Store(report)) => assert!(self.disk.insert(report.seq, report).is_none()),
            Some(Deed::Settle(seq)) => {
                assert!(self.disk.remove(&seq).is_some(), "{seq} is told of once")
            }
            Some(Deed::Fetch(lane, asked)) => {
                let waiting = self.disk.range(asked.after + 1..).map(|(_, report)| report);
                let reports: Vec<_> = waiting
                    .filter(|report| report.lane == lane)
                    .take(asked.limit)
                    .cloned()
                    .collect();
                if self.random.one_in(8) {
                    self.seen.unanswered += 1;
                } else {
                    self.orders.push_back(Order::Loaded(lane, asked, reports));
                }
            }
            None => {}
        }
    }

    fn ask(&mut self) {
        if let Some(question) = self.outbox.wanted(self.now) {
            self.seen.asked += 1;
            self.news.push_back(question);
        }
    }

    fn send(&mut self) {
        let Some(report) = self.outbox.next(self.now) else {
            return;
        };
        let (seq, lane) = (
            report.seq,
            (report.lane.clone(), report.channel == Channel::Crash),
        );
        assert!(
            !self.settled.contains(&seq),
            "{seq} is sent though the broker has spoken"
        );
        assert!(
            !self.wire.iter().any(|(_, flying)| *flying == seq),
            "{seq} is on its way already"
        );
        let reached = self.reached.entry(lane).or_default();
        assert!(
            !self.ever.insert(seq) || seq > *reached,
            "{seq} was overtaken by {reached}"
        );
        *reached = seq.max(*reached);
        self.outbox.numbered(self.next_packet);
        self.wire.push_back((self.next_packet, seq));
        self.next_packet = self.next_packet % 200 + 1;
        if self.poison > 0 && seq % self.poison == 0 {
            self.lose(Blame::OnTheirWay);
        }
    }

    /// Answers a report on the wire, mostly in order.
    fn answer(&mut self) {
        if self.wire.is_empty() {
            return;
        }
        let index = if self.random.one_in(4) {
            self.random.below(self.wire.len())
        } else {
            0
        };
        let (packet, seq) = self.wire.remove(index).unwrap();
        let channel = self.outbox.held[&seq].channel;
        if self.denied == Some(channel) || (self.poison > 0 && self.random.one_in(50)) {
            self.seen.declined += 1;
            assert_eq!(self.outbox.declined(packet, self.now), Some(channel));
            self.seen.shut += u32::from(!self.outbox.held.contains_key(&seq));
            return;
        }
        let refused = self.random.one_in(50);
        let report = if refused {
            self.outbox.refused(packet)
        } else {
            self.outbox.acknowledged(packet, self.now)
        };
        assert_eq!(report.map(|report| report.seq), Some(seq));
        assert!(self.settled.insert(seq));
        self.seen.refused += u32::from(refused);
        self.news.push_back(if refused {
            News::Refused(seq, String::new())
        } else {
            News::Sent(seq)
        });
    }

    fn lose(&mut self, blame: Blame) {
        self.seen.losses += 1;
        self.wire.clear();
        self.seen.parked += u32::from(self.outbox.lost(self.now, blame).is_some());
    }

    /// Runs without new reports and failures, and asserts that all reports on disk are sent in
    /// bounded time.
    pub(super) fn come_to_rest(&mut self) {
        (self.poison, self.denied) = (0, None);
        for _ in 0..100 * STEPS {
            self.settle_debts();
            (0..4).for_each(|_| self.obey());
            (0..4).for_each(|_| self.hear());
            (0..4).for_each(|_| self.do_a_deed());
            self.ask();
            self.send();
            self.answer();
            self.now += Duration::from_secs(10);
            if self.disk.is_empty()
                && self.deeds.is_empty()
                && self.orders.is_empty()
                && self.outbox.lanes.questions() == 0
            {
                break;
            }
        }
        assert_eq!(self.disk.keys().collect::<Vec<_>>(), [&0; 0], "all is sent");
        assert_eq!((self.outbox.held(), self.outbox.flying()), (0, 0));
        assert_eq!(self.settled.len() as u64, self.next_seq - 1);
    }
}
