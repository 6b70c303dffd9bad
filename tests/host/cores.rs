//! Core dumps, which are the kernel's and not a host's.

use std::io::{BufRead, BufReader};
use std::marker::PhantomData;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::Host;
use super::keeper::scripts;

/// As long as this lives, every core dump of this machine goes to one host. Then the kernel gets its old pattern back.
#[derive(Debug)]
pub(crate) struct CoreGuard<'host> {
    process: Child,
    /// The pattern names the host's leader, so a host cannot be booted again in between.
    host: PhantomData<&'host Host>,
}

impl Host {
    /// Hands core dumps to this host's systemd-coredump. The crashing service needs `LimitCORE=infinity`.
    ///
    /// Waits as long as another host has them, so a test should hold the guard no longer than it needs to.
    ///
    /// # Panics
    ///
    /// When the kernel's pattern may not be written.
    #[track_caller]
    pub(crate) fn capture_cores(&self) -> CoreGuard<'_> {
        let mut process = Command::new(scripts().join("cores"))
            .arg(self.leader().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C is for the tests; this process cleans up after them.
            .process_group(0)
            .spawn()
            .expect("failed to start tests/host/cores");
        let mut answer = String::new();
        BufReader::new(process.stdout.take().expect("piped"))
            .read_line(&mut answer)
            .expect("failed to read from cores");
        assert_eq!(
            answer, "ready\n",
            "this kernel's core dumps cannot be captured"
        );
        CoreGuard {
            process,
            host: PhantomData,
        }
    }
}

impl Drop for CoreGuard<'_> {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
