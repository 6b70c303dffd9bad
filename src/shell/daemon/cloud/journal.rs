//! What the courier writes to the journal: each cause of trouble once until the connection works again, and never more than
//! a few however often it fails in ever new ways.

use super::super::messages;
use super::dialect::Version;
use super::endpoint::Endpoint;
use super::failure::Failure;
use crate::core::config::settings::Security;
use crate::edge::history::entry::StoredReport;
use std::collections::HashSet;
use tracing::{error, info, warn};

/// Different causes that are said of one stretch of trouble.
const CAUSES: usize = 16;

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Journal {
    causes: HashSet<String>,
    latest: String,
    /// How the latest connection that the broker let us into has come along.
    came: Came,
    /// The version that is to be told of once the connection works.
    untold: Option<Version>,
    shortened: bool,
    /// The broker has said that it is not content with our certificate.
    certificate_wanted: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// It has worked, or there was none.
    #[default]
    Well,
    /// It is there, and has not shown yet that it works.
    In,
    /// It was lost before it had worked.
    Nowhere,
}

impl Journal {
    /// The cause of the latest failure.
    pub(super) fn latest(&self) -> &str {
        &self.latest
    }

    /// The broker has let us in; not said before it works if the last time that came to nothing.
    pub(super) fn let_in(&mut self, endpoint: &Endpoint, version: Version) {
        match self.came {
            Came::Well | Came::In => connected(endpoint, version),
            Came::Nowhere => self.untold = Some(version),
        }
        self.came = Came::In;
    }

    /// The connection works.
    pub(super) fn proved(&mut self, endpoint: &Endpoint) {
        if let Some(version) = self.untold.take() {
            connected(endpoint, version);
        }
        self.came = Came::Well;
        self.causes.clear();
        self.certificate_wanted = false;
    }

    /// There is no connection, or no more.
    pub(super) fn failed(&mut self, endpoint: &Endpoint, failure: &Failure) {
        if self.came == Came::In {
            self.came = Came::Nowhere;
        }
        self.untold = None;
        match failure {
            Failure::ClientCertificate(_) => self.certificate_wanted = true,
            // In TLS 1.3 the broker looks at our certificate when we have begun to speak, and its word may be lost.
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

    /// A report is published without some of its frames. Said once: all that are as long fare likewise.
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

    /// A topic is not allowed to us for now.
    pub(super) fn declined(&mut self, endpoint: &Endpoint, topic: &str, why: &str) {
        let cause = format!("the broker declines our reports on topic {topic}: {why} (check its access rules)");
        if self.causes.len() < CAUSES && self.causes.insert(cause.clone()) {
            warn!(
                MESSAGE_ID = messages::NOT_AUTHORIZED,
                UNITWARD_BROKER = %endpoint,
                UNITWARD_CAUSE = cause,
                "Not everything goes to {endpoint}, trying again: {cause}"
            );
        }
    }

    /// A report is given up.
    pub(super) fn refused(&self, report: &StoredReport, why: &str) {
        error!(MESSAGE_ID = messages::DROPPED, "Broker does not take report {}, giving it up: {why}", report.id);
    }

    /// A report is put aside for the first time.
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
