//! The callers' connections: from the queue of the socket to an answer.
//!
//! No caller can hold up another: nothing here blocks, a caller who may not ask is answered before
//! anything is read, and one who may has [`TO_SAY`] for its request and a place that [`Places`]
//! gives. Connections are always taken, so the socket's queue never waits for a caller. The size of
//! a request is bounded. One call takes one connection: the user of this module bounds how many are
//! taken before others are read, because the queue may never get empty.

use crate::core::full_restart::places::{Holder, Places, Verdict};
use crate::core::full_restart::reception::{CallerId, errno};
use crate::core::full_restart::request::{Answer, LONGEST};
use crate::edge::full_restart::ask::PATIENCE;
use crate::edge::full_restart::peer::{self, Peer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

/// Time that a caller has to send its request: as long as it waits for its answer, because it may
/// have to look up the names in its backtrace first. Only requests of root and members are read.
const TO_SAY: Duration = PATIENCE;

/// Time for which a refused caller's input is still read.
const TO_TALK: Duration = Duration::from_secs(2);

/// Maximum number of refused callers whose input is still read: a caller that is cut off while it
/// sends would not get the answer.
const MOST_DISMISSED: usize = 64;

/// Number of connections that are taken to get one that counts: others have ended in the queue, or
/// their processes cannot be identified.
const TRIES: u32 = 8;

/// Pause after a connection could not be taken: the host has no descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// All connections of a stack's socket.
#[derive(Debug)]
pub(super) struct Connections {
    listener: UnixListener,
    reading: BTreeMap<CallerId, Reading>,
    waiting: BTreeMap<CallerId, UnixStream>,
    places: Places,
    dismissed: VecDeque<(UnixStream, Instant)>,
    last: u64,
}

/// A connection that is being read.
#[derive(Debug)]
struct Reading {
    stream: UnixStream,
    peer: Peer,
    bytes: Vec<u8>,
    until: Instant,
}

/// Result of reading a connection.
#[derive(Debug)]
pub(super) enum News {
    /// It has sent its whole request, or more than one may have.
    Said(CallerId, Peer, Vec<u8>),
    /// It has sent nothing.
    Left(CallerId),
    /// Its request is not complete in time, or its connection was reset; it is to be answered.
    BrokeOff(CallerId),
}

impl Connections {
    /// Takes over the listening socket.
    pub(super) fn new(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (reading, waiting, places) = (BTreeMap::new(), BTreeMap::new(), Places::default());
        Ok(Self {
            listener,
            reading,
            waiting,
            places,
            dismissed: VecDeque::new(),
            last: 0,
        })
    }

    /// Waits until there is something to read or to accept, the bell is readable, or the time is
    /// over.
    pub(super) fn wait(&self, bell: &UnixStream, at_most: Option<Duration>) {
        let now = Instant::now();
        let ends = self.reading.values().map(|reading| reading.until);
        let ends = ends.chain(self.dismissed.iter().map(|(_, until)| *until));
        let limit = ends
            .map(|end| end.saturating_duration_since(now))
            .chain(at_most)
            .min();
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let mut watched = vec![
            PollFd::new(bell, PollFlags::IN),
            PollFd::new(&self.listener, PollFlags::IN),
        ];
        let streams = self.reading.values().map(|reading| &reading.stream);
        let streams = streams.chain(self.dismissed.iter().map(|(stream, _)| stream));
        watched.extend(streams.map(|stream| PollFd::new(stream, PollFlags::IN)));
        // An interrupted wait is a short one.
        let _ = poll(&mut watched, limit.as_ref());
    }

    /// Accepts the next connection in the queue. It must be given a place or dismissed before the
    /// next one is accepted.
    pub(super) fn accept(&mut self) -> Option<(CallerId, Peer)> {
        for _ in 0..TRIES {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) =>
                {
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(_) => {
                    std::thread::sleep(PAUSE);
                    return None;
                }
            };
            let Ok(peer) = stream
                .set_nonblocking(true)
                .and_then(|()| peer::of(&stream))
            else {
                let words = "it cannot be told who asks".to_owned();
                let _ = (&stream).write_all(
                    Answer {
                        errno: errno::ACCES,
                        words,
                    }
                    .to_line()
                    .as_bytes(),
                );
                continue;
            };
            self.last += 1;
            let caller = CallerId(self.last);
            let until = Instant::now() + TO_SAY;
            self.reading.insert(
                caller,
                Reading {
                    stream,
                    peer: peer.clone(),
                    bytes: Vec::new(),
                    until,
                },
            );
            return Some((caller, peer));
        }
        None
    }

    /// Gives a place to a caller that may ask, or refuses it one.
    pub(super) fn give_place(&mut self, caller: CallerId, holder: Holder) -> Verdict {
        self.places.take(caller, holder)
    }

    /// Reads all that has arrived, and returns the connections that are done.
    pub(super) fn read(&mut self) -> Vec<News> {
        let now = Instant::now();
        self.dismissed
            .retain_mut(|(stream, until)| *until > now && is_talking(stream));
        let ends = self
            .reading
            .iter_mut()
            .filter_map(|(caller, reading)| Some((*caller, reading.read(now)?)));
        let ends: Vec<_> = ends.collect();
        ends.into_iter()
            .filter_map(|(caller, end)| self.done(caller, end))
            .collect()
    }

    fn done(&mut self, caller: CallerId, end: End) -> Option<News> {
        let Reading {
            stream,
            peer,
            bytes,
            ..
        } = self.reading.remove(&caller)?;
        if bytes.is_empty() {
            self.places.leave(caller);
            return Some(News::Left(caller));
        }
        self.waiting.insert(caller, stream);
        Some(match end {
            End::Said => News::Said(caller, peer, bytes),
            End::Late => News::BrokeOff(caller),
        })
    }

    /// Answers a caller that has sent its request, and closes the connection. Errors are ignored:
    /// the caller may be gone.
    pub(super) fn answer(&mut self, caller: CallerId, answer: &Answer) {
        self.places.leave(caller);
        if let Some(mut stream) = self.waiting.remove(&caller) {
            let _ = stream.write_all(answer.to_line().as_bytes());
        }
    }

    /// Returns true if a caller has sent its request and waits for its answer.
    pub(super) fn is_waiting(&self, caller: CallerId) -> bool {
        self.waiting.contains_key(&caller)
    }

    /// Answers a caller before it has sent its request.
    pub(super) fn dismiss(&mut self, caller: CallerId, answer: &Answer) {
        self.places.leave(caller);
        let Some(Reading { mut stream, .. }) = self.reading.remove(&caller) else {
            return;
        };
        let _ = stream.write_all(answer.to_line().as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        if self.dismissed.len() >= MOST_DISMISSED {
            self.dismissed.pop_front();
        }
        self.dismissed.push_back((stream, Instant::now() + TO_TALK));
    }

    /// Closes a connection without an answer.
    pub(super) fn drop_silently(&mut self, caller: CallerId) {
        self.places.leave(caller);
        self.reading.remove(&caller);
    }
}

/// End of reading a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The request is complete, or too long.
    Said,
    /// The time is over, or the connection was reset.
    Late,
}

impl Reading {
    /// Reads what is there; `None`: more may come.
    fn read(&mut self, now: Instant) -> Option<End> {
        let mut part = [0; 4096];
        while self.bytes.len() <= LONGEST {
            match self.stream.read(&mut part) {
                Ok(0) => return Some(End::Said),
                Ok(count) => self.bytes.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return (self.until <= now).then_some(End::Late);
                }
                // A caller that has reset the connection waits for no answer.
                Err(_) => return Some(End::Late),
            }
        }
        Some(End::Said)
    }
}

/// Reads and drops the input of a refused caller; returns true if more may come.
fn is_talking(stream: &mut UnixStream) -> bool {
    let mut part = [0; 4096];
    // Bounded, so that one that sends without end does not hold up all others.
    for _ in 0..16 {
        match stream.read(&mut part) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => {
                return matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests;
