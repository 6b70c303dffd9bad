//! Walks a path name by name, and passes only directories and links that the owner of the root
//! directory, or root, controls.
//!
//! The user who may write a directory decides what its names mean: that user can rename any file
//! into it, one of root's too, and change the target of a link. So a file is what its path says
//! only if each directory and each link on the way, from the root directory on, belongs to root and
//! nobody else may write it. The sticky bit does not help: it forbids to remove names, not to make
//! them.
//!
//! The owners of files are the kernel's information, except with FUSE: there a program, which may
//! be a user's, reports them. Where FUSE may be mounted for others too (`user_allow_other` in
//! fuse.conf), a user could show root's files in a folder of its own. So nothing in such a file
//! system is trusted, unless the root directory itself is in it.
//!
//! Invariants: each name is looked up in a directory that is open and was checked when it was
//! opened, and never followed by the kernel, so nothing can change between the check and the use. A
//! directory is opened and checked once.

mod distrust;

pub(super) use distrust::Distrust;

use crate::edge::paths::{LINKS, names};
use distrust::{Met, What, Why};
use rustix::fs::{Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The type of FUSE's file systems in statfs(2), `FUSE_SUPER_MAGIC` of linux/magic.h.
const FUSE: u64 = 0x6573_5546;

/// Flags to look at a name without opening what it means.
const LOOKING: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// An open directory that was checked.
#[derive(Debug)]
pub(super) struct Directory {
    /// Its path without links, seen from the root directory.
    place: PathBuf,
    open: OwnedFd,
}

/// The end of a path.
#[derive(Debug)]
pub(super) enum End {
    /// A directory.
    Directory(Arc<Directory>),
    /// A regular file: its directory, and its name there, which is no link.
    File(Arc<Directory>, OsString),
    /// A device, a pipe or a socket. It is not even opened: opening alone may have effects.
    Odd,
    /// `/dev/null`, which need not be there.
    Null,
}

/// Reason why a path does not lead to an end.
#[derive(Debug)]
pub(super) enum Stop {
    /// Nothing is there.
    Missing,
    /// A link leads nowhere, or round in a circle.
    Nowhere,
    /// Somebody else than root decides about the way.
    Distrust(Distrust),
    /// Something on the way cannot be examined.
    Failed(Errno),
}

impl Stop {
    /// Returns the reason for an error that came after this many links were followed.
    fn after(links: usize, error: Errno) -> Self {
        match error {
            Errno::NOENT if links == 0 => Self::Missing,
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP if links > 0 => Self::Nowhere,
            error => Self::Failed(error),
        }
    }
}

/// Walks paths below one root directory.
pub(super) struct Walker<'r> {
    root: &'r Path,
    /// The user who is trusted beside root.
    owner: u32,
    /// The device of the root directory's file system.
    device: Option<u64>,
    known: HashMap<PathBuf, Arc<Directory>>,
}

impl<'r> Walker<'r> {
    /// Returns a walker. On the running host (`/`) only root is trusted; below another root
    /// directory also its owner, who may build the image.
    pub(super) fn new(root: &'r Path) -> Self {
        let owner = if root == Path::new("/") {
            0
        } else {
            fs::metadata(root).map_or(0, |data| data.uid())
        };
        Self {
            root,
            owner,
            device: None,
            known: HashMap::new(),
        }
    }

    /// Walks from the root directory.
    ///
    /// # Errors
    /// [`Stop`] says why the path has no end.
    pub(super) fn walk(&mut self, path: &Path) -> Result<End, Stop> {
        let top = self.top()?;
        self.walk_from(&top, path)
    }

    /// Walks from a directory.
    ///
    /// # Errors
    /// [`Stop`] says why the path has no end.
    pub(super) fn walk_from(&mut self, start: &Arc<Directory>, path: &Path) -> Result<End, Stop> {
        let mut here = start.clone();
        let (mut rest, mut links) = (names(path), 0);
        while let Some(name) = rest.pop() {
            match name.to_str() {
                Some("/") => here = self.top()?,
                Some(".") => {}
                Some("..") => here = self.parent(&here)?,
                _ if is_null(&here, &name, &rest) => return Ok(End::Null),
                _ => match self.step(&here, &name).map_err(|stop| match stop {
                    Stop::Failed(error) => Stop::after(links, error),
                    stop => stop,
                })? {
                    Step::Directory(directory) => here = directory,
                    Step::Link(target) => {
                        links += 1;
                        if links > LINKS {
                            return Err(Stop::Nowhere);
                        }
                        rest.extend(names(&target));
                    }
                    Step::File if rest.is_empty() => return Ok(End::File(here, name)),
                    Step::Odd if rest.is_empty() => return Ok(End::Odd),
                    Step::File | Step::Odd => return Err(Stop::after(links, Errno::NOTDIR)),
                },
            }
        }
        Ok(End::Directory(here))
    }

