//! How the course of a restart tells the loop: events through a channel, and a bell that wakes the loop up.

use super::wish::Wish;
use crate::core::full_restart::reception::Event;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Where the course tells.
#[derive(Debug)]
pub(super) struct Ringer {
    events: Sender<Event<Wish>>,
    bell: UnixStream,
}

impl Ringer {
    /// Tells. A loop that has ended hears no more.
    pub(super) fn tell(&self, event: Event<Wish>) {
        let _ = self.events.send(event);
        // A bell that cannot be rung for those that were not heard yet is heard all the same.
        let _ = (&self.bell).write(&[0]);
    }

    /// For one more course.
    pub(super) fn again(&self) -> io::Result<Self> {
        Ok(Self { events: self.events.clone(), bell: self.bell.try_clone()? })
    }
}

/// Where the loop hears.
#[derive(Debug)]
pub(super) struct Hearer {
    events: Receiver<Event<Wish>>,
    bell: UnixStream,
}

impl Hearer {
    /// What becomes readable when there is something to hear.
    pub(super) fn bell(&self) -> &UnixStream {
        &self.bell
    }

    /// The next event, if there is one.
    pub(super) fn next(&mut self) -> Option<Event<Wish>> {
        let mut rings = [0; 64];
        while self.bell.read(&mut rings).is_ok_and(|count| count == rings.len()) {}
        self.events.try_recv().ok()
    }
}

/// Both ends.
pub(super) fn pair() -> io::Result<(Ringer, Hearer)> {
    let (ringer, bell) = UnixStream::pair()?;
    ringer.set_nonblocking(true)?;
    bell.set_nonblocking(true)?;
    let (sender, receiver) = channel();
    Ok((Ringer { events: sender, bell: ringer }, Hearer { events: receiver, bell }))
}
