//! Safe reading of state files. Other kinds of files in their place never block the reader and are
//! never read without bound.

use rustix::fs::{Mode, OFlags, open};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Largest state file that is read, in bytes: a multiple of the size that the steps of the largest
/// ward produce.
const LARGEST: u64 = 16 << 20;

/// Reads the bytes of a state file.
///
/// # Errors
/// It cannot be opened, is not a regular file (but a pipe or a link to a device), does not belong
/// to root, or is larger than any state file.
pub(super) fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(wrong("this is not a regular file"));
    }
    // This process's own user counts as root, so that tests need not run as root.
    if metadata.uid() != 0 && metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(wrong("the file is not root's"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        Err(wrong("the file is too large for a state file"))
    } else {
        Ok(bytes)
    }
}

/// Makes the error of a file that cannot be a state file.
fn wrong(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::{RunRecord, StartKind, WardState};

    #[test]
    fn only_regular_files_of_some_size_are_read() {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "a");
        let kept = RunRecord::new("a", "a.service", "i", StartKind::First);
        state.save_run(&kept).unwrap();
        let runs = place.path().join("a/runs");
        std::os::unix::fs::symlink("/dev/zero", runs.join("zero.json")).unwrap();
        let pipe = runs.join("pipe.json");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        File::create(runs.join("large.json"))
            .unwrap()
            .set_len(LARGEST + 1)
            .unwrap();
        assert_eq!(state.runs(), std::slice::from_ref(&kept));
        assert_eq!(state.newest_runs().collect::<Vec<_>>(), [kept]);
        let whys = ["zero", "pipe", "large"].map(|run| state.run(run).unwrap_err().to_string());
        assert_eq!(
            whys[1..],
            [
                "this is not a regular file",
                "the file is too large for a state file"
            ]
        );
        assert!(whys[0].contains("symbolic link"), "{whys:?}");
    }

    #[test]
    fn a_file_of_somebody_elses_is_not_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("theirs.json");
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(contents(&path).unwrap(), b"{}");
        // Only root can give it away.
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
            assert_eq!(
                contents(&path).unwrap_err().to_string(),
                "the file is not root's"
            );
        }
    }
}