    /// Opens the root directory. The way to one other than `/` is not checked: the one who names it
    /// answers for it.
    fn top(&mut self) -> Result<Arc<Directory>, Stop> {
        if let Some(known) = self.known.get(Path::new("/")) {
            return Ok(known.clone());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(self.root, flags, Mode::empty()).map_err(Stop::Failed)?;
        let data = rustix::fs::fstat(&open).map_err(Stop::Failed)?;
        self.device = Some(data.st_dev);
        if self.root == Path::new("/") {
            self.judge(&open, &data, What::Directory.at(Path::new("/")))?;
        }
        Ok(self.keep("/".into(), open))
    }

    fn parent(&mut self, directory: &Directory) -> Result<Arc<Directory>, Stop> {
        // It was passed on the way.
        let known = directory
            .place
            .parent()
            .and_then(|place| self.known.get(place).cloned());
        known.map_or_else(|| self.top(), Ok)
    }

    fn keep(&mut self, place: PathBuf, open: OwnedFd) -> Arc<Directory> {
        let directory = Arc::new(Directory {
            place: place.clone(),
            open,
        });
        self.known.insert(place, directory.clone());
        directory
    }

    /// Looks up a name in a directory.
    fn step(&mut self, here: &Directory, name: &OsStr) -> Result<Step, Stop> {
        let place = here.place.join(name);
        if let Some(known) = self.known.get(&place) {
            return Ok(Step::Directory(known.clone()));
        }
        let open =
            rustix::fs::openat(&here.open, name, LOOKING, Mode::empty()).map_err(Stop::Failed)?;
        let data = rustix::fs::fstat(&open).map_err(Stop::Failed)?;
        match FileType::from_raw_mode(data.st_mode) {
            FileType::Directory => {
                self.judge(&open, &data, What::Directory.at(&place))?;
                Ok(Step::Directory(self.keep(place, open)))
            }
            FileType::Symlink => {
                self.judge(&open, &data, What::Link.at(&place))?;
                let target = rustix::fs::readlinkat(&open, "", Vec::new()).map_err(Stop::Failed)?;
                Ok(Step::Link(OsString::from_vec(target.into_bytes()).into()))
            }
            FileType::RegularFile => Ok(Step::File),
            _ => Ok(Step::Odd),
        }
    }

    fn judge(&self, open: impl AsFd, data: &Stat, met: Met<'_>) -> Result<(), Stop> {
        let Met { what, place } = met;
        let why = if data.st_uid != self.owner && data.st_uid != 0 {
            Why::Owner(data.st_uid)
        } else if what != What::Link && data.st_mode & 0o022 != 0 {
            // A link's own mode says nothing.
            Why::Mode
        } else if self.device != Some(data.st_dev) && is_fuse(open).map_err(Stop::Failed)? {
            Why::Fuse
        } else {
            return Ok(());
        };
        Err(Stop::Distrust(Distrust {
            place: place.to_owned(),
            what,
            why,
        }))
    }

    /// Checks that an open file may be trusted, given that its path may be.
    ///
    /// # Errors
    /// [`Stop::Distrust`] says what is wrong with it; [`Stop::Failed`]: the check failed.
    pub(super) fn judge_file(
        &self,
        open: impl AsFd,
        data: &Stat,
        place: &Path,
    ) -> Result<(), Stop> {
        self.judge(open, data, What::File.at(place))
    }

    /// Checks the file that a walk has led to.
    fn judge_end(&self, directory: &Directory, name: &OsStr) -> Result<(), Stop> {
        let open = rustix::fs::openat(&directory.open, name, LOOKING, Mode::empty())
            .map_err(Stop::Failed)?;
        let data = rustix::fs::fstat(&open).map_err(Stop::Failed)?;
        self.judge_file(&open, &data, &directory.place.join(name))
    }

    /// Returns what somebody else than root controls of a path or of the file at its end. `None` if
    /// there is no such thing, or the path has no end.
    pub(super) fn distrust(&mut self, path: &Path) -> Option<Distrust> {
        let judged = self.walk(path).and_then(|end| match end {
            End::File(directory, name) => self.judge_end(&directory, &name),
            End::Directory(_) | End::Null | End::Odd => Ok(()),
        });
        match judged {
            Err(Stop::Distrust(distrust)) => Some(distrust),
            Ok(()) | Err(Stop::Missing | Stop::Nowhere | Stop::Failed(_)) => None,
        }
    }
}

/// Returns true if an open file is in a FUSE file system.
fn is_fuse(open: impl AsFd) -> Result<bool, Errno> {
    // The field has another type on each architecture, the number fits in all of them.
    let kind = rustix::fs::fstatfs(open)?.f_type;
    Ok(u64::try_from(kind).is_ok_and(|kind| kind == FUSE))
}

/// The meaning of a name.
enum Step {
    Directory(Arc<Directory>),
    Link(PathBuf),
    File,
    Odd,
}

impl Directory {
    /// Returns true if this is the directory at a path that has no links.
    pub(super) fn is_at(&self, place: &Path) -> bool {
        self.place == place
    }

    /// Opens a file in the directory. A link is not followed.
    ///
    /// # Errors
    /// As openat(2).
    pub(super) fn open(&self, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(
            &self.open,
            name,
            flags | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }

    /// Returns the names in the directory, each with its file type.
    ///
    /// # Errors
    /// As openat(2) and getdents64(2).
    pub(super) fn entries(&self) -> Result<Vec<(OsString, FileType)>, Errno> {
        let open = self.open(OsStr::new("."), OFlags::RDONLY | OFlags::DIRECTORY)?;
        let entries = Dir::new(open)?.map(|entry| {
            let entry = entry?;
            Ok((
                OsString::from_vec(entry.file_name().to_bytes().to_vec()),
                entry.file_type(),
            ))
        });
        entries
            .filter(|entry| !matches!(entry, Ok((name, _)) if name == "." || name == ".."))
            .collect()
    }
}

/// Returns true if a name and the names behind it are `/dev/null`.
fn is_null(here: &Directory, name: &OsStr, rest: &[OsString]) -> bool {
    match rest {
        [] => name == "null" && here.is_at(Path::new("/dev")),
        [last] => name == "dev" && last == "null" && here.is_at(Path::new("/")),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
