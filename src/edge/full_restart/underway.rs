//! Whether a full restart is under way, told to `unitward-step` by a lock.
//!
//! The restarter holds a lock on `/run/unitward/restarting/NAME` for as long as it restarts the stack, and after a script that has
//! failed until the ends of those it has killed are noted. So does the restart script, which may outlive it: the lock goes with the
//! processes that hold it. The file's first line says since when, in microseconds of systemd's monotonic clock; the others are for a
//! restarter that takes over from one that was killed: which restart it is, the process that restarts, and whether that is a script.
//!
//! Invariants: only root can open the file; a stack has one restarter, which is never kept from the lock: where something that an
//! earlier one has started still holds it, it puts a new file in the place of the old one. The end of a restart ends the lock,
//! whatever the script has left running.

use crate::edge::replace::Durability;
use crate::edge::trusted::{self, Missing, NOFOLLOW};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the locks are.
const DIRECTORY: &str = "/run/unitward/restarting";

/// Tries to get hold of the lock: who asks holds it, too, for an instant.
const TRIES: u32 = 20;

/// The last line of what is said, where a script restarts.
const SCRIPT: &str = "script";

/// The pause between two of them.
const PAUSE: Duration = Duration::from_millis(5);

/// What is said of a full restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When its first process was killed at the earliest: monotonic clock, microseconds.
    pub since: u64,
    /// The id of the restart's record.
    pub id: String,
    /// The process that restarts, once it does.
    pub by: Option<u32>,
    /// How it restarts.
    pub way: Way,
}

/// How a stack is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By systemd, whose jobs say of each run whether its end was asked for.
    Systemd,
    /// By a script, which may end processes behind systemd's back.
    Script,
}

impl Note {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let since = lines.next()?.parse().ok()?;
        let id = lines.next()?.to_owned();
        let by = lines.next().and_then(|line| line.parse().ok());
        let way = if lines.next() == Some(SCRIPT) { Way::Script } else { Way::Systemd };
        Some(Self { since, id, by, way })
    }
}

/// The lock, held.
#[derive(Debug)]
pub struct Underway {
    /// What is locked. It cannot be written to by whom it is handed down to.
    lock: File,
    text: File,
}

impl Underway {
    /// Takes the lock of a stack.
    ///
    /// # Errors
    /// When the file cannot be made.
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

    /// Has a new file, locked from the first moment, take the place of one that somebody else holds.
    fn replace(path: &Path) -> io::Result<Self> {
        // No stack's name has such an end.
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
        Ok(Self { lock: OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path)?, text })
    }

    /// The lock for a process that is started while this lives: it has it for as long as it runs, whatever becomes of us.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn handed_down(&self) -> io::Result<OwnedFd> {
        // Unlike all other descriptors of ours it is not closed when a process starts.
        Ok(rustix::io::dup(&self.lock)?)
    }

    /// Says since when, and who restarts.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, note: &Note) -> io::Result<()> {
        let by = note.by.map(|pid| pid.to_string()).unwrap_or_default();
        // The first line always has as many digits, so whoever reads meanwhile never reads a part of it.
        let way = if note.way == Way::Script { SCRIPT } else { "" };
        let text = format!("{:020}\n{}\n{by}\n{way}\n", note.since, note.id);
        self.text.write_all_at(text.as_bytes(), 0)?;
        self.text.set_len(text.len() as u64)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        // What a script has left running may have the descriptor still.
        let _ = flock(&self.lock, FlockOperation::NonBlockingUnlock);
    }
}

/// Since when a script restarts this stack; `None`: none does.
#[must_use]
pub fn script_since(stack: &str) -> Option<u64> {
    let note = now_below(Path::new(DIRECTORY), stack)?;
    (note.way == Way::Script).then_some(note.since)
}

/// What is said of the full restart under way; `None`: none is.
fn now_below(directory: &Path, stack: &str) -> Option<Note> {
    let file = File::open(path(directory, stack)).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => note_below(directory, stack),
        Ok(()) | Err(_) => None,
    }
}

/// What was last said, whether the restart is still under way or not.
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
        let note = |since, by| Note { since, id: "1f".repeat(16), by, way: Way::Script };
        assert_eq!(since(), None, "there was never one");
        let held = Underway::hold_below(place.path(), "opensync").unwrap();
        assert_eq!(since(), None, "it has not begun");
        held.note(&note(7, None)).unwrap();
        assert_eq!(since(), Some(7));
        held.note(&note(123_456_789, Some(42))).unwrap();
        assert_eq!(since(), Some(123_456_789));
        drop(held);
        assert_eq!(since(), None);
        assert_eq!(note_below(place.path(), "opensync"), Some(note(123_456_789, Some(42))));
        let held = Underway::hold_below(place.path(), "opensync").unwrap();
        held.note(&note(9, None)).unwrap();
        assert_eq!(note_below(place.path(), "opensync"), Some(note(9, None)));
    }
    #[test]
    fn what_a_restarter_has_started_keeps_the_lock_but_from_nobody() {
        let place = tempfile::tempdir().unwrap();
        let since = || now_below(place.path(), "opensync").map(|note| note.since);
        let note = Note { since: 7, id: "1f".repeat(16), by: Some(42), way: Way::Systemd };
        let killed = Underway::hold_below(place.path(), "opensync").unwrap();
        killed.note(&note).unwrap();
        let child = killed.handed_down().unwrap();
        assert!(rustix::io::fcntl_getfd(&child).unwrap().is_empty(), "it is not closed");
        // A process that is killed does not unlock.
        std::mem::forget(killed);
        assert_eq!(since(), Some(7), "the child lives");
        let next = Underway::hold_below(place.path(), "opensync").unwrap();
        assert_eq!((since(), note_below(place.path(), "opensync")), (Some(7), Some(note)));
        let left_running = next.handed_down().unwrap();
        drop(next);
        assert_eq!(since(), None, "the restart is over, whatever still runs");
        drop((child, left_running));
    }
}
