//! The journal as a witness of what happened while the daemon did not listen.
//!
//! Two kinds of entries are read. `unitward-step` writes each run's whole record at its end, and
//! PID 1 logs the end of every run of every unit. Only entries whose trusted fields name their
//! author count: see [`entry`].
//!
//! Invariants: `journalctl` reads it, line by line, in bounded time and memory; entries that find
//! no room are counted. There is a result even if the cursor's entry, or journal files, are gone.
//!
//! journalctl of systemd 252 leaves out an entry after `--after-cursor=` if other matches are
//! given, hence `--cursor=`.

mod child;
mod entry;
mod last_lines;

pub use crate::core::crash::witness::JournalEnd;
pub use last_lines::last_lines;

use super::record::RunRecord;
use super::step::messages;
use crate::core::crash::observation::InvocationId;
use crate::core::crash::witness::{Restarted, TargetRestart, Witness};
use child::{Fields, journalctl};
use entry::Author;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;

/// Maximum number of run records that are kept …
const RUNS_KEPT: usize = 20_000;

/// … and their maximum total size, in bytes of JSON.
const RUNS_SIZE: usize = 16 << 20;

/// Number of latest runs that are searched for an earlier record of the same run, which the later
/// one replaces.
const SAME_RUN: usize = 256;

/// Number of entries before the cursor that are read, to learn of stops that were under way.
const LOOK_BACK: &str = "--lines=2000";

/// Result of reading the journal.
#[derive(Debug, Default)]
pub struct Scan {
    /// Records that `unitward-step` wrote: the latest one of each run, oldest first.
    pub runs: Vec<JournalRun>,
    /// Ends of runs of all units, oldest first.
    pub ends: Vec<JournalEnd>,
    /// Runs that were up after a death, by PID 1's entries, oldest first.
    pub restarted: Vec<Restarted>,
    /// Restarts of targets that were made by hand, oldest first.
    pub restarts: Vec<TargetRestart>,
    /// Number of older ends that found no room.
    pub left_out: usize,
    /// True if time ran out before all was read: there is more behind `cursor`.
    pub unfinished: bool,
    /// The cursor from which the next scan goes on; `None` if the journal is empty.
    pub cursor: Option<String>,
    /// The present boot, by the newest entry.
    pub boot: Option<String>,
}

/// A run's record from the journal.
#[derive(Debug)]
pub struct JournalRun {
    /// The boot of the run: 32 hexadecimal digits.
    pub boot: String,
    /// The latest record of the run.
    pub record: RunRecord,
    /// Place of the first record of the run that was read, comparable with [`JournalEnd::place`].
    pub first: u64,
    /// Place of the latest record.
    pub last: u64,
}

/// Returns the cursor of the newest entry; `None` if there is none.
///
/// # Errors
/// If `journalctl` cannot be run or fails.
pub fn tail() -> io::Result<Option<String>> {
    let mut newest = None;
    journalctl(&["--lines=1".to_owned()], &mut |fields| {
        newest = fields.cursor().map(str::to_owned)
    })?;
    Ok(newest)
}

/// The start of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From<'a> {
    /// After the entry that this cursor names.
    Cursor(&'a str),
    /// At the beginning of this boot, but not before this time, in seconds since the epoch.
    Boot(Option<u64>),
}

/// Reads everything from there on.
///
/// # Errors
/// If `journalctl` cannot be run or fails.
pub fn scan(from: From<'_>) -> io::Result<Scan> {
    let (after, since) = match from {
        From::Cursor(cursor) => (Some(cursor), None),
        From::Boot(since) => (None, since),
    };
    child::sync();
    // Not an error yet: if nothing can be read, the scan itself reports it.
    let newest = tail().unwrap_or_default();
    let since = since.map(|since| format!("--since=@{since}"));
    let mut reader = Reader {
        after: after.map(str::to_owned),
        since,
        ..Reader::default()
    };
    let place = match after {
        Some(cursor) => {
            reader.look_back(cursor);
            format!("--cursor={cursor}")
        }
        // By the newest entry: in a sandbox that hides a container's own, /proc names another boot.
        None => match newest.as_deref().and_then(child::boot_of) {
            Some(boot) => format!("--boot={boot}"),
            None => "--boot".to_owned(),
        },
    };
    let mut read = reader.read(place);
    if let (Some(cursor), Err(error), None) = (after, &read, &reader.last)
        && !is_late(error)
    {
        read = reader.read(format!("--since={}", child::time_of(cursor)));
    }
    // The entries read so far count; the next scan goes on from there.
    let unfinished = match read {
        Err(error) if reader.last.is_none() => return Err(error),
        Err(error) => is_late(&error),
        Ok(()) => false,
    };
    Ok(Scan {
        unfinished,
        ..reader.finish(newest)
    })
}

/// State of a scan.
#[derive(Debug, Default)]
struct Reader {
    after: Option<String>,
    /// A further argument of journalctl, beside the place.
    since: Option<String>,
    /// Runs of stacks' units whose end somebody asked for.
    asked_for: HashSet<InvocationId>,
    witness: Witness,
    runs: VecDeque<Run>,
    /// Total size of all runs, in bytes of JSON.
    size: usize,
    last: Option<String>,
}

/// A record with its author and its size, in bytes of JSON.
#[derive(Debug)]
struct Run {
    told: JournalRun,
    author: Author,
    size: usize,
}

