//! A bounded pool of worker processes that answer D-Bus queries, and the bounded number of callers
//! that wait for them.
//!
//! An unprivileged flood finds all places taken, and is refused at once. Each user has a limited
//! number of all places, over all connections; root's commands answer by themselves and need none.
//!
//! A process that does not end in time is killed and keeps its turn until it is gone: one that
//! hangs in the kernel cannot be killed, and must not be followed by another.

use super::caller::Caller;
use super::refusal::Refusal;
use crate::edge::program;
use crate::shell::daemon::answer::{self, OPTION};
use crate::shell::survey::Question;
use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Upper bound of processes: a disk that hangs blocks no more than these.
const AT_ONCE: usize = 2;
/// Upper bound of questions under way or waiting, of all callers.
const PLACES: usize = 64;
/// Upper bound of those of one user.
const PLACES_OF_ONE: usize = 8;
/// Upper bound of connections whose users are remembered. The bus never reuses a connection's name.
const USERS_KNOWN: usize = 1_024;
/// Time limit of the wait for a turn, and again of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest argument of a question, in bytes: longer than any possible name.
const LONGEST_ARGUMENT: usize = 512;
/// Largest answer, in bytes. The bus takes 32 MB at most, and holds them in its memory for a caller
/// that does not read.
const LARGEST: u64 = 8 << 20;

const TOO_LARGE: &str = "The answer is too large: ask for less of it, of reports with \"--since=yesterday\" or \"--ward=NAME\".";

/// The pool of workers and the places of callers.
#[derive(Debug)]
pub(super) struct Clerks {
    free: Arc<Semaphore>,
    /// The users of connections.
    users: Mutex<HashMap<String, u32>>,
    places: Arc<Mutex<Places>>,
}

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    by_user: HashMap<u32, usize>,
}

/// A caller's place, given back on drop.
struct Place {
    places: Arc<Mutex<Places>>,
    user: u32,
}

impl Default for Clerks {
    fn default() -> Self {
        Self {
            free: Arc::new(Semaphore::new(AT_ONCE)),
            users: Mutex::default(),
            places: Arc::default(),
        }
    }
}

impl Clerks {
    /// Answers a question of a caller.
    pub(super) async fn answer(
        &self,
        caller: Caller<'_>,
        question: Question,
    ) -> Result<String, Refusal> {
        let user = self.user(caller).await?;
        let words = answer::words(user, &question);
        if words
            .iter()
            .any(|word| word.len() > LONGEST_ARGUMENT || word.contains('\0'))
        {
            return Err(Refusal::Refused(
                "There is nothing of such a name.".to_owned(),
            ));
        }
        let _place = take(&self.places, user)?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.free).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(busy());
        };
        let process = start(&words).map_err(failed)?;
        let (answer, answered) = oneshot::channel();
        tokio::spawn(attend(process, PATIENCE, turn, answer));
        answered.await.unwrap_or_else(|_| Err(late()))
    }

    async fn user(&self, caller: Caller<'_>) -> Result<u32, Refusal> {
        if let Some(user) = self.users().get(caller.name).copied() {
            return Ok(user);
        }
        let user = caller.user().await.map_err(|error| {
            Refusal::Failed(format!("Failed to ask the bus who asks: {error}."))
        })?;
        let mut users = self.users();
        if users.len() >= USERS_KNOWN {
            users.clear();
        }
        users.insert(caller.name.to_owned(), user);
        Ok(user)
    }

    /// The users of connections, locked.
    fn users(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy() -> Refusal {
    Refusal::LimitsExceeded("Too many questions wait for an answer: ask again later.".to_owned())
}

fn late() -> Refusal {
    Refusal::Failed(
        "There was no answer in time: the disk or systemd is slow, ask again later.".to_owned(),
    )
}

fn failed(error: std::io::Error) -> Refusal {
    Refusal::Failed(format!("Failed to run the process that answers: {error}."))
}

fn take(places: &Arc<Mutex<Places>>, user: u32) -> Result<Place, Refusal> {
    let mut all = places.lock().unwrap_or_else(PoisonError::into_inner);
    let own = all.by_user.get(&user).copied().unwrap_or(0);
    if all.taken >= PLACES {
        return Err(busy());
    }
    if own >= PLACES_OF_ONE {
        let why = format!(
            "Only {PLACES_OF_ONE} questions of one user may wait for an answer: wait for those first."
        );
        return Err(Refusal::LimitsExceeded(why));
    }
    all.taken += 1;
    all.by_user.insert(user, own + 1);
    Ok(Place {
        places: Arc::clone(places),
        user,
    })
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        all.taken = all.taken.saturating_sub(1);
        match all.by_user.get(&self.user) {
            Some(own) if *own > 1 => {
                let own = own - 1;
                all.by_user.insert(self.user, own);
            }
            Some(_) | None => {
                all.by_user.remove(&self.user);
            }
        }
    }
}

/// Starts a worker process.
fn start(words: &[String]) -> std::io::Result<Child> {
    Command::from(program::own())
        .arg(OPTION)
        .args(words)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Sends the answer of a process, kills one that is late, and gives its turn back when it is gone.
async fn attend(
    mut process: Child,
    patience: Duration,
    turn: OwnedSemaphorePermit,
    answer: oneshot::Sender<Result<String, Refusal>>,
) {
    let came = tokio::time::timeout(patience, read(&mut process)).await;
    // The caller may be gone.
    let _ = answer.send(came.unwrap_or_else(|_| Err(late())));
    // One that has ended was waited for already, and is not killed again.
    let _ = process.kill().await;
    drop(turn);
}

async fn read(process: &mut Child) -> Result<String, Refusal> {
    let mut text = String::new();
    let out = process.stdout.take().expect("it was asked for above");
    out.take(LARGEST + 1)
        .read_to_string(&mut text)
        .await
        .map_err(failed)?;
    if text.len() as u64 > LARGEST {
        return Err(Refusal::LimitsExceeded(TOO_LARGE.to_owned()));
    }
    let status = process.wait().await.map_err(failed)?;
    match status.code() {
        Some(0) => Ok(text),
        Some(answer::REFUSED) => Err(Refusal::Refused(text)),
        // The cause is on standard error, which is the journal.
        _ => Err(Refusal::Failed(
            "The question could not be answered: \"journalctl -u unitwardd\" has the cause."
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_has_so_many_places_and_all_together_have_more() {
        let places = Arc::default();
        let mut taken: Vec<_> = (0..PLACES_OF_ONE)
            .map(|_| take(&places, 1).unwrap())
            .collect();
        assert!(take(&places, 1).is_err());
        for user in 2.. {
            match take(&places, user) {
                Ok(place) => taken.push(place),
                Err(_) => break,
            }
        }
        assert_eq!(taken.len(), PLACES);
        taken.clear();
        assert!(take(&places, 1).is_ok());
        assert!(
            places.lock().unwrap().by_user.is_empty(),
            "nobody is remembered"
        );
    }

    #[test]
    fn a_process_that_is_late_keeps_its_turn_until_it_is_gone() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let free = Arc::new(Semaphore::new(1));
            let turn = Arc::clone(&free).acquire_owned().await.unwrap();
            let process = Command::new("sleep")
                .arg("infinity")
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let place = format!("/proc/{}", process.id().unwrap());
            let (answer, answered) = oneshot::channel();
            tokio::spawn(attend(process, Duration::ZERO, turn, answer));
            assert_eq!(answered.await.unwrap(), Err(late()));
            let _turn = free.acquire().await.unwrap();
            assert!(!std::path::Path::new(&place).exists(), "it was waited for");
        });
    }
}
