//! The archive's thread, which owns the history and executes the orders.

mod storing;

use super::backlog::Backlog;
use super::queue::Waiting;
use super::recollect::{self, Recollection};
use super::search::Search;
use super::{Notes, Order, Tale, restarts};
use crate::edge::history::entry::StoredReport;
use crate::edge::history::read::Reader;
use crate::edge::history::{Bounds, History, Known, Opened};
use crate::shell::daemon::messages;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tracing::{error, warn};

/// Upper bound of orders taken together behind the first.
const TOGETHER: usize = 512;

/// The thread's state.
pub(super) struct Keeper {
    file: PathBuf,
    tales: mpsc::Sender<Tale>,
    bounds: Option<Bounds>,
    pub(super) history: Option<History>,
    /// Inode of the open history, to notice that its file was removed or replaced.
    inode: Option<u64>,
    pub(super) cursor: Option<String>,
    life: Life,
    pub(super) backlog: Backlog,
    pub(super) retry: Option<Instant>,
    /// Trouble that was logged and is not over.
    pub(super) trouble: Option<String>,
    /// Number of changes lost from the backlog.
    lost: u64,
    tally: Tally,
    pub(super) search: Search,
}

/// Records if the history was opened before in this life of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// It was not: unfinished deaths in it are of earlier lives.
    Unopened,
    /// It was: the main loop has the unfinished deaths already.
    Opened,
}

/// Schedule of [`Tale::Waiting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tally {
    /// Nothing changed since the last one.
    Told,
    /// The next one is due at this time.
    Due(Instant),
}

impl Keeper {
    pub(super) fn new(file: PathBuf, tales: mpsc::Sender<Tale>, search: Search) -> Self {
        Self {
            file,
            tales,
            bounds: None,
            history: None,
            inode: None,
            cursor: None,
            life: Life::Unopened,
            backlog: Backlog::default(),
            retry: None,
            trouble: None,
            lost: 0,
            tally: Tally::Told,
            search,
        }
    }

