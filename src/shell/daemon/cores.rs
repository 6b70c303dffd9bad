//! Finds the backtraces of runs that ended with a core dump, in the journal.
//!
//! systemd-coredump logs a dump some time after the process is gone, up to minutes for a large one.
//! The main loop sends a [`Seek`] for each such run and receives each [`Found`]; it has its own
//! time limit. While seeks are open, one `journalctl --follow` runs, from a little before the
//! oldest of them on, so that an entry from before the seek, or of an earlier boot, is found too.
//! With no seek open there is no process and no work.
//!
//! A seek that finds nothing in its time ends without an answer. So do all that are open when
//! `journalctl` fails; that is logged once.
//!
//! Slow work, reading entries and objects, runs in threads of the runtime's pool. Names and objects
//! are chosen by the crashed program, so no unit may delay others with them: see [`queue`]. Bounded
//! are the length of a line, the entries remembered for later seeks, those that wait to be looked
//! up, and both channels. A full channel of seeks means a crash without a backtrace.

mod follow;
mod queue;

use crate::core::crash::observation::InvocationId;
use crate::edge::coredump::{Core, Dumper};
use crate::edge::symbols::Resolver;
use follow::Journal;
use queue::{Entry, Queue};
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::warn;

/// Root directory of the running host.
const ROOT: &str = "/";

/// Upper bound of seeks in the channel, and of open seeks; systemd-coredump takes no more than 16
/// dumps at a time.
const SEEKS: usize = 256;

/// Upper bound of answers that wait for the main loop.
const FOUND: usize = 16;

/// Upper bound of remembered entries that no seek has matched yet, in bytes: a death may become
/// known after its entry.
const REMEMBERED: usize = 8 << 20;

/// Longest time from an entry to its death, in milliseconds: the process is gone when
/// systemd-coredump has done its work, and then PID 1 has to notice. Half of it is for deaths that
/// arrive out of order.
const EARLIER: u64 = 30_000;

/// Longest time from the beginning of a dump to its death, in milliseconds. The process exists
/// until the dump is written.
const DUMP_TIME: u64 = 5 * 60 * 1000;

/// Largest apparent lead of the kernel's clock, which counts whole seconds, in milliseconds.
const SLACK: u64 = 2000;

/// Time limit of one look-up. Two that take that long, and are under way, delay a third no longer.
/// A usual one takes milliseconds.
const LONGEST: Duration = Duration::from_secs(4);

/// Margin between the end of a look-up and that of its seek, for the answer to arrive.
const TO_TELL: Duration = Duration::from_millis(300);

/// A request for the backtrace of a run that dumped core.
#[derive(Debug, Clone)]
pub(super) struct Seek {
    /// The unit.
    pub(super) unit: String,
    /// The run.
    pub(super) invocation: InvocationId,
    /// The process, where it is known: a worker's dump is not the main process's.
    pub(super) pid: Option<u32>,
    /// Time of the death, in milliseconds since the epoch.
    pub(super) at: u64,
    /// Time at which the requester stops waiting.
    pub(super) until: Instant,
}

/// The answer to a [`Seek`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The unit, as in the seek.
    pub(super) unit: String,
    /// The run, as in the seek.
    pub(super) invocation: InvocationId,
    /// The process that dumped, if there is an entry.
    pub(super) pid: Option<u32>,
    /// The report's lines; `None`: the entry has no stack, or there will be no entry.
    pub(super) backtrace: Option<String>,
}

/// The main loop's side of the channels.
pub(super) struct Cores {
    pub(super) seeks: mpsc::Sender<Seek>,
    pub(super) found: mpsc::Receiver<Found>,
}

