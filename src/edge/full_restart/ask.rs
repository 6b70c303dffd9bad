//! Client of the stack's socket: requests the full restart of a stack.
//!
//! No call waits longer than its deadline: not for room in the socket's queue, nor for the answer.
//! The only exception: if there is no listener yet and PID 1 itself does not answer, it takes
//! longer.

use crate::core::config::{StackName, time_span};
use crate::core::full_restart::request::{Answer, Request, SOCKETS};
use crate::edge::bounded::Bounded;
use crate::edge::pid1::{self, Wanted};
use crate::edge::systemctl::{self, Wait};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest wait for the start of a restart. The restarter answers within half of it, whatever
/// happens.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two attempts to connect if there is no listener yet.
const PAUSE: Duration = Duration::from_millis(20);

/// Upper bound of an answer's line, in bytes.
const LONGEST_ANSWER: u64 = 4096;

/// Reason of a missing answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no listener.
    #[error(
        "nothing takes requests for stack {0}: run \"systemctl daemon-reload\" and \
         \"systemctl start unitward-stack@{0}.socket\""
    )]
    Nobody(StackName),
    /// The time-out passed before the request was taken.
    #[error("nobody took the request within {}", time_span::render(*.0))]
    Late(Duration),
    /// The time-out passed after the request was taken. A restarter that is yet to be started reads
    /// the request. One of root stays valid; one of a member, which has ended by then, is dropped,
    /// because its process can no longer be identified.
    #[error("there was no answer within {}, though the request was taken", time_span::render(*.0))]
    Unanswered(Duration),
    /// The connection ended without an answer.
    #[error(
        "the connection was closed without an answer; \"systemctl status unitward-stack@{0}.service\" may tell why"
    )]
    Silent(StackName),
    /// A system call failed.
    #[error("failed to talk to {SOCKETS}/{0}: {1}")]
    Socket(StackName, io::Error),
}

/// Sends the request and waits for the answer, up to `patience`.
///
/// For root it starts the socket unit first if there is no listener: the unit of a stack that was
/// configured since the boot may not have been started. If the restarter is killed before it has
/// answered, the request is sent once more: the next restarter continues the restart, or makes it.
///
/// # Errors
/// There is no answer. An answer that refuses the request is no error.
pub fn ask(stack: &StackName, request: &Request, patience: Duration) -> Result<Answer, AskError> {
    let deadline = Instant::now() + patience;
    let path = Path::new(SOCKETS).join(stack.as_str());
    let answer = match ask_once(stack, &path, request, deadline) {
        Err(failure) if is_silence(failure.error()) => ask_once(stack, &path, request, deadline),
        answered => answered,
    };
    answer.map_err(|failure| match (failure.error().kind(), failure) {
        (ErrorKind::NotFound | ErrorKind::ConnectionRefused, _) => AskError::Nobody(stack.clone()),
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, Failure::Untaken(_)) => {
            AskError::Late(patience)
        }
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, Failure::Unanswered(_)) => {
            AskError::Unanswered(patience)
        }
        (_, Failure::Untaken(error) | Failure::Unanswered(error)) if is_silence(&error) => {
            AskError::Silent(stack.clone())
        }
        (_, Failure::Untaken(error) | Failure::Unanswered(error)) => {
            AskError::Socket(stack.clone(), error)
        }
    })
}

/// Makes one attempt; starts the socket unit if there is no listener.
fn ask_once(
    stack: &StackName,
    path: &Path,
    request: &Request,
    deadline: Instant,
) -> Result<Answer, Failure> {
    let connection = match Bounded::connect(path, deadline) {
        Err(error) if is_nobody(&error) && rustix::process::geteuid().is_root() => {
            listen(stack, path, deadline)
        }
        connected => connected,
    };
    connection
        .map_err(Failure::Untaken)
        .and_then(|connection| converse(connection, request))
}

/// Error of one attempt, and the time of its occurrence.
#[derive(Debug)]
enum Failure {
    /// Before the whole request was in the restarter's socket.
    Untaken(io::Error),
    /// Afterwards.
    Unanswered(io::Error),
}

impl Failure {
    fn error(&self) -> &io::Error {
        match self {
            Self::Untaken(error) | Self::Unanswered(error) => error,
        }
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused
    )
}

