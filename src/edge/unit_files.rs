//! Unit files on disk, read without PID 1: finds an adopted unit's files and reads their settings.
//!
//! The directories are those of systemd.unit(5) that hold files, not those of other generators:
//! these run at the same time as ours.

use super::drop_in_files::{drop_ins, names_of};
use super::init_script;
use super::paths::{below, resolve};
use crate::core::config::ward::NativeLine;
use crate::core::config::{
    DescribedStack, Form, Mistake, Problem, SourceFile, UnitName, Ward, syntax,
};
use crate::core::unit::{self, AdoptedUnit, DROP_IN, HEADING};
use rustix::fs::{Mode, OFlags, open};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Directories of unit files; the first one wins.
pub(super) const DIRECTORIES: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// Returns the reason why systemd would not load the unit that `ward` adopts; `None` if it would.
#[must_use]
pub fn refused(root: &Path, ward: &Ward) -> Option<Problem> {
    let Form::Adopted(unit) = &ward.form else {
        return None;
    };
    // Most wards have no line about how their unit runs, and then no file need be read.
    let has_lines = !ward.native.service.is_empty();
    unit::refused(ward, &has_lines.then(|| read(root, unit)).flatten()?)
}

/// Returns a warning if the unit that a stack adopts has no file.
#[must_use]
pub fn missing(root: &Path, described: &DescribedStack) -> Option<Problem> {
    let Form::Adopted(unit) = &described.stack.form else {
        return None;
    };
    read(root, unit).is_none().then(|| {
        let advice = "the stack takes effect when there is one; check the name";
        Problem {
            at: described.places.unit.clone(),
            mistake: no_unit(unit, advice),
        }
    })
}

pub(super) fn no_unit(unit: &UnitName, advice: &'static str) -> Mistake {
    Mistake::NoUnit {
        key: "Unit".to_owned(),
        unit: unit.to_string(),
        nearest: None,
        advice,
    }
}

/// Returns the unit's own name if `unit` is an alias: a link to a unit file of another name.
#[must_use]
pub fn own_name(root: &Path, unit: &UnitName) -> Option<UnitName> {
    let link = files(unit).find(|path| exists(root, path))?;
    let target = fs::read_link(below(root, &link)).ok()?;
    let own = UnitName::new_or_template(target.file_name()?.to_str()?).ok()?;
    let is_alias =
        own != *unit && own.suffix() == unit.suffix() && own.is_template() == unit.is_template();
    is_alias.then_some(own)
}

/// Other directories of unit files on a host that is up: for output of other generators, and for
/// transient and attached units.
const OTHERS: [&str; 6] = [
    "run/systemd/generator.early",
    "run/systemd/generator",
    "run/systemd/generator.late",
    "run/systemd/transient",
    "etc/systemd/system.attached",
    "run/systemd/system.attached",
];

/// Returns true if a system is installed below `root`, and not the configuration alone.
#[must_use]
pub fn has_system(root: &Path) -> bool {
    ["/usr/lib/systemd/system", "/lib/systemd/system"]
        .iter()
        .any(|path| resolve(root, Path::new(path)).is_some())
}

/// Returns the names of all unit files below `root`, including templates and aliases, except those
/// that our generator wrote: they come from an earlier configuration.
#[must_use]
pub fn names(root: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for directory in DIRECTORIES.iter().chain(&OTHERS) {
        let generated = directory.contains("generator");
        let listing = resolve(root, &Path::new("/").join(directory)).map(fs::read_dir);
        for entry in listing.into_iter().flatten().flatten().flatten() {
            if !(generated && is_ours(&entry.path())) {
                names.extend(entry.file_name().into_string());
            }
        }
    }
    let scripts = fs::read_dir(below(root, Path::new("/etc/init.d")))
        .into_iter()
        .flatten()
        .flatten();
    names.extend(scripts.filter_map(|script| {
        Some(format!(
            "{}.service",
            script.file_name().into_string().ok()?
        ))
    }));
    names
}

/// Returns true if our generator has written this file.
#[must_use]
pub fn is_ours(path: &Path) -> bool {
    regular(path).is_some_and(|bytes| bytes.starts_with(HEADING.as_bytes()))
}

/// Returns the settings of a unit that has no file in the usual places but exists on a host that is
/// up: another generator wrote it, or it is transient or attached.
///
/// The generator must not use this: it runs at the same time as the others.
#[must_use]
pub fn elsewhere(root: &Path, unit: &UnitName) -> Option<AdoptedUnit> {
    let names = names_of(unit);
    let main = names
        .iter()
        .flat_map(|name| {
            OTHERS
                .iter()
                .map(move |directory| Path::new("/").join(directory).join(name))
        })
        .find(|path| exists(root, path) && !is_ours(&below(root, path)))?;
    let directories: Vec<&str> = DIRECTORIES.iter().chain(&OTHERS).copied().collect();
    let mut drop_ins = drop_ins(root, unit, &directories);
    drop_ins.retain(|name, path| name != DROP_IN || !is_ours(&below(root, path)));
    Some(adopted_unit(service_lines(root, &main), root, &drop_ins))
}