/// Starts the task; it ends when the returned value is dropped.
pub(super) fn look_for_cores() -> Cores {
    let (seeks, asked) = mpsc::channel(SEEKS);
    let (answers, found) = mpsc::channel(FOUND);
    let (open, seen, queue, looking) = (
        Vec::new(),
        Seen::default(),
        Queue::default(),
        JoinSet::new(),
    );
    let search = Search {
        open,
        seen,
        queue,
        looking,
        asked,
        answers,
        failing: false,
    };
    tokio::spawn(search.run());
    Cores { seeks, found }
}

/// The task's state.
struct Search {
    open: Vec<Seek>,
    seen: Seen,
    /// Entries that were found and wait for their look-up.
    queue: Queue,
    /// Look-ups under way.
    looking: JoinSet<Looked>,
    asked: mpsc::Receiver<Seek>,
    answers: mpsc::Sender<Found>,
    /// True if `journalctl` failed the last time, which has been logged.
    failing: bool,
}

/// The result of one look-up.
struct Looked {
    found: Found,
    /// Time at which the requester stops waiting.
    until: Instant,
    took: Duration,
}

/// The reason for which the journal is no longer followed.
enum Pause {
    /// No seek is open, and nothing is being looked up.
    Idle,
    /// A seek is for a time before that at which following began.
    Earlier,
    /// The journal cannot be followed.
    Failed(String),
    /// The main loop is gone.
    End,
}

impl Search {
    async fn run(mut self) {
        while let Some(seek) = self.asked.recv().await {
            self.open.push(seek);
            loop {
                let pause = self.follow().await;
                self.seen = Seen::default();
                match pause {
                    Pause::Earlier => {}
                    Pause::Idle => break,
                    Pause::End => return,
                    Pause::Failed(why) => {
                        if !std::mem::replace(&mut self.failing, true) {
                            warn!(
                                "Failed to look for core dumps in the journal, reporting without backtraces: {why}"
                            );
                        }
                        self.open.clear();
                        self.finish().await;
                        break;
                    }
                }
            }
        }
    }

    /// Follows the journal from the oldest open seek on.
    async fn follow(&mut self) -> Pause {
        while let Ok(seek) = self.asked.try_recv() {
            self.open.push(seek);
        }
        let Some(oldest) = self.open.iter().map(|seek| seek.at).min() else {
            return Pause::Idle;
        };
        let dumper = Dumper::of(Path::new(ROOT));
        let mut journal = match Journal::follow(
            Path::new(ROOT),
            oldest.saturating_sub(EARLIER) / 1000,
            dumper,
        ) {
            Ok(journal) => journal,
            Err(error) => return Pause::Failed(format!("journalctl does not start: {error}")),
        };
        loop {
            self.look_up();
            self.open.retain(|seek| seek.until > Instant::now());
            let until = self.open.iter().map(|seek| seek.until).min();
            if until.is_none() && self.looking.is_empty() {
                return Pause::Idle;
            }
            tokio::select! {
                biased;
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {}
                Some(looked) = self.looking.join_next() => {
                    if let Ok(looked) = looked {
                        self.tell(looked).await;
                    }
                }
                asked = self.asked.recv() => match asked {
                    None => return Pause::End,
                    Some(seek) if seek.at.saturating_add(EARLIER / 2) < oldest => {
                        self.open.push(seek);
                        return Pause::Earlier;
                    }
                    Some(seek) => self.ask(seek).await,
                },
                line = journal.next() => match line {
                    Ok(Some(line)) => self.read(line, dumper).await,
                    Ok(None) => return Pause::Failed(journal.last_words().await),
                    Err(error) => return Pause::Failed(format!("journalctl cannot be read: {error}")),
                },
            }
        }
    }

    /// Answers a seek from the entries read already, or keeps it open.
    async fn ask(&mut self, seek: Seek) {
        match self.seen.take(|core| is_about(core, &seek)) {
            Some(core) => self.found(seek, core).await,
            None if self.open.len() < SEEKS => self.open.push(seek),
            None => {}
        }
    }

