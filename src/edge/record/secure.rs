//! Recovery of a ward's state directory that belongs to another user.
//!
//! Versions before 0.4.1 made the folders of a ward with the service's umask. With `UMask=0000` the
//! service's user could be quicker at the first start and own one of them until the next boot.
//! Nothing is written below such a folder. So that recoveries go on, it is moved to a place that
//! only root can read, and a new one is made.

use super::WardState;
use crate::edge::trusted::{self, Missing};
use rustix::fs::renameat;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Directory to which such folders are moved, beside that of the wards.
const ASIDE: &str = "not-roots";

impl WardState {
    /// Makes sure that only root can have prepared the contents of the ward's folder; returns the
    /// new path of one that had to be moved.
    ///
    /// # Errors
    /// The folder cannot be examined or moved.
    pub fn secure(&self) -> io::Result<Option<PathBuf>> {
        match trusted::directory(&self.directory.join("runs"), Missing::Refuse) {
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::NotADirectory
                ) =>
            {
                self.move_aside().map(Some)
            }
            Err(error) => Err(error),
        }
    }

    fn move_aside(&self) -> io::Result<PathBuf> {
        let (Some(wards), Some(name)) = (self.directory.parent(), self.directory.file_name())
        else {
            return Err(ErrorKind::InvalidInput.into());
        };
        let aside = wards.parent().unwrap_or(Path::new("/")).join(ASIDE);
        // A service could never create the directories above the wards' folders.
        let from = trusted::directory(wards, Missing::Refuse)?;
        let to = trusted::private(&aside, Missing::Refuse)?;
        let new = format!("{}.{}", name.display(), std::process::id());
        renameat(&from, name, &to, &new)?;
        Ok(aside.join(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::{RunRecord, StartKind};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn check(spoil: impl Fn(&Path)) {
        let place = tempfile::tempdir().unwrap();
        let wards = place.path().join("wards");
        let state = WardState::below(&wards, "a");
        let record = RunRecord::new("a", "a.service", "i", StartKind::First);
        state.save_run(&record).unwrap();
        assert_eq!(state.secure().unwrap(), None);
        spoil(&wards.join("a"));
        assert!(state.save_run(&record).is_err(), "nothing is written there");
        let gone = state.secure().unwrap().expect("it is moved");
        assert!(
            gone.starts_with(place.path().join(ASIDE)) && fs::symlink_metadata(&gone).is_ok(),
            "{gone:?}"
        );
        assert_eq!((state.runs(), state.secure().unwrap()), (Vec::new(), None));
        state.save_run(&record).unwrap();
        assert_eq!(state.runs(), [record]);
    }

    #[test]
    fn a_folder_that_somebody_else_can_write_is_moved_out_of_the_way() {
        check(|ward| fs::set_permissions(ward, fs::Permissions::from_mode(0o777)).unwrap());
        check(|ward| {
            fs::set_permissions(ward.join("runs"), fs::Permissions::from_mode(0o777)).unwrap()
        });
        check(|ward| {
            fs::remove_dir_all(ward).unwrap();
            fs::write(ward, "no folder").unwrap();
        });
        let is_link = |ward: &Path| {
            fs::set_permissions(ward, fs::Permissions::from_mode(0o777)).unwrap();
            fs::rename(ward.join("runs"), ward.join("kept")).unwrap();
            symlink("/etc", ward.join("runs")).unwrap();
        };
        check(is_link);
    }
}
