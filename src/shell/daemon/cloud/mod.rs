//! The connection to the broker: everything handed over is published, in order, until the broker has
//! acknowledged it.
//!
//! A task of its own, so that a slow broker never holds up the ear at PID 1. It owns the [`Outbox`]; the
//! main loop hands reports over and is told how things stand.
//!
//! # Why a connection is thrown away on any error
//!
//! rumqttc 0.25 can keep a session across reconnects, but stalls for good when a packet id collides while
//! the session is lost (rumqtt#1056, #1014), and the message at hand is gone. So client and event
//! loop are dropped together on the first error, a new pair is made, and the outbox, which
//! forgets a report only on its PUBACK, publishes again all that is unacknowledged.

mod backoff;
mod connection;
mod endpoint;
mod outbox;

pub(super) use endpoint::Endpoint;
pub(super) use outbox::Outgoing;

use backoff::Backoff;
use connection::{Connection, Failure, Progress};
use outbox::Outbox;
use std::fmt;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::messages;

/// Commands that may wait; as many as the outbox holds, so that none is refused before the outbox is full.
const COMMANDS: usize = outbox::CAPACITY;

/// A connection that lasted this long worked, even when there was nothing to send.
const STEADY: Duration = Duration::from_secs(60);

/// What the main loop asks of the connection.
#[derive(Debug)]
pub(super) enum Command {
    /// Publish this.
    Publish(Box<Outgoing>),
    /// Publish there from now on; `None`: nowhere.
    Connect(Option<Box<Endpoint>>),
    /// Say so when the outbox is empty, and hang up.
    Drain,
}

/// How things stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Status {
    link: Link,
    /// Acknowledged by the broker.
    sent: u64,
    /// Not acknowledged yet.
    waiting: usize,
    /// Given up because the outbox was full.
    dropped: u64,
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
    /// Whether everything was sent after [`Command::Drain`].
    pub(super) fn is_done(&self) -> bool {
        self.link == Link::Closed
    }

    /// Reports that the broker has not acknowledged.
    pub(super) fn unsent(&self) -> usize {
        self.waiting
    }

    /// `2 reports sent, 1 waiting; connected to mqtt://broker:1883`.
    pub(super) fn story(&self) -> String {
        let Self { link, sent, waiting, dropped } = self;
        let dropped = if *dropped == 0 { String::new() } else { format!(", {dropped} dropped") };
        let sent = if *sent == 1 { "1 report sent".to_owned() } else { format!("{sent} reports sent") };
        format!("{sent}, {waiting} waiting{dropped}; {link}")
    }
}

impl fmt::Display for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("no broker, reports stay local"),
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
    pub(super) status: watch::Receiver<Status>,
}

/// Starts the task; it ends when the returned value is dropped.
pub(super) fn connect_to_cloud() -> Cloud {
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let (sender, status) = watch::channel(Status::default());
    tokio::spawn(async move { Courier::new(sender).run(receiver).await });
    Cloud { commands, status }
}

/// The task's state.
struct Courier {
    endpoint: Option<Box<Endpoint>>,
    outbox: Outbox,
    phase: Phase,
    backoff: Backoff,
    /// The cause of the latest failure: each cause is said once, not once for each try.
    said: Option<String>,
    /// Since when the present connection has been up.
    up_since: Option<Instant>,
    status: watch::Sender<Status>,
    /// Whether the daemon is stopping.
    ending: Ending,
}

