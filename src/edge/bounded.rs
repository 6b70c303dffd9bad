//! A connection to a Unix socket of this host with a deadline for everything: the wait for room in
//! the socket's queue, each read and each write.

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection that fails with [`ErrorKind::TimedOut`] or [`ErrorKind::WouldBlock`] after its
/// deadline.
#[derive(Debug)]
pub(crate) struct Bounded {
    stream: UnixStream,
    deadline: Instant,
}

impl Bounded {
    /// Connects. If the socket's queue is full, tries again until the deadline: a blocking connect
    /// has no time limit.
    pub(crate) fn connect(path: &Path, deadline: Instant) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        loop {
            match connect(&socket, &address) {
                Ok(()) => break,
                Err(Errno::AGAIN) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        Ok(Self { stream, deadline })
    }

    /// Sets the deadline to `patience` from now.
    pub(crate) fn lasts(&mut self, patience: Duration) {
        self.deadline = Instant::now() + patience;
    }

    /// Returns true if the other end's socket has been opened by root.
    ///
    /// # Errors
    /// As getsockopt(2).
    pub(crate) fn is_roots(&self) -> io::Result<bool> {
        Ok(socket_peercred(&self.stream)?.uid.is_root())
    }

    /// Shuts down the writing side of the connection.
    pub(crate) fn finish_writing(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(ErrorKind::TimedOut.into())
        } else {
            Ok(left)
        }
    }
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(into)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_is_waited_for_no_longer_than_told() {
        const SOON: Duration = Duration::from_millis(200);
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s");
        let socket = socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::empty(),
            None,
        )
        .unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let _first = Bounded::connect(&path, Instant::now() + SOON).unwrap();
        let begun = Instant::now();
        let second = Bounded::connect(&path, begun + SOON).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::WouldBlock);
        assert!(begun.elapsed() < SOON * 5);
        assert_eq!(
            Bounded::connect(&place.path().join("none"), begun)
                .unwrap_err()
                .kind(),
            ErrorKind::NotFound
        );
    }
}
