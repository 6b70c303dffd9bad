//! Puts the outputs where systemd looks for them, each whole or not at all.
//!
//! Two runs into one directory at once may happen; both write the same bytes under names of their own and rename
//! them, so whoever reads meets one or the other.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use unitward::core::unit::{Content, Output};

/// Tells the temporary names of this process's writers apart.
static WRITERS: AtomicU32 = AtomicU32::new(0);

/// Writes into one directory, one output after the other.
pub(crate) struct Writer<'a> {
    directory: &'a Path,
    temporary: PathBuf,
    made: BTreeSet<String>,
    /// What could not be written; it does not stop the rest.
    pub(crate) failed: Vec<(PathBuf, io::Error)>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(directory: &'a Path) -> Self {
        let number = WRITERS.fetch_add(1, Ordering::Relaxed);
        let temporary = directory.join(format!(".unitward-{}-{number}", std::process::id()));
        Self { directory, temporary, made: BTreeSet::new(), failed: Vec::new() }
    }

    pub(crate) fn write(&mut self, output: &Output) {
        let path = self.directory.join(&output.path);
        if let Some((folder, _)) = output.path.split_once('/')
            && !self.made.contains(folder)
        {
            // Whether it is there already, or cannot be made, the write below tells.
            let _ = fs::create_dir(self.directory.join(folder));
            self.made.insert(folder.to_owned());
        }
        if let Err(error) = self.put(&path, &output.content) {
            let _ = fs::remove_file(&self.temporary);
            self.failed.push((path, error));
        }
    }

    fn put(&self, path: &Path, content: &Content) -> io::Result<()> {
        match content {
            Content::File(text) => fs::write(&self.temporary, text)?,
            // A new link is there whole or not at all; only one in the place of another needs the detour.
            Content::Link(target) => match symlink(target, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => symlink(target, &self.temporary)?,
                done => return done,
            },
        }
        fs::rename(&self.temporary, path)
    }
}
