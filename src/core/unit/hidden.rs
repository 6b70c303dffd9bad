//! Mounts of a service that hide from our lines the paths that they need.
//!
//! `+` lifts most of the sandbox, but not the mount namespace: mounts of `TemporaryFileSystem=`,
//! `BindPaths=` and `BindReadOnlyPaths=` apply to the `+` lines as well (systemd.exec(5)). Of
//! several mounts the one with the nearest destination counts, so one mount may restore what
//! another hides.

use super::{HELPER, without_lines};
use crate::core::config::ward::NativeLine;
use crate::core::config::wrong::offset_in;
use crate::core::config::{Mistake, Problem, Ward};
use std::path::{Path, PathBuf};

/// The settings that mount.
pub(super) const KEYS: [&str; 3] = ["TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths"];

/// A path that our lines need.
struct Need {
    /// Directory that may be bound to restore it.
    directory: &'static str,
    /// The path that is needed.
    path: &'static str,
    written: bool,
}

const NEEDS: [Need; 4] = [
    // PID 1's own socket.
    Need {
        directory: "/run/systemd",
        path: "/run/systemd/private",
        written: false,
    },
    Need {
        directory: "/run/unitward",
        path: "/run/unitward/wards",
        written: true,
    },
    Need {
        directory: "/usr/lib/unitward",
        path: HELPER,
        written: false,
    },
    // Stops the unit at its limit, by a request to PID 1.
    Need {
        directory: "/usr/bin",
        path: "/usr/bin/systemctl",
        written: false,
    },
];

/// One mount of the service.
struct Mount<'a> {
    line: &'a NativeLine,
    /// Offset of its word in the line's value, in bytes.
    offset: usize,
    destination: PathBuf,
    /// Source that is seen there; `None`: an empty file system.
    source: Option<PathBuf>,
    read_only: bool,
}

impl Mount<'_> {
    fn keeps_back(&self, need: &Need) -> bool {
        let seen = self.source.as_ref().and_then(|source| {
            let rest = Path::new(need.path).strip_prefix(&self.destination).ok()?;
            Some(source.join(rest))
        });
        seen.is_none_or(|seen| seen.as_path() != Path::new(need.path))
            || (self.read_only && need.written)
    }
}

/// Returns a warning for each mount among `service`, in the order they apply, that hides what our
/// lines need.
pub(super) fn warnings<'a>(
    ward: &Ward,
    service: impl Iterator<Item = &'a NativeLine>,
) -> Vec<Problem> {
    let mounts = mounts(service);
    let kept: Vec<_> = NEEDS
        .iter()
        .filter_map(|need| Some((keeper(&mounts, need)?, need.directory)))
        .collect();
    let said = mounts.iter().enumerate().filter_map(|(index, mount)| {
        let directories: Vec<_> = kept
            .iter()
            .filter(|(by, _)| *by == index)
            .map(|(_, directory)| *directory)
            .collect();
        (!directories.is_empty()).then(|| mount.problem(ward, &directories))
    });
    said.collect()
}

/// Returns the index of the mount that keeps back what our lines need: the nearest one above it.
fn keeper(mounts: &[Mount<'_>], need: &Need) -> Option<usize> {
    let above = mounts
        .iter()
        .enumerate()
        .filter(|(_, mount)| Path::new(need.path).starts_with(&mount.destination));
    let (index, mount) = above.max_by_key(|(_, mount)| mount.destination.components().count())?;
    mount.keeps_back(need).then_some(index)
}

impl Mount<'_> {
    fn problem(&self, ward: &Ward, directories: &[&str]) -> Problem {
        // Binding the very same place again would only compete with the present mount.
        let above = directories.iter().map(Path::new).all(|directory| {
            directory
                .parent()
                .is_some_and(|parent| parent.starts_with(&self.destination))
        });
        let advice = if above {
            format!("add BindPaths={}", directories.join(" "))
        } else {
            "take it out".to_owned()
        };
        let text = format!(
            "{}= keeps {} from the lines that Unitward adds to the unit: {}; {advice}",
            self.line.key,
            directories.join(" and "),
            without_lines(ward)
        );
        Problem {
            at: self.line.place_of(self.offset),
            mistake: Mistake::Warning(text),
        }
    }
}

fn mounts<'a>(service: impl Iterator<Item = &'a NativeLine>) -> Vec<Mount<'a>> {
    let mut mounts: Vec<Mount<'a>> = Vec::new();
    for line in service.filter(|line| KEYS.contains(&line.key.as_str())) {
        let binds = line.key != "TemporaryFileSystem";
        if line.value.is_empty() {
            // BindPaths= and BindReadOnlyPaths= share one list.
            mounts.retain(|mount| (mount.line.key != "TemporaryFileSystem") != binds);
        }
        mounts.extend(line.value.split_whitespace().filter_map(|word| {
            let offset = offset_in(&line.value, word);
            let mut parts = word.trim_matches(['"', '\'']).split(':');
            let first = parts.next()?;
            let source = binds.then(|| path(first.strip_prefix('-').unwrap_or(first)));
            let destination = if binds {
                parts.next().filter(|part| !part.is_empty())
            } else {
                Some(first)
            };
            let destination = destination.map(path).or_else(|| source.clone())?;
            Some(Mount {
                line,
                offset,
                destination,
                source,
                read_only: line.key == "BindReadOnlyPaths",
            })
        }));
    }
    mounts
}

