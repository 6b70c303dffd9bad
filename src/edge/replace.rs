//! Replaces files whole: no reader sees half of one.
//!
//! The new file is made under a temporary name, in a directory that only root can have prepared
//! ([`super::trusted`]), and renamed. It has its mode from the first moment: everybody may read it,
//! only its owner may write it.

use super::trusted::{self, Durability, Missing};
use rustix::fs::{Mode, OFlags, RenameFlags, fchmod, openat, renameat_with};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// The mode of the file.
const MODE: Mode = Mode::from_raw_mode(0o644);

/// Replaces the file, in a directory that is made if it is missing.
///
/// # Errors
/// As [`trusted::directory`], open(2), write(2), rename(2) and fsync(2). The old file then stands
/// as it was, unless only the fsync(2) of the directory has failed, which comes last.
pub(crate) fn replace(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    put(path, bytes, durability, RenameFlags::empty())
}

/// Makes the file, whole, unless there is one.
///
/// # Errors
/// As [`replace`], and [`io::ErrorKind::AlreadyExists`] if something of that name is there, which
/// stays as it is.
#[cfg(feature = "full")]
pub(crate) fn make(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    put(path, bytes, durability, RenameFlags::NOREPLACE)
}

fn put(path: &Path, bytes: &[u8], durability: Durability, how: RenameFlags) -> io::Result<()> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = trusted::directory(above, Missing::Make(durability))?;
    let temporary = temporary(name);
    let written = create(&directory, &temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        sync(&file, durability)
    });
    let renamed = written
        .and_then(|()| {
            Ok(renameat_with(
                &directory, &temporary, &directory, name, how,
            )?)
        })
        .inspect_err(|_| drop(trusted::remove(&directory, &temporary)));
    renamed.and_then(|()| sync_directory(&directory, durability))
}

/// Returns a temporary name, unique among processes and threads: `a.tmp123-4` for `a.json`. Readers
/// skip files without the right suffix.
fn temporary(name: &OsStr) -> OsString {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Path::new(name)
        .with_extension(format!("tmp{}-{count}", std::process::id()))
        .into_os_string()
}

fn create(directory: &OwnedFd, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(directory, name, flags, MODE) {
        // An earlier process with this id was killed before it could rename its file.
        Err(Errno::EXIST) => {
            trusted::remove(directory, name)?;
            openat(directory, name, flags, MODE)?
        }
        opened => opened?,
    };
    // A narrower umask must not hide the file from those who may read it.
    fchmod(&file, MODE)?;
    Ok(File::from(file))
}

fn sync_directory(directory: &OwnedFd, durability: Durability) -> io::Result<()> {
    match durability {
        Durability::Process => Ok(()),
        Durability::PowerCut => sync(&trusted::readable(directory)?, durability),
    }
}

fn sync(file: &File, durability: Durability) -> io::Result<()> {
    match durability {
        Durability::Process => Ok(()),
        Durability::PowerCut => file.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_file_is_replaced_in_directories_that_are_made_for_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b/c.json");
        for (text, durability) in [("one", Durability::Process), ("two", Durability::PowerCut)] {
            replace(&path, text.as_bytes(), durability).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(
            fs::read_dir(place.path().join("a/b")).unwrap().count(),
            1,
            "nothing else is left there"
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o644
        );
    }

    #[test]
    #[cfg(feature = "full")]
    fn a_file_is_made_only_where_there_is_none() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b.ward");
        make(&path, b"one", Durability::PowerCut).unwrap();
        let refused = make(&path, b"two", Durability::PowerCut).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(
            fs::read_dir(place.path().join("a")).unwrap().count(),
            1,
            "nothing else is left there"
        );
    }

    #[test]
    fn what_cannot_be_replaced_stays_and_leaves_nothing_beside_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("c.json");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"text", Durability::PowerCut).is_err());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_the_place_of_either_file_leads_nowhere() {
        let place = tempfile::tempdir().unwrap();
        let (path, victim) = (place.path().join("c.json"), place.path().join("victim"));
        fs::write(&victim, "as it was").unwrap();
        symlink(&victim, &path).unwrap();
        symlink(&victim, place.path().join(temporary(OsStr::new("c.json")))).unwrap();
        replace(&path, b"text", Durability::Process).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
        assert!(!path.is_symlink() && fs::read_to_string(&path).unwrap() == "text");
    }
}
