//! The courier to the broker: every report handed over is published until the broker has acknowledged it.
//!
//! A task of its own, so that a slow broker never holds up the ear at PID 1. What it holds is bounded; the rest of what
//! waits is on disk, and the courier asks the main loop for it when there is room. So the main loop is its only
//! acquaintance: it gives [`Command`]s and takes [`News`].
//!
//! # What the two owe each other
//!
//! * The main loop answers each [`News::Wanted`] with one [`Command::Loaded`], an empty one where there is no history. One that
//!   is lost is asked for again after a minute.
//! * A report that was published before the question was heard stands in the answer, if it is of that lane and waits; one
//!   whose [`News::Sent`] or [`News::Refused`] was heard before the question does not.
//! * A report that came to the disk later than that, or that found no room in the channel, is on disk alone, and is made up
//!   for by [`Command::Behind`] before anything else of its lane.
//! * No `seq` is used twice in one life of the daemon.
//! * The courier tells of each report once that it was sent or refused, and of nothing else.

mod courier;
mod outbox;

mod connection;
mod mqtt;

mod credentials;
mod endpoint;
mod letter;
pub(in crate::shell) mod tls;

mod backoff;
mod dialect;
mod failure;
mod journal;

#[cfg(test)]
mod tests;

pub(super) use endpoint::Endpoint;

use crate::edge::history::entry::StoredReport;
use std::fmt;
use tokio::sync::{mpsc, watch};

/// Commands that may wait. When full, a report is on disk alone until its lane is told to be [`Command::Behind`].
const COMMANDS: usize = 1_024;
/// News that may wait. When full, the courier waits with what it has to tell and hands nothing more over meanwhile.
const NEWS: usize = 64;

/// What the main loop asks of the courier.
#[derive(Debug)]
pub(super) enum Command {
    /// Publish this. It may or may not be on disk yet; `seq` grows.
    Publish(Box<StoredReport>),
    /// These lanes have waiting reports on disk: told once at the start, and whenever the history knows of some.
    Behind(Vec<String>),
    /// The answer to [`News::Wanted`].
    Loaded {
        /// As asked.
        lane: String,
        /// As asked.
        after: u64,
        /// In order of `seq`; fewer than `limit`: there are no more on disk after these.
        reports: Vec<StoredReport>,
        /// As asked.
        limit: usize,
    },
    /// Publish there from now on; `None`: nowhere.
    Connect(Option<Box<Endpoint>>),
    /// Say so when nothing in memory can be sent any more, and hang up.
    Drain,
}

/// What the courier tells the main loop.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The broker has acknowledged this report.
    Sent(u64),
    /// The broker will never take it, and why.
    Refused(u64, String),
    /// The next waiting reports of this lane, please.
    Wanted {
        /// Which lane.
        lane: String,
        /// Only those with a greater `seq`.
        after: u64,
        /// At most so many. The number differs from question to question, and tells their answers apart.
        limit: usize,
    },
}

/// How things stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Status {
    link: Link,
    /// Acknowledged by the broker.
    sent: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Link {
    /// No broker is configured.
    #[default]
    None,
    /// On the way to this broker.
    Connecting(String),
    /// Connected to it.
    Up(String),
    /// Not connected to it, and why.
    Down(String, String),
    /// Nothing is left to be done.
    Closed,
}

impl Status {
    /// Whether all that could be sent was sent after [`Command::Drain`].
    pub(super) fn is_done(&self) -> bool {
        self.link == Link::Closed
    }

    /// `connected to mqtt://broker:1883`; `nowhere` says how it is without a broker.
    pub(super) fn words(&self, nowhere: &str) -> String {
        if self.link == Link::None { nowhere.to_owned() } else { self.link.to_string() }
    }

    /// `2 messages sent, 1 waiting; connected to mqtt://broker:1883`. Reports of crashes and of recoveries are messages alike.
    ///
    /// `nowhere` says how it is without a broker.
    pub(super) fn story(&self, waiting: u64, nowhere: &str) -> String {
        let (link, sent) = (self.words(nowhere), self.sent);
        let sent = if sent == 1 { "1 message sent".to_owned() } else { format!("{sent} messages sent") };
        format!("{sent}, {waiting} waiting; {link}")
    }
}

impl fmt::Display for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("no broker"),
            Self::Connecting(broker) => write!(out, "connecting to {broker}"),
            Self::Up(broker) => write!(out, "connected to {broker}"),
            Self::Down(broker, cause) => write!(out, "not connected to {broker}: {cause}"),
            Self::Closed => out.write_str("disconnected"),
        }
    }
}

/// The main loop's end.
pub(super) struct Cloud {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) news: mpsc::Receiver<News>,
    pub(super) status: watch::Receiver<Status>,
}

/// Takes bytes as a broker's, without a connection. For fuzz targets.
pub(crate) fn digest(bytes: &[u8]) {
    mqtt::digest(bytes);
}

/// Starts the task; it ends when the returned value is dropped.
pub(super) fn connect_to_cloud() -> Cloud {
    let (commands, orders) = mpsc::channel(COMMANDS);
    let (reporter, news) = mpsc::channel(NEWS);
    let (sender, status) = watch::channel(Status::default());
    tokio::spawn(async move { courier::Courier::new(reporter, sender).run(orders).await });
    Cloud { commands, news, status }
}
