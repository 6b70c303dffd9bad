//! One process that reads objects, as seen by the process that started it.
//!
//! Invariants: a session ends by its deadline. The process is killed and waited for when the
//! session ends; for one that hangs in the kernel a thread of its own waits. Nothing that the
//! process says is trusted: the size of its answers is bounded.

use super::open::gather;
use super::wire::{Answer, FILES, Request};
use crate::edge::program;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// The only argument of the process.
pub const OPTION: &str = "--symbols";

/// Number of bytes that are read from one process: names of all frames, twice, each at its longest.
const ANSWERS: u64 = 1 << 20;

/// Time in which a killed process is waited for, before a thread does it, and the pause between two
/// checks.
const TO_GO: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(1);

/// The program that the process runs.
#[derive(Debug, Clone)]
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<String>,
}

impl Program {
    /// Returns a program whose [`OPTION`] runs [`super::worker::main`].
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            arguments: vec![OPTION.to_owned()],
        }
    }

    /// Returns this very program, even if its path has another by now.
    #[cfg(not(test))]
    pub(super) fn this() -> Self {
        Self::at(PathBuf::from("/proc/self/exe"))
    }

    /// Returns the unit tests' program, which has no such option; one of its tests runs the same
    /// code.
    #[cfg(test)]
    pub(super) fn this() -> Self {
        let words = [
            "--exact",
            "edge::symbols::tests::the_confined_process",
            "--ignored",
            "--nocapture",
        ];
        Self {
            path: PathBuf::from("/proc/self/exe"),
            arguments: words.map(str::to_owned).to_vec(),
        }
    }

    /// Starts it with a socket as its standard input, an environment with nothing of this
    /// process's, and no other descriptor.
    fn start(&self, socket: OwnedFd) -> io::Result<Child> {
        program::of_ours(&self.path)
            .args(&self.arguments)
            .current_dir("/")
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    }
}

/// A process that was sent a request.
#[derive(Debug)]
pub(super) struct Session {
    process: Option<Child>,
    answers: BufReader<io::Take<UnixStream>>,
    line: Vec<u8>,
}

impl Session {
    /// Starts a process and sends it the request, until the deadline.
    ///
    /// # Errors
    /// If it cannot be started, or does not take the request in time.
    pub(super) fn begin(
        program: &Program,
        request: &Request,
        files: &[&File],
        until: Instant,
    ) -> io::Result<Self> {
        let text = serde_json::to_vec(request)?;
        let (ours, theirs) = UnixStream::pair()?;
        let process = Some(program.start(theirs.into())?);
        let session = Self {
            process,
            answers: BufReader::new(ours.take(ANSWERS)),
            line: Vec::new(),
        };
        let stream = session.stream();
        stream.set_write_timeout(Some(left(until)?))?;
        let descriptors: Vec<_> = files.iter().map(|file| file.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // The files come with the first byte, however much is taken at once.
        let sent = sendmsg(
            stream,
            &[IoSlice::new(&text)],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        (&*stream).write_all(&text[sent..])?;
        stream.shutdown(Shutdown::Write)?;
        Ok(session)
    }

    fn stream(&self) -> &UnixStream {
        self.answers.get_ref().get_ref()
    }

    /// Returns the next answer; `None` if there is none by then, or it cannot be understood.
    pub(super) fn next(&mut self, until: Instant) -> Option<Answer> {
        self.line.clear();
        loop {
            self.stream()
                .set_read_timeout(Some(left(until).ok()?))
                .ok()?;
            match self.answers.read_until(b'\n', &mut self.line) {
                Ok(_) if self.line.last() == Some(&b'\n') => {
                    return serde_json::from_slice(&self.line).ok();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return None,
            }
        }
    }
}

/// Returns the time until then; an error if it is over.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(io::ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        // Even if it has ended already it was not waited for: no other process has its ID.
        let _ = process.kill();
        let patience = Instant::now() + TO_GO;
        while Instant::now() < patience {
            if !matches!(process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        gather(Instant::now(), move |_: &Sender<()>| drop(process.wait()));
    }
}