    pub(super) fn run(mut self, orders: &Waiting) {
        loop {
            match orders.next(self.pause()) {
                Ok(first) => self.obey(first, orders),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.retry.is_some_and(|at| at <= Instant::now()) {
                self.store(Vec::new());
            }
            self.tell_what_waits();
        }
        if !self.backlog.is_empty() {
            self.store(Vec::new());
        }
    }

    /// Returns the time until something is due without an order.
    fn pause(&self) -> Option<Duration> {
        let tally = match self.tally {
            Tally::Told => None,
            Tally::Due(at) => Some(at),
        };
        let next = self.retry.into_iter().chain(tally).min();
        next.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Executes an order and those that arrived meanwhile; consecutive [`Order::Store`]s are stored
    /// together.
    fn obey(&mut self, first: Order, orders: &Waiting) {
        let mut changes = Vec::new();
        for order in std::iter::once(first)
            .chain(std::iter::from_fn(|| orders.try_next().ok()).take(TOGETHER))
        {
            match order {
                Order::Store(more) => changes.extend(more),
                other => {
                    self.store(std::mem::take(&mut changes));
                    self.answer(other);
                }
            }
        }
        self.store(changes);
    }

    pub(super) fn answer(&mut self, order: Order) {
        match order {
            Order::Store(changes) => self.store(changes),
            Order::Rebound(bounds) => self.rebound(bounds),
            Order::Fetch { lane, after, limit } => {
                let reports = self.waiting(&lane, after, limit);
                self.tell(Tale::Fetched {
                    lane,
                    after,
                    limit,
                    reports,
                });
            }
            Order::Restarts(files) => {
                let records = self.look_up(restarts::open);
                self.tell(Tale::Restarts(Notes {
                    records,
                    inhibited: restarts::inhibited(files),
                }));
            }
            Order::Recall => {
                if self.cursor.is_none() {
                    self.cursor = self.look_up(|known| known?.cursor().ok().flatten());
                }
                if let Err(error) = self.search.begin(self.cursor.as_deref()) {
                    self.recalled(Recollection::failed(format!(
                        "failed to start a thread: {error}"
                    )));
                }
            }
            Order::Gathered(recollection) => self.recalled(*recollection),
        }
    }

    /// Sends the result of a search, without what the history has.
    fn recalled(&mut self, mut recollection: Recollection) {
        let told = &mut recollection;
        // Without an answer nothing is left out: the cloud recognises duplicates by their id.
        let _ = self.look_up(|known| known.map(|known| recollect::forget_the_known(known, told)));
        if let Some(cursor) = &recollection.cursor {
            self.cursor = Some(cursor.clone());
        }
        self.tell(Tale::Recalled(Box::new(recollection)));
        if self.search.done() {
            self.answer(Order::Recall);
        }
    }

    /// Queries the history; one that cannot be opened for writing may still be readable.
    fn look_up<T>(&self, ask: impl FnOnce(Option<Known<'_>>) -> T) -> T {
        match &self.history {
            Some(history) => ask(Some(history.known())),
            None => {
                let past = Reader::open(&self.file).ok().flatten();
                ask(past.as_ref().map(Reader::known))
            }
        }
    }

    fn rebound(&mut self, bounds: Bounds) {
        let first = self.bounds.replace(bounds).is_none();
        if let Some(history) = &mut self.history {
            history.rebound(bounds);
        }
        if first && !self.open() {
            self.tell(Tale::Opened {
                next_seq: None,
                lanes: Vec::new(),
                unfinished: Vec::new(),
                told: Vec::new(),
            });
        }
    }

    /// Opens the history and sends what earlier lives have left in it.
    fn open(&mut self) -> bool {
        self.history = None;
        let Some(bounds) = self.bounds else {
            return false;
        };
        let opened = match History::open(&self.file, bounds, now_ms()) {
            Ok(opened) => opened,
            Err(error) => {
                self.fail(&error);
                return false;
            }
        };
        let Opened {
            history,
            next_seq,
            cursor,
            lanes,
            mut unfinished,
            newest: told,
            set_aside,
        } = opened;
        if let Some(aside) = set_aside {
            error!(
                MESSAGE_ID = messages::HISTORY,
                "The history {} is damaged ({}); it is {} now, and {} entries of it were saved.",
                self.file.display(),
                aside.why,
                aside.to.display(),
                aside.salvaged
            );
        }
        self.history = Some(history);
        self.inode = inode_of(&self.file);
        self.retry = None;
        self.cursor = self.cursor.take().or(cursor);
        self.tally = Tally::Due(Instant::now());
        if std::mem::replace(&mut self.life, Life::Opened) == Life::Opened {
            unfinished.clear();
        }
        self.tell(Tale::Opened {
            next_seq: Some(next_seq),
            lanes,
            unfinished,
            told,
        });
        true
    }

    /// Returns the next waiting reports of a lane: those on disk, then those in the backlog.
    ///
    /// A history that cannot be read is opened anew, which sends the lanes that have waiting
    /// reports: so an answer with too few is not the last one.
    fn waiting(&mut self, lane: &str, after: u64, limit: usize) -> Vec<StoredReport> {
        let settled = self.backlog.settled();
        let stored = self
            .history
            .as_ref()
            .map(|history| history.waiting(lane, after, limit + settled.len()));
        let mut reports = match stored {
            Some(Ok(reports)) => reports,
            Some(Err(error)) => {
                warn!(
                    MESSAGE_ID = messages::HISTORY,
                    "Failed to read the history, opening it anew: {error}"
                );
                self.open();
                Vec::new()
            }
            None => Vec::new(),
        };
        reports.retain(|report| !settled.contains(&report.seq));
        reports.extend(self.backlog.waiting(lane, after));
        reports.truncate(limit);
        reports
    }

    fn tell_what_waits(&mut self) {
        if !matches!(self.tally, Tally::Due(at) if at <= Instant::now()) {
            return;
        }
        self.tally = Tally::Told;
        let Some(history) = &self.history else { return };
        if let Ok(unsent) = history.unsent() {
            self.tell(Tale::Waiting(unsent + self.backlog.unsent()));
        }
    }

    /// Sends an answer. It fails only if the main loop is gone, and then this thread ends, too.
    fn tell(&self, tale: Tale) {
        let _ = self.tales.blocking_send(tale);
    }
}

fn inode_of(file: &Path) -> Option<u64> {
    std::fs::symlink_metadata(file)
        .ok()
        .map(|metadata| metadata.ino())
}

fn now_ms() -> u64 {
    crate::edge::clock::since_epoch()
}
