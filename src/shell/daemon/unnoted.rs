//! Deaths that no line of their unit has noted, because PID 1 could run none: a worker notes them in the lines' place.
//!
//! It asks PID 1, writes records and, where the death limit is reached, has the unit stopped or its stack restarted, which may take
//! seconds. So it is a thread of its own, and the main loop only hands over. Deaths are noted in the order they come. A full
//! channel means a death that does not count; systemd's own start limit stays.

use super::event::Witness;
use super::records;
use crate::edge::step::stand_in::{self, Unnoted};
use tokio::sync::mpsc;
use tracing::warn;

/// Deaths that may wait: hundreds of units that fail at once.
const DEATHS: usize = 1_024;
/// Answers that may wait for the main loop; the thread pauses when there are more.
const NOTED: usize = 64;

/// The main loop's end.
pub(super) struct Notes {
    pub(super) deaths: mpsc::Sender<Unnoted>,
    /// What the records say once the deaths are noted.
    pub(super) noted: mpsc::Receiver<Witness>,
}

/// Starts the thread; it ends when the returned value is dropped.
///
/// # Errors
/// When there is no room for a thread.
pub(super) fn note_deaths() -> std::io::Result<Notes> {
    let (deaths, mut waiting) = mpsc::channel::<Unnoted>(DEATHS);
    let (answers, noted) = mpsc::channel(NOTED);
    let run = move || {
        while let Some(death) = waiting.blocking_recv() {
            let Some(witness) = note(&death) else { continue };
            if answers.blocking_send(witness).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("unnoted".to_owned()).spawn(run)?;
    Ok(Notes { deaths, noted })
}

fn note(death: &Unnoted) -> Option<Witness> {
    if let Err(error) = stand_in::note(death) {
        warn!(UNITWARD_WARD = death.ward, "Failed to note the death of {}: {error}", death.unit);
    }
    records::read(death.unit.clone(), (&death.ward, &death.invocation), None).ok()
}
