//! The connection to PID 1, and queries that are sent together.
//!
//! As with `systemctl`, root uses PID 1's private socket, which exists early in the boot and while
//! the message bus is down; that line has two ends only, and needs no Hello. All other users use
//! the bus, and for questions root too while it is there ([`super::bus`]).

mod queries;

use super::bus;
use super::message::{self, Call, HEAD, Reply};
use super::{MANAGER_PATH, SYSTEMD};
use crate::edge::bounded::Bounded;
pub(super) use queries::Question;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest time that PID 1 may take to answer queries that were sent together, as with `systemctl`.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// Longest wait while PID 1 executes itself anew, for ordinary queries: on most hosts it takes
/// less.
pub(super) const BRIEFLY: Duration = Duration::from_secs(2);

/// The same for important queries, on a host with many units and a slow disk.
pub(super) const PATIENTLY: Duration = Duration::from_secs(10);

/// Pause between two tries to connect.
const PAUSE: Duration = Duration::from_millis(20);

/// Path that exists if systemd is PID 1 (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

const PRIVATE: &str = "/run/systemd/private";
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// Authentication, sent all at once, as by sd-bus. The empty word after `DATA` stands for the user
/// that the kernel reports to the other end.
const AUTHENTICATION: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";

/// The kinds of errors of which either tells that the deadline of a socket has passed.
const TIMED_OUT: [ErrorKind; 2] = [ErrorKind::WouldBlock, ErrorKind::TimedOut];

/// Longest line of the other end during authentication, in bytes.
const LONGEST_LINE: u64 = 512;

/// An authenticated connection for queries.
#[derive(Debug)]
pub(super) struct Connection {
    socket: BufReader<Bounded>,
    /// Destination of the calls, on a bus.
    destination: Option<&'static str>,
    /// Longest time that queries which are sent together may take.
    patience: Duration,
    /// True if a refusal makes all answers void: it may come from the bus, which PID 1 has left.
    is_strict: bool,
    /// Serial number of the last call.
    serial: u32,
}

