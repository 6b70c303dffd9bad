//! The effects of the connection's progress, and of its failure.

use super::super::News;
use super::super::backoff::Backoff;
use super::super::dialect::{Entry, Retry};
use super::super::failure::Failure;
use super::super::mqtt::Progress;
use super::super::outbox::Blame;
use super::{ACKNOWLEDGEMENT, Courier, Phase, Proof};
use std::time::Duration;
use tokio::time::Instant;

/// Age at which a connection works, even if there was nothing to send.
const STEADY: Duration = Duration::from_secs(60);

impl Courier {
    /// Takes in what the connection has come to.
    pub(super) fn follow(&mut self, progress: Progress) {
        match progress {
            Progress::Connected(_) => self.be_let_in(),
            Progress::Numbered(packet) => self.outbox.numbered(packet),
            Progress::Acknowledged(packet) => {
                if let Some(report) = self.outbox.acknowledged(packet, Instant::now()) {
                    self.untold.push_back(News::Sent(report.seq));
                }
                self.be_patient();
                if self.proof == Proof::Acknowledgement {
                    self.prove();
                }
            }
            Progress::Refused(packet, why) => {
                if let Some(report) = self.outbox.refused(packet) {
                    self.journal.refused(&report, &why);
                    self.untold.push_back(News::Refused(report.seq, why));
                }
                self.be_patient();
            }
            Progress::Declined(packet, why) => {
                if let (Some(channel), Some(endpoint)) =
                    (self.outbox.declined(packet, Instant::now()), &self.endpoint)
                {
                    self.journal
                        .declined(endpoint, endpoint.topic(channel), &why);
                }
                self.be_patient();
            }
            Progress::Failed(failure) => self.fail(&failure),
        }
    }

    /// Notes that the broker has accepted the connection.
    fn be_let_in(&mut self) {
        if self.dialect.let_in() == Entry::TryOther {
            return self.connect();
        }
        if let (Phase::Working(work), Some(endpoint)) = (&mut self.phase, &self.endpoint) {
            work.steady = Some(Instant::now() + STEADY);
            self.journal.let_in(endpoint, work.connection.version());
        }
    }

    /// Notes that the connection works.
    pub(super) fn prove(&mut self) {
        if let (Phase::Working(work), Some(endpoint)) = (&mut self.phase, &self.endpoint)
            && work.steady.take().is_some()
        {
            (self.backoff, self.proof) = (Backoff::default(), Proof::Acknowledgement);
            self.journal.proved(endpoint);
        }
    }

    /// Restarts the time limit of the next acknowledgement, if one is due.
    fn be_patient(&mut self) {
        if let Phase::Working(work) = &mut self.phase {
            work.patience = (self.outbox.flying() > 0).then(|| Instant::now() + ACKNOWLEDGEMENT);
        }
    }

    /// Drops the connection, and rests, or tries another version of MQTT at once.
    pub(super) fn fail(&mut self, failure: &Failure) {
        let now = Instant::now();
        let up = matches!(&self.phase, Phase::Working(work) if work.connection.is_up());
        let blame = self.blame(failure);
        if up && failure.is_misconduct() {
            self.proof = Proof::Age;
        }
        if let Some(parked) = self.outbox.lost(now, blame) {
            self.journal.parked(parked);
        }
        let retry = if up {
            Retry::Later
        } else {
            self.dialect.not_let_in(failure)
        };
        if retry == Retry::AtOnce {
            return self.connect();
        }
        if let Some(endpoint) = &self.endpoint {
            self.journal.failed(endpoint, failure);
        }
        self.phase = Phase::Resting(now + self.backoff.next());
    }

    /// Returns the blame for a failure. A report that was alone in flight and too large is not
    /// blamed: it is shortened.
    fn blame(&mut self, failure: &Failure) -> Blame {
        match self
            .outbox
            .only_one()
            .filter(|_| *failure == Failure::Oversized)
        {
            Some(report) => {
                self.scale.too_large(report);
                Blame::Nobody
            }
            None => failure.blame(),
        }
    }
}
