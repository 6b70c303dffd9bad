//! Users, groups, directories and files of variables that a service needs before systemd can run
//! any of its lines, and that the host does not have.
//!
//! None of the lines that Unitward adds runs then either: there is no back-off and no step. unitwardd
//! counts the deaths in their place.

use crate::core::config::ward::NativeLine;
use crate::core::config::{Mistake, Problem, Ward};
use crate::core::unit::{AdoptedUnit, ServiceLines, without_lines};
use crate::edge::paths;
use crate::edge::program::HostProgram;
use std::fs;
use std::path::Path;

/// Directories whose content may appear after boot, created by other programs.
const VOLATILE: [&str; 4] = ["/run", "/tmp", "/var/tmp", "/dev"];

/// Returns the warnings about one ward.
pub(super) fn warnings(below: &Path, ward: &Ward, adopted: Option<&AdoptedUnit>) -> Vec<Problem> {
    let service = ServiceLines::of(ward, adopted);
    let is_dynamic = service
        .value("DynamicUser")
        .is_some_and(|value| ["yes", "true", "on", "1"].contains(&value));
    let mut lacking: Vec<(&NativeLine, String)> = Vec::new();
    if !is_dynamic {
        for (key, kind) in [("User", Kind::User), ("Group", Kind::Group)] {
            let line = service
                .last(key)
                .filter(|line| !kind.has(below, &line.value));
            lacking.extend(line.map(|line| (line, kind.lack(&line.value))));
        }
        for line in service.values("SupplementaryGroups") {
            let names = line
                .value
                .split_whitespace()
                .filter(|name| !Kind::Group.has(below, name));
            lacking.extend(names.map(|name| (line, Kind::Group.lack(name))));
        }
    }
    let is_rooted = ["RootDirectory", "RootImage"]
        .iter()
        .any(|key| service.value(key).is_some());
    let directory = service
        .last("WorkingDirectory")
        .filter(|line| !is_rooted && !is_made(service, &line.value));
    let files = service.values("EnvironmentFile");
    for line in directory
        .into_iter()
        .chain(files)
        .filter(|line| is_lacking(below, &line.value))
    {
        let kind = if line.key == "WorkingDirectory" {
            "directory"
        } else {
            "file"
        };
        lacking.push((line, format!("the {kind} {} does not exist", line.value)));
    }
    lacking
        .into_iter()
        .map(|(line, why)| problem(ward, service, line, &why))
        .collect()
}

fn problem(ward: &Ward, service: ServiceLines<'_>, line: &NativeLine, why: &str) -> Problem {
    let unit = ward.unit();
    let is_own = service.is_of_ward(line);
    let (of, at) = match is_own {
        true => (String::new(), line.place_of(0)),
        false => (
            format!(
                " of {unit} ({})",
                line.place_of(0).to_string().trim_end_matches(':')
            ),
            ward.unit_at.clone(),
        ),
    };
    let text = format!(
        "{}={}{of}: {why}, so systemd can run no line of {unit}: {}; correct it, or make what is missing",
        line.key,
        line.value,
        without_lines(ward)
    );
    Problem {
        at,
        mistake: Mistake::Warning(text),
    }
}

/// Kind of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Group,
}

impl Kind {
    fn lack(self, name: &str) -> String {
        let what = if self == Self::User { "user" } else { "group" };
        format!("there is no {what} {name:?}")
    }

    /// Returns true if the host has it, as far as that can be seen: a number needs no entry, and a
    /// name with a specifier (`%`) is not known yet.
    fn has(self, below: &Path, name: &str) -> bool {
        let (file, database) = if self == Self::User {
            ("/etc/passwd", "passwd")
        } else {
            ("/etc/group", "group")
        };
        let Some(text) =
            paths::resolve(below, Path::new(file)).and_then(|path| fs::read_to_string(path).ok())
        else {
            return true;
        };
        let mut names = text.lines().map(|line| line.split(':').next());
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        // systemd itself provides root and "nobody".
        is_number
            || name.contains('%')
            || ["root", "nobody", "nogroup"].contains(&name)
            || names.any(|listed| listed == Some(name))
            || is_created_at_boot(below, name)
            || is_elsewhere(below, database, name)
    }
}

/// Returns true if another source of the running host's database may have the name.
fn is_elsewhere(below: &Path, database: &str, name: &str) -> bool {
    if below != Path::new("/") {
        return false;
    }
    let asked = HostProgram::Getent
        .command()
        .args([database, "--", name])
        .output();
    asked.map_or(true, |done| done.status.code() != Some(2))
}

/// Returns true if sysusers.d(5) makes a user or group of this name.
fn is_created_at_boot(below: &Path, name: &str) -> bool {
    ["/etc/sysusers.d", "/run/sysusers.d", "/usr/lib/sysusers.d"]
        .iter()
        .any(|folder| {
            let listing = paths::resolve(below, Path::new(folder)).map(fs::read_dir);
            let mut files = listing.into_iter().flatten().flatten().flatten();
            files.any(|entry| {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                text.lines()
                    .any(|line| line.split_whitespace().nth(1) == Some(name))
            })
        })
}

/// Returns true if a required path does not exist. Paths that begin with `-` or `~`, or that
/// contain specifiers or patterns, are not judged.
fn is_lacking(below: &Path, path: &str) -> bool {
    let path = path.trim_matches(['"', '\'']);
    let is_known = path.starts_with('/') && !path.contains(['%', '*', '?', '[']);
    let is_volatile = VOLATILE
        .iter()
        .any(|folder| Path::new(path).starts_with(folder));
    is_known && !is_volatile && !may_exist(below, Path::new(path))
}

/// Returns true if the path exists below the root, or if a directory above it may not be searched.
fn may_exist(below: &Path, path: &Path) -> bool {
    let whole = paths::below(below, path);
    paths::resolve(below, path).is_some()
        || whole.exists()
        || whole
            .symlink_metadata()
            .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// Returns true if systemd makes the directory for the service.
fn is_made(service: ServiceLines<'_>, path: &str) -> bool {
    let folders = [
        ("StateDirectory", "/var/lib"),
        ("CacheDirectory", "/var/cache"),
        ("LogsDirectory", "/var/log"),
        ("ConfigurationDirectory", "/etc"),
    ];
    folders.iter().any(|(key, folder)| {
        let names = service.values(key);
        let mut names = names.iter().flat_map(|line| line.value.split_whitespace());
        names.any(|name| {
            Path::new(folder)
                .join(name.split(':').next().unwrap_or_default())
                .starts_with(path)
        })
    })
}