/// Starts the socket unit, and waits until a connection succeeds or the start has failed.
fn listen(stack: &StackName, path: &Path, deadline: Instant) -> io::Result<Bounded> {
    let socket = format!("unitward-stack@{stack}.socket");
    systemctl::job("start", &socket, Wait::ForQueue)
        .map_err(|_| io::Error::from(ErrorKind::NotFound))?;
    loop {
        // The query comes first: a connection attempt after it meets the result of the start.
        let is_started = has_no_job(&socket);
        match Bounded::connect(path, deadline) {
            Err(error) if !is_nobody(&error) || is_started => return Err(error),
            Err(_) if Instant::now() >= deadline => return Err(ErrorKind::TimedOut.into()),
            Err(_) => std::thread::sleep(PAUSE),
            connected => return connected,
        }
    }
}

/// Returns true if systemd has no job for a unit.
fn has_no_job(unit: &str) -> bool {
    let wanted = Wanted {
        unit: &["Job"],
        own: &[],
    };
    pid1::ask(unit, wanted).is_ok_and(|known| known.job().is_none())
}

fn converse(mut connection: Bounded, request: &Request) -> Result<Answer, Failure> {
    // The restarter may refuse before it has read all; its answer can be read all the same.
    let written = connection.write_all(request.to_text().as_bytes());
    let written = written.and_then(|()| connection.finish_writing());
    let mut line = Vec::new();
    let read = BufReader::new(connection)
        .take(LONGEST_ANSWER)
        .read_until(b'\n', &mut line);
    let answer = Answer::parse(&String::from_utf8_lossy(&line));
    answer.ok_or_else(|| match (written, read) {
        (Err(error), _) => Failure::Untaken(error),
        (Ok(()), Err(error)) => Failure::Unanswered(error),
        (Ok(()), Ok(_)) => Failure::Unanswered(ErrorKind::UnexpectedEof.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::full_restart::request::AnswerWhen;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::thread;

    const SOON: Duration = Duration::from_millis(200);

    fn request() -> Request {
        let backtrace = "1 > 0x2: g 0 /y\n".repeat(9_000);
        Request {
            caller: "f".into(),
            cause: None,
            answer: AnswerWhen::Begun,
            backtrace: Some(backtrace),
        }
    }

    /// Sends a request to a simulated restarter with this behaviour.
    fn check(behave: impl FnOnce(UnixStream) + Send + 'static) -> Result<Answer, Failure> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || behave(listener.accept().unwrap().0));
        let deadline = Instant::now() + SOON;
        let answer = converse(Bounded::connect(&path, deadline).unwrap(), &request());
        server.join().unwrap();
        answer
    }

    #[test]
    fn the_answer_is_read_even_if_nobody_read_the_request() {
        let refused = check(|mut connection| connection.write_all(b"13 no\n").unwrap());
        assert_eq!(
            refused.unwrap(),
            Answer {
                errno: 13,
                words: "no".into()
            }
        );
        let heard = check(|mut connection| {
            let mut text = Vec::new();
            connection.read_to_end(&mut text).unwrap();
            connection
                .write_all(format!("0 {}\n", text.len()).as_bytes())
                .unwrap();
        });
        assert_eq!(heard.unwrap().words, request().to_text().len().to_string());
    }

    #[test]
    fn who_says_nothing_or_hangs_up_is_found_out_in_time() {
        let hung_up = check(|mut connection| {
            connection.read_to_end(&mut Vec::new()).unwrap();
        });
        assert!(
            matches!(hung_up, Err(Failure::Unanswered(error)) if error.kind() == ErrorKind::UnexpectedEof)
        );
        let is_late =
            |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        let silent = check(|connection| {
            thread::sleep(SOON * 2);
            drop(connection);
        });
        assert!(
            matches!(silent, Err(Failure::Unanswered(error)) if is_late(&error)),
            "it may read the request yet"
        );
    }

    #[test]
    fn who_has_no_time_left_to_ask_has_not_asked() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s");
        let _listener = UnixListener::bind(&path).unwrap();
        let asked = converse(Bounded::connect(&path, Instant::now()).unwrap(), &request());
        assert!(
            matches!(asked, Err(Failure::Untaken(error)) if error.kind() == ErrorKind::TimedOut)
        );
    }
}
