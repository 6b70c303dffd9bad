//! Removes the PID file of a service that is not forking, as systemd does at each end.

use super::bad_line;
use crate::edge::trusted;
use std::io;
use std::path::{Component, Path};

/// `remove-pid-file WARD PATH`: removes the file, and returns an exit status of 0.
///
/// The service's user may own the directory of the file, and put a link into the place of one below
/// it: links are followed only if root has made them.
pub(super) fn remove(words: &[String]) -> io::Result<u8> {
    let [_, path] = words else {
        return Err(bad_line("the path of the PID file is missing"));
    };
    let path = Path::new(path);
    // systemd refuses such a path, and an instance's name may have put it in.
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(io::Error::other(
            "the path of the PID file has \"..\" in it",
        ));
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(bad_line("the PID file has no name"));
    };
    match trusted::way(directory) {
        Ok(directory) => trusted::remove(&directory, name).map(|()| 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{chown, lchown, symlink};

    #[test]
    fn a_file_in_the_users_folder_goes_and_a_link_of_the_users_leads_nowhere() {
        let place = tempfile::tempdir().unwrap();
        let own = place.path().join("own");
        fs::create_dir_all(own.join("real")).unwrap();
        let remove = |path: &Path| remove(&["web".into(), path.display().to_string()]);
        let file = own.join("a.pid");
        fs::write(&file, "1").unwrap();
        if rustix::process::geteuid().is_root() {
            chown(&own, Some(65534), Some(65534)).unwrap();
        }
        assert_eq!(remove(&file).unwrap(), 0);
        assert!(!file.exists());
        assert_eq!(remove(&file).unwrap(), 0, "it is gone already");
        assert!(remove(&own.join("../own/a.pid")).is_err());
        assert_eq!(remove(Path::new("/nowhere/at/all.pid")).unwrap(), 0);
        if rustix::process::geteuid().is_root() {
            fs::write(place.path().join("b.pid"), "1").unwrap();
            symlink(place.path(), own.join("link")).unwrap();
            lchown(own.join("link"), Some(65534), Some(65534)).unwrap();
            assert!(remove(&own.join("link/b.pid")).is_err());
            assert!(place.path().join("b.pid").exists());
        }
    }
}
