//! Writes the outputs into systemd's directories, each whole or not at all.
//!
//! Two runs into one directory at once may happen; both write the same bytes, into files without a
//! name or with one of their own, and then link or rename them, so a reader sees one or the other.

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, linkat, mkdirat, openat, renameat, symlinkat, unlinkat,
};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use unitward::core::unit::{Content, Output};

/// Writes outputs into one directory, one after the other.
pub(crate) struct Writer<'a> {
    path: &'a Path,
    /// Opened at the first output; names below it are then looked up in one step each.
    directory: Option<OwnedFd>,
    temporary: String,
    made: BTreeSet<String>,
    /// Outputs that could not be written; they do not stop the rest.
    pub(crate) failed: Vec<(PathBuf, io::Error)>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(path: &'a Path) -> Self {
        let temporary = format!(".unitward-{}", std::process::id());
        Self {
            path,
            directory: None,
            temporary,
            made: BTreeSet::new(),
            failed: Vec::new(),
        }
    }

    pub(crate) fn write(&mut self, output: &Output) {
        if let Err(error) = self.try_to_write(output) {
            self.failed.push((self.path.join(&output.path), error));
        }
    }

    fn try_to_write(&mut self, output: &Output) -> io::Result<()> {
        let directory = match self.directory.take() {
            Some(directory) => directory,
            None => openat(
                CWD,
                self.path,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )?,
        };
        if let Some((folder, _)) = output.path.split_once('/')
            && !self.made.contains(folder)
        {
            // If the folder is there already, all is well; if it cannot be made, the write below
            // fails.
            let _ = mkdirat(&directory, folder, Mode::from(0o755));
            self.made.insert(folder.to_owned());
        }
        let done = put(&directory, &self.temporary, output).inspect_err(|_| {
            let _ = unlinkat(&directory, &self.temporary, AtFlags::empty());
        });
        self.directory = Some(directory);
        done
    }
}

/// Writes one output to its place, by way of `temporary` if something stands there already.
fn put(
    directory: &OwnedFd,
    temporary: &str,
    Output { path, content, .. }: &Output,
) -> io::Result<()> {
    let there = match content {
        Content::File(text) => put_nameless(directory, path, text),
        Content::Link(target) => symlinkat(target, directory, path).map_err(io::Error::from),
    };
    if there.is_ok() {
        return there;
    }
    // Something stands there already, or this file system wants a name from the beginning.
    match content {
        Content::File(text) => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
            let file = openat(directory, temporary, flags, Mode::from(0o644))?;
            File::from(file).write_all(text.as_bytes())?;
        }
        Content::Link(target) => symlinkat(target, directory, temporary)?,
    }
    Ok(renameat(directory, temporary, directory, path)?)
}

/// Writes a file that gets its name once it is whole: one change of the directory less than by
/// renaming.
fn put_nameless(directory: &OwnedFd, path: &str, text: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
    let mut file = File::from(openat(directory, ".", flags, Mode::from(0o644))?);
    file.write_all(text.as_bytes())?;
    Ok(linkat(&file, "", directory, path, AtFlags::EMPTY_PATH)?)
}
