//! Events from the course of a restart to the loop: a channel, and a socket that wakes the loop up.

use super::wish::Wish;
use crate::core::full_restart::reception::Event;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Sending end, for the course.
#[derive(Debug)]
pub(super) struct Ringer {
    events: Sender<Event<Wish>>,
    bell: UnixStream,
}

impl Ringer {
    /// Sends an event and wakes the loop up. Events for a loop that has ended are dropped.
    pub(super) fn tell(&self, event: Event<Wish>) {
        let _ = self.events.send(event);
        // If the socket is full, unread bytes wake the loop up all the same.
        let _ = (&self.bell).write(&[0]);
    }

    /// Returns a sending end for one more course.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(Self {
            events: self.events.clone(),
            bell: self.bell.try_clone()?,
        })
    }
}

/// Receiving end, for the loop.
#[derive(Debug)]
pub(super) struct Hearer {
    events: Receiver<Event<Wish>>,
    bell: UnixStream,
}

impl Hearer {
    /// Returns the socket that is readable when there are events.
    pub(super) fn bell(&self) -> &UnixStream {
        &self.bell
    }

    /// Returns the next event, if there is one.
    pub(super) fn next(&mut self) -> Option<Event<Wish>> {
        let mut rings = [0; 64];
        while self
            .bell
            .read(&mut rings)
            .is_ok_and(|count| count == rings.len())
        {}
        self.events.try_recv().ok()
    }
}

/// Creates both ends.
pub(super) fn pair() -> io::Result<(Ringer, Hearer)> {
    let (ringer, bell) = UnixStream::pair()?;
    ringer.set_nonblocking(true)?;
    bell.set_nonblocking(true)?;
    let (sender, receiver) = channel();
    Ok((
        Ringer {
            events: sender,
            bell: ringer,
        },
        Hearer {
            events: receiver,
            bell,
        },
    ))
}
