//! A host's processes as this machine sees them, and strace on one of them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::Host;
use super::wait::{BOUND, wait_within};

/// strace on a process of a host. It ends with the value, and with the process.
#[derive(Debug)]
pub(crate) struct Tracer {
    process: Child,
    said: Receiver<String>,
}

impl Host {
    /// The pid by which this machine knows a process of the host's.
    ///
    /// # Panics
    ///
    /// When the host has no such process.
    #[track_caller]
    pub(crate) fn outer_pid(&self, inner: &str) -> u32 {
        let space = |process: &Path| fs::read_link(process.join("ns/pid")).ok();
        let ours = space(Path::new(&format!("/proc/{}", self.leader())));
        let processes = fs::read_dir("/proc")
            .expect("procfs is mounted")
            .flatten()
            .map(|entry| entry.path());
        let is_meant = |process: &Path| {
            let status = fs::read_to_string(process.join("status")).unwrap_or_default();
            let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            pids.and_then(|pids| pids.split_whitespace().last()) == Some(inner)
                && space(process) == ours
        };
        let found = processes
            .filter(|process| is_meant(process))
            .find_map(|process| process.file_name()?.to_str()?.parse().ok());
        found.unwrap_or_else(|| panic!("the host has no process {inner}"))
    }

    /// Sends a signal to a process, by the pid that this machine knows. No command runs for it, so it arrives at once.
    #[track_caller]
    pub(crate) fn signal(&self, outer: u32, signal: rustix::process::Signal) {
        let pid = i32::try_from(outer)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .expect("a pid");
        rustix::process::kill_process(pid, signal).expect("the process is there");
    }

    /// Puts strace on a process of the host's and all its threads, with these arguments. It is in place when this returns.
    ///
    /// # Panics
    ///
    /// When strace cannot be attached.
    #[track_caller]
    pub(crate) fn trace(&self, inner: &str, arguments: &[&str]) -> Tracer {
        let pid = self.outer_pid(inner).to_string();
        let mut process = Command::new("strace")
            .args(["--follow-forks", "--attach", &pid])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("failed to start strace");
        let said = follow(process.stderr.take().expect("piped"));
        let first = said.recv_timeout(BOUND).unwrap_or_default();
        let tracer = Tracer { process, said };
        assert!(
            first.contains("attached"),
            "strace cannot be attached: {first}"
        );
        // Each thread is attached by itself; all are when none is left without a tracer.
        let tasks = format!("/proc/{pid}/task");
        let attached = wait_within(BOUND, || is_traced(Path::new(&tasks)).then_some(()));
        assert!(
            attached.is_some(),
            "strace did not get hold of all threads of {pid}"
        );
        tracer
    }
}

impl Tracer {
    /// Waits for the end of the traced process, and so of strace, within a bound.
    pub(crate) fn ended_within(&mut self, bound: Duration) -> Option<ExitStatus> {
        wait_within(bound, || self.process.try_wait().expect("it is our child"))
    }

    /// What strace has said so far and nobody has asked for yet.
    pub(crate) fn said(&self) -> String {
        self.said.try_iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // It lets go of the process when it gets the chance.
        let pid = rustix::process::Pid::from_child(&self.process);
        if self.process.try_wait().ok().flatten().is_none() {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        if wait_within(BOUND, || self.process.try_wait().ok().flatten()).is_none() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

fn is_traced(tasks: &Path) -> bool {
    let Ok(tasks) = fs::read_dir(tasks) else {
        return true;
    };
    tasks.flatten().all(|task| {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        !status.lines().any(|line| line == "TracerPid:\t0")
    })
}

fn follow(stderr: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
