//! The other side of the socket, played by a test, and the callers.

use crate::build::{Library, source};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use unitward::core::full_restart::request::Request;

/// Longer than anything here takes on a busy machine.
const BOUND: Duration = Duration::from_secs(30);

/// How the restarter treats its callers.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Reads all, then answers, and closes.
    Answer(String),
    /// The same after some time.
    AnswerAfter(Duration, &'static str),
    /// Answers before it has read anything, and closes.
    AnswerUnread(&'static str),
    /// A byte now and then, without end.
    Trickle,
    /// Reads all and says nothing.
    Silent,
    /// Closes at once.
    HangUp,
}

/// A directory with a stack's socket.
pub(crate) struct Restarter {
    directory: TempDir,
    requests: Receiver<Vec<u8>>,
}

impl Restarter {
    /// Listens for the callers of `stack`. What serves them ends with the test program.
    pub(crate) fn of(stack: &str, manner: Manner) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join(stack)).unwrap();
        Self {
            requests: serve(listener, manner),
            directory,
        }
    }

    /// Where the callers are to run.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The next request.
    pub(crate) fn request(&self) -> Request {
        let bytes = self.requests.recv_timeout(BOUND).expect("somebody calls");
        Request::parse(&bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)))
    }

    /// The next request's backtrace.
    pub(crate) fn backtrace(&self) -> String {
        self.request().backtrace.expect("there is a backtrace")
    }
}

/// Treats everybody who connects in this manner; gives what they have sent.
pub(crate) fn serve(listener: UnixListener, manner: Manner) -> Receiver<Vec<u8>> {
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (manner, sender) = (manner.clone(), sender.clone());
            // A caller may be gone before the answer.
            thread::spawn(move || drop(manner.treat(stream, &sender)));
        }
    });
    requests
}

impl Manner {
    fn treat(self, mut stream: UnixStream, tell: &Sender<Vec<u8>>) -> std::io::Result<()> {
        let mut read = || {
            let mut request = Vec::new();
            stream.read_to_end(&mut request)?;
            // The test may have seen enough.
            let _ = tell.send(request);
            Ok::<_, std::io::Error>(())
        };
        match self {
            Self::HangUp => Ok(()),
            Self::AnswerUnread(text) => stream.write_all(text.as_bytes()),
            Self::Answer(text) => read().and_then(|()| stream.write_all(text.as_bytes())),
            Self::AnswerAfter(pause, text) => {
                read()?;
                thread::sleep(pause);
                stream.write_all(text.as_bytes())
            }
            Self::Trickle => loop {
                stream.write_all(b"1")?;
                thread::sleep(Duration::from_millis(50));
            },
            Self::Silent => {
                read()?;
                thread::sleep(BOUND);
                Ok(())
            }
        }
    }
}

/// How a caller fared.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The error number of its call, or what `scenes.c` says.
    pub(crate) errno: i32,
    /// The program's beginning and end included.
    pub(crate) took: Duration,
}

/// Plays a scene of `scenes.c`.
pub(crate) fn play(library: Library, directory: &Path, arguments: &[&str]) -> Outcome {
    run(Command::new("timeout")
        .arg("30")
        .arg(scenes(library))
        .args(arguments)
        .current_dir(directory))
}

/// Runs a caller.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let begun = Instant::now();
    let status = command
        .status()
        .unwrap_or_else(|error| panic!("failed to run {command:?}: {error}"));
    let errno = status
        .code()
        .unwrap_or_else(|| panic!("{command:?}: {status}"));
    Outcome {
        errno,
        took: begun.elapsed(),
    }
}

/// The program of all scenes; made once for each build of the library.
pub(crate) fn scenes(library: Library) -> PathBuf {
    static MADE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let program = library.folder().join("scenes");
    let mut made = MADE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !made.contains(&program) {
        let options = ["-rdynamic", "-fno-inline", "-fno-optimize-sibling-calls"];
        library.compile(&program, &[&source("scenes.c")], &options);
        made.push(program.clone());
    }
    program
}