/// Normalises a path; `%t` is `/run` for the system's units.
fn path(text: &str) -> PathBuf {
    let path: PathBuf = Path::new(&text.replace("%t", "/run"))
        .components()
        .collect();
    let moved = LINKS
        .iter()
        .find_map(|(link, target)| Some(Path::new(target).join(path.strip_prefix(link).ok()?)));
    moved.unwrap_or(path)
}

/// Links of Debian's root directory, which systemd follows before it mounts.
const LINKS: [(&str, &str); 4] = [
    ("/var/run", "/run"),
    ("/lib", "/usr/lib"),
    ("/bin", "/usr/bin"),
    ("/sbin", "/usr/sbin"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::{SourceFile, syntax};

    /// Returns the warnings about these lines of `[Service]`.
    fn check(lines: &str, expected: &[&str]) {
        let text = ["[Service]\n", lines].concat();
        let file = SourceFile {
            path: Path::new("a").into(),
            text,
        };
        let (sections, _) = syntax::split(&file);
        let service: Vec<_> = sections[0].entries.iter().map(NativeLine::from).collect();
        let ward = crate::core::unit::tests::ward("[Service]\nExecStart=/a\n");
        let said: Vec<_> = warnings(&ward, service.iter())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(said.len(), expected.len(), "{lines}: {said:?}");
        for (said, expected) in said.iter().zip(expected) {
            let middle = " from the lines that Unitward adds to the unit: there is no back-off and no step, and its death limit is kept by unitwardd alone; ";
            let (head, tail) = expected.split_once(" .. ").unwrap();
            assert_eq!(*said, [head, middle, tail].concat(), "{lines}");
        }
    }

    #[test]
    fn a_mount_over_what_is_needed_is_named_with_its_place_and_the_way_out() {
        for (lines, expected) in [
            (
                "TemporaryFileSystem=/var /run:ro",
                "a:2:26: TemporaryFileSystem= keeps /run/systemd and /run/unitward .. add BindPaths=/run/systemd /run/unitward",
            ),
            (
                "TemporaryFileSystem=%t/",
                "a:2:21: TemporaryFileSystem= keeps /run/systemd and /run/unitward .. add BindPaths=/run/systemd /run/unitward",
            ),
            (
                "TemporaryFileSystem=/run/unitward",
                "a:2:21: TemporaryFileSystem= keeps /run/unitward .. take it out",
            ),
            (
                "BindPaths=-/srv/usr:/usr:norbind",
                "a:2:11: BindPaths= keeps /usr/lib/unitward and /usr/bin .. add BindPaths=/usr/lib/unitward /usr/bin",
            ),
            (
                "BindPaths=/srv:/run/systemd/private",
                "a:2:11: BindPaths= keeps /run/systemd .. take it out",
            ),
            (
                "BindPaths=/srv/lib:/lib/unitward",
                "a:2:11: BindPaths= keeps /usr/lib/unitward .. take it out",
            ),
            (
                "BindReadOnlyPaths=/run",
                "a:2:19: BindReadOnlyPaths= keeps /run/unitward .. add BindPaths=/run/unitward",
            ),
            (
                "TemporaryFileSystem=/:ro\nBindReadOnlyPaths=/usr /lib -/run/systemd",
                "a:2:21: TemporaryFileSystem= keeps /run/unitward .. add BindPaths=/run/unitward",
            ),
        ] {
            check(lines, &[expected]);
        }
        check(
            "TemporaryFileSystem=/run/systemd\nBindPaths=/srv:/usr/lib",
            &[
                "a:2:21: TemporaryFileSystem= keeps /run/systemd .. take it out",
                "a:3:11: BindPaths= keeps /usr/lib/unitward .. add BindPaths=/usr/lib/unitward",
            ],
        );
    }

    #[test]
    fn a_mount_that_leaves_or_brings_back_what_is_needed_is_none_of_our_business() {
        for lines in [
            "TemporaryFileSystem=/var /runs /run/systemd/journal",
            "BindReadOnlyPaths=/usr /bin /lib /lib64\nBindPaths=/run /:/",
            "BindPaths=/srv/web:/usr/lib/web /run/systemd/journal/socket:/run/other",
            "TemporaryFileSystem=/run\nBindPaths=/run/systemd /run/unitward",
            "TemporaryFileSystem=/run\nTemporaryFileSystem=",
            "BindPaths=/srv:/run\nBindReadOnlyPaths=",
            "InaccessiblePaths=/run",
        ] {
            check(lines, &[]);
        }
    }
}
