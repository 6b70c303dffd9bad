//! The archive: a thread of its own that keeps the history, and beside it, when the books are looked into, one that reads
//! them.
//!
//! Disks are slow, and synchronising with one may take seconds. So nobody waits for this thread: it is told what to store
//! by [`Order`]s and answers by [`Tale`]s, in the order it was asked. Orders that have piled up while the disk was busy are
//! stored together, with one synchronisation.
//!
//! Invariants: what cannot be stored is kept in the [`Backlog`] and tried again, unless the history will never take it; a
//! damaged history is set aside and a new one is begun; trouble is said once, and its end too. Nobody waits for the reading
//! of the books, neither what is to be stored nor the end of the daemon.

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
/// Tales that may wait to be heard. When there are more the thread pauses; nobody waits for it.
const TALES: usize = 64;

/// What the archive is asked.
#[derive(Debug)]
pub(super) enum Order {
    /// Keep the history within these bounds; the first such order opens it.
    Rebound(Bounds),
    /// Store this, all of it or nothing.
    Store(Vec<Change>),
    /// The next waiting reports of a lane; gives [`Tale::Fetched`].
    Fetch { lane: String, after: u64, limit: usize },
    /// Read the records of full restarts, and look for these files, each with the stack's unit it belongs to; gives
    /// [`Tale::Restarts`]. Records that are over and stored are removed.
    Restarts(Vec<(String, PathBuf)>),
    /// Look into the books; gives [`Tale::Recalled`].
    Recall,
    /// The archive's own: what the books tell.
    Gathered(Box<Recollection>),
}

/// What the archive tells.
#[derive(Debug)]
pub(super) enum Tale {
    /// The history is open. Without a number it cannot be opened and is kept in memory for the time being. It comes with the lanes
    /// that have reports, the deaths that are undecided, and the runs whose deaths were stored last.
    Opened { next_seq: Option<u64>, lanes: Vec<String>, unfinished: Vec<StoredDeath>, told: Vec<InvocationId> },
    /// Reports that wait; fewer than asked for: there are no more.
    Fetched { lane: String, after: u64, limit: usize, reports: Vec<StoredReport> },
    /// What the books tell and the history does not.
    Recalled(Box<Recollection>),
    /// The records of full restarts.
    Restarts(Notes),
    /// How many reports wait for the broker.
    Waiting(u64),
}

/// The main loop's end.
pub(super) struct Archive {
    /// Others hold it weakly: without it the thread ends.
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
        let keeper = Keeper::new(PathBuf::from(FILE), sender, Search::new(Arc::downgrade(&orders)));
        let thread = std::thread::Builder::new().name("archive".to_owned()).spawn(move || keeper.run(&waiting))?;
        Ok(Self { orders: Some(orders), tales, thread: Some(thread) })
    }

    /// Asks; `false`: too many orders wait, and this one is lost.
    pub(super) fn ask(&self, order: Order) -> bool {
        self.orders.as_ref().is_some_and(|orders| orders.ask(order))
    }
}

impl Drop for Archive {
    /// Lets the thread store what it was given. Whoever stops the daemon bounds the wait.
    fn drop(&mut self) {
        self.tales.close();
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
