//! The archive: a thread that keeps the history, and during a catch-up a second one that reads the
//! run records and the journal.
//!
//! Disks are slow, and synchronising with one may take seconds. So the main loop never waits for
//! this thread: it sends [`Order`]s and receives the answers as [`Tale`]s, in the order of the
//! questions. Changes that have piled up while the disk was busy are stored together, with one
//! synchronisation.
//!
//! Invariants: changes that cannot be stored are kept in the [`Backlog`] and tried again, unless
//! the history will never take them; a damaged history is set aside and a new one is begun; trouble
//! is logged once, and its end too. Neither storing nor the end of the daemon waits for a catch-up.

mod backlog;
mod keeper;
mod queue;
mod recollect;
mod restarts;
mod search;

pub(super) use recollect::{HandMade, Memory, Recalled, Recollection};
pub(super) use restarts::Notes;

use crate::core::crash::observation::InvocationId;
use crate::edge::history::Bounds;
use crate::edge::history::entry::{Change, StoredDeath, StoredReport};
use keeper::Keeper;
use queue::{Orders, queue};
use search::Search;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// The history's file.
const FILE: &str = "/var/lib/unitward/reports.db";
/// Upper bound of answers that wait for the main loop. When there are more the thread pauses.
const TALES: usize = 64;

/// An order to the archive.
#[derive(Debug)]
pub(super) enum Order {
    /// Keep the history within these bounds; the first such order opens it.
    Rebound(Bounds),
    /// Store this, all of it or nothing.
    Store(Vec<Change>),
    /// Fetch the next waiting reports of a lane; gives [`Tale::Fetched`].
    Fetch {
        lane: String,
        after: u64,
        limit: usize,
    },
    /// Read the records of full restarts, and look for these files, each with the stack's unit it
    /// belongs to; gives [`Tale::Restarts`]. Records that are over and stored are removed.
    Restarts(Vec<(String, PathBuf)>),
    /// Read the run records and the journal; gives [`Tale::Recalled`].
    Recall,
    /// The result of a search; sent by the archive itself.
    Gathered(Box<Recollection>),
}

/// An answer of the archive.
#[derive(Debug)]
pub(super) enum Tale {
    /// The history is open, or, without `next_seq`, cannot be opened and is kept in memory for now.
    /// Comes with the lanes that have reports, the deaths that are undecided, and the runs whose
    /// deaths were stored last.
    Opened {
        next_seq: Option<u64>,
        lanes: Vec<String>,
        unfinished: Vec<StoredDeath>,
        told: Vec<InvocationId>,
    },
    /// Reports that wait; if fewer than asked for, there are no more.
    Fetched {
        lane: String,
        after: u64,
        limit: usize,
        reports: Vec<StoredReport>,
    },
    /// Findings of the run records and the journal that the history does not have.
    Recalled(Box<Recollection>),
    /// The records of full restarts.
    Restarts(Notes),
    /// Number of reports that wait for the broker.
    Waiting(u64),
}

/// The main loop's side of the channels.
pub(super) struct Archive {
    /// The search holds it weakly: without it the thread ends.
    orders: Option<Arc<Orders>>,
    pub(super) tales: mpsc::Receiver<Tale>,
    thread: Option<JoinHandle<()>>,
}

impl Archive {
    /// Starts the thread.
    pub(super) fn open() -> std::io::Result<Self> {
        let (orders, waiting) = queue();
        let (sender, tales) = mpsc::channel(TALES);
        let orders = Arc::new(orders);
        let keeper = Keeper::new(
            PathBuf::from(FILE),
            sender,
            Search::new(Arc::downgrade(&orders)),
        );
        let thread = std::thread::Builder::new()
            .name("archive".to_owned())
            .spawn(move || keeper.run(&waiting))?;
        Ok(Self {
            orders: Some(orders),
            tales,
            thread: Some(thread),
        })
    }

    /// Sends an order; `false`: too many orders wait, and this one is lost.
    pub(super) fn ask(&self, order: Order) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.ask(order))
    }
}

impl Drop for Archive {
    /// Lets the thread store its orders. Only systemd's stop timeout bounds the wait.
    fn drop(&mut self) {
        self.tales.close();
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has logged it.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
