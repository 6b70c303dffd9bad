//! Deaths that no line of their unit has noted, because PID 1 could run none: a worker notes them in the lines' place.
//!
//! It asks PID 1, writes records and, where the death limit is reached, has the unit stopped or its stack restarted, which may take
//! seconds. So it is a thread of its own, with one beside it for each limit that was reached, and the main loop only hands over.
//! Deaths are noted in the order they come. A full channel means a death that does not count; systemd's own start limit stays.

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
            note(death, &answers);
        }
    };
    std::thread::Builder::new().name("unnoted".to_owned()).spawn(run)?;
    Ok(Notes { deaths, noted })
}

/// Notes a death. What the death limit demands is done beside the deaths of others, each of which is one more restart.
fn note(death: Unnoted, answers: &mpsc::Sender<Witness>) {
    let consequence = match stand_in::note(&death) {
        Ok(None) => return,
        Ok(Some(consequence)) => consequence,
        Err(error) => return failed(&death, &error),
    };
    let is_long = consequence.takes_long();
    let answers = answers.clone();
    let go_on = move || {
        if let Err(error) = consequence.carry_out() {
            failed(&death, &error);
        }
        if let Ok(witness) = records::read(death.unit.clone(), (&death.ward, &death.invocation), None) {
            // Without a main loop the daemon is about to end.
            let _ = answers.blocking_send(witness);
        }
    };
    if is_long {
        let spawned = std::thread::Builder::new().name("limit".to_owned()).spawn(go_on);
        if let Err(error) = spawned {
            warn!("Failed to start a thread for what a death limit demands: {error}");
        }
    } else {
        go_on();
    }
}

fn failed(death: &Unnoted, error: &std::io::Error) {
    warn!(UNITWARD_WARD = death.ward, "Failed to note the death of {}: {error}", death.unit);
}
