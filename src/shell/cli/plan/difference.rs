//! Changes that a daemon-reload would make: the plan beside the generator's last output, as a
//! unified diff.
//!
//! Other generators write into the same directories. Ours are the files that the plan names, those
//! that begin with our heading, and links to either.

use super::directory;
use super::shown;
use crate::core::unit::{Content, HEADING, Output, Rank};
use crate::core::visible::visible;
use crate::edge::pid1::{self, Wanted};
use crate::shell::cli::check;
use crate::shell::cli::complain;
use anyhow::Context as _;
use similar::TextDiff;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Exit status when there is a difference, as diff(1) has it.
const DIFFERENT: u8 = 1;
/// The socket of a stack, a template of ours.
const SOCKET: &str = "unitward-stack@";

/// Files and links by their path on the host.
type Tree = BTreeMap<PathBuf, Content>;

/// Runs the command.
pub(super) fn difference(below: &Path) -> anyhow::Result<ExitCode> {
    let checked = check::read(below)?;
    let planned: Tree = checked
        .outputs
        .iter()
        .map(|output| (place(output), output.content.clone()))
        .collect();
    let written = written(below, &planned)?;
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || !io::stdout().is_terminal();
    let compared = compare(&written, &planned);
    let text = shown(&compared);
    let mut out = io::stdout().lock();
    for line in text.lines() {
        writeln!(
            out,
            "{}",
            if plain {
                line.to_owned()
            } else {
                painted(line)
            }
        )?;
    }
    for problem in &checked.problems {
        complain(&visible(&problem.to_string()));
    }
    if below == Path::new("/") {
        for unit in outdated(&planned) {
            writeln!(
                out,
                "# {unit}: its file is newer than what systemd has loaded."
            )?;
        }
    }
    let is_same = text.is_empty();
    let last = if is_same {
        "Nothing to do."
    } else {
        "systemctl daemon-reload makes it so."
    };
    writeln!(out, "{last}")?;
    out.flush()?;
    Ok(if is_same {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DIFFERENT)
    })
}

fn place(output: &Output) -> PathBuf {
    Path::new(directory(output.rank)).join(&output.path)
}

/// Reads the generator's last output; files of other generators are left out.
fn written(below: &Path, planned: &Tree) -> anyhow::Result<Tree> {
    let mut found = Tree::new();
    for rank in [Rank::Normal, Rank::Late] {
        let place = Path::new(directory(rank));
        let folder = below.join(place.strip_prefix("/").unwrap_or(place));
        read(&folder, place, &mut found)
            .with_context(|| format!("failed to read {}", folder.display()))?;
    }
    let units: Vec<PathBuf> = found
        .iter()
        .filter(|(path, content)| is_ours(planned, path, content))
        .map(|(path, _)| path.clone())
        .collect();
    found.retain(|path, content| {
        is_ours(planned, path, content)
            || matches!(content, Content::Link(target) if leads_to(&units, target))
    });
    Ok(found)
}

/// Returns true if our generator writes this, or has written it.
fn is_ours(planned: &Tree, path: &Path, content: &Content) -> bool {
    match content {
        Content::File(text) => planned.contains_key(path) || text.starts_with(HEADING),
        Content::Link(_) => planned.contains_key(path),
    }
}

/// Returns true if the target of a link is one of these units, or a socket of ours.
fn leads_to(units: &[PathBuf], target: &str) -> bool {
    let file = Path::new(target)
        .file_name()
        .and_then(|file| file.to_str())
        .unwrap_or_default();
    let mut names = units.iter().filter_map(|unit| unit.file_name());
    file.starts_with(SOCKET) || names.any(|name| name == file)
}

/// Reads everything below a folder; nothing if there is no such folder.
fn read(folder: &Path, place: &Path, found: &mut Tree) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let (path, place) = (entry.path(), place.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            found.insert(
                place,
                Content::Link(fs::read_link(path)?.to_string_lossy().into_owned()),
            );
        } else if kind.is_dir() {
            read(&path, &place, found)?;
        } else if kind.is_file() {
            found.insert(
                place,
                Content::File(String::from_utf8_lossy(&fs::read(path)?).into_owned()),
            );
        }
    }
    Ok(())
}

