//! Opens directories that root alone can have prepared, step by step.
//!
//! Root writes below `/run` and `/var/lib` at the instance of services, so their users must have no
//! say in where that goes. Each directory on the way is opened relative to the one before it and
//! checked once it is open: it belongs to root and nobody else may write in it (in a sticky one
//! like `/tmp` nobody else can move root's files), and a link is followed only if root has made it.
//! Missing directories are made with their mode from the first moment, because `unitward-step` sets
//! its umask before anything else.

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, fchmod, fstat, mkdirat, openat, readlinkat,
};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path};

/// Maximum number of links followed on one way, as in the kernel (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// Mode of a directory that everybody may read and only root may write.
const MODE: Mode = Mode::from_raw_mode(0o755);

/// The write permissions of group and others.
const OTHERS_WRITE: u32 = 0o022;

/// The sticky bit.
const STICKY: u32 = 0o1000;

/// Flag for [`std::fs::OpenOptions`]: a link in the place of the file is not followed.
pub(crate) const NOFOLLOW: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Flag for the same: a pipe in the place of the file does not block.
pub(crate) const NONBLOCK: i32 = OFlags::NONBLOCK.bits().cast_signed();

/// The event that a file is to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The end of any process.
    Process,
    /// A power cut: it is on the disk when the call returns, together with the directories that
    /// were made for it.
    PowerCut,
}

/// Treatment of a missing directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is an error.
    Refuse,
    /// It is made.
    Make(Durability),
}

/// Opens a directory, as a descriptor to find other files from (`O_PATH`).
///
/// # Errors
/// As open(2), and [`io::ErrorKind::PermissionDenied`] if somebody else than root could have
/// prepared it.
pub(crate) fn directory(path: &Path, missing: Missing) -> io::Result<OwnedFd> {
    walk(path, missing, |stat| check(stat, path))
}

/// Opens a directory that may be anybody's, on a way whose links are root's (`O_PATH`).
///
/// # Errors
/// As open(2), and [`io::ErrorKind::PermissionDenied`] if somebody else has made a link on the way.
pub(crate) fn way(path: &Path) -> io::Result<OwnedFd> {
    walk(path, Missing::Refuse, |stat| match is_link(stat) {
        true => check(stat, path),
        false => Ok(()),
    })
}

fn walk(
    path: &Path,
    missing: Missing,
    check: impl Fn(&Stat) -> io::Result<()>,
) -> io::Result<OwnedFd> {
    let mut way = Way {
        open: root()?,
        rest: VecDeque::new(),
        links: 0,
    };
    way.go_first_to(path)?;
    while let Some(name) = way.rest.pop_front() {
        let found = match look(&way.open, &name) {
            Err(Errno::NOENT) if missing != Missing::Refuse => make(&way.open, &name, missing)?,
            found => found?,
        };
        let stat = fstat(&found)?;
        check(&stat)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => way.open = found,
            FileType::Symlink => way.follow(&found)?,
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
    Ok(way.open)
}

/// Opens a directory that only root can enter, and makes it if it is missing.
///
/// # Errors
/// As [`directory`]; `above` says what happens if one above it is missing.
pub(crate) fn private(path: &Path, above: Missing) -> io::Result<OwnedFd> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    match mkdirat(directory(parent, above)?, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => directory(path, Missing::Refuse),
        Err(error) => Err(error.into()),
    }
}

/// The rest of the way to a directory.
struct Way {
    open: OwnedFd,
    rest: VecDeque<OsString>,
    links: u32,
}

