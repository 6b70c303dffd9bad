//! The process that restarts: `systemctl restart`, or the stack's own script. Every wait for it is
//! bounded.

use crate::core::config::UnitName;
use crate::core::config::command_line::CommandLine;
use crate::core::crash::observation::ProcessEnd;
use crate::edge::full_restart::underway::Underway;
use crate::edge::program::{self, Inherited, Life};
use crate::edge::systemctl;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Time that a process has to end after each signal.
const TO_END: Duration = Duration::from_secs(2);

/// Number of bytes that are read of systemctl's error messages.
const LONGEST: u64 = 4096;

/// A process that this or an earlier restarter has started.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    descriptor: OwnedFd,
    /// `None`: it is the child of another process, so only the fact of its end can be known.
    child: Option<Child>,
}

/// End of such a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    /// Its status; `None`: not known.
    pub(super) how: Option<ProcessEnd>,
    /// First line of its error messages; empty if they cannot be read.
    pub(super) said: String,
}

impl Process {
    /// Makes systemd restart a unit, and waits for it.
    pub(super) fn systemctl(unit: &UnitName) -> io::Result<Self> {
        let mut command = systemctl::command(&["restart", "--", unit.as_str()]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Self::start(command)
    }

    /// Runs a script. Its output goes to the journal. It inherits the lock: if a restarter is
    /// killed meanwhile, the ends that the script causes must not count as crashes.
    pub(super) fn script(script: &CommandLine, underway: Option<&Underway>) -> io::Result<Self> {
        let _lock = underway.map(Underway::handed_down).transpose()?;
        // Its words are taken literally.
        let words: Vec<_> = script
            .words
            .iter()
            .map(|word| word.replace('$', "$$"))
            .collect();
        let mut command = program::administrators(&words, &Inherited::All, &[], Life::Own)?;
        command.process_group(0);
        Self::start(command)
    }

    fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .env_remove("NOTIFY_SOCKET")
            .spawn()?;
        let pid = Pid::from_child(&child);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => Ok(Self {
                pid,
                descriptor,
                child: Some(child),
            }),
            Err(error) => {
                // A process that cannot be waited for must not go on alone.
                let _ = child.kill();
                let _ = child.wait();
                Err(error.into())
            }
        }
    }

    /// Returns the process that an earlier restarter has started; `None`: it has ended.
    pub(super) fn left_over(pid: u32) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        Some(Self {
            pid,
            descriptor,
            child: None,
        })
    }

    /// Returns its ID.
    pub(super) fn id(&self) -> Option<u32> {
        u32::try_from(self.pid.as_raw_nonzero().get()).ok()
    }

    /// Waits for its end, at most this long; `None`: it goes on.
    pub(super) fn wait(&mut self, at_most: Duration) -> Option<Ended> {
        let limit = Timespec::try_from(at_most).ok();
        let mut watched = [PollFd::new(&self.descriptor, PollFlags::IN)];
        // An interrupted wait is a short one.
        let ended = poll(&mut watched, limit.as_ref()).is_ok_and(|ready| ready > 0);
        ended.then(|| self.end())
    }

    fn end(&mut self) -> Ended {
        let Some(child) = &mut self.child else {
            return Ended {
                how: None,
                said: String::new(),
            };
        };
        let how = child
            .wait()
            .ok()
            .and_then(|status| match (status.code(), status.signal()) {
                (Some(code), _) => Some(ProcessEnd::Exited(code)),
                (None, Some(signal)) => Some(ProcessEnd::Killed(signal)),
                (None, None) => None,
            });
        let mut said = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            let _ = stderr.take(LONGEST).read_to_end(&mut said);
        }
        Ended {
            how,
            said: String::from_utf8_lossy(&said)
                .trim()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// Kills a process that only waits for a job.
    pub(super) fn kill(&mut self) {
        let _ = pidfd_send_signal(&self.descriptor, Signal::KILL);
        let _ = self.wait(TO_END);
    }

    /// Ends a script with all of its process group: first by SIGTERM, then by SIGKILL.
    pub(super) fn end_group(&mut self) {
        for signal in [Signal::TERM, Signal::KILL] {
            // It may have ended by itself in the meantime.
            let _ = kill_process_group(self.pid, signal);
            let _ = self.wait(TO_END);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn script(text: &str) -> Process {
        Process::script(
            &CommandLine::parse(&format!("/bin/sh -c '{text}'")).unwrap(),
            None,
        )
        .unwrap()
    }

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn the_end_of_a_script_is_known() {
        let ended = |text: &str| script(text).wait(LONG).unwrap().how;
        assert_eq!(ended("exit 0"), Some(ProcessEnd::Exited(0)));
        assert_eq!(ended("exit 7"), Some(ProcessEnd::Exited(7)));
        assert_eq!(ended("kill -KILL $$"), Some(ProcessEnd::Killed(9)));
    }

    #[test]
    fn a_script_that_never_ends_is_waited_for_no_longer_than_told_and_ended_with_all_it_started() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("pid");
        let text = format!(
            "trap \"\" TERM; sleep 1000 & echo $! >{}; wait; wait",
            path.display()
        );
        let mut endless = script(&text);
        let begun = Instant::now();
        assert_eq!(endless.wait(Duration::from_millis(500)), None);
        endless.end_group();
        assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
        let started = std::fs::read_to_string(path).unwrap();
        let state = || {
            std::fs::read_to_string(format!("/proc/{}/stat", started.trim())).unwrap_or_default()
        };
        // Its parent may not have reaped it yet.
        let is_over = || state().is_empty() || state().contains(") Z ");
        while !is_over() && begun.elapsed() < LONG {
            std::thread::yield_now();
        }
        assert!(is_over(), "{}", state());
    }

    #[test]
    fn one_that_somebody_else_started_is_waited_for_too() {
        let mut ours = script("read nothing; sleep 0.2");
        let mut theirs = Process::left_over(ours.id().unwrap()).unwrap();
        assert_eq!(
            theirs.wait(LONG),
            Some(Ended {
                how: None,
                said: String::new()
            })
        );
        assert_eq!(ours.wait(LONG).unwrap().how, Some(ProcessEnd::Exited(0)));
        assert!(Process::left_over(ours.id().unwrap()).is_none());
    }
}
