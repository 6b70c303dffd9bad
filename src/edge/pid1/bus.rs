//! Whether root asks PID 1 by way of the message bus.
//!
//! A connection to PID 1's own socket costs PID 1 2.3 ms (257), whatever is asked: it sets up all
//! of its interfaces for it, and sends every signal to it. By the bus, on which it has one connection
//! for all, the same thirty questions cost it 0.3 ms; the rest is the bus daemon's work, on another
//! processor. While hundreds of services die PID 1 is what everybody waits for.
//!
//! The bus is never depended on: it is asked only while it runs, with little patience, and PID 1's
//! own socket is next. Few ask at a time, since a bus has room for some hundred connections of root
//! and others need them too. Lines of the bus itself never ask by it: between its runs a connection
//! would wait, and have it started.

use super::{BUSES, run_of};
use crate::edge::replace::replace;
use crate::edge::trusted::{self, Durability, Missing, NOFOLLOW};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest time until the bus has taken this process in. Any user can fill the queue of those that
/// wait for that.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);

/// Longest time that PID 1 may take to answer by way of the bus.
pub(super) const PATIENCE_WITH_SYSTEMD: Duration = Duration::from_secs(2);

/// Time for which nobody asks by way of a bus that has been silent.
const REST: Duration = Duration::from_secs(10);

/// File in the directory of the places whose time says when the bus has been silent.
const SILENT: &str = "silent";

/// True if this process does not ask by way of the bus.
static AVOIDED: AtomicBool = AtomicBool::new(false);

/// Directory of the places.
const PLACES: &str = "/run/unitward/bus";

/// Number of places, and so of connections at a time.
const MOST: u32 = 64;

/// Has this process ask at PID 1's own socket from now on.
pub(super) fn avoid() {
    AVOIDED.store(true, Ordering::Relaxed);
}

/// Has no process ask by way of the bus for a while, because it has been silent.
pub(super) fn avoid_for_a_while() {
    avoid();
    // Without that note the next process finds out by itself.
    let _ = replace(&Path::new(PLACES).join(SILENT), b"", Durability::Process);
}

fn has_been_silent(directory: &Path) -> bool {
    fs::metadata(directory.join(SILENT))
        .and_then(|silent| silent.modified())
        .is_ok_and(|at| at.elapsed().is_ok_and(|ago| ago < REST))
}

/// Takes a place among those that may ask by the bus now; it is free again when the value is
/// dropped. `None`: the bus does not run, or the place is taken or cannot be made: only root's lines
/// may write there.
pub(super) fn place() -> Option<OwnedFd> {
    let is_avoided = AVOIDED.load(Ordering::Relaxed);
    // A connection to the socket of one that is not up would have it started.
    let is_up = !is_avoided && BUSES.iter().any(|bus| run_of(bus).is_some());
    let may_ask = is_up && !has_been_silent(Path::new(PLACES));
    may_ask.then(|| place_in(Path::new(PLACES), std::process::id()))?
}

fn place_in(directory: &Path, process: u32) -> Option<OwnedFd> {
    let directory = trusted::directory(directory, Missing::Make(Durability::Process)).ok()?;
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::from_bits_retain(NOFOLLOW.cast_unsigned());
    let name = (process % MOST).to_string();
    let place = openat(&directory, name, flags, Mode::RUSR | Mode::WUSR).ok()?;
    flock(&place, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_processs_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = place_in(folder.path(), 5).unwrap();
        assert!(place_in(folder.path(), 5 + MOST).is_none());
        assert!(place_in(folder.path(), 6).is_some());
        drop(first);
        assert!(place_in(folder.path(), 5 + MOST).is_some());
        assert!(place_in(Path::new("/proc/none"), 5).is_none());
        assert!(!has_been_silent(folder.path()));
        replace(&folder.path().join(SILENT), b"", Durability::Process).unwrap();
        assert!(has_been_silent(folder.path()));
    }
}