enum Phase {
    /// There is nowhere to go.
    Idle,
    /// The next try is at this time.
    Resting(Instant),
    /// A connection is being made or is there.
    Working(Box<Connection>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Never,
    WhenEmpty,
}

enum Happening {
    Command(Option<Command>),
    Progress(Progress),
    Rested,
}

impl Courier {
    fn new(status: watch::Sender<Status>) -> Self {
        let (outbox, backoff) = (Outbox::default(), Backoff::default());
        Self {
            endpoint: None,
            outbox,
            phase: Phase::Idle,
            backoff,
            said: None,
            up_since: None,
            status,
            ending: Ending::Never,
        }
    }

    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let happening = match &mut self.phase {
                Phase::Idle => Happening::Command(commands.recv().await),
                Phase::Resting(until) => tokio::select! {
                    command = commands.recv() => Happening::Command(command),
                    () = tokio::time::sleep_until(*until) => Happening::Rested,
                },
                Phase::Working(connection) => tokio::select! {
                    command = commands.recv() => Happening::Command(command),
                    progress = connection.progress() => Happening::Progress(progress),
                },
            };
            match happening {
                Happening::Command(None) => return,
                Happening::Command(Some(command)) => self.obey(command),
                Happening::Progress(progress) => self.follow(progress),
                Happening::Rested => self.try_to_connect(),
            }
            self.pump();
            self.tell();
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Publish(report) => {
                if self.outbox.push(*report) {
                    let dropped = self.outbox.dropped();
                    if dropped.is_power_of_two() {
                        warn!(MESSAGE_ID = messages::DROPPED, "Dropped the oldest unsent report, {dropped} in all.");
                    }
                }
            }
            Command::Connect(endpoint) if self.endpoint == endpoint => {
                // Whoever reloads the daemon does not want to wait out the back-off.
                if matches!(self.phase, Phase::Resting(_)) {
                    self.try_to_connect();
                }
            }
            Command::Connect(endpoint) => {
                self.outbox.put_back();
                self.endpoint = endpoint;
                self.said = None;
                self.backoff = Backoff::default();
                self.try_to_connect();
            }
            Command::Drain => self.ending = Ending::WhenEmpty,
        }
    }

    fn try_to_connect(&mut self) {
        self.phase = match &self.endpoint {
            None => Phase::Idle,
            Some(endpoint) => match Connection::open(endpoint) {
                Ok(connection) => Phase::Working(Box::new(connection)),
                Err(failure) => return self.fail(&failure),
            },
        };
    }

    fn follow(&mut self, progress: Progress) {
        match progress {
            Progress::Connected => {
                self.up_since = Some(Instant::now());
                if let Some(endpoint) = &self.endpoint {
                    info!(MESSAGE_ID = messages::CONNECTED, UNITWARD_BROKER = %endpoint, "Connected to {endpoint}.");
                }
                self.said = None;
            }
            Progress::Numbered(id) => self.outbox.numbered(id),
            Progress::Acknowledged(id) => {
                self.outbox.acknowledged(id);
                self.backoff = Backoff::default();
            }
            Progress::Refused(id, why) => {
                if let Some(report) = self.outbox.refused(id) {
                    error!(MESSAGE_ID = messages::DROPPED, "Broker refused report {}, dropping it: {why}", report.id);
                }
            }
            Progress::Quiet => {}
            Progress::Failed(failure) => self.fail(&failure),
        }
    }

    /// Throws the connection away and rests.
    fn fail(&mut self, failure: &Failure) {
        self.outbox.put_back();
        let Some(endpoint) = &self.endpoint else { return };
        let cause = failure.to_string();
        if *failure == Failure::Tls {
            error!(MESSAGE_ID = messages::DISCONNECTED, UNITWARD_BROKER = %endpoint, "Not connecting to {endpoint}: {cause}");
            self.said = Some(cause);
            self.phase = Phase::Idle;
            return;
        }
        if self.said.as_ref() != Some(&cause) {
            warn!(
                MESSAGE_ID = messages::DISCONNECTED,
                UNITWARD_BROKER = %endpoint,
                "Not connected to {endpoint}, trying again: {cause}"
            );
            self.said = Some(cause);
        }
        if self.up_since.take().is_some_and(|since| since.elapsed() >= STEADY) {
            self.backoff = Backoff::default();
        }
        self.phase = Phase::Resting(Instant::now() + self.backoff.next());
    }

    /// Hands over what may be on its way at once.
    fn pump(&mut self) {
        let Phase::Working(connection) = &mut self.phase else { return };
        while connection.is_up()
            && let Some(report) = self.outbox.next()
        {
            if !connection.takes(report) {
                if let Some(report) = self.outbox.give_up_last() {
                    error!(
                        MESSAGE_ID = messages::DROPPED,
                        "Report {} is too large for the broker, dropping it.", report.id
                    );
                }
            } else if let Err(failure) = connection.publish(report) {
                self.fail(&failure);
                return;
            }
        }
    }

    fn tell(&mut self) {
        let empty = self.outbox.waiting() == 0 || self.endpoint.is_none();
        let link = match (&self.phase, &self.endpoint) {
            _ if self.ending == Ending::WhenEmpty && empty => {
                self.phase = Phase::Idle;
                Link::Closed
            }
            (_, None) => Link::None,
            (Phase::Working(connection), Some(endpoint)) if connection.is_up() => Link::Up(endpoint.to_string()),
            (Phase::Working(_), Some(endpoint)) => Link::Connecting(endpoint.to_string()),
            (Phase::Resting(_) | Phase::Idle, Some(endpoint)) => {
                Link::Down(endpoint.to_string(), self.said.clone().unwrap_or_default())
            }
        };
        let (sent, waiting, dropped) = (self.outbox.sent(), self.outbox.waiting(), self.outbox.dropped());
        self.status.send_if_modified(|status| {
            let news = Status { link, sent, waiting, dropped };
            let changed = *status != news;
            *status = news;
            changed
        });
    }
}
