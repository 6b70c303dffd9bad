//! Who answers questions for the bus: a few processes at a time, and a bounded number of callers that wait for them.
//!
//! An unprivileged flood finds the places taken, and is refused at once. Whoever holds a connection has so many places of all;
//! root needs none, for its commands answer by themselves.

use super::refusal::Refusal;
use crate::shell::daemon::answer::{self, OPTION};
use crate::shell::survey::Question;
use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::Semaphore;

/// Processes at a time: a disk that hangs costs no more than these.
const AT_ONCE: usize = 2;
/// Questions under way or waiting, of all callers.
const PLACES: usize = 64;
/// … and of one connection.
const PLACES_OF_ONE: usize = 8;
/// How long one waits for its turn, and how long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest argument of a question, in bytes: longer than any name that there may be.
const LONGEST_ARGUMENT: usize = 512;
/// Largest answer, in bytes. The bus takes 32 MB at most, and holds them in its memory for a caller that does not read.
const LARGEST: u64 = 8 << 20;

/// The desk's places.
#[derive(Debug)]
pub(super) struct Clerks {
    free: Semaphore,
    places: Arc<Mutex<Places>>,
}

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    by_caller: HashMap<String, usize>,
}

/// A place, given back with the value.
struct Place {
    places: Arc<Mutex<Places>>,
    caller: String,
}

impl Default for Clerks {
    fn default() -> Self {
        Self { free: Semaphore::new(AT_ONCE), places: Arc::default() }
    }
}

impl Clerks {
    /// Answers a caller, known by its connection's name.
    pub(super) async fn answer(&self, caller: &str, question: Question) -> Result<String, Refusal> {
        let words = answer::words(&question);
        if words.iter().any(|word| word.len() > LONGEST_ARGUMENT || word.contains('\0')) {
            return Err(Refusal::Refused("There is nothing of such a name.".to_owned()));
        }
        let _place = take(&self.places, caller)?;
        let turn = tokio::time::timeout(PATIENCE, self.free.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(busy()) };
        tokio::time::timeout(PATIENCE, run(&words)).await.unwrap_or_else(|_| {
            Err(Refusal::Failed(
                "There was no answer in time: the disk or systemd is slow, ask again later.".to_owned(),
            ))
        })
    }
}

fn busy() -> Refusal {
    Refusal::LimitsExceeded("Too many questions wait for an answer: ask again later.".to_owned())
}

fn take(places: &Arc<Mutex<Places>>, caller: &str) -> Result<Place, Refusal> {
    let mut all = places.lock().unwrap_or_else(PoisonError::into_inner);
    let own = all.by_caller.get(caller).copied().unwrap_or(0);
    if all.taken >= PLACES {
        return Err(busy());
    }
    if own >= PLACES_OF_ONE {
        let why = format!("Only {PLACES_OF_ONE} questions of one caller may wait for an answer: wait for those first.");
        return Err(Refusal::LimitsExceeded(why));
    }
    all.taken += 1;
    all.by_caller.insert(caller.to_owned(), own + 1);
    Ok(Place { places: Arc::clone(places), caller: caller.to_owned() })
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        all.taken = all.taken.saturating_sub(1);
        match all.by_caller.get(&self.caller) {
            Some(own) if *own > 1 => {
                let own = own - 1;
                all.by_caller.insert(self.caller.clone(), own);
            }
            Some(_) | None => {
                all.by_caller.remove(&self.caller);
            }
        }
    }
}

/// Runs a process that answers; it is killed when nobody waits for it any more.
async fn run(words: &[String]) -> Result<String, Refusal> {
    let failed = |error: std::io::Error| Refusal::Failed(format!("Failed to run the process that answers: {error}."));
    let mut process = Command::new("/proc/self/exe")
        .arg(OPTION)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_PID")
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut text = String::new();
    let out = process.stdout.take().expect("it was asked for above");
    out.take(LARGEST + 1).read_to_string(&mut text).await.map_err(failed)?;
    if text.len() as u64 > LARGEST {
        return Err(Refusal::LimitsExceeded("The answer is too large: ask for less of it.".to_owned()));
    }
    let status = process.wait().await.map_err(failed)?;
    match status.code() {
        Some(0) => Ok(text),
        Some(answer::REFUSED) => Err(Refusal::Refused(text)),
        // What went wrong is on standard error, which is the journal.
        _ => Err(Refusal::Failed(
            "The question could not be answered: \"journalctl -u unitwardd\" has the cause.".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_has_so_many_places_and_all_together_have_more() {
        let places = Arc::default();
        let mut taken: Vec<_> = (0..PLACES_OF_ONE).map(|_| take(&places, ":1.1").unwrap()).collect();
        assert!(take(&places, ":1.1").is_err());
        for caller in 2.. {
            match take(&places, &format!(":1.{caller}")) {
                Ok(place) => taken.push(place),
                Err(_) => break,
            }
        }
        assert_eq!(taken.len(), PLACES);
        taken.clear();
        assert!(take(&places, ":1.1").is_ok());
        assert!(places.lock().unwrap().by_caller.is_empty(), "nobody is remembered");
    }
}
