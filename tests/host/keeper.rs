//! The process that keeps a host, `tests/host/keep`, and what it and systemd-nspawn say.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Once, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A first run makes a tree, from a mirror that may be slow.
const MAKING: Duration = Duration::from_secs(900);
/// A boot takes a third of a second on an idle machine.
const BOOTING: Duration = Duration::from_secs(60);
/// systemd gives a service 90 s to stop; a test that needs so long is broken.
const ENDING: Duration = Duration::from_secs(60);
/// How long one look at what may come takes.
const A_LOOK: Duration = Duration::from_millis(50);

/// The folder of this harness.
pub(super) fn scripts() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/host"))
}

/// What is in a host's layer at first.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Bare,
    /// With what the bench compares with.
    Peers,
    Installed,
    /// Installed, with the daemons of the matrix.
    Matrix,
    /// Installed, with six of those.
    Six,
}

enum Said {
    Group(PathBuf),
    Ended(i32),
}

/// A host's keeper. The host ends when this value does, or its process.
#[derive(Debug)]
pub(super) struct Keeper {
    process: Child,
    verbs: Option<ChildStdin>,
    said: Receiver<Said>,
    notices: Receiver<String>,
    /// The listener behind `notices` ends when this does.
    _listening: Arc<()>,
    console: Option<JoinHandle<String>>,
    group: PathBuf,
}

impl Keeper {
    #[track_caller]
    pub(super) fn start(release: &str, kind: Kind) -> Self {
        sweep_once();
        let (socket, address) = notify_socket();
        let listening = Arc::new(());
        let notices = listen(socket, Arc::downgrade(&listening));
        let mut process = Command::new(scripts().join("keep"))
            .arg(release)
            .arg(match kind {
                Kind::Bare => "bare",
                Kind::Peers => "peers",
                Kind::Installed => "installed",
                Kind::Matrix => "matrix",
                Kind::Six => "six",
            })
            .env("NOTIFY_SOCKET", address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C is for the tests; the keeper cleans up after them.
            .process_group(0)
            .spawn()
            .expect("failed to start tests/host/keep");

        let verbs = process.stdin.take();
        let said = follow(process.stdout.take().expect("piped"));
        let console = Some(collect(process.stderr.take().expect("piped")));
        let mut keeper = Self {
            process,
            verbs,
            said,
            notices,
            _listening: listening,
            console,
            group: PathBuf::new(),
        };
        match keeper.said.recv_timeout(MAKING) {
            Ok(Said::Group(group)) => keeper.group = group,
            _ => keeper.fail("failed to make a host"),
        }
        keeper
    }

    /// Boots, and returns the leader when the host says that it is up.
    #[track_caller]
    pub(super) fn power_on(&mut self) -> u32 {
        // What the last boot had still to say.
        while self.notices.try_recv().is_ok() {}
        self.tell("boot");
        let deadline = Instant::now() + BOOTING;
        let mut leader = None;
        while Instant::now() < deadline {
            match self.said.try_recv() {
                Ok(Said::Ended(code)) => self.fail(&format!(
                    "failed to boot a host, systemd-nspawn ended with {code}"
                )),
                Ok(Said::Group(_)) | Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    self.fail("failed to boot a host, its keeper is gone")
                }
            }
            let Ok(text) = self.notices.recv_timeout(A_LOOK) else {
                continue;
            };
            leader = text
                .lines()
                .find_map(|line| line.strip_prefix("X_NSPAWN_LEADER_PID=")?.parse().ok())
                .or(leader);
            if let (Some(leader), true) = (leader, text.lines().any(|line| line == "READY=1")) {
                return leader;
            }
        }
        self.fail(&format!("failed to boot a host within {BOOTING:?}"))
    }

    /// Waits until systemd-nspawn has ended, with this code.
    #[track_caller]
    pub(super) fn wait_until_down(&mut self, expected: i32) {
        match self.said.recv_timeout(ENDING) {
            Ok(Said::Ended(code)) if code == expected => {}
            Ok(Said::Ended(code)) => {
                self.fail(&format!("the host ended with {code} instead of {expected}"))
            }
            Ok(Said::Group(_)) | Err(RecvTimeoutError::Disconnected) => {
                self.fail("the host's keeper is gone")
            }
            Err(RecvTimeoutError::Timeout) => {
                self.fail(&format!("the host did not shut down within {ENDING:?}"))
            }
        }
    }

    /// Kills all of the host's processes and waits for their end.
    #[track_caller]
    pub(super) fn cut(&mut self) {
        const PID_1_WAS_KILLED: i32 = 1;
        self.tell("cut");
        self.wait_until_down(PID_1_WAS_KILLED);
    }

    /// The file that puts its writer among the host's processes, though not among those its PID 1 knows.
    pub(super) fn commands(&self) -> PathBuf {
        self.group.join("commands/cgroup.procs")
    }

    fn tell(&mut self, verb: &str) {
        let verbs = self.verbs.as_mut().expect("taken in drop only");
        writeln!(verbs, "{verb}").expect("failed to tell the host's keeper what to do");
    }

    /// Ends the host, for only then its console is complete.
    #[track_caller]
    fn fail(&mut self, message: &str) -> ! {
        self.end();
        let console = self.console.take().map(JoinHandle::join);
        panic!(
            "{message}; its console:\n{}",
            console.and_then(Result::ok).unwrap_or_default()
        )
    }

    fn end(&mut self) {
        drop(self.verbs.take());
        // The end of its input ends the keeper. There is nobody to tell about an error.
        let _ = self.process.wait();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.end();
    }
}

/// Binds an abstract address, of which nothing stays behind.
fn notify_socket() -> (UnixDatagram, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "unitward-test/{}/{}",
        process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let address = SocketAddr::from_abstract_name(&name).expect("the name is short");
    let socket = UnixDatagram::bind_addr(&address).expect("failed to bind the notify socket");
    socket
        .set_read_timeout(Some(A_LOOK))
        .expect("the time is not zero");
    (socket, format!("@{name}"))
}

/// Reads notices for as long as the host lives. systemd 257 sends some at every daemon-reload; systemd-nspawn passes them on,
/// waits when nobody reads them, and the host's PID 1 then waits for systemd-nspawn.
fn listen(socket: UnixDatagram, wanted: Weak<()>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut notice = [0; 4096];
        while wanted.strong_count() > 0 {
            // The read is bounded, so an error is the bound.
            let Ok(length) = socket.recv(&mut notice) else {
                continue;
            };
            let _ = sender.send(String::from_utf8_lossy(&notice[..length]).into_owned());
        }
    });
    receiver
}

fn follow(stdout: impl Read + Send + 'static) -> Receiver<Said> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let said = match line.split_once(' ') {
                Some(("group", path)) => Said::Group(path.into()),
                Some(("ended", code)) => Said::Ended(code.parse().unwrap_or(-1)),
                _ => continue,
            };
            if sender.send(said).is_err() {
                break;
            }
        }
    });
    receiver
}

fn collect(mut stderr: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut console = Vec::new();
        // What could be read until an error is better than nothing.
        let _ = stderr.read_to_end(&mut console);
        String::from_utf8_lossy(&console).into_owned()
    })
}

/// Removes what an earlier run may have left, before the first host of this one.
fn sweep_once() {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| {
        let status = Command::new(scripts().join("sweep"))
            .status()
            .expect("failed to start tests/host/sweep");
        assert!(status.success(), "tests/host/sweep failed: {status}");
    });
}
