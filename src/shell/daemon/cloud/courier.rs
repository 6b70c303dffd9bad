//! The publisher's task: one loop that takes commands, follows the connection and sends news of it.
//!
//! # Connections are dropped on any error
//!
//! A session that outlives its connection would need packet ids and an order on which both ends
//! still agree. So the connection is dropped on the first error, a new one starts from nothing, and
//! the outbox, which forgets a report only on its PUBACK, publishes again all that is
//! unacknowledged.
//!
//! # Proof of a working connection
//!
//! An accepted connection proves nothing: a broker may close it at once, or on the first report. A
//! connection works when the broker has acknowledged a report, or after a minute. Until then the
//! rests between the tries grow, and the same trouble is not logged again. After a violation of the
//! protocol an acknowledgement proves nothing either, until a connection has lasted its minute:
//! else the broker could acknowledge and flood us every second.

mod progress;

use super::backoff::Backoff;
use super::connection::Connection;
use super::dialect::Dialect;
use super::failure::Failure;
use super::journal::Journal;
use super::letter::{Letter, Scale};
use super::mqtt::Progress;
use super::outbox::{Blame, Outbox, Portion};
use super::{Command, Endpoint, Link, News, Status};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Time limit of an acknowledgement. Pings do not detect a broker that takes reports and does not
/// acknowledge them.
const ACKNOWLEDGEMENT: Duration = Duration::from_secs(60);
/// Number of news waiting for the main loop at which nothing more is handed over.
const UNTOLD: usize = 256;

/// The task's state.
pub(super) struct Courier {
    endpoint: Option<Box<Endpoint>>,
    outbox: Outbox,
    phase: Phase,
    dialect: Dialect,
    backoff: Backoff,
    proof: Proof,
    journal: Journal,
    scale: Scale,
    news: mpsc::Sender<News>,
    untold: VecDeque<News>,
    status: watch::Sender<Status>,
    ending: Ending,
}

/// The proof that a connection works.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// An acknowledgement, or the connection's age.
    Acknowledgement,
    /// The connection's age alone, since the broker has violated the protocol.
    Age,
}

enum Phase {
    /// No broker is configured, or all is drained.
    Idle,
    /// The next try is at this time.
    Resting(Instant),
    /// A connection is being made or is up.
    Working(Box<Work>),
}

struct Work {
    connection: Connection,
    /// Time at which the connection's age proves that it works; `None`: it is not up yet, or works
    /// already.
    steady: Option<Instant>,
    /// Deadline of the next acknowledgement.
    patience: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Never,
    WhenDrained,
}

enum Happening {
    Command(Option<Command>),
    Progress(Progress),
    Told(bool),
    /// The deadline returned by [`Courier::deadline`] has come.
    Time,
}

impl Courier {
    /// Returns a publisher without a broker.
    pub(super) fn new(news: mpsc::Sender<News>, status: watch::Sender<Status>) -> Self {
        let (outbox, dialect, backoff) =
            (Outbox::default(), Dialect::default(), Backoff::default());
        Self {
            endpoint: None,
            outbox,
            phase: Phase::Idle,
            dialect,
            backoff,
            proof: Proof::Acknowledgement,
            journal: Journal::default(),
            scale: Scale::default(),
            news,
            untold: VecDeque::new(),
            status,
            ending: Ending::Never,
        }
    }

