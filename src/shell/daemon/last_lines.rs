//! Worker that reads the last log lines of runs that died, for the records of their recoveries: it
//! asks journalctl, one run after the other.
//!
//! A full channel, or a journal that does not answer, means a record without lines.

use crate::core::crash::observation::InvocationId;
use crate::edge::journal::last_lines;
use tokio::sync::mpsc;
use tracing::warn;

/// Upper bound of runs that wait for a slow journal.
const RUNS: usize = 256;
/// Upper bound of answers that wait for the main loop.
const FOUND: usize = 64;

/// A request for the last lines of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) unit: String,
    pub(super) run: InvocationId,
    pub(super) count: usize,
}

/// The last lines of a run, oldest first.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) run: InvocationId,
    pub(super) lines: Vec<String>,
}

/// The main loop's side of the channels.
pub(super) struct Logs {
    pub(super) wanted: mpsc::Sender<Wanted>,
    pub(super) found: mpsc::Receiver<Lines>,
}

/// Starts the thread; it ends when the returned value is dropped.
///
/// # Errors
/// The thread cannot be started.
pub(super) fn read_last_lines() -> std::io::Result<Logs> {
    let (wanted, waiting) = mpsc::channel(RUNS);
    let (answers, found) = mpsc::channel(FOUND);
    std::thread::Builder::new()
        .name("last-lines".to_owned())
        .spawn(move || answer_all(waiting, &answers))?;
    Ok(Logs { wanted, found })
}

/// Answers requests until a channel is closed.
fn answer_all(mut waiting: mpsc::Receiver<Wanted>, answers: &mpsc::Sender<Lines>) {
    while let Some(Wanted { unit, run, count }) = waiting.blocking_recv() {
        let lines = last_lines(&unit, &run, count).unwrap_or_else(|error| {
            warn!("Failed to read the last log lines of run {run}, ignoring: {error}");
            Vec::new()
        });
        if answers.blocking_send(Lines { run, lines }).is_err() {
            return;
        }
    }
}
