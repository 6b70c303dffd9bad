//! The publisher: every report handed over is published until the broker has acknowledged it.
//!
//! A task of its own, so that a slow broker never blocks the main loop. The reports that it holds
//! are bounded; the others that wait are on disk, and the publisher asks the main loop for them
//! when there is room. It communicates with the main loop alone, which sends [`Command`]s and
//! receives [`News`].
//!
//! # Contract
//!
//! * The main loop answers each [`News::Wanted`] with one [`Command::Loaded`], an empty one if
//!   there is no history. One that is lost is asked for again after a minute.
//! * The answer contains a report that was published before the question arrived, if it is of that
//!   lane and waits, and none whose [`News::Sent`] or [`News::Refused`] arrived before the
//!   question.
//! * A report that was stored later than that, or that found no room in the channel, is on disk
//!   alone, and is announced by [`Command::Behind`] before anything else of its lane.
//! * No `seq` is used twice in one life of the daemon.
//! * The publisher sends [`News::Sent`] or [`News::Refused`] once for each report: when the broker
//!   has acknowledged it, or when it is given up.

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

/// Upper bound of commands that wait. When full, a report is on disk alone until its lane is
/// announced as [`Command::Behind`].
const COMMANDS: usize = 1_024;
/// Upper bound of news that wait. When full, the publisher keeps some news itself, and then hands
/// over no more reports.
const NEWS: usize = 64;

/// A command of the main loop to the publisher.
#[derive(Debug)]
pub(super) enum Command {
    /// Publish this report. It may or may not be on disk yet; `seq` grows.
    Publish(Box<StoredReport>),
    /// These lanes have waiting reports on disk: sent once at the start, and whenever reports are
    /// on disk alone.
    Behind(Vec<String>),
    /// The answer to [`News::Wanted`].
    Loaded {
        /// As asked.
        lane: String,
        /// As asked.
        after: u64,
        /// Reports in order of `seq`; if fewer than `limit`, there are no more on disk after these.
        reports: Vec<StoredReport>,
        /// As asked.
        limit: usize,
    },
    /// Publish to this broker from now on; `None`: to none.
    Connect(Option<Box<Endpoint>>),
    /// Close the connection once nothing in memory can be sent any more, and report it as the
    /// status.
    Drain,
}

/// A message of the publisher to the main loop.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The broker has acknowledged this report.
    Sent(u64),
    /// The broker will never take this report, with the reason.
    Refused(u64, String),
    /// A question for the next waiting reports of this lane.
    Wanted {
        /// The lane.
        lane: String,
        /// Only those with a greater `seq`.
        after: u64,
        /// Upper bound of reports. The number differs from question to question, and tells their
        /// answers apart.
        limit: usize,
    },
}

/// The publisher's status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Status {
    link: Link,
    /// Number of reports that the broker has acknowledged.
    sent: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Link {
    /// No broker is configured.
    #[default]
    None,
    /// Connecting to this broker.
    Connecting(String),
    /// Connected to it.
    Up(String),
    /// Not connected to it, with the reason.
    Down(String, String),
    /// All is drained.
    Closed,
}

impl Status {
    /// Returns true if all that could be sent was sent after [`Command::Drain`].
    pub(super) fn is_done(&self) -> bool {
        self.link == Link::Closed
    }

    /// Returns the state of the connection, as `connected to mqtt://broker:1883`; `nowhere` are the
    /// words without a broker.
    pub(super) fn words(&self, nowhere: &str) -> String {
        if self.link == Link::None {
            nowhere.to_owned()
        } else {
            self.link.to_string()
        }
    }

    /// Returns the status line, as `2 messages sent, 1 waiting; connected to mqtt://broker:1883`.
    /// Reports of crashes and of recoveries are messages alike.
    ///
    /// `nowhere` are the words without a broker.
    pub(super) fn story(&self, waiting: u64, nowhere: &str) -> String {
        let (link, sent) = (self.words(nowhere), self.sent);
        let sent = if sent == 1 {
            "1 message sent".to_owned()
        } else {
            format!("{sent} messages sent")
        };
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

/// The main loop's side of the channels.
pub(super) struct Cloud {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) news: mpsc::Receiver<News>,
    pub(super) status: watch::Receiver<Status>,
}

/// Processes bytes as if a broker had sent them, without a connection. For fuzz targets.
pub(crate) fn digest(bytes: &[u8]) {
    mqtt::digest(bytes);
}

/// Starts the task; it ends when the returned value is dropped.
pub(super) fn connect_to_cloud() -> Cloud {
    let (commands, orders) = mpsc::channel(COMMANDS);
    let (reporter, news) = mpsc::channel(NEWS);
    let (sender, status) = watch::channel(Status::default());
    tokio::spawn(async move { courier::Courier::new(reporter, sender).run(orders).await });
    Cloud {
        commands,
        news,
        status,
    }
}