/// Returns the unified diff of all files and links that differ.
fn compare(written: &Tree, planned: &Tree) -> String {
    let mut paths: Vec<_> = written.keys().chain(planned.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.retain(|path| written.get(*path) != planned.get(*path));
    paths
        .into_iter()
        .map(|path| unified(path, written.get(path), planned.get(path)))
        .collect()
}

fn unified(path: &Path, before: Option<&Content>, after: Option<&Content>) -> String {
    let path = path.display().to_string();
    let old_name = before.map_or("/dev/null", |_| path.as_str());
    let new_name = after.map_or("/dev/null", |_| path.as_str());
    let (old, new) = (lines(before), lines(after));
    let diff = TextDiff::from_lines(&old, &new);
    let text = diff.unified_diff().header(old_name, new_name).to_string();
    if text.is_empty() {
        // An empty file has no lines to show.
        format!("--- {old_name}\n+++ {new_name}\n")
    } else {
        text
    }
}

fn lines(content: Option<&Content>) -> String {
    match content {
        None => String::new(),
        Some(Content::File(text)) => text.clone(),
        Some(Content::Link(target)) => format!("-> {target}\n"),
    }
}

fn painted(line: &str) -> String {
    let colour = match line.as_bytes() {
        [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => "1",
        [b'@', ..] => "36",
        [b'-', ..] => "31",
        [b'+', ..] => "32",
        _ => return line.to_owned(),
    };
    format!("\x1b[{colour}m{line}\x1b[0m")
}

/// Returns the planned units whose files have changed since systemd read them; none if systemd
/// cannot be asked.
fn outdated(planned: &Tree) -> Vec<String> {
    let units: Vec<&str> = planned.keys().filter_map(|path| unit(path)).collect();
    if units.is_empty() {
        return Vec::new();
    }
    let shown = pid1::ask_all(
        &units,
        Wanted {
            unit: &["Id", "NeedDaemonReload"],
            own: &[],
        },
    )
    .unwrap_or_default();
    let outdated = shown
        .iter()
        .filter(|unit| unit.flag("NeedDaemonReload") == Some(true));
    outdated.map(|unit| unit.text("Id").to_owned()).collect()
}

/// Returns the unit that a file of ours belongs to; `None` for a link that enables a unit.
fn unit(path: &Path) -> Option<&str> {
    let folder = path.parent()?.file_name()?.to_str()?;
    let is_link = [".wants", ".requires", ".upholds"]
        .iter()
        .any(|kind| folder.ends_with(kind));
    if is_link {
        None
    } else {
        folder.strip_suffix(".d").or(path.file_name()?.to_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> (PathBuf, Content) {
        (PathBuf::from(path), Content::File(text.to_owned()))
    }

    #[test]
    fn what_differs_is_shown_as_diff_shows_it() {
        let written = Tree::from([
            file("/g/same", "a\n"),
            file("/g/old", "gone\n"),
            file("/g/web", "a\nb\nc\n"),
        ]);
        let link = (
            PathBuf::from("/g/x.wants/web"),
            Content::Link("../web".to_owned()),
        );
        let planned = Tree::from([file("/g/same", "a\n"), file("/g/web", "a\nB\nc\n"), link]);
        let expect = "--- /g/old\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n--- /g/web\n+++ /g/web\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n\
                      --- /dev/null\n+++ /g/x.wants/web\n@@ -0,0 +1 @@\n+-> ../web\n";
        assert_eq!(compare(&written, &planned), expect);
        assert_eq!(compare(&planned, &planned), "");
    }

    #[test]
    fn files_of_other_generators_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("run/systemd/generator");
        fs::create_dir_all(folder.join("multi-user.target.wants")).unwrap();
        fs::write(
            folder.join("-.mount"),
            "# Automatically generated by systemd-fstab-generator\n",
        )
        .unwrap();
        fs::write(
            folder.join("old.service"),
            format!("{HEADING}/etc/unitward/old.ward.\n"),
        )
        .unwrap();
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, folder.join("multi-user.target.wants").join(name))
                .unwrap();
        };
        link("../old.service", "old.service");
        link("../-.mount", "-.mount");
        link(
            "/usr/lib/systemd/system/unitward-stack@.socket",
            "unitward-stack@a.socket",
        );
        let found = written(root.path(), &Tree::new()).unwrap();
        let names: Vec<_> = found
            .keys()
            .map(|path| path.file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            ["old.service", "unitward-stack@a.socket", "old.service"]
        );
    }

    #[test]
    fn a_file_is_about_its_unit() {
        assert_eq!(
            unit(Path::new("/run/systemd/generator/web.service")),
            Some("web.service")
        );
        assert_eq!(
            unit(Path::new(
                "/run/systemd/generator/web.service.d/50-unitward.conf"
            )),
            Some("web.service")
        );
        assert_eq!(
            unit(Path::new(
                "/run/systemd/generator/a.target.wants/web.service"
            )),
            None
        );
    }
}
