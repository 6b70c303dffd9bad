//! Opens files whose paths other people choose.
//!
//! A process chooses what it maps and, with a mount namespace of its own, what stands at any path.
//! Opening a device, a terminal or a file of the kernel's can have effects, and reading one too.
//! Therefore:
//!
//! * A path is looked up below a root, part by part and through no link, and gives a descriptor
//!   that opens nothing (`O_PATH`, open(2)).
//! * Only a regular file that is not empty, on a file system that keeps data, and that the caller
//!   accepts as the right one, is opened for reading.
//! * A path can lead to a file system that does not answer: all of it is done in a thread, and the
//!   wait for that has a deadline.

use rustix::fs::{Mode, OFlags, fstatfs, open, openat};
use std::fs::{File, Metadata};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

/// Maximum number of threads that are at work, or hang, at the same time.
const THREADS: usize = 8;

/// Number of threads that are at work or hang.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// Types of file systems whose regular files are the kernel's and not data (linux/magic.h): reading
/// one can consume its content, as with `/proc/kmsg`.
const OF_THE_KERNEL: [u32; 17] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6165_676c, // pstore
    0xde5e_81e4, // efivarfs
    0xcafe_4a11, // bpf
    0x6265_6570, // configfs
    0xf97c_ff8c, // selinux
    0x4249_4e4d, // binfmt_misc
    0x1cd1,      // devpts
    0x6e73_6673, // nsfs
    0x6573_5543, // fusectl
    0x1980_0202, // mqueue
];

/// Opens the file at this path below `root` for reading, if it is a regular file with data and
/// `is_right`.
pub(super) fn open_below(
    root: &Path,
    path: &str,
    is_right: impl Fn(&Metadata) -> bool,
) -> Option<File> {
    let found = File::from(find(root, path)?);
    let known = found.metadata().ok()?;
    // Most of the kernel's files claim to be empty. The type's number has a sign and a width that
    // depend on the machine.
    let keeps_data = known.len() > 0
        && fstatfs(&found).is_ok_and(|system| !OF_THE_KERNEL.contains(&(system.f_type as u32)));
    if !known.is_file() || !keeps_data || !is_right(&known) {
        return None;
    }
    // Opened by its descriptor it is the same file, even if the path has another by now.
    // `O_NONBLOCK`: the end of somebody's lease is not awaited.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(
        open(
            format!("/proc/self/fd/{}", found.as_raw_fd()),
            flags,
            Mode::empty(),
        )
        .ok()?,
    );
    let is_same = file
        .metadata()
        .is_ok_and(|is| is.is_file() && is.dev() == known.dev() && is.ino() == known.ino());
    is_same.then_some(file)
}

/// Looks up a path without opening the file. The kernel gives paths without links, so none is
/// followed: not even within the root.
///
/// openat2(2) would do it in one call, but systemd's `RestrictSUIDSGID=` makes it fail in services.
fn find(root: &Path, path: &str) -> Option<OwnedFd> {
    let nothing = OFlags::PATH | OFlags::CLOEXEC;
    let mut at = open(root, nothing | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    parts.peek()?;
    while let Some(part) = parts.next() {
        if matches!(part, "." | "..") {
            return None;
        }
        let kind = if parts.peek().is_some() {
            OFlags::DIRECTORY
        } else {
            OFlags::empty()
        };
        at = openat(&at, part, nothing | OFlags::NOFOLLOW | kind, Mode::empty()).ok()?;
    }
    Some(at)
}

/// Runs `work` in a thread and returns what it has sent when it ends or the time is over; then it
/// goes on unattended. If too many threads go on already, nothing is run and nothing returned.
pub(in crate::edge) fn gather<T: Send + 'static>(
    until: Instant,
    work: impl FnOnce(&Sender<T>) + Send + 'static,
) -> Vec<T> {
    let Some(place) = Place::take() else {
        return Vec::new();
    };
    let (sender, receiver) = channel();
    let started = std::thread::Builder::new()
        .name("files".to_owned())
        .spawn(move || {
            let _place = place;
            work(&sender);
        });
    let mut all = Vec::new();
    if started.is_ok() {
        while let Ok(one) = receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
            all.push(one);
        }
    }
    all
}

/// The place of a thread among those that may be at work.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        AT_WORK
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < THREADS).then_some(taken + 1)
            })
            .is_ok()
            .then_some(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
