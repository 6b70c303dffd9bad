//! Execution of commands by the helper: a step `Execute=+`, and any `Execute=` of a service that
//! belongs to root and has no sandbox.
//!
//! The second gets the unit's environment as it is, as the service itself does. The first is the administrator's and may stand in the
//! unit of another user: it gets that environment too, as systemd's own `+` lines do, but only what root has written there, and of that
//! nothing that changes what a program loads ([`crate::core::environment`]). Systemd's own variables have what PID 1 says now.
//!
//! The owner that an `EnvironmentFile=` had when PID 1 read it cannot be known afterwards: the file, or
//! a directory above it, may be gone or replaced. So each file is read here once more, and only
//! assignments in files of root's count.

use super::ending::{TOLD, Told};
use super::identity;
use super::line::StepLine;
use super::list::Run;
use super::told;
use crate::core::environment_file;
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::program::{self, Inherited};
use crate::edge::record::RunRecord;
use crate::edge::root;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

/// The root directory as PID 1 sees it, whatever mounts of the unit this process has.
const PID_1S_ROOT: &str = "/proc/1/root";

/// Runs the command with the service's umask and returns the exit status of the step's line.
///
/// # Errors
/// The program does not exist or cannot be started, the service's commands do not run as root, or
/// PID 1 does not answer.
pub(super) fn execute(line: &StepLine, run: &Run<'_>) -> io::Result<u8> {
    let told = told::variables(run.state, line, &run.record);
    let mut command = if line.as_root {
        administrators(line, run, told)?
    } else {
        identity::must_be_roots(run)?;
        program::services(&line.arguments, &told, run.site.life)?
    };
    let ours = rustix::process::umask(run.site.umask);
    let status = command.status();
    rustix::process::umask(ours);
    let status = status?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(0),
        (Some(code), _) => Ok(u8::try_from(code).unwrap_or(1)),
        (None, signal) => Ok(u8::try_from(128 + signal.unwrap_or(0)).unwrap_or(1)),
    }
}

fn administrators(
    line: &StepLine,
    run: &Run<'_>,
    told: Vec<(&'static str, String)>,
) -> io::Result<Command> {
    let own = [
        &["MainPID"],
        &ENVIRONMENT[..],
        &TOLD[..],
        &DIRECTORIES.map(|directory| directory.property),
    ]
    .concat();
    let known = ask(&run.unit, &own);
    // A condition's own service runs what is the ward's.
    let wards = run.ward_unit.as_deref().map(|unit| ask(unit, &own));
    let inherited = inherited(wards.iter().chain([&known]).map(Option::as_ref).collect());
    let mut variables = systemds_own(&run.record, &known.unwrap_or_default());
    variables.extend(told);
    program::administrators(&line.arguments, &inherited, &variables, run.site.life)
}

/// The properties that define the environment of a unit's commands.
const ENVIRONMENT: [&str; 3] = ["Environment", FILES, "UnsetEnvironment"];

/// Property with the files of variables. Without it nothing is known of them.
const FILES: &str = "EnvironmentFiles";

/// Returns these properties of a service; `None`: PID 1 does not answer.
fn ask(unit: &str, own: &[&str]) -> Option<Properties> {
    pid1::ask(unit, Wanted { unit: &[], own }).ok()
}

/// The environment taken over from these units, later ones first in rank; `None`: PID 1 does not
/// answer, so no variable is known to be root's.
fn inherited(units: Option<Vec<&Properties>>) -> Inherited {
    let Some(units) = units else {
        return Inherited::Only(Vec::new());
    };
    if units
        .iter()
        .all(|known| known.has(FILES) && known.first_texts(FILES).next().is_none())
    {
        return Inherited::All;
    }
    Inherited::Only(
        pid1::environment()
            .into_iter()
            .chain(units.into_iter().flat_map(of_unit))
            .collect(),
    )
}

/// The assignments of a unit that are root's, in the order in which they count.
fn of_unit(known: &Properties) -> impl Iterator<Item = String> {
    let directories = DIRECTORIES
        .into_iter()
        .filter_map(|directory| directory.assignment(known));
    let own = known.texts("Environment").map(str::to_owned);
    let all = directories
        .chain(own)
        .chain(known.first_texts(FILES).flat_map(of_file));
    all.filter(|assignment| !is_unset(known, assignment))
}

/// True if `UnsetEnvironment=` names this assignment, or its variable.
fn is_unset(known: &Properties, assignment: &str) -> bool {
    let name = assignment
        .split_once('=')
        .map_or(assignment, |(name, _)| name);
    known
        .texts("UnsetEnvironment")
        .any(|unset| unset == assignment || unset == name)
}

/// The assignments in an `EnvironmentFile=` of root's. PID 1 reads it where it lives, and this line may see other mounts. Of a pattern
/// it is not known which files it means.
fn of_file(path: &str) -> Vec<String> {
    let is_pattern = path.contains(['*', '?', '[', '\\']);
    let text = if is_pattern {
        None
    } else {
        root::read_if_roots(Path::new(PID_1S_ROOT), Path::new(path))
    };
    environment_file::assignments(&String::from_utf8_lossy(&text.unwrap_or_default()))
}

/// Directories that systemd makes for a unit, and tells it of.
struct MadeDirectories {
    property: &'static str,
    variable: &'static str,
    below: &'static str,
}

const DIRECTORIES: [MadeDirectories; 5] = [
    MadeDirectories {
        property: "RuntimeDirectory",
        variable: "RUNTIME_DIRECTORY",
        below: "/run",
    },
    MadeDirectories {
        property: "StateDirectory",
        variable: "STATE_DIRECTORY",
        below: "/var/lib",
    },
    MadeDirectories {
        property: "CacheDirectory",
        variable: "CACHE_DIRECTORY",
        below: "/var/cache",
    },
    MadeDirectories {
        property: "LogsDirectory",
        variable: "LOGS_DIRECTORY",
        below: "/var/log",
    },
    MadeDirectories {
        property: "ConfigurationDirectory",
        variable: "CONFIGURATION_DIRECTORY",
        below: "/etc",
    },
];

impl MadeDirectories {
    /// Systemd's own assignment (systemd.exec(5)); `None`: the unit has none of these.
    fn assignment(&self, known: &Properties) -> Option<String> {
        let paths: Vec<_> = known
            .texts(self.property)
            .map(|name| [self.below, "/", name].concat())
            .collect();
        (!paths.is_empty()).then(|| [self.variable, "=", &paths.join(":")].concat())
    }
}

/// Returns the variables that systemd itself sets, with PID 1's current values.
fn systemds_own(record: &RunRecord, known: &Properties) -> Vec<(&'static str, String)> {
    let main = known.number::<u32>("MainPID").filter(|pid| *pid > 0);
    let mut variables = vec![("INVOCATION_ID", record.invocation.clone())];
    variables.extend(main.map(|pid| ("MAINPID", pid.to_string())));
    // systemd sets these after the end of a run.
    if record.end.is_some() {
        let Told {
            result,
            code,
            status,
        } = Told::of(known);
        let told = [
            ("SERVICE_RESULT", result),
            ("EXIT_CODE", code),
            ("EXIT_STATUS", status),
        ];
        variables.extend(told.into_iter().filter(|(_, value)| !value.is_empty()));
    }
    variables
}
