//! The reports in flight: published, and neither acknowledged nor refused yet.

use std::collections::VecDeque;

/// Those of the present connection, in the order of publishing.
#[derive(Debug, Default)]
pub(super) struct Flight {
    reports: VecDeque<Flying>,
}

/// A report in flight.
#[derive(Debug)]
struct Flying {
    /// The packet id, once the client has given one; it does so in the order of publishing.
    packet: Option<u16>,
    seq: u64,
}

impl Flight {
    /// Returns the number of reports.
    pub(super) fn len(&self) -> usize {
        self.reports.len()
    }

    /// Returns true if there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// Returns true if this report is one of them.
    pub(super) fn contains(&self, seq: u64) -> bool {
        self.reports.iter().any(|flying| flying.seq == seq)
    }

    /// Returns the report, if it is the only one.
    pub(super) fn only_one(&self) -> Option<u64> {
        match self.reports.len() {
            1 => self.reports.front().map(|flying| flying.seq),
            _ => None,
        }
    }

    /// Adds a report that is published now.
    pub(super) fn add(&mut self, seq: u64) {
        self.reports.push_back(Flying { packet: None, seq });
    }

    /// Sets the packet id of the oldest report without one.
    pub(super) fn numbered(&mut self, packet: u16) {
        if let Some(flying) = self
            .reports
            .iter_mut()
            .find(|flying| flying.packet.is_none())
        {
            flying.packet = Some(packet);
        }
    }

    /// Removes the report of this packet.
    pub(super) fn remove(&mut self, packet: u16) -> Option<u64> {
        let index = self
            .reports
            .iter()
            .position(|flying| flying.packet == Some(packet))?;
        self.reports.remove(index).map(|flying| flying.seq)
    }

    /// Removes the report that was added last.
    pub(super) fn remove_last(&mut self) -> Option<u64> {
        self.reports.pop_back().map(|flying| flying.seq)
    }

    /// Removes all reports, and returns them.
    pub(super) fn take_all(&mut self) -> Vec<u64> {
        self.reports.drain(..).map(|flying| flying.seq).collect()
    }
}
