//! Commands and files inside a host.
//!
//! Everything is done by commands that run inside: a path is then resolved by the host, its links among them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;

use super::Host;

/// After this time a command is killed, in seconds.
const COMMAND_BOUND: &str = "60";

/// Who may do what with a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) mode: u32,
    pub(crate) uid: u32,
}

impl Host {
    /// Runs a command.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub(crate) fn run(&self, command: &[&str]) -> Output {
        self.must_succeed(&command.join(" "), self.try_run(command))
    }

    /// Runs a command that may fail.
    #[track_caller]
    pub(crate) fn try_run(&self, command: &[&str]) -> Output {
        self.feed(command, b"")
    }

    /// Runs a bash script, of which each command must succeed, and returns its output without the last line's end.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.try_run(&["bash", "-euo", "pipefail", "-c", script]);
        text(&self.must_succeed(script, output).stdout)
    }

    /// Writes a file of root's that all may read, and the folders above it.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, content: &str) {
        self.write_mode(
            path,
            content.as_bytes(),
            Access {
                mode: 0o644,
                uid: 0,
            },
        );
    }

    /// Writes an executable file of root's.
    #[track_caller]
    pub(crate) fn script(&self, path: &str, content: &str) {
        self.write_mode(
            path,
            content.as_bytes(),
            Access {
                mode: 0o755,
                uid: 0,
            },
        );
    }

    /// Writes a file with this access, and the folders above it. What was there is replaced, not written through.
    #[track_caller]
    pub(crate) fn write_mode(&self, path: &str, content: &[u8], access: Access) {
        let (mode, uid) = (
            format!("--mode={:o}", access.mode),
            format!("--owner={}", access.uid),
        );
        let command = ["install", "-D", &mode, &uid, "/dev/stdin", path];
        self.must_succeed(&command.join(" "), self.feed(&command, content));
    }

    /// Reads a file.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.run(&["cat", path]).stdout).into_owned()
    }

    /// The path of a host's file as seen from outside, while the host is up.
    ///
    /// An absolute link on the way leads out of the host; [`Host::read`] follows it inside.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.leader))
    }

    /// Whether a file is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.try_run(&["test", "-e", path]).status.success()
    }

    /// A property of a unit, as `systemctl show` prints it.
    #[track_caller]
    pub(crate) fn systemctl_show(&self, unit: &str, property: &str) -> String {
        self.sh(&format!(
            "systemctl show --property='{property}' --value -- '{unit}'"
        ))
    }

    /// Properties of a unit at one moment, in the order in which they are wanted.
    #[track_caller]
    pub(crate) fn systemctl_shows<const N: usize>(
        &self,
        unit: &str,
        properties: [&str; N],
    ) -> [String; N] {
        let shown = self.sh(&format!(
            "systemctl show --property={} -- '{unit}'",
            properties.join(",")
        ));
        properties.map(|property| {
            let value = shown
                .lines()
                .find_map(|line| line.strip_prefix(property)?.strip_prefix('='));
            value.unwrap_or_default().to_owned()
        })
    }

    /// The output of a command, whether it fails or not, without the last line's end.
    pub(super) fn stdout_of(&self, command: &[&str]) -> String {
        text(&self.try_run(command).stdout)
    }

    /// A command that will run inside, with no bound to its time.
    pub(crate) fn inside(&self, command: &[&str]) -> Command {
        let mut outside = Command::new("sh");
        outside
            // A command joins the host's processes before it enters, so that it ends with them.
            .args(["-c", "echo 0 >\"$0\" && exec \"$@\""])
            .arg(self.keeper.commands())
            .args([
                "nsenter",
                "--all",
                "--target",
                &self.leader.to_string(),
                "--",
            ])
            .args(command)
            .env_clear()
            .envs([
                (
                    "PATH",
                    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                ),
                ("HOME", "/root"),
                ("LANG", "C.UTF-8"),
                ("TERM", "dumb"),
                ("SYSTEMD_PAGER", ""),
                ("SYSTEMD_COLORS", "0"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        outside
    }

    #[track_caller]
    fn feed(&self, command: &[&str], input: &[u8]) -> Output {
        let bounded = [&["timeout", "--kill-after=5", COMMAND_BOUND], command].concat();
        let mut process = self
            .inside(&bounded)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
        let mut stdin = process.stdin.take().expect("piped");
        let written = thread::scope(|scope| {
            // Written aside, lest both sides wait for the other to read.
            let writer = scope.spawn(move || stdin.write_all(input));
            let output = process.wait_with_output();
            (writer.join().expect("the writer does not panic"), output)
        });
        match written {
            // A command need not read its input.
            (Err(error), _) if error.kind() != io::ErrorKind::BrokenPipe => {
                panic!("failed to feed {command:?}: {error}")
            }
            (_, output) => {
                output.unwrap_or_else(|error| panic!("failed to run {command:?}: {error}"))
            }
        }
    }

    #[track_caller]
    fn must_succeed(&self, command: &str, output: Output) -> Output {
        assert!(
            output.status.success(),
            "{command}\nfailed: {}\n{}{}",
            meaning(output.status),
            text(&output.stdout),
            text(&output.stderr)
        );
        output
    }
}

fn meaning(status: ExitStatus) -> String {
    const TIMED_OUT: i32 = 124;
    if status.code() == Some(TIMED_OUT) {
        format!("not over within {COMMAND_BOUND} s")
    } else {
        status.to_string()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}
