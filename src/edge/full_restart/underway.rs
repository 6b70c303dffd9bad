//! A lock that tells `unitward-step` of a full restart under way.
//!
//! The restarter holds a lock on `/run/unitward/restarting/NAME` for as long as it restarts the
//! stack, and after a failed script until the ends of the processes that it has killed are
//! recorded. So does the restart script, which may outlive it: the lock goes with the processes
//! that hold it. The file's first line holds the start time, in microseconds of systemd's monotonic
//! clock; the others are for a restarter that takes over from one that was killed: the id of the
//! restart, the process that restarts, and the word `script` if that is a script.
//!
//! Invariants: only root can open the file; a stack has one restarter, which always gets the lock:
//! if a process that an earlier one has started still holds it, the restarter puts a new file in
//! the place of the old one. The end of a restart ends the lock, even if the script has left
//! processes behind.

use crate::edge::trusted::{self, Durability, Missing, NOFOLLOW};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Directory of the locks.
const DIRECTORY: &str = "/run/unitward/restarting";

/// Number of attempts to take the lock: readers hold it for an instant, too.
const TRIES: u32 = 20;

/// Last line of a note if a script restarts the stack.
const SCRIPT: &str = "script";

/// Pause between two attempts to take the lock.
const PAUSE: Duration = Duration::from_millis(5);

/// Contents of the lock's file: a description of a full restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Earliest time at which its first process was killed: monotonic clock, microseconds.
    pub since: u64,
    /// The id of the restart's record.
    pub id: String,
    /// Id of the process that restarts, once it does.
    pub by: Option<u32>,
    /// Way of the restart.
    pub way: Way,
}

/// Way of restarting a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By systemd, whose jobs tell for each run whether its end was requested.
    Systemd,
    /// By a script, which may end processes without a job of systemd.
    Script,
}

impl Note {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let since = lines.next()?.parse().ok()?;
        let id = lines.next()?.to_owned();
        let by = lines.next().and_then(|line| line.parse().ok());
        let way = if lines.next() == Some(SCRIPT) {
            Way::Script
        } else {
            Way::Systemd
        };
        Some(Self { since, id, by, way })
    }
}

/// The lock, which is held while this lives.
#[derive(Debug)]
pub struct Underway {
    /// File descriptor that holds the lock. It is opened read-only, so a process that inherits it
    /// cannot write to it.
    lock: File,
    text: File,
}

impl Underway {
    /// Takes the lock of a stack.
    ///
    /// # Errors
    /// The file cannot be created or locked.
    pub fn hold(stack: &str) -> io::Result<Self> {
        Self::hold_below(Path::new(DIRECTORY), stack)
    }

    fn hold_below(directory: &Path, stack: &str) -> io::Result<Self> {
        trusted::directory(directory, Missing::Make(Durability::Process))?;
        let path = path(directory, stack);
        let held = Self::open(&path)?;
        for _ in 0..TRIES {
            match flock(&held.lock, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
                locked => return locked.map(|()| held).map_err(io::Error::from),
            }
        }
        Self::replace(&path)
    }

    /// Replaces a file that another process holds by a new one, which is locked from the first
    /// moment.
    fn replace(path: &Path) -> io::Result<Self> {
        // No stack's name ends like this.
        let temporary = PathBuf::from(format!("{}@new", path.display()));
        let _ = fs::remove_file(&temporary);
        let held = Self::open(&temporary)?;
        flock(&held.lock, FlockOperation::NonBlockingLockExclusive)?;
        held.text.write_all_at(&fs::read(path)?, 0)?;
        fs::rename(&temporary, path)?;
        Ok(held)
    }

    fn open(path: &Path) -> io::Result<Self> {
        let text = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(NOFOLLOW)
            .open(path)?;
        Ok(Self {
            lock: OpenOptions::new()
                .read(true)
                .custom_flags(NOFOLLOW)
                .open(path)?,
            text,
        })
    }

