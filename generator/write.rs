//! Puts the outputs where systemd looks for them, each whole or not at all.
//!
//! Two runs into one directory at once may happen; both write the same bytes under names of their own and rename
//! them, so whoever reads meets one or the other.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use unitward::core::unit::{Content, Output};

/// Writes everything; one failure does not stop the rest. Gives back what could not be written.
pub(crate) fn all(directory: &Path, outputs: &[Output]) -> Vec<(PathBuf, io::Error)> {
    let mut made = BTreeSet::new();
    let mut failed = Vec::new();
    let temporary = directory.join(format!(".unitward-{}", std::process::id()));
    for output in outputs {
        let path = directory.join(&output.path);
        if let Some((folder, _)) = output.path.split_once('/')
            && made.insert(folder)
        {
            // Whether it is there already, or cannot be made, the write below tells.
            let _ = DirBuilder::new().create(directory.join(folder));
        }
        if let Err(error) = one(&path, &temporary, &output.content) {
            let _ = fs::remove_file(&temporary);
            failed.push((path, error));
        }
    }
    failed
}

fn one(path: &Path, temporary: &Path, content: &Content) -> io::Result<()> {
    match content {
        Content::File(text) => fs::write(temporary, text)?,
        Content::Link(target) => symlink(target, temporary)?,
    }
    fs::rename(temporary, path)
}
