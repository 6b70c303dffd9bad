//! FUSE: a file system in which all files are root's because its program says so.

use super::*;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::os::fd::AsRawFd as _;

/// The program of a file system in which each name is a file of root's. Unmounts when dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// `None` where this process may mount nothing, or the kernel has no FUSE.
    fn at(place: &Path) -> Option<Self> {
        let device =
            rustix::fs::open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let options = format!(
            "fd={},rootmode=40000,user_id=1000,group_id=1000,allow_other",
            device.as_raw_fd()
        );
        let options = CString::new(options).unwrap();
        mount(
            "test",
            place,
            "fuse",
            MountFlags::NOSUID | MountFlags::NODEV,
            options.as_c_str(),
        )
        .ok()?;
        std::thread::spawn(move || while serve(&device).is_ok() {});
        Some(Self(place.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// Answers one request, as linux/fuse.h has it.
fn serve(device: &OwnedFd) -> Result<(), Errno> {
    const LOOKUP: u32 = 1;
    const GETATTR: u32 = 3;
    const STATFS: u32 = 17;
    const INIT: u32 = 26;
    let mut request = vec![0; 256 << 10];
    let length = rustix::io::retry_on_intr(|| rustix::io::read(device, &mut request))?;
    let word = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().unwrap());
    assert!(length >= 40);
    let (code, node) = (word(4), word(16));
    let attributes = |mode: u32| {
        let mut attributes = vec![0; 88];
        attributes[60..64].copy_from_slice(&mode.to_le_bytes());
        attributes[64] = 1;
        attributes
    };
    let body = match code {
        INIT => [&7_u32.to_le_bytes()[..], &31_u32.to_le_bytes(), &[0; 56]].concat(),
        GETATTR => [
            vec![0; 16],
            attributes(if node == 1 { 0o40_755 } else { 0o100_644 }),
        ]
        .concat(),
        LOOKUP => [
            2_u64.to_le_bytes().to_vec(),
            vec![0; 32],
            attributes(0o100_644),
        ]
        .concat(),
        STATFS => vec![0; 80],
        _ => Vec::new(),
    };
    let error: i32 = if body.is_empty() { -38 } else { 0 };
    let length = u32::try_from(16 + body.len()).unwrap();
    let answer = [
        &length.to_le_bytes()[..],
        &error.to_le_bytes(),
        &request[8..16],
        &body,
    ]
    .concat();
    // What needs no answer is not waited for.
    let _ = rustix::io::write(device, &answer);
    Ok(())
}

#[test]
fn what_a_users_file_system_shows_is_not_roots_whatever_it_says() {
    let root = tempfile::tempdir().unwrap();
    let place = root.path().join("folder");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("file"), "").unwrap();
    assert!(
        Walker::new(root.path())
            .distrust(Path::new("/folder/file"))
            .is_none()
    );
    let Some(_mounted) = Mounted::at(&place) else {
        return;
    };
    assert_eq!(fs::metadata(place.join("file")).unwrap().uid(), 0);
    let mut walker = Walker::new(root.path());
    let distrust = walker.distrust(Path::new("/folder/file")).unwrap();
    assert_eq!(
        distrust.on_the_way(),
        "a program decides what is seen of the directory /folder, which is in a FUSE file system; move it to another"
    );
    // Who has made the root directory such a file system has all in hand.
    assert!(Walker::new(&place).distrust(Path::new("/file")).is_none());
}
