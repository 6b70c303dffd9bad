//! The configuration of systemd itself: systemd-system.conf(5), read from its files.

use super::drop_in_files::conf_files;
use super::paths::{below, resolve};
use super::unit_files::regular;
use crate::core::config::ward::NativeLine;
use crate::core::config::{SourceFile, syntax};
use std::path::Path;

/// Directories of its files; the first one wins.
const DIRECTORIES: [&str; 4] = [
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
];

/// Returns the lines of `[Manager]`, in the order in which they apply: those of the one
/// `system.conf`, then those of the drop-ins by their names.
pub(super) fn lines(root: &Path) -> Vec<NativeLine> {
    let main = DIRECTORIES
        .iter()
        .map(|directory| Path::new(directory).join("system.conf"));
    let main = main.into_iter().find(|path| below(root, path).exists());
    let drop_ins = conf_files(
        root,
        DIRECTORIES
            .iter()
            .map(|directory| Path::new(directory).join("system.conf.d")),
    );
    main.into_iter()
        .chain(drop_ins.into_values())
        .flat_map(|path| manager_lines(root, &path))
        .collect()
}

fn manager_lines(root: &Path, path: &Path) -> Vec<NativeLine> {
    let bytes = resolve(root, path).and_then(|found| regular(&found));
    bytes
        .map(|bytes| syntax::lines_of(&SourceFile::decode(path.into(), bytes), "Manager"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_administrators_file_and_the_last_drop_in_have_the_word() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, seconds: u32| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(
                path,
                format!("[Manager]\nDefaultTimeoutStartSec={seconds}\n"),
            )
            .unwrap();
        };
        let values = || {
            lines(root.path())
                .into_iter()
                .map(|line| line.value)
                .collect::<Vec<_>>()
        };
        assert!(values().is_empty());
        write("usr/lib/systemd/system.conf", 1);
        assert_eq!(values(), ["1"]);
        write("etc/systemd/system.conf", 2);
        write("usr/lib/systemd/system.conf.d/a.conf", 3);
        write("run/systemd/system.conf.d/b.conf", 5);
        write("etc/systemd/system.conf.d/a.conf", 4);
        assert_eq!(values(), ["2", "4", "5"]);
    }
}