    /// Runs until the sender of commands or the receiver of news is gone.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            match self.next(&mut commands).await {
                Happening::Command(None) | Happening::Told(false) => return,
                Happening::Command(Some(command)) => self.obey(command),
                Happening::Progress(progress) => self.follow(progress),
                Happening::Told(true) => {}
                Happening::Time => self.look_at_the_clock(),
            }
            self.hand_over();
            self.ask();
            self.publish_status();
        }
    }

    async fn next(&mut self, commands: &mut mpsc::Receiver<Command>) -> Happening {
        let deadline = self.deadline();
        let time = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let Self {
            phase,
            news,
            untold,
            ..
        } = self;
        let full = untold.len() >= UNTOLD;
        let progress = async {
            match phase {
                Phase::Working(work) if !full => work.connection.progress().await,
                Phase::Idle | Phase::Resting(_) | Phase::Working(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            permit = news.reserve(), if !untold.is_empty() => Happening::Told(match (permit, untold.pop_front()) {
                (Ok(permit), Some(first)) => {
                    permit.send(first);
                    true
                }
                (permit, _) => permit.is_ok(),
            }),
            command = commands.recv() => Happening::Command(command),
            progress = progress => Happening::Progress(progress),
            () = time => Happening::Time,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Resting(until) => Some(*until),
            Phase::Working(work) if work.connection.is_up() => {
                let room = self.untold.len() < UNTOLD;
                let parked = self
                    .outbox
                    .deadline()
                    .filter(|_| room && self.outbox.flying() == 0);
                let question = self
                    .outbox
                    .question_deadline()
                    .filter(|_| room && self.ending == Ending::Never);
                [work.steady, work.patience, parked, question]
                    .into_iter()
                    .flatten()
                    .min()
            }
            Phase::Working(_) => None,
        }
    }

    fn look_at_the_clock(&mut self) {
        let now = Instant::now();
        match &self.phase {
            Phase::Idle => {}
            Phase::Resting(until) if *until <= now => self.connect(),
            Phase::Resting(_) => {}
            Phase::Working(work) if work.patience.is_some_and(|until| until <= now) => {
                self.fail(&Failure::NoAnswer);
            }
            Phase::Working(work) if work.steady.is_some_and(|since| since <= now) => self.prove(),
            Phase::Working(_) => {}
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Publish(report) => self.outbox.publish(*report),
            Command::Behind(lanes) => lanes.iter().for_each(|lane| self.outbox.behind(lane)),
            Command::Loaded {
                lane,
                after,
                reports,
                limit,
            } => {
                self.outbox.loaded(&lane, Portion { after, limit }, reports);
            }
            Command::Connect(endpoint) if self.endpoint == endpoint => {
                // A reload of the daemon is a request to try at once.
                self.outbox.trust(Instant::now());
                if matches!(self.phase, Phase::Resting(_)) {
                    self.connect();
                }
            }
            Command::Connect(endpoint) => self.turn_to(endpoint),
            Command::Drain => self.ending = Ending::WhenDrained,
        }
    }

    /// Starts anew with another broker, or with none.
    fn turn_to(&mut self, endpoint: Option<Box<Endpoint>>) {
        let now = Instant::now();
        self.outbox.lost(now, Blame::Nobody);
        self.outbox.trust(now);
        self.endpoint = endpoint;
        (self.dialect, self.backoff) = (Dialect::default(), Backoff::default());
        self.proof = Proof::Acknowledgement;
        self.journal = Journal::default();
        self.scale = Scale::default();
        self.connect();
    }

    fn connect(&mut self) {
        self.phase = match &self.endpoint {
            None => Phase::Idle,
            Some(endpoint) => {
                let connection = Connection::open(endpoint, self.dialect.version());
                Phase::Working(Box::new(Work {
                    connection,
                    steady: None,
                    patience: None,
                }))
            }
        };
    }

    /// Hands over all reports that may be in flight now.
    fn hand_over(&mut self) {
        let (Phase::Working(work), Some(endpoint)) = (&mut self.phase, &self.endpoint) else {
            return;
        };
        let now = Instant::now();
        while work.connection.is_up()
            && self.untold.len() < UNTOLD
            && let Some(report) = self.outbox.next(now)
        {
            let letter = Letter {
                topic: endpoint.topic(report.channel),
                id: &report.id,
                payload: &report.payload,
            };
            let Some(payload) = self.scale.payload(report, work.connection.largest(letter)) else {
                let why = "it is larger than the broker takes";
                if let Some(report) = self.outbox.give_up_last() {
                    self.journal.refused(&report, why);
                    self.untold
                        .push_back(News::Refused(report.seq, why.to_owned()));
                }
                continue;
            };
            if payload.len() < report.payload.len() {
                self.journal.shortened(endpoint, report, payload.len());
            }
            if let Err(failure) = work.connection.publish(Letter {
                payload: &payload,
                ..letter
            }) {
                return self.fail(&failure);
            }
            work.patience = work.patience.or(Some(now + ACKNOWLEDGEMENT));
        }
    }

    /// Asks for reports on disk while connected: without a broker memory is kept for new ones.
    fn ask(&mut self) {
        let (up, now) = (
            matches!(&self.phase, Phase::Working(work) if work.connection.is_up()),
            Instant::now(),
        );
        while up
            && self.ending == Ending::Never
            && self.untold.len() < UNTOLD
            && let Some(question) = self.outbox.wanted(now)
        {
            self.untold.push_back(question);
        }
    }

    fn publish_status(&mut self) {
        let drained =
            (self.outbox.is_drained() && self.untold.is_empty()) || self.endpoint.is_none();
        let link = match (&self.phase, &self.endpoint) {
            _ if self.ending == Ending::WhenDrained && drained => {
                self.phase = Phase::Idle;
                Link::Closed
            }
            (_, None) => Link::None,
            (Phase::Working(work), Some(endpoint)) if work.connection.is_up() => {
                Link::Up(endpoint.to_string())
            }
            (Phase::Working(_), Some(endpoint)) => Link::Connecting(endpoint.to_string()),
            (Phase::Resting(_) | Phase::Idle, Some(endpoint)) => {
                Link::Down(endpoint.to_string(), self.journal.latest().to_owned())
            }
        };
        let sent = self.outbox.sent();
        self.status.send_if_modified(|status| {
            let news = Status { link, sent };
            let changed = *status != news;
            *status = news;
            changed
        });
    }
}
