//! Unit files on disk, read without PID 1: is an adopted unit there, and what do its files say.
//!
//! The directories are those of systemd.unit(5) that hold files, not what other generators write: these run at the
//! same time as ours.

use crate::core::config::ward::NativeLine;
use crate::core::config::{Form, Mistake, Place, Problem, SourceFile, Stack, UnitName, Ward, syntax};
use crate::core::unit::AdoptedUnit;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Where unit files stand, the first wins.
const DIRECTORIES: [&str; 6] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "run/systemd/generator.late",
];

/// What the files of the unit that `ward` adopts say, or a warning when it has none.
#[must_use]
pub fn adopted(root: &Path, ward: &Ward) -> (Option<AdoptedUnit>, Option<Problem>) {
    let Form::Adopted(unit) = &ward.form else { return (None, None) };
    let found = read(root, unit);
    let missing = found.is_none().then(|| {
        let text = format!("{unit} has no unit file; the ward takes effect when there is one, check the name in Unit=");
        Problem { at: Place { path: ward.path.clone(), line: 0 }, mistake: Mistake::Warning(text) }
    });
    (found, missing)
}

/// A warning when the unit that `stack` adopts has no file.
#[must_use]
pub fn missing(root: &Path, stack: &Stack) -> Option<Problem> {
    let Form::Adopted(unit) = &stack.form else { return None };
    read(root, unit).is_none().then(|| {
        let text =
            format!("{unit} has no unit file; the stack takes effect when there is one, check the name in Unit=");
        Problem { at: Place { path: stack.path.clone(), line: 0 }, mistake: Mistake::Warning(text) }
    })
}

/// The name a unit calls itself, where `unit` is an alias: a link to a unit file of another name.
#[must_use]
pub fn own_name(root: &Path, unit: &UnitName) -> Option<UnitName> {
    let link =
        DIRECTORIES.iter().map(|directory| root.join(directory).join(unit.as_str())).find(|path| exists(path))?;
    let target = fs::read_link(link).ok()?;
    let own = UnitName::new(target.file_name()?.to_str()?).ok()?;
    (own != *unit && own.suffix() == unit.suffix()).then_some(own)
}

/// Where the unit file stands, seen from the host; `None` when there is none. One that masks is none.
#[must_use]
pub fn file_of(root: &Path, unit: &UnitName) -> Option<PathBuf> {
    let mut files = files(unit);
    files.find(|path| exists(&root.join(path)) && !masks(&root.join(path))).map(|path| Path::new("/").join(path))
}

/// What masks the unit, seen from the host; `None` when nothing does.
#[must_use]
pub fn mask_of(root: &Path, unit: &UnitName) -> Option<PathBuf> {
    let first = files(unit).find(|path| exists(&root.join(path)))?;
    masks(&root.join(&first)).then(|| Path::new("/").join(first))
}

/// Where its file may stand, below the root.
fn files(unit: &UnitName) -> impl Iterator<Item = PathBuf> {
    DIRECTORIES.iter().map(|directory| Path::new(directory).join(unit.as_str()))
}

/// `systemctl mask` puts such a link there (systemd.unit(5)).
fn masks(path: &Path) -> bool {
    fs::read_link(path).is_ok_and(|target| target == Path::new("/dev/null"))
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// What the files of one unit say; `None` when it has no main file.
#[must_use]
pub fn read(root: &Path, unit: &UnitName) -> Option<AdoptedUnit> {
    let names = names_of(unit);
    let main = names.iter().find_map(|name| first(root, name))?;
    let mut drop_ins: BTreeMap<String, PathBuf> = BTreeMap::new();
    for name in &names {
        for directory in DIRECTORIES {
            let listing = fs::read_dir(root.join(directory).join(format!("{name}.d")));
            for path in listing.into_iter().flatten().flatten().map(|entry| entry.path()) {
                let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if file.ends_with(".conf") {
                    drop_ins.entry(file.to_owned()).or_insert(path);
                }
            }
        }
    }
    let lines: Vec<NativeLine> =
        std::iter::once(&main).chain(drop_ins.values()).flat_map(|path| service_lines(path)).collect();
    Some(AdoptedUnit::from_lines(&lines))
}

/// The unit's own name and, for an instance, its template's.
fn names_of(unit: &UnitName) -> Vec<String> {
    let mut names = vec![unit.as_str().to_owned()];
    if !unit.instance().is_empty() {
        names.push(format!("{}@.{}", unit.prefix(), unit.suffix()));
    }
    names
}

fn first(root: &Path, name: &str) -> Option<PathBuf> {
    let init_script = root.join("etc/init.d").join(name.trim_end_matches(".service"));
    let files = DIRECTORIES.iter().map(|directory| root.join(directory).join(name));
    files.chain([init_script]).find(|path| exists(path))
}

/// The `[Service]` lines of a unit file; nothing for what is no such file.
fn service_lines(path: &Path) -> Vec<NativeLine> {
    let Ok(text) = fs::read_to_string(path) else { return Vec::new() };
    let file = SourceFile { path: path.into(), text };
    let (sections, _) = syntax::split(&file);
    let service = sections.into_iter().filter(|section| section.name == "Service");
    service
        .flat_map(|section| section.entries)
        .map(|entry| NativeLine { key: entry.key.to_string(), value: entry.value.to_string(), at: entry.at.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::unit::Timeout;
    use std::time::Duration;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn drop_ins_and_templates_are_read_in_systemds_order() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "usr/lib/systemd/system/web@.service", "[Service]\nType=notify\nTimeoutSec=5\nRestart=no\n");
        write(
            root.path(),
            "etc/systemd/system/web@1.service.d/b.conf",
            "[Service]\nTimeoutStartSec=infinity\nRestart=always\n",
        );
        write(root.path(), "usr/lib/systemd/system/web@.service.d/a.conf", "[Service]\nRestart=on-abort\n");
        let unit = read(root.path(), &UnitName::new("web@1.service").unwrap()).unwrap();
        assert_eq!(unit.restart.as_deref(), Some("always"));
        assert_eq!(unit.kind.as_deref(), Some("notify"));
        assert_eq!((unit.start, unit.stop), (Timeout::Never, Timeout::After(Duration::from_secs(5))));
    }

    #[test]
    fn a_mask_hides_a_unit_and_is_none() {
        let root = tempfile::tempdir().unwrap();
        let target = UnitName::new("a.target").unwrap();
        let found = |root: &Path| [file_of(root, &target), mask_of(root, &target)].map(|path| path.is_some());
        assert_eq!(found(root.path()), [false, false]);
        write(root.path(), "usr/lib/systemd/system/a.target", "[Unit]\n");
        assert_eq!(found(root.path()), [true, false]);
        write(root.path(), "etc/systemd/system/b.target", "[Unit]\n");
        std::os::unix::fs::symlink("/dev/null", root.path().join("etc/systemd/system/a.target")).unwrap();
        assert_eq!(found(root.path()), [true, true]);
        fs::remove_file(root.path().join("usr/lib/systemd/system/a.target")).unwrap();
        assert_eq!(found(root.path()), [false, true]);
    }

    #[test]
    fn a_unit_without_a_file_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "etc/systemd/system/a.service.d/b.conf", "[Service]\n");
        assert_eq!(read(root.path(), &UnitName::new("a.service").unwrap()), None);
    }
}