impl Reader {
    /// Reads what had begun before the cursor and was not over: a requested stop, or a death of
    /// which PID 1 had logged only the end of the process when the power was cut.
    fn look_back(&mut self, cursor: &str) {
        let Some(boot) = child::boot_of(cursor) else {
            return;
        };
        let arguments = [
            &format!("--cursor={cursor}"),
            "--reverse",
            LOOK_BACK,
            "--",
            "_PID=1",
            &format!("_BOOT_ID={boot}"),
        ];
        let arguments: Vec<String> = arguments
            .map(str::to_owned)
            .into_iter()
            .chain(entry::of_pid_1())
            .collect();
        let mut begun = Vec::new();
        // Without it the scan is nearly as good.
        let _ = journalctl(&arguments, &mut |fields| begun.extend(entry::fact(&fields)));
        begun
            .into_iter()
            .rev()
            .for_each(|fact| self.witness.take(fact));
        self.witness.begin_here();
    }

    fn read(&mut self, place: String) -> io::Result<()> {
        let arguments: Vec<String> = std::iter::once(place)
            .chain(self.since.clone())
            .chain(entry::matches())
            .collect();
        journalctl(&arguments, &mut |fields| self.take(&fields))
    }

    fn take(&mut self, fields: &Fields) {
        let Some(cursor) = fields
            .cursor()
            .filter(|cursor| self.after.as_deref() != Some(cursor))
        else {
            return;
        };
        self.last = Some(cursor.to_owned());
        self.asked_for.extend(entry::asked_for(fields));
        if let Some(fact) = entry::fact(fields) {
            self.witness.take(fact);
        }
        if let Some((boot, record, author)) = entry::run(fields) {
            let place = self.witness.pass();
            let told = JournalRun {
                boot,
                record,
                first: place,
                last: place,
            };
            self.keep(Run {
                told,
                author,
                size: fields.get(entry::RUN).map_or(0, str::len),
            });
        }
    }

    fn finish(mut self, newest: Option<String>) -> Scan {
        let (mut restarts, restarted) =
            (self.witness.take_restarts(), self.witness.take_restarted());
        restarts.retain(|restart| !self.asked_for.contains(&restart.ended));
        let (ends, left_out) = self.witness.finish();
        let runs = believed(self.runs, &ends);
        let boot = newest
            .as_deref()
            .and_then(child::boot_of)
            .map(str::to_owned);
        let cursor = self.last.or(newest).or(self.after);
        Scan {
            runs,
            ends,
            restarted,
            restarts,
            left_out,
            unfinished: false,
            cursor,
            boot,
        }
    }

    fn keep(&mut self, mut run: Run) {
        let from = self.runs.len().saturating_sub(SAME_RUN);
        // A record by an uncertain author replaces none that the helper has written.
        let earlier = self.runs.range(from..).position(|known| {
            known.told.record.invocation == run.told.record.invocation
                && known.told.boot == run.told.boot
                && known.author == run.author
        });
        if let Some(mut earlier) = earlier.and_then(|at| self.runs.remove(from + at)) {
            self.size -= earlier.size;
            if earlier.told.follow_up(run.told) {
                earlier.size = run.size;
            }
            run = earlier;
        }
        self.size += run.size;
        self.runs.push_back(run);
        while self.runs.len() > RUNS_KEPT || self.size > RUNS_SIZE {
            self.size -= self.runs.pop_front().map_or(0, |oldest| oldest.size);
        }
    }
}

/// Returns the records that count, one of each run. The end in a record by an uncertain author is
/// removed unless PID 1 confirms it; one by [`Author::ShortLived`] counts only if PID 1 has logged
/// the run's end.
fn believed(runs: VecDeque<Run>, ends: &[JournalEnd]) -> Vec<JournalRun> {
    let ends: HashMap<_, _> = ends
        .iter()
        .map(|end| {
            let invocation = end.invocation.as_str().to_owned();
            let key = (end.boot.clone(), end.unit.clone(), invocation);
            (key, &end.testimony)
        })
        .collect();
    let mut places: HashMap<_, usize> = HashMap::new();
    let mut kept: Vec<JournalRun> = Vec::new();
    for Run {
        mut told, author, ..
    } in runs
    {
        let by_pid_1 = ends.get(&told.key());
        match author {
            Author::Helper => {}
            Author::ShortLived if by_pid_1.is_none() => continue,
            Author::InUnit | Author::ShortLived => {
                told.record.end.take_if(|end| {
                    !by_pid_1.is_some_and(|by_pid_1| entry::confirms(by_pid_1, end))
                });
            }
        }
        match places.get(&told.key()).copied() {
            Some(place) => {
                kept[place].follow_up(told);
            }
            None => {
                places.insert(told.key(), kept.len());
                kept.push(told);
            }
        }
    }
    kept
}

fn is_late(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}

impl JournalRun {
    fn key(&self) -> (String, String, String) {
        (
            self.boot.clone(),
            self.record.unit.clone(),
            self.record.invocation.clone(),
        )
    }

    /// Replaces the record by a later one of the same run. One that has an end is not replaced by
    /// one without: returns `false`.
    fn follow_up(&mut self, later: Self) -> bool {
        let counts = self.record.end.is_none() || later.record.end.is_some();
        if counts {
            (self.record, self.last) = (later.record, later.last);
        }
        counts
    }
}

#[cfg(test)]
mod tests;
