//! Starts programs. This is the only module that does; `tests/tidy.rs` checks it.
//!
//! Unitward starts most programs as root, some of them with a service's environment, and that
//! environment may be the work of the service's user. So a program of the host is named by its
//! absolute path and gets an environment of two variables; a command of the administrator's gets
//! the unit's environment without the variables that would change what it loads
//! ([`crate::core::environment`]). Root's programs have no input unless the caller opens one, and
//! no descriptors above 2: the standard library opens all of its own close-on-exec, and PID 1 gives
//! a service's descriptors to its main process alone. The one exception is the lock that a restart
//! script holds.

use crate::core::environment::{self, PATH};
use crate::core::expand::expand;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// A program of the host that Unitward starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostProgram {
    /// `busctl`, which queries the message bus.
    Busctl,
    /// `getent`, which resolves names as nsswitch.conf(5) says.
    Getent,
    /// `journalctl`, which reads the journal.
    Journalctl,
    /// `systemctl`, which queues jobs at PID 1.
    Systemctl,
    /// `systemd` itself, which lists the keys it knows.
    Systemd,
    /// `systemd-analyze`, which judges units and reads times.
    SystemdAnalyze,
    /// `timeout` of the coreutils, which ends programs that last too long.
    Timeout,
}

impl HostProgram {
    /// Returns its absolute path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Busctl => "/usr/bin/busctl",
            Self::Getent => "/usr/bin/getent",
            Self::Journalctl => "/usr/bin/journalctl",
            Self::Systemctl => "/usr/bin/systemctl",
            Self::Systemd => "/usr/lib/systemd/systemd",
            Self::SystemdAnalyze => "/usr/bin/systemd-analyze",
            Self::Timeout => "/usr/bin/timeout",
        }
    }

    /// Returns a command that runs it with a fixed environment and no input.
    #[must_use]
    pub fn command(self) -> Command {
        fixed(self.path())
    }
}

/// Path of the running program's own file.
const OWN: &str = "/proc/self/exe";

/// Returns a command that runs this very program again, with a fixed environment and no input.
#[must_use]
pub fn own() -> Command {
    of_ours(Path::new(OWN))
}

/// Returns a command that runs the program of Unitward's at this absolute path, with a fixed
/// environment and no input.
#[must_use]
pub fn of_ours(path: &Path) -> Command {
    fixed(path.as_os_str())
}

fn fixed(path: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    command
}

/// The part of this process's environment that a command of the administrator's takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inherited {
    /// All variables: root has set them.
    All,
    /// Nothing but these assignments, `NAME=VALUE`, of which later ones count.
    Only(Vec<String>),
}

impl Inherited {
    /// The variables, without those that would change what a program loads.
    fn harmless(&self) -> BTreeMap<OsString, OsString> {
        match self {
            Self::All => std::env::vars_os()
                .filter(|(name, value)| {
                    name.to_str()
                        .zip(value.to_str())
                        .is_some_and(|(name, value)| environment::is_harmless(name, value))
                })
                .collect(),
            Self::Only(these) => {
                let assigned: BTreeMap<_, _> =
                    these.iter().filter_map(|one| one.split_once('=')).collect();
                let kept = assigned
                    .into_iter()
                    .filter(|(name, value)| environment::is_harmless(name, value));
                kept.map(|(name, value)| (name.into(), value.into()))
                    .collect()
            }
        }
    }
}

/// Variables of ours, names and values.
type Ours = [(&'static str, String)];

/// Lifetime of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Independent of this process: systemd ends all processes of its unit alike.
    Own,
    /// No longer than this process, the only one that systemd ends, as with `KillMode=process`.
    /// Otherwise the step would go on beside the one of the next start.
    Tied,
}

/// The argument that makes this program become a command that is tied to the process that started
/// it.
pub const TIED: &str = "tied";

/// Becomes the command in the words `PARENT PROGRAM ARGUMENT…` after [`TIED`], which gets SIGTERM
/// when its parent ends. Returns only if that fails.
pub fn become_tied(words: &[String]) -> io::Error {
    let [parent, program, arguments @ ..] = words else {
        return io::ErrorKind::InvalidInput.into();
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::TERM)) {
        return error.into();
    }
    // If the parent had ended before, the signal would never come.
    if getppid()
        .map(|pid| pid.as_raw_nonzero().to_string())
        .as_ref()
        != Some(parent)
    {
        return io::ErrorKind::BrokenPipe.into();
    }
    Command::new(program).args(arguments).exec()
}

