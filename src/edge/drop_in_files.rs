//! The files of a unit's drop-ins, and the names by which they apply.

use crate::core::config::UnitName;
use crate::edge::paths::below;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the drop-ins of a unit in these directories, in the order in which they apply.
pub(super) fn drop_ins(
    root: &Path,
    unit: &UnitName,
    directories: &[&str],
) -> BTreeMap<String, PathBuf> {
    // Of files of one name that of a directory higher up counts, of one directory that of the more
    // specific name; drop-ins for all units of the kind come last.
    let names = drop_in_names(unit);
    let own = directories
        .iter()
        .flat_map(|directory| names.iter().map(move |name| (directory, name.as_str())));
    let of_all = directories
        .iter()
        .map(|directory| (directory, unit.suffix()));
    conf_files(
        root,
        own.chain(of_all)
            .map(|(at, name)| Path::new("/").join(at).join([name, ".d"].concat())),
    )
}

/// Returns the files `*.conf` in these directories, by their names; of those of one name that of
/// the first directory.
pub(in crate::edge) fn conf_files(
    root: &Path,
    directories: impl Iterator<Item = PathBuf>,
) -> BTreeMap<String, PathBuf> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for directory in directories {
        for entry in fs::read_dir(below(root, &directory))
            .into_iter()
            .flatten()
            .flatten()
        {
            let file = entry.file_name().into_string().unwrap_or_default();
            if file.ends_with(".conf") {
                let path = directory.join(&file);
                files.entry(file).or_insert(path);
            }
        }
    }
    files
}

/// Returns the unit's own name and, for an instance, its template's.
pub(super) fn names_of(unit: &UnitName) -> Vec<String> {
    let mut names = vec![unit.as_str().to_owned()];
    if !unit.instance().is_empty() {
        names.push(format!("{}@.{}", unit.prefix(), unit.suffix()));
    }
    names
}

/// Returns the names whose drop-ins apply: the unit's own, its template's, and those cut off after
/// a dash, `a-b-` and `a-` for `a-b-c` (systemd.unit(5)), of an instance also as templates.
pub(in crate::edge) fn drop_in_names(unit: &UnitName) -> Vec<String> {
    let mut names = names_of(unit);
    let prefix = unit.prefix();
    for (at, _) in prefix
        .char_indices()
        .rev()
        .filter(|(at, letter)| *letter == '-' && at + 1 < prefix.len())
    {
        let (cut, suffix) = (&prefix[..=at], unit.suffix());
        names.extend(
            unit.stem()
                .contains('@')
                .then(|| format!("{cut}@.{suffix}")),
        );
        names.push(format!("{cut}.{suffix}"));
    }
    names
}
