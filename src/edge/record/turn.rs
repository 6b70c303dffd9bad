//! A lock that serializes the processes that count a ward's deaths.
//!
//! The lines that begin and end a run are one after the other. But if PID 1 can run none of them,
//! unitwardd records the death in their place, and the next start may be under way by then. Each
//! reads, changes and writes the stored state, so each takes a turn.

use super::WardState;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const FILE: &str = "turn";

/// Longest wait for the lock: a multiple of the time that any holder needs. A recovery goes on even
/// if a holder never releases it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(2);

/// A turn, which ends when this is dropped. It holds no lock if none could be had in time.
#[derive(Debug)]
#[must_use]
pub struct Turn(
    #[allow(dead_code, reason = "the lock lasts as long as the file is open")] Option<OwnedFd>,
);

impl WardState {
    /// Waits for the turn to count this ward's deaths, at most half a second.
    pub fn turn(&self) -> Turn {
        let flags =
            OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = self.directory.join(FILE);
        let until = Instant::now() + PATIENCE;
        let Ok(file) = open(&path, flags, Mode::from_raw_mode(0o600)) else {
            return Turn(None);
        };
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Turn(Some(file)),
                Err(Errno::WOULDBLOCK | Errno::INTR) if Instant::now() < until => {
                    std::thread::sleep(PAUSE)
                }
                Err(_) => return Turn(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::{RunRecord, StartKind};

    #[test]
    fn one_has_a_turn_at_a_time_and_who_keeps_it_holds_nobody_up_for_ever() {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "a");
        state
            .save_run(&RunRecord::new("a", "a.service", "i", StartKind::First))
            .unwrap();
        let first = state.turn();
        assert!(first.0.is_some());
        assert!(state.turn().0.is_none());
        drop(first);
        assert!(state.turn().0.is_some());
    }
}
