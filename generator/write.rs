//! Puts the outputs where systemd looks for them, each whole or not at all.
//!
//! Two runs into one directory at once may happen; both write the same bytes under names of their own and rename
//! them, so whoever reads meets one or the other.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, renameat, symlinkat, unlinkat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use unitward::core::unit::{Content, Output};

/// Writes into one directory, one output after the other.
pub(crate) struct Writer {
    directory: OwnedFd,
    temporary: String,
    made: BTreeSet<String>,
    /// What could not be written; it does not stop the rest.
    pub(crate) failed: Vec<(PathBuf, io::Error)>,
}

impl Writer {
    /// Opens `directory` once; names below it are then looked up in one step each.
    pub(crate) fn new(directory: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            directory: openat(CWD, directory, flags, Mode::empty())?,
            temporary: format!(".unitward-{}", std::process::id()),
            made: BTreeSet::new(),
            failed: Vec::new(),
        })
    }

    pub(crate) fn write(&mut self, output: &Output) {
        if let Some((folder, _)) = output.path.split_once('/')
            && !self.made.contains(folder)
        {
            // Whether it is there already, or cannot be made, the write below tells.
            let _ = mkdirat(&self.directory, folder, Mode::from(0o755));
            self.made.insert(folder.to_owned());
        }
        if let Err(error) = self.put(&output.path, &output.content) {
            let _ = unlinkat(&self.directory, &self.temporary, AtFlags::empty());
            self.failed.push((output.path.clone().into(), error));
        }
    }

    fn put(&self, path: &str, content: &Content) -> io::Result<()> {
        match content {
            Content::File(text) => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
                let file = openat(&self.directory, &self.temporary, flags, Mode::from(0o644))?;
                File::from(file).write_all(text.as_bytes())?;
            }
            // A new link is there whole or not at all; only one in the place of another needs the detour.
            Content::Link(target) => match symlinkat(target, &self.directory, path) {
                Err(Errno::EXIST) => symlinkat(target, &self.directory, &self.temporary)?,
                done => return Ok(done?),
            },
        }
        Ok(renameat(&self.directory, &self.temporary, &self.directory, path)?)
    }
}
