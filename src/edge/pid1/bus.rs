//! Whether root asks PID 1 by way of the message bus.
//!
//! A connection to PID 1's own socket costs PID 1 2.3 ms (257), whatever is asked: it sets up all
//! of its interfaces for it, and sends every signal to it. By the bus, on which it has one connection
//! for all, the same thirty questions cost it 0.3 ms; the rest is the bus daemon's work, on another
//! processor. While hundreds of services die PID 1 is what everybody waits for.
//!
//! The bus is never depended on: it is asked only while it runs, with little patience, and PID 1's
//! own socket is next. Few ask at a time, since a bus has room for some hundred connections of root
//! and others need them too.

use crate::edge::trusted::{self, Durability, Missing, NOFOLLOW};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// Longest time that questions by way of the bus may take.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// Systemd's links to the present runs of the units that may be the bus. They are there while such
/// a unit is up: a connection to the socket of one that is not would have it started.
const RUNS: [&str; 2] = [
    "/run/systemd/units/invocation:dbus.service",
    "/run/systemd/units/invocation:dbus-broker.service",
];

/// Directory of the places.
const PLACES: &str = "/run/unitward/bus";

/// Number of places, and so of connections at a time.
const MOST: u32 = 64;

/// Takes a place among those that may ask by the bus now; it is free again when the value is
/// dropped. `None`: the bus does not run, or the place is taken.
pub(super) fn place() -> Option<OwnedFd> {
    let is_up = RUNS.iter().any(|run| fs::symlink_metadata(run).is_ok());
    is_up.then(|| place_in(Path::new(PLACES), std::process::id()))?
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
    }
}
