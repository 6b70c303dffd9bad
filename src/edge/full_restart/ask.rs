//! Asks for the full restart of a stack, at the stack's socket.
//!
//! Nothing here waits longer than it was told to: not for room in the socket's queue, nor for the answer. Only where nobody listens
//! yet, and PID 1 itself is silent, is that longer.

use crate::core::config::{StackName, time_span};
use crate::core::full_restart::request::{Answer, Request, SOCKETS};
use crate::edge::bounded::Bounded;
use crate::edge::pid1::{self, Wanted};
use crate::edge::systemctl::{self, Wait};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the beginning of a restart is waited for. The restarter answers within half of it, whatever happens.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two tries to connect where nobody listens yet.
const PAUSE: Duration = Duration::from_millis(20);

/// An answer is a line of less.
const LONGEST_ANSWER: u64 = 4096;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error(
        "nothing takes requests for stack {0}: run \"systemctl daemon-reload\" and \
         \"systemctl start unitward-stack@{0}.socket\""
    )]
    Nobody(StackName),
    /// It lasts too long before the request was taken.
    #[error("nobody took the request within {}", time_span::render(*.0))]
    Late(Duration),
    /// It lasts too long afterwards. A restarter that is yet to be started reads the request. Root's stands; one of a member's, which
    /// has ended by then, is dropped, since nobody can tell any more whose process it was.
    #[error("there was no answer within {}, though the request was taken", time_span::render(*.0))]
    Unanswered(Duration),
    /// The connection ended without one.
    #[error(
        "the connection was closed without an answer; \"systemctl status unitward-stack@{0}.service\" may tell why"
    )]
    Silent(StackName),
    /// A call failed.
    #[error("failed to talk to {SOCKETS}/{0}: {1}")]
    Socket(StackName, io::Error),
}

/// Asks, and waits for the answer so long.
///
/// Root has systemd listen there first, where it does not yet: a stack that was configured since the boot may have a socket
/// unit that nobody has started. When the restarter is killed before it has answered it is asked once more: the next one goes on
/// with the restart, or makes it.
///
/// # Errors
/// When there is no answer; what it says is no error.
pub fn ask(stack: &StackName, request: &Request, patience: Duration) -> Result<Answer, AskError> {
    let deadline = Instant::now() + patience;
    let path = Path::new(SOCKETS).join(stack.as_str());
    let once = || {
        let connection = match Bounded::connect(&path, deadline) {
            Err(error) if is_nobody(&error) && rustix::process::geteuid().is_root() => listen(stack, &path, deadline),
            connected => connected,
        };
        connection.map_err(Failure::Untaken).and_then(|connection| converse(connection, request))
    };
    let answer = match once() {
        Err(failure) if is_silence(failure.error()) => once(),
        answered => answered,
    };
    answer.map_err(|failure| match (failure.error().kind(), failure) {
        (ErrorKind::NotFound | ErrorKind::ConnectionRefused, _) => AskError::Nobody(stack.clone()),
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, Failure::Untaken(_)) => AskError::Late(patience),
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, Failure::Unanswered(_)) => AskError::Unanswered(patience),
        (_, Failure::Untaken(error) | Failure::Unanswered(error)) if is_silence(&error) => {
            AskError::Silent(stack.clone())
        }
        (_, Failure::Untaken(error) | Failure::Unanswered(error)) => AskError::Socket(stack.clone(), error),
    })
}

/// What went wrong, and when.
#[derive(Debug)]
enum Failure {
    /// Before the whole request stood in the restarter's socket.
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
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

/// Has systemd listen, and waits until it does, or has failed to.
fn listen(stack: &StackName, path: &Path, deadline: Instant) -> io::Result<Bounded> {
    let socket = format!("unitward-stack@{stack}.socket");
    systemctl::job("start", &socket, Wait::ForQueue).map_err(|_| io::Error::from(ErrorKind::NotFound))?;
    loop {
        // It is asked first: what has come of the start by then is met by who connects.
        let is_started = has_no_job(&socket);
        match Bounded::connect(path, deadline) {
            Err(error) if !is_nobody(&error) || is_started => return Err(error),
            Err(_) if Instant::now() >= deadline => return Err(ErrorKind::TimedOut.into()),
            Err(_) => std::thread::sleep(PAUSE),
            connected => return connected,
        }
    }
}

/// Whether systemd says that it is done with a unit.
fn has_no_job(unit: &str) -> bool {
    let wanted = Wanted { unit: &["Job"], own: &[] };
    pid1::ask(unit, wanted).is_ok_and(|known| known.job().is_none())
}

fn converse(mut connection: Bounded, request: &Request) -> Result<Answer, Failure> {
    // Who refuses may do so before all was read; what it says is there all the same.
    let written = connection.write_all(request.to_text().as_bytes());
    let written = written.and_then(|()| connection.finish_writing());
    let mut line = Vec::new();
    let read = BufReader::new(connection).take(LONGEST_ANSWER).read_until(b'\n', &mut line);
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
        Request { caller: "f".into(), cause: None, answer: AnswerWhen::Begun, backtrace: Some(backtrace) }
    }

    /// Asks whoever behaves like this.
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
        assert_eq!(refused.unwrap(), Answer { errno: 13, words: "no".into() });
        let heard = check(|mut connection| {
            let mut text = Vec::new();
            connection.read_to_end(&mut text).unwrap();
            connection.write_all(format!("0 {}\n", text.len()).as_bytes()).unwrap();
        });
        assert_eq!(heard.unwrap().words, request().to_text().len().to_string());
    }

    #[test]
    fn who_says_nothing_or_hangs_up_is_found_out_in_time() {
        let hung_up = check(|mut connection| {
            connection.read_to_end(&mut Vec::new()).unwrap();
        });
        assert!(matches!(hung_up, Err(Failure::Unanswered(error)) if error.kind() == ErrorKind::UnexpectedEof));
        let is_late = |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        let silent = check(|connection| {
            thread::sleep(SOON * 2);
            drop(connection);
        });
        assert!(matches!(silent, Err(Failure::Unanswered(error)) if is_late(&error)), "it may read the request yet");
    }

    #[test]
    fn who_has_no_time_left_to_ask_has_not_asked() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s");
        let _listener = UnixListener::bind(&path).unwrap();
        let asked = converse(Bounded::connect(&path, Instant::now()).unwrap(), &request());
        assert!(matches!(asked, Err(Failure::Untaken(error)) if error.kind() == ErrorKind::TimedOut));
    }
}