/// Returns all assignments of a unit with their sections, from any directory.
#[must_use]
pub fn lines(root: &Path, unit: &UnitName) -> Vec<(String, NativeLine)> {
    let directories = DIRECTORIES.iter().chain(&OTHERS);
    let mut files = directories.map(|directory| Path::new("/").join(directory).join(unit.as_str()));
    let main = files
        .find(|path| exists(root, path))
        .and_then(|path| source(root, &path));
    let mut lines = main.map(|file| with_sections(&file)).unwrap_or_default();
    lines.extend(drop_in_lines(root, unit, None));
    lines
}

fn with_sections(file: &SourceFile) -> Vec<(String, NativeLine)> {
    let (sections, _) = syntax::split(file);
    let mut lines = Vec::new();
    for section in &sections {
        for entry in &section.entries {
            lines.push((section.name.to_string(), NativeLine::from(entry)));
        }
    }
    lines
}

/// Returns the assignments in the unit's drop-ins, with their sections; only those in files named
/// after `after`, if that is given.
#[must_use]
pub fn drop_in_lines(
    root: &Path,
    unit: &UnitName,
    after: Option<&str>,
) -> Vec<(String, NativeLine)> {
    let drop_ins = drop_ins(root, unit, &DIRECTORIES);
    let later = drop_ins
        .into_iter()
        .filter(|(name, _)| after.is_none_or(|after| name.as_str() > after));
    later
        .filter_map(|(_, path)| source(root, &path))
        .flat_map(|file| with_sections(&file))
        .collect()
}

/// Returns the path of the unit file, seen from the host; masks are passed over. `None` if there is
/// none.
#[must_use]
pub fn file_of(root: &Path, unit: &UnitName) -> Option<PathBuf> {
    files(unit).find(|path| exists(root, path) && !masks(root, path))
}

/// Returns the path of the link that masks the unit, seen from the host; `None` if it is not
/// masked.
#[must_use]
pub fn mask_of(root: &Path, unit: &UnitName) -> Option<PathBuf> {
    let first = files(unit).find(|path| exists(root, path))?;
    masks(root, &first).then_some(first)
}

/// Returns the paths at which its file may stand, seen from the host.
fn files(unit: &UnitName) -> impl Iterator<Item = PathBuf> + '_ {
    files_of(unit.as_str())
}

fn files_of(name: &str) -> impl Iterator<Item = PathBuf> + '_ {
    DIRECTORIES
        .iter()
        .map(move |directory| Path::new("/").join(directory).join(name))
}

/// Returns true if this is a link to `/dev/null`, as `systemctl mask` makes it (systemd.unit(5)).
fn masks(root: &Path, path: &Path) -> bool {
    fs::read_link(below(root, path)).is_ok_and(|target| target == Path::new("/dev/null"))
}

fn exists(root: &Path, path: &Path) -> bool {
    below(root, path).symlink_metadata().is_ok()
}

/// Returns the settings in the files of one unit; `None` if it has no main file.
#[must_use]
pub fn read(root: &Path, unit: &UnitName) -> Option<AdoptedUnit> {
    let main = names_of(unit)
        .iter()
        .find_map(|name| files_of(name).find(|path| exists(root, path)));
    let lines = match main {
        Some(main) => service_lines(root, &main),
        None => init_script::service_lines(root, unit)?,
    };
    Some(adopted_unit(
        lines,
        root,
        &drop_ins(root, unit, &DIRECTORIES),
    ))
}

/// Returns a unit with these lines and drop-ins.
fn adopted_unit(
    main: Vec<NativeLine>,
    root: &Path,
    drop_ins: &BTreeMap<String, PathBuf>,
) -> AdoptedUnit {
    let (mut before, mut later) = (main, Vec::new());
    for (name, path) in drop_ins {
        let lines = if name.as_str() > DROP_IN {
            &mut later
        } else {
            &mut before
        };
        lines.extend(service_lines(root, path));
    }
    AdoptedUnit::new(before, later)
}

/// Returns the `[Service]` lines of a unit file; none if there is no such file.
fn service_lines(root: &Path, path: &Path) -> Vec<NativeLine> {
    source(root, path)
        .map(|file| syntax::lines_of(&file, "Service"))
        .unwrap_or_default()
}

/// Returns the content of a regular file; opening a pipe would block.
pub(super) fn regular(path: &Path) -> Option<Vec<u8>> {
    let file = open(
        path,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .ok()?;
    let mut file = fs::File::from(file);
    let mut bytes = Vec::new();
    file.metadata().ok().filter(fs::Metadata::is_file)?;
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Returns the text of the file at `path`, seen from the host.
fn source(root: &Path, path: &Path) -> Option<SourceFile> {
    Some(SourceFile::decode(
        path.into(),
        regular(&resolve(root, path)?)?,
    ))
}

#[cfg(test)]
mod tests;
