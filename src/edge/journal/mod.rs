//! The journal as a witness of what happened while nobody listened.
//!
//! Two kinds of entries are read. `unitward-step` writes each run's whole record at its end, and PID 1 tells of the end of
//! every run of every unit. Only entries whose trusted fields name their author count: see [`entry`].
//!
//! Invariants: read by `journalctl`, line by line, in bounded time and memory; what finds no room is counted. Whatever
//! became of the entry that a cursor names, or of files, there is a result.
//!
//! journalctl of systemd 252 leaves out an entry after `--after-cursor=` where other matches are given, hence `--cursor=`.

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

/// Records of runs that are kept …
const RUNS_KEPT: usize = 20_000;

/// … and how large they may be together, in bytes of JSON.
const RUNS_SIZE: usize = 16 << 20;

/// Runs back in which an earlier record of the same run is looked for, which the later one replaces.
const SAME_RUN: usize = 256;

/// How much is read of what was before the cursor, to learn which stops were under way.
const LOOK_BACK: &str = "--lines=2000";

/// What the journal tells.
#[derive(Debug, Default)]
pub struct Scan {
    /// What `unitward-step` wrote: the latest record of each run, oldest first.
    pub runs: Vec<JournalRun>,
    /// Ends of runs of all units, oldest first.
    pub ends: Vec<JournalEnd>,
    /// Runs that were up after a death, as PID 1 tells, oldest first.
    pub restarted: Vec<Restarted>,
    /// Restarts of targets that were made by hand, oldest first.
    pub restarts: Vec<TargetRestart>,
    /// Older ends that found no room.
    pub left_out: usize,
    /// Whether time ran out before all was read: there is more behind `cursor`.
    pub unfinished: bool,
    /// Where the next scan goes on; `None`: the journal is empty.
    pub cursor: Option<String>,
    /// The present boot, as the newest entry has it.
    pub boot: Option<String>,
}

/// A run's record out of the journal.
#[derive(Debug)]
pub struct JournalRun {
    /// The boot it is of: 32 hexadecimal digits.
    pub boot: String,
    /// The latest that was written.
    pub record: RunRecord,
    /// Where the first one stands that was read, comparable with [`JournalEnd::place`].
    pub first: u64,
    /// Where the latest stands.
    pub last: u64,
}

/// The cursor of the newest entry; `None`: there is none.
///
/// # Errors
/// When `journalctl` cannot be run or fails.
pub fn tail() -> io::Result<Option<String>> {
    let mut newest = None;
    journalctl(&["--lines=1".to_owned()], &mut |fields| newest = fields.cursor().map(str::to_owned))?;
    Ok(newest)
}

/// Where a scan begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From<'a> {
    /// After the entry that this cursor names.
    Cursor(&'a str),
    /// With this boot, and not before this time, seconds since the epoch.
    Boot(Option<u64>),
}

/// Everything from there on.
///
/// # Errors
/// When `journalctl` cannot be run or fails.
pub fn scan(from: From<'_>) -> io::Result<Scan> {
    let (after, since) = match from {
        From::Cursor(cursor) => (Some(cursor), None),
        From::Boot(since) => (None, since),
    };
    child::sync();
    // Not an error yet: where nothing can be read the scan itself says so.
    let newest = tail().unwrap_or_default();
    let since = since.map(|since| format!("--since=@{since}"));
    let mut reader = Reader { after: after.map(str::to_owned), since, ..Reader::default() };
    let place = match after {
        Some(cursor) => {
            reader.look_back(cursor);
            format!("--cursor={cursor}")
        }
        // By the newest entry: what /proc says of the boot is another's where a sandbox has hidden a container's own.
        None => match newest.as_deref().and_then(child::boot_of) {
            Some(boot) => format!("--boot={boot}"),
            None => "--boot".to_owned(),
        },
    };
    let is_late = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
    let mut read = reader.read(place);
    if let (Some(cursor), Err(error), None) = (after, &read, &reader.last)
        && !is_late(error)
    {
        read = reader.read(format!("--since={}", child::time_of(cursor)));
    }
    // Whatever was read counts; the next scan goes on from there.
    let unfinished = match read {
        Err(error) if reader.last.is_none() => return Err(error),
        Err(error) => is_late(&error),
        Ok(()) => false,
    };
    Ok(Scan { unfinished, ..reader.finish(newest) })
}