    /// Answers the seek that a line matches, or remembers its entry for a later one.
    async fn read(&mut self, line: String, dumper: Dumper) {
        self.failing = false;
        let Ok(Some(core)) = spawn_blocking(move || Core::parse(&line, dumper)).await else {
            return;
        };
        match self.open.iter().position(|seek| is_about(&core, seek)) {
            Some(place) => {
                let seek = self.open.swap_remove(place);
                self.found(seek, core).await;
            }
            None => self.seen.keep(core),
        }
    }

    /// Puts an entry into the queue. Entries that find no room are answered without a backtrace.
    async fn found(&mut self, seek: Seek, core: Core) {
        for Entry { seek, core } in self.queue.push(Entry { seek, core }) {
            let Seek {
                unit,
                invocation,
                until,
                ..
            } = seek;
            self.answer(
                Found {
                    unit,
                    invocation,
                    pid: Some(core.pid),
                    backtrace: None,
                },
                until,
            )
            .await;
        }
    }

    /// Starts all look-ups whose turn it is.
    fn look_up(&mut self) {
        while let Some(Entry { seek, core }) = self.queue.next(Instant::now()) {
            let Seek {
                unit,
                invocation,
                until,
                ..
            } = seek;
            let (pid, begun) = (Some(core.pid), Instant::now());
            // The names found by then are used.
            let limit = until
                .checked_sub(TO_TELL)
                .unwrap_or(until)
                .min(begun + LONGEST);
            let resolver = Resolver::new(limit.into_std());
            self.looking.spawn(async move {
                let backtrace =
                    spawn_blocking(move || core.backtrace(Path::new(ROOT), &resolver)).await;
                let found = Found {
                    unit,
                    invocation,
                    pid,
                    backtrace: backtrace.ok().flatten(),
                };
                Looked {
                    found,
                    until,
                    took: begun.elapsed(),
                }
            });
        }
    }

    async fn tell(&mut self, looked: Looked) {
        let Looked { found, until, took } = looked;
        self.queue.done(&found.unit, took, Instant::now());
        self.answer(found, until).await;
    }

    /// Completes the look-ups that wait, without the journal.
    async fn finish(&mut self) {
        self.look_up();
        while let Some(looked) = self.looking.join_next().await {
            if let Ok(looked) = looked {
                self.tell(looked).await;
            }
            self.look_up();
        }
    }

    /// Sends an answer; one that is too late is dropped.
    async fn answer(&self, found: Found, until: Instant) {
        let _ = timeout_at(until, self.answers.send(found)).await;
    }
}

/// Returns true if a core dump is that of the sought run. Without a run in the dump's environment
/// unit, process and time decide.
fn is_about(core: &Core, seek: &Seek) -> bool {
    let Seek {
        unit,
        invocation,
        pid,
        at,
        until: _,
    } = seek;
    let in_time = core.at_ms <= at.saturating_add(SLACK) && *at <= core.at_ms + DUMP_TIME;
    core.unit == *unit
        && match (&core.invocation, pid) {
            (Some(run), Some(pid)) => run == invocation && core.pid == *pid,
            (Some(run), None) => run == invocation,
            (None, Some(pid)) => core.pid == *pid && in_time,
            (None, None) => false,
        }
}

/// The latest entries that matched no seek.
#[derive(Default)]
struct Seen {
    cores: VecDeque<Core>,
    size: usize,
}

impl Seen {
    fn keep(&mut self, core: Core) {
        self.size += core.size();
        self.cores.push_back(core);
        while self.size > REMEMBERED {
            let Some(oldest) = self.cores.pop_front() else {
                return;
            };
            self.size -= oldest.size();
        }
    }

    fn take(&mut self, wanted: impl Fn(&Core) -> bool) -> Option<Core> {
        let core = self.cores.remove(self.cores.iter().position(wanted)?)?;
        self.size -= core.size();
        Some(core)
    }
}

#[cfg(test)]
mod tests;
