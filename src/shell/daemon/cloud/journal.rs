//! The publisher's journal entries: each cause of trouble once until the connection works again,
//! and never more than [`CAUSES`], however many there are.

use super::super::messages;
use super::dialect::Version;
use super::endpoint::Endpoint;
use super::failure::Failure;
use crate::core::config::settings::Security;
use crate::edge::history::entry::StoredReport;
use std::collections::HashSet;
use tracing::{error, info, warn};

/// Upper bound of causes that are logged until the connection works again.
const CAUSES: usize = 16;

/// The entries that were written already.
#[derive(Debug, Default)]
pub(super) struct Journal {
    causes: HashSet<String>,
    latest: String,
    /// State of the latest connection that the broker accepted.
    came: Came,
    /// The version to log once the connection works.
    untold: Option<Version>,
    shortened: bool,
    /// True if the broker has refused our certificate, or that we have none.
    certificate_wanted: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// It has worked, or there was no connection.
    #[default]
    Well,
    /// It is up, and has not proved yet that it works.
    In,
    /// It was lost before it worked.
    Nowhere,
}

impl Journal {
    /// Returns the cause of the latest failure.
    pub(super) fn latest(&self) -> &str {
        &self.latest
    }

    /// Notes an accepted connection; logged only once it works if the last one was lost before it
    /// worked.
    pub(super) fn let_in(&mut self, endpoint: &Endpoint, version: Version) {
        match self.came {
            Came::Well | Came::In => connected(endpoint, version),
            Came::Nowhere => self.untold = Some(version),
        }
        self.came = Came::In;
    }

    /// Notes that the connection works.
    pub(super) fn proved(&mut self, endpoint: &Endpoint) {
        if let Some(version) = self.untold.take() {
            connected(endpoint, version);
        }
        self.came = Came::Well;
        self.causes.clear();
        self.certificate_wanted = false;
    }

    /// Logs the failure of a connection.
    pub(super) fn failed(&mut self, endpoint: &Endpoint, failure: &Failure) {
        if self.came == Came::In {
            self.came = Came::Nowhere;
        }
        self.untold = None;
        match failure {
            Failure::ClientCertificate(_) => self.certificate_wanted = true,
            // In TLS 1.3 the broker checks our certificate after our first bytes, and its alert may
            // be lost.
            Failure::Mute(Security::Tls) if self.certificate_wanted => return,
            _ => {}
        }
        self.latest = failure.to_string();
        if self.causes.len() >= CAUSES || !self.causes.insert(self.latest.clone()) {
            return;
        }
        warn!(
            MESSAGE_ID = failure.message_id(),
            UNITWARD_BROKER = %endpoint,
            UNITWARD_CAUSE = self.latest,
            "Not connected to {endpoint}, trying again: {failure}"
        );
    }

    /// Logs that a report is published without some of its frames. Logged once: it holds for all
    /// that are as long.
    pub(super) fn shortened(&mut self, endpoint: &Endpoint, report: &StoredReport, size: usize) {
        if !std::mem::replace(&mut self.shortened, true) {
            let whole = report.payload.len();
            warn!(
                MESSAGE_ID = messages::OVERSIZED,
                UNITWARD_BROKER = %endpoint,
                "Shortened report {} from {whole} to {size} bytes, and will others: {endpoint} takes no larger ones.",
                report.id
            );
        }
    }

    /// Logs that a topic is not allowed to us for now.
    pub(super) fn declined(&mut self, endpoint: &Endpoint, topic: &str, why: &str) {
        let cause = format!(
            "the broker declines our reports on topic {topic}: {why} (check its access rules)"
        );
        if self.causes.len() < CAUSES && self.causes.insert(cause.clone()) {
            warn!(
                MESSAGE_ID = messages::NOT_AUTHORIZED,
                UNITWARD_BROKER = %endpoint,
                UNITWARD_CAUSE = cause,
                "Not everything goes to {endpoint}, trying again: {cause}"
            );
        }
    }

    /// Logs that a report is given up.
    pub(super) fn refused(&self, report: &StoredReport, why: &str) {
        error!(
            MESSAGE_ID = messages::DROPPED,
            "Broker does not take report {}, giving it up: {why}", report.id
        );
    }

    /// Logs that a report is put aside for the first time.
    pub(super) fn parked(&self, report: &StoredReport) {
        warn!(
            MESSAGE_ID = messages::PARKED,
            "Put report {} aside, others go first: the connection was lost each time it was sent. It will be tried again.",
            report.id
        );
    }
}

fn connected(endpoint: &Endpoint, version: Version) {
    info!(MESSAGE_ID = messages::CONNECTED, UNITWARD_BROKER = %endpoint, "Connected to {endpoint}, speaking {version}.");
}