impl Way {
    /// Puts the parts of `path` before those that are left. An absolute path starts again at `/`.
    fn go_first_to(&mut self, path: &Path) -> io::Result<()> {
        for part in path.components().rev() {
            match part {
                Component::Normal(name) => self.rest.push_front(name.to_owned()),
                Component::ParentDir => self.rest.push_front("..".into()),
                Component::RootDir => self.open = root()?,
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
        Ok(())
    }

    fn follow(&mut self, link: &OwnedFd) -> io::Result<()> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        let target = OsString::from_vec(readlinkat(link, "", Vec::new())?.into_bytes());
        self.go_first_to(Path::new(&target))
    }
}

fn root() -> io::Result<OwnedFd> {
    Ok(openat(
        CWD,
        "/",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// Opens one part of a way, of any type, without side effects.
fn look(above: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    openat(
        above,
        name,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

fn make(above: &OwnedFd, name: &OsStr, missing: Missing) -> io::Result<OwnedFd> {
    match mkdirat(above, name, MODE) {
        Ok(()) => {
            // A narrower umask must not hide it from others who may read it.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            fchmod(openat(above, name, flags, Mode::empty())?, MODE)?;
        }
        // Another process may have come first.
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    if missing == Missing::Make(Durability::PowerCut) {
        readable(above)?.sync_all()?;
    }
    Ok(look(above, name)?)
}

/// Opens the same directory for reading, for operations that an `O_PATH` descriptor does not allow.
///
/// # Errors
/// As openat(2).
pub(crate) fn readable(directory: &OwnedFd) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(File::from(openat(directory, ".", flags, Mode::empty())?))
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

/// Checks that only root can have put this here. The user of this process counts as root, so that
/// tests need not be.
fn check(stat: &Stat, path: &Path) -> io::Result<()> {
    let is_roots = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
    if is_roots && (is_link(stat) || stat.st_mode & OTHERS_WRITE == 0 || stat.st_mode & STICKY != 0)
    {
        return Ok(());
    }
    let why = format!(
        "a directory on the way to {} is not root's alone",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// Removes a file of a directory; no error if it is missing.
///
/// # Errors
/// As unlinkat(2).
pub(crate) fn remove(directory: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

    const MAKE: Missing = Missing::Make(Durability::Process);

    #[test]
    fn directories_are_made_with_their_mode_and_links_of_roots_are_followed() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        assert_eq!(
            directory(&path, Missing::Refuse).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        directory(&path, MAKE).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o755
        );
        symlink("a/../a", place.path().join("relative")).unwrap();
        symlink(place.path().join("relative"), place.path().join("absolute")).unwrap();
        let found = directory(&place.path().join("absolute/b"), Missing::Refuse).unwrap();
        assert_eq!(
            fstat(&found).unwrap().st_ino,
            fs::metadata(&path).unwrap().ino()
        );
        symlink("self", place.path().join("self")).unwrap();
        assert!(directory(&place.path().join("self"), MAKE).is_err());
        fs::write(place.path().join("file"), "").unwrap();
        assert!(directory(&place.path().join("file/c"), MAKE).is_err());
    }

    #[test]
    fn what_somebody_else_can_have_prepared_is_refused_wherever_it_stands_on_the_way() {
        let place = tempfile::tempdir().unwrap();
        let refused = |path: &str| {
            let error = directory(&place.path().join(path), MAKE).unwrap_err();
            assert_eq!(
                error.kind(),
                io::ErrorKind::PermissionDenied,
                "{path}: {error}"
            );
        };
        fs::create_dir_all(place.path().join("open/below")).unwrap();
        fs::set_permissions(place.path().join("open"), Permissions::from_mode(0o777)).unwrap();
        refused("open");
        refused("open/below");
        refused("open/new");
        fs::create_dir_all(place.path().join("theirs/below")).unwrap();
        // Only root can give files away, so nobody else has to refuse what it cannot make.
        if chown(place.path().join("theirs"), Some(65_534), None).is_err() {
            return;
        }
        refused("theirs/below");
        fs::create_dir(place.path().join("ours")).unwrap();
        let link = place.path().join("link");
        symlink("ours", &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(65_534), None).unwrap();
        refused("link");
        fs::set_permissions(place.path().join("open"), Permissions::from_mode(0o1777)).unwrap();
        assert!(
            directory(&place.path().join("open/new"), MAKE).is_ok(),
            "as in /tmp"
        );
    }
}