/// Returns a command of the administrator's that runs as root: with the variables that it takes
/// over of this process's environment, without those that would change what it loads, with root's
/// own `HOME`, `USER` and the like, and no input. Variables in its words are replaced by those that
/// it gets.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`]: `words` names no program.
pub fn administrators(
    words: &[String],
    inherited: &Inherited,
    ours: &Ours,
    life: Life,
) -> io::Result<Command> {
    let mut variables = inherited.harmless();
    let roots = [
        ("PATH", PATH),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/sh"),
    ];
    variables.extend(roots.map(|(name, value)| (name.into(), value.into())));
    variables.extend(ours.iter().map(|(name, value)| (name.into(), value.into())));
    let mut command = of(words, &variables, life)?;
    command.stdin(Stdio::null());
    Ok(command)
}

/// Returns a command of the service's, which this process runs in just the same way as PID 1 would:
/// with the environment that PID 1 has given to this process, and `ours`.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`]: `words` names no program.
pub fn services(words: &[String], ours: &Ours, life: Life) -> io::Result<Command> {
    let mut variables: BTreeMap<_, _> = std::env::vars_os().collect();
    variables.extend(ours.iter().map(|(name, value)| (name.into(), value.into())));
    of(words, &variables, life)
}

/// Replaces this process, which PID 1 has started as the service, by a command of the service's.
/// Returns only if that fails.
pub fn become_command(words: &[String], ours: &Ours) -> io::Error {
    match services(words, ours, Life::Own) {
        Ok(mut command) => command.exec(),
        Err(error) => error,
    }
}

/// Returns a command with these variables and no others, which also replace those in its words.
fn of(
    words: &[String],
    variables: &BTreeMap<OsString, OsString>,
    life: Life,
) -> io::Result<Command> {
    let words = expand(words, &|name| {
        variables
            .get(OsStr::new(name))
            .map(|value| value.to_string_lossy().into_owned())
    });
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no command"))?;
    let mut command = match life {
        Life::Own => Command::new(program),
        Life::Tied => {
            let mut command = Command::new(OWN);
            command.args([TIED, &std::process::id().to_string(), program]);
            command
        }
    };
    command.args(arguments).env_clear().envs(variables);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(mut command: Command) -> BTreeMap<String, String> {
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        said.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .collect()
    }

    #[test]
    fn a_program_of_the_host_has_a_fixed_environment() {
        let seen = environment(fixed("/usr/bin/env"));
        assert_eq!(
            seen,
            BTreeMap::from([("LC_ALL", "C"), ("PATH", PATH)].map(|(a, b)| (a.into(), b.into())))
        );
    }

    #[test]
    fn a_command_of_the_administrators_keeps_what_is_harmless() {
        // Cargo sets variables of both kinds.
        let program = ["/usr/bin/env".to_owned()];
        let seen = environment(administrators(&program, &Inherited::All, &[], Life::Own).unwrap());
        assert!(
            seen.contains_key("CARGO_PKG_NAME") && !seen.contains_key("LD_LIBRARY_PATH"),
            "{seen:?}"
        );
        assert_eq!(
            (seen["PATH"].as_str(), seen["HOME"].as_str()),
            (PATH, "/root")
        );
        assert!(administrators(&[], &Inherited::All, &[], Life::Own).is_err());
    }

    #[test]
    fn of_assignments_nothing_else_is_taken_over_and_the_last_one_counts() {
        let program = ["/usr/bin/env".to_owned()];
        let only = ["A=1", "CARGO_PKG_VERSION=0", "LD_LIBRARY_PATH=", "A=2"].map(str::to_owned);
        let only = Inherited::Only(only.into());
        let seen = environment(
            administrators(&program, &only, &[("OURS", "1".to_owned())], Life::Own).unwrap(),
        );
        let kept: Vec<_> = seen.keys().map(String::as_str).collect();
        assert_eq!((&*seen["A"], &*seen["CARGO_PKG_VERSION"]), ("2", "0"));
        assert_eq!(
            kept,
            [
                "A",
                "CARGO_PKG_VERSION",
                "HOME",
                "LOGNAME",
                "OURS",
                "PATH",
                "SHELL",
                "USER"
            ]
        );
    }

    #[test]
    fn every_program_of_the_host_is_where_it_is_said_to_be() {
        use HostProgram::{
            Busctl, Getent, Journalctl, Systemctl, Systemd, SystemdAnalyze, Timeout,
        };
        for program in [
            Busctl,
            Getent,
            Journalctl,
            Systemctl,
            Systemd,
            SystemdAnalyze,
            Timeout,
        ] {
            assert!(Path::new(program.path()).exists(), "{program:?}");
        }
    }
}