/// What was read so far.
#[derive(Debug, Default)]
struct Reader {
    after: Option<String>,
    /// An argument of journalctl's beside the place.
    since: Option<String>,
    /// Runs of stacks' units that end because somebody asked for it.
    asked_for: HashSet<InvocationId>,
    witness: Witness,
    runs: VecDeque<Run>,
    /// Size of all runs.
    size: usize,
    last: Option<String>,
}

/// A record with its size.
#[derive(Debug)]
struct Run {
    told: JournalRun,
    author: Author,
    size: usize,
}

impl Reader {
    /// What had begun at the cursor and was not over: a stop that was asked for, or a death of which PID 1 had told only
    /// that the process is gone when the power was cut.
    fn look_back(&mut self, cursor: &str) {
        let Some(boot) = child::boot_of(cursor) else { return };
        let arguments =
            [&format!("--cursor={cursor}"), "--reverse", LOOK_BACK, "--", "_PID=1", &format!("_BOOT_ID={boot}")];
        let arguments: Vec<String> = arguments.map(str::to_owned).into_iter().chain(entry::of_pid_1()).collect();
        let mut begun = Vec::new();
        // Without it the scan is nearly as good.
        let _ = journalctl(&arguments, &mut |fields| begun.extend(entry::fact(&fields)));
        begun.into_iter().rev().for_each(|fact| self.witness.take(fact));
        self.witness.begin_here();
    }

    fn read(&mut self, place: String) -> io::Result<()> {
        let arguments: Vec<String> = std::iter::once(place).chain(self.since.clone()).chain(entry::matches()).collect();
        journalctl(&arguments, &mut |fields| self.take(&fields))
    }

    fn take(&mut self, fields: &Fields) {
        let Some(cursor) = fields.cursor().filter(|cursor| self.after.as_deref() != Some(cursor)) else { return };
        self.last = Some(cursor.to_owned());
        self.asked_for.extend(entry::asked_for(fields));
        if let Some(fact) = entry::fact(fields) {
            self.witness.take(fact);
        }
        if let Some((boot, record, author)) = entry::run(fields) {
            let place = self.witness.pass();
            let told = JournalRun { boot, record, first: place, last: place };
            self.keep(Run { told, author, size: fields.get(entry::RUN).map_or(0, str::len) });
        }
    }

    fn finish(mut self, newest: Option<String>) -> Scan {
        let (mut restarts, restarted) = (self.witness.take_restarts(), self.witness.take_restarted());
        restarts.retain(|restart| !self.asked_for.contains(&restart.ended));
        let (ends, left_out) = self.witness.finish();
        let runs = believed(self.runs, &ends);
        let boot = newest.as_deref().and_then(child::boot_of).map(str::to_owned);
        let cursor = self.last.or(newest).or(self.after);
        Scan { runs, ends, restarted, restarts, left_out, unfinished: false, cursor, boot }
    }

    fn keep(&mut self, mut run: Run) {
        let from = self.runs.len().saturating_sub(SAME_RUN);
        // What an uncertain author says takes the place of nothing that the helper has said.
        let is_same = |known: &Run| {
            let (known, author, new) = (&known.told, known.author, &run.told);
            known.record.invocation == new.record.invocation && known.boot == new.boot && author == run.author
        };
        let earlier = self.runs.range(from..).position(is_same);
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

/// The records that count, one of each run: without its end where only PID 1 can be believed about
/// that.
fn believed(runs: VecDeque<Run>, ends: &[JournalEnd]) -> Vec<JournalRun> {
    let key = |end: &'_ JournalEnd| (end.boot.clone(), end.unit.clone(), end.invocation.as_str().to_owned());
    let ends: HashMap<_, _> = ends.iter().map(|end| (key(end), &end.testimony)).collect();
    let mut places: HashMap<_, usize> = HashMap::new();
    let mut kept: Vec<JournalRun> = Vec::new();
    for Run { mut told, author, .. } in runs {
        let by_pid_1 = ends.get(&told.key());
        match author {
            Author::Helper => {}
            Author::ShortLived if by_pid_1.is_none() => continue,
            Author::InUnit | Author::ShortLived => {
                told.record.end.take_if(|end| !by_pid_1.is_some_and(|by_pid_1| entry::confirms(by_pid_1, end)));
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

impl JournalRun {
    fn key(&self) -> (String, String, String) {
        (self.boot.clone(), self.record.unit.clone(), self.record.invocation.clone())
    }

    /// Takes a later record of the same run in its place. One that has ended stays ended: `false`.
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
