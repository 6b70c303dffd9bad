//! The reports that the broker has not acknowledged, in order.
//!
//! Invariants: a report leaves only when it is acknowledged, refused for what it is, or pushed out of a
//! full box, oldest first; what is on its way stands before what waits; at most [`IN_FLIGHT`] are on
//! their way.

use std::collections::VecDeque;

/// Reports kept while the broker is away.
pub(super) const CAPACITY: usize = 10_000;
/// Reports on their way at once: below every broker's receive maximum in use (mosquitto: 20).
pub(super) const IN_FLIGHT: usize = 16;

/// One report, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell::daemon) struct Outgoing {
    /// The user property `report-id`, by which the cloud drops a rare twin.
    pub(in crate::shell::daemon) id: String,
    pub(in crate::shell::daemon) topic: String,
    pub(in crate::shell::daemon) payload: Vec<u8>,
}

/// The box.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    flying: VecDeque<Flying>,
    waiting: VecDeque<Outgoing>,
    sent: u64,
    dropped: u64,
}

#[derive(Debug)]
struct Flying {
    /// The packet id, once the client has given one; it does so in the order of publishing.
    packet: Option<u16>,
    report: Outgoing,
}

impl Outbox {
    /// Puts a report in; `true`: the oldest waiting one had to go for it.
    pub(super) fn push(&mut self, report: Outgoing) -> bool {
        let full = self.waiting() >= CAPACITY;
        if full && self.waiting.pop_front().is_some() {
            self.dropped += 1;
        }
        self.waiting.push_back(report);
        full
    }

    /// The next report to publish, which from then on is on its way.
    pub(super) fn next(&mut self) -> Option<&Outgoing> {
        if self.flying.len() >= IN_FLIGHT {
            return None;
        }
        let report = self.waiting.pop_front()?;
        self.flying.push_back(Flying { packet: None, report });
        self.flying.back().map(|flying| &flying.report)
    }

    /// The oldest report without a packet id has got one.
    pub(super) fn numbered(&mut self, packet: u16) {
        if let Some(flying) = self.flying.iter_mut().find(|flying| flying.packet.is_none()) {
            flying.packet = Some(packet);
        }
    }

    /// The broker has it.
    pub(super) fn acknowledged(&mut self, packet: u16) {
        if self.take(packet).is_some() {
            self.sent += 1;
        }
    }

    /// The broker will never have it.
    pub(super) fn refused(&mut self, packet: u16) -> Option<Outgoing> {
        let report = self.take(packet)?;
        self.dropped += 1;
        Some(report)
    }

    /// What [`Outbox::next`] gave last cannot be published.
    pub(super) fn give_up_last(&mut self) -> Option<Outgoing> {
        let flying = self.flying.pop_back()?;
        self.dropped += 1;
        Some(flying.report)
    }

    /// The connection is gone: what was on its way waits again, before all else.
    pub(super) fn put_back(&mut self) {
        while let Some(flying) = self.flying.pop_back() {
            self.waiting.push_front(flying.report);
        }
    }

    /// Acknowledged so far.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Given up so far.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Not acknowledged yet.
    pub(super) fn waiting(&self) -> usize {
        self.flying.len() + self.waiting.len()
    }

    fn take(&mut self, packet: u16) -> Option<Outgoing> {
        let index = self.flying.iter().position(|flying| flying.packet == Some(packet))?;
        self.flying.remove(index).map(|flying| flying.report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(number: usize) -> Outgoing {
        Outgoing { id: number.to_string(), topic: "t".into(), payload: Vec::new() }
    }

    fn publish_all(outbox: &mut Outbox) -> Vec<String> {
        let mut ids = Vec::new();
        while let Some(report) = outbox.next() {
            ids.push(report.id.clone());
        }
        ids
    }

    #[test]
    fn a_lost_connection_brings_back_what_was_not_acknowledged_in_order() {
        let mut outbox = Outbox::default();
        for number in 0..5 {
            assert!(!outbox.push(report(number)));
        }
        assert_eq!(publish_all(&mut outbox), ["0", "1", "2", "3", "4"]);
        for packet in 1..=4 {
            outbox.numbered(packet);
        }
        outbox.acknowledged(2);
        outbox.acknowledged(2);
        outbox.acknowledged(9);
        assert_eq!((outbox.sent(), outbox.waiting()), (1, 4));
        outbox.put_back();
        assert!(!outbox.push(report(5)));
        assert_eq!(publish_all(&mut outbox), ["0", "2", "3", "4", "5"]);
    }

    #[test]
    fn only_so_many_are_on_their_way() {
        let mut outbox = Outbox::default();
        (0..40).for_each(|number| assert!(!outbox.push(report(number))));
        assert_eq!(publish_all(&mut outbox).len(), IN_FLIGHT);
        (1..=16).for_each(|packet| outbox.numbered(packet));
        outbox.acknowledged(1);
        assert_eq!(outbox.refused(2).map(|report| report.id), Some("1".to_owned()));
        assert_eq!(publish_all(&mut outbox), ["16", "17"]);
        assert_eq!((outbox.sent(), outbox.dropped(), outbox.waiting()), (1, 1, 38));
    }

    #[test]
    fn a_full_box_lets_go_of_the_oldest_that_waits() {
        let mut outbox = Outbox::default();
        (0..CAPACITY).for_each(|number| assert!(!outbox.push(report(number))));
        assert_eq!(publish_all(&mut outbox).len(), IN_FLIGHT);
        assert!(outbox.push(report(CAPACITY)));
        outbox.put_back();
        let first = publish_all(&mut outbox);
        assert_eq!(first.last().map(String::as_str), Some("15"), "what was on its way is kept");
        assert_eq!((outbox.dropped(), outbox.waiting()), (1, CAPACITY));
        (1..=16).for_each(|packet| outbox.numbered(packet));
        (1..=16).for_each(|packet| outbox.acknowledged(packet));
        assert_eq!(publish_all(&mut outbox).first().map(String::as_str), Some("17"));
    }
}
