//! Replaces a file whole, so that no reader meets half of it.
//!
//! It is written under a temporary name and renamed. Modes are given and not left to the umask, which is the service's: steps that
//! run as the service read what steps write.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What a file is to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The end of any process.
    Process,
    /// A power cut: it is on the disk when the call returns, and so are the directories that were made for it.
    PowerCut,
}

/// Replaces the file, in a directory that is made where it is missing.
pub(crate) fn replace(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let directory = path.parent().unwrap_or(Path::new("/"));
    let file = File::create(&temporary).or_else(|_| {
        make_directories(directory, durability)?;
        File::create(&temporary)
    });
    let written = file.and_then(|mut file| {
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(bytes)?;
        sync(&file, durability)
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    });
    renamed.and_then(|()| sync_directory(directory, durability))
}

/// Makes a directory and those above it, everybody's to read.
pub(crate) fn make_directories(path: &Path, durability: Durability) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().unwrap_or(Path::new("/"));
    make_directories(above, durability)?;
    match fs::create_dir(path) {
        // Another process may have come first.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made
            .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)))
            .and_then(|()| sync_directory(above, durability)),
    }
}

fn sync_directory(path: &Path, durability: Durability) -> io::Result<()> {
    match durability {
        Durability::Process => Ok(()),
        Durability::PowerCut => sync(&File::open(path)?, durability),
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

    #[test]
    fn a_file_is_replaced_in_directories_that_are_made_for_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b/c.json");
        for (text, durability) in [("one", Durability::Process), ("two", Durability::PowerCut)] {
            replace(&path, text.as_bytes(), durability).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(place.path().join("a/b")).unwrap().count(), 1, "nothing else is left there");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn what_cannot_be_replaced_stays_and_leaves_nothing_beside_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("c.json");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"text", Durability::PowerCut).is_err());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