impl Connection {
    /// Connects, authenticates and calls `ask`; begins again for up to `patience` if PID 1 executes
    /// itself anew meanwhile.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`]: PID 1 does not answer. Otherwise as connect(2), or the error of
    /// `ask`.
    pub(super) fn with<T>(
        patience: Duration,
        ask: impl Fn(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        Self::try_with(patience, ask).map_err(|error| match error.kind() {
            kind if TIMED_OUT.contains(&kind) => io::Error::new(
                ErrorKind::TimedOut,
                format!("systemd has not answered within {} s", PATIENCE.as_secs()),
            ),
            _ => error,
        })
    }

    fn try_with<T>(patience: Duration, ask: impl Fn(&mut Self) -> io::Result<T>) -> io::Result<T> {
        if rustix::process::geteuid().is_root() {
            return again_while(
                patience,
                || Path::new(BOOTED).exists(),
                || ask(&mut Self::to(Path::new(PRIVATE), None, PATIENCE)?),
            );
        }
        ask(&mut Self::to_bus(PATIENCE)?)
    }

    /// Like [`Self::with`] for questions alone, which may be asked twice: root asks by way of the
    /// bus first where that is quick ([`bus`]).
    ///
    /// # Errors
    /// As [`Self::with`].
    pub(super) fn for_questions<T>(
        patience: Duration,
        ask: impl Fn(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        let place = if rustix::process::geteuid().is_root() {
            bus::place()
        } else {
            None
        };
        if place.is_some() {
            match Self::quickly(&ask) {
                Ok(answer) => return Ok(answer),
                Err(error) if TIMED_OUT.contains(&error.kind()) => bus::avoid_for_a_while(),
                Err(_) => {}
            }
        }
        Self::with(patience, &ask)
    }

    fn quickly<T>(ask: impl Fn(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let mut connection = Self::to_bus(bus::PATIENCE)?;
        connection.patience = bus::PATIENCE_WITH_SYSTEMD;
        connection.is_strict = true;
        ask(&mut connection)
    }

    fn to_bus(patience: Duration) -> io::Result<Self> {
        let mut connection = Self::to(Path::new(SYSTEM_BUS), Some(SYSTEMD), patience)?;
        connection.hello()?;
        Ok(connection)
    }

    fn to(path: &Path, destination: Option<&'static str>, patience: Duration) -> io::Result<Self> {
        let mut socket = BufReader::new(Bounded::connect(path, Instant::now() + patience)?);
        // The unit's mounts, which hold for root's lines too, may have put another one's socket
        // there.
        if rustix::process::geteuid().is_root() && !socket.get_ref().is_roots()? {
            return Err(ErrorKind::PermissionDenied.into());
        }
        socket.get_mut().write_all(AUTHENTICATION)?;
        let mut connection = Self {
            socket,
            destination,
            patience: PATIENCE,
            is_strict: false,
            serial: 0,
        };
        // A message that came with the authentication could lie unread in PID 1: it waits for more on the socket.
        if connection.line()? == "DATA" && connection.line()?.starts_with("OK ") {
            Ok(connection)
        } else {
            Err(ErrorKind::PermissionDenied.into())
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match (&mut self.socket).take(LONGEST_LINE).read_line(&mut line)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn hello(&mut self) -> io::Result<()> {
        self.serial += 1;
        let bus = "org.freedesktop.DBus";
        let hello = Call {
            destination: Some(bus),
            path: "/org/freedesktop/DBus",
            interface: bus,
            member: "Hello",
            arguments: &[],
        };
        self.socket
            .get_mut()
            .write_all(&message::write(self.serial, &hello)?)?;
        self.reply_to_last()
    }

    /// Waits for the reply to the last call.
    fn reply_to_last(&mut self) -> io::Result<()> {
        loop {
            // Signals come between.
            if let Some(Reply { answer, .. }) =
                self.reply()?.filter(|reply| reply.to == self.serial)
            {
                return answer.map(drop);
            }
        }
    }

    /// Calls a method of PID 1's for a unit, with the mode of its job, and waits until it has
    /// returned.
    pub(super) fn call(&mut self, member: &str, unit: &str, mode: &str) -> io::Result<()> {
        self.socket.get_mut().lasts(self.patience);
        self.serial += 1;
        let interface = format!("{SYSTEMD}.Manager");
        let call = Call {
            destination: self.destination,
            path: MANAGER_PATH,
            interface: &interface,
            member,
            arguments: &[unit, mode],
        };
        self.socket
            .get_mut()
            .write_all(&message::write(self.serial, &call)?)?;
        self.reply_to_last()
    }

    fn reply(&mut self) -> io::Result<Option<Reply>> {
        let mut bytes = vec![0; HEAD];
        self.socket.read_exact(&mut bytes)?;
        bytes.resize(message::length(&bytes)?, 0);
        self.socket.read_exact(&mut bytes[HEAD..])?;
        message::read(bytes)
    }
}

const GONE: [ErrorKind; 5] = [
    ErrorKind::NotFound,
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionReset,
    ErrorKind::BrokenPipe,
    ErrorKind::UnexpectedEof,
];

/// Repeats `ask` until PID 1 is available again: while it executes itself anew its socket is
/// missing or unused, and existing connections are closed.
fn again_while<T>(
    patience: Duration,
    is_booted: impl Fn() -> bool,
    ask: impl Fn() -> io::Result<T>,
) -> io::Result<T> {
    let until = Instant::now() + patience;
    loop {
        match ask() {
            Err(error) if GONE.contains(&error.kind()) && is_booted() && Instant::now() < until => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::io::Write;
    use std::os::unix::net::{UnixListener, UnixStream};

    /// Sends two queries to a simulated PID 1 with this behaviour.
    fn check(
        behave: impl FnOnce(UnixStream) + Send + 'static,
    ) -> io::Result<crate::edge::pid1::Properties> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("private");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut said = vec![0; AUTHENTICATION.len()];
            stream.read_exact(&mut said).unwrap();
            assert_eq!(said, AUTHENTICATION);
            stream
                .write_all(b"DATA\r\nOK 0123456789abcdef\r\n")
                .unwrap();
            behave(stream);
        });
        let question = |property| Question {
            path: "/x",
            interface: "org.freedesktop.systemd1.Unit",
            property,
        };
        let answers = Connection::to(&path, None, PATIENCE)
            .and_then(|mut pid1| pid1.ask(&["A", "B"].map(question)));
        server.join().unwrap();
        answers
    }

    #[test]
    fn answers_go_to_their_questions_and_refusals_to_nobody() {
        let answers = check(|mut stream| {
            let mut reader = stream.try_clone().unwrap();
            let mut asked = Vec::new();
            for _ in 0..2 {
                let mut bytes = vec![0; HEAD];
                reader.read_exact(&mut bytes).unwrap();
                bytes.resize(message::length(&bytes).unwrap(), 0);
                reader.read_exact(&mut bytes[HEAD..]).unwrap();
                asked.push(bytes);
            }
            assert!(asked[1].ends_with(b"B\0"));
            for reply in [
                message::tests::refusal(2, "no B"),
                message::tests::signal(),
                message::tests::answer(1, "a"),
            ] {
                stream.write_all(&reply).unwrap();
            }
        });
        let known = answers.unwrap();
        assert_eq!((known.text("A"), known.text("B")), ("a", ""));
    }

    #[test]
    fn a_refusal_of_everything_is_an_error() {
        let refused = check(|mut stream| {
            stream
                .write_all(
                    &[
                        message::tests::refusal(1, "no A"),
                        message::tests::refusal(2, "no B"),
                    ]
                    .concat(),
                )
                .unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        assert_eq!(refused.unwrap_err().to_string(), "no A");
    }

    #[test]
    fn who_hangs_up_has_not_answered() {
        let gone = check(drop).unwrap_err().kind();
        assert!(
            matches!(
                gone,
                ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
            ),
            "{gone}"
        );
    }

    #[test]
    fn whoever_is_cut_off_by_pid_1_asks_again_unless_there_is_none() {
        let tries = |patience: Duration, kind: ErrorKind, booted: bool| {
            let tried = Cell::new(0);
            let asked = again_while(
                patience,
                || booted,
                || {
                    tried.set(tried.get() + 1);
                    if tried.get() < 3 {
                        Err(io::Error::from(kind))
                    } else {
                        Ok(())
                    }
                },
            );
            (tried.get(), asked.is_ok())
        };
        for gone in GONE {
            assert_eq!(tries(BRIEFLY, gone, true), (3, true), "{gone}");
            assert_eq!(tries(BRIEFLY, gone, false), (1, false), "{gone}");
            assert_eq!(tries(Duration::ZERO, gone, true), (1, false), "{gone}");
        }
        for refused in [
            ErrorKind::PermissionDenied,
            ErrorKind::TimedOut,
            ErrorKind::Other,
        ] {
            assert_eq!(tries(BRIEFLY, refused, true), (1, false), "{refused}");
        }
    }
}