    /// Returns a descriptor of the lock for a process that is started while this lives: the process
    /// holds the lock for as long as it runs, even if this process ends.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn handed_down(&self) -> io::Result<OwnedFd> {
        // Unlike all other descriptors of this process it is not closed when a process starts.
        Ok(rustix::io::dup(&self.lock)?)
    }

    /// Writes the note to the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(&self, note: &Note) -> io::Result<()> {
        let by = note.by.map(|pid| pid.to_string()).unwrap_or_default();
        // The first line always has the same length, so that a concurrent reader never reads a part
        // of it.
        let way = if note.way == Way::Script { SCRIPT } else { "" };
        let text = format!("{:020}\n{}\n{by}\n{way}\n", note.since, note.id);
        self.text.write_all_at(text.as_bytes(), 0)?;
        self.text.set_len(text.len() as u64)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        // Processes that a script has left behind may still have the descriptor.
        let _ = flock(&self.lock, FlockOperation::NonBlockingUnlock);
    }
}

/// Returns the start time of a restart by a script that is under way; `None`: there is none.
#[must_use]
pub fn script_since(stack: &str) -> Option<u64> {
    let note = now_below(Path::new(DIRECTORY), stack)?;
    (note.way == Way::Script).then_some(note.since)
}

/// Returns the note of the full restart under way; `None`: there is none.
fn now_below(directory: &Path, stack: &str) -> Option<Note> {
    let file = File::open(path(directory, stack)).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => note_below(directory, stack),
        Ok(()) | Err(_) => None,
    }
}

/// Returns the last note, even if the restart is over.
#[must_use]
pub fn last_note(stack: &str) -> Option<Note> {
    note_below(Path::new(DIRECTORY), stack)
}

fn note_below(directory: &Path, stack: &str) -> Option<Note> {
    Note::parse(&fs::read_to_string(path(directory, stack)).ok()?)
}

fn path(directory: &Path, stack: &str) -> PathBuf {
    directory.join(stack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_under_way_for_as_long_as_somebody_holds_it() {
        let place = tempfile::tempdir().unwrap();
        let since = || now_below(place.path(), "opensync").map(|note| note.since);
        let note = |since, by| Note {
            since,
            id: "1f".repeat(16),
            by,
            way: Way::Script,
        };
        assert_eq!(since(), None, "there was never one");
        let held = Underway::hold_below(place.path(), "opensync").unwrap();
        assert_eq!(since(), None, "it has not begun");
        held.note(&note(7, None)).unwrap();
        assert_eq!(since(), Some(7));
        held.note(&note(123_456_789, Some(42))).unwrap();
        assert_eq!(since(), Some(123_456_789));
        drop(held);
        assert_eq!(since(), None);
        assert_eq!(
            note_below(place.path(), "opensync"),
            Some(note(123_456_789, Some(42)))
        );
        let held = Underway::hold_below(place.path(), "opensync").unwrap();
        held.note(&note(9, None)).unwrap();
        assert_eq!(note_below(place.path(), "opensync"), Some(note(9, None)));
    }
    #[test]
    fn what_a_restarter_has_started_keeps_the_lock_but_from_nobody() {
        let place = tempfile::tempdir().unwrap();
        let since = || now_below(place.path(), "opensync").map(|note| note.since);
        let note = Note {
            since: 7,
            id: "1f".repeat(16),
            by: Some(42),
            way: Way::Systemd,
        };
        let killed = Underway::hold_below(place.path(), "opensync").unwrap();
        killed.note(&note).unwrap();
        let child = killed.handed_down().unwrap();
        assert!(
            rustix::io::fcntl_getfd(&child).unwrap().is_empty(),
            "it is not closed"
        );
        // A process that is killed does not unlock.
        std::mem::forget(killed);
        assert_eq!(since(), Some(7), "the child lives");
        let next = Underway::hold_below(place.path(), "opensync").unwrap();
        assert_eq!(
            (since(), note_below(place.path(), "opensync")),
            (Some(7), Some(note))
        );
        let left_running = next.handed_down().unwrap();
        drop(next);
        assert_eq!(since(), None, "the restart is over, whatever still runs");
        drop((child, left_running));
    }
}
