//! Tests of what is opened and what is not, seen by the kernel's own notices, and by the effect of
//! opening a terminal.

use super::*;
use rustix::fs::{CWD, FileType, inotify, mknodat};
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::PathBuf;
use std::time::Duration;

/// Reports files in a folder that are opened other than by `O_PATH`.
struct Watch(std::os::fd::OwnedFd);

impl Watch {
    fn on(folder: &Path) -> Self {
        let watch =
            inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&watch, folder, inotify::WatchFlags::OPEN).unwrap();
        Self(watch)
    }

    /// Returns the names of the files that were opened since the last call.
    fn opened(&self) -> Vec<String> {
        let mut space = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.0, &mut space);
        let mut names = Vec::new();
        while let Ok(event) = events.next() {
            names.push(
                event
                    .file_name()
                    .map_or(String::new(), |name| name.to_str().unwrap().to_owned()),
            );
        }
        names
    }
}

fn anything(_: &Metadata) -> bool {
    true
}

#[test]
fn only_regular_files_are_opened() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::write(at("file"), "text").unwrap();
    fs::write(at("empty"), "").unwrap();
    std::os::unix::fs::symlink("file", at("link")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    let node =
        |name: &str, kind, device| mknodat(CWD, at(name), kind, Mode::RUSR | Mode::WUSR, device);
    node("pipe", FileType::Fifo, 0).unwrap();
    node("socket", FileType::Socket, 0).unwrap();
    // Only root may make one.
    let _ = node(
        "device",
        FileType::CharacterDevice,
        rustix::fs::makedev(1, 3),
    );
    let watch = Watch::on(place.path());
    for name in [
        "/link", "/folder", "/pipe", "/socket", "/device", "/empty", "/nothing", "/", "",
    ] {
        assert!(open_below(place.path(), name, anything).is_none(), "{name}");
    }
    assert_eq!(watch.opened(), [""; 0]);
    assert!(open_below(place.path(), "/file", |_| false).is_none());
    assert_eq!(watch.opened(), [""; 0], "it was not the right one");
    assert!(open_below(place.path(), "/file", anything).is_some());
    assert_eq!(watch.opened(), ["file"], "the notices come");
}

#[test]
fn a_terminal_is_not_touched() {
    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let main = openpt(flags).unwrap();
    unlockpt(&main).unwrap();
    rustix::io::ioctl_fionbio(&main, true).unwrap();
    let name = ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
    let mut main = File::from(main);
    assert!(open_below(Path::new("/"), &name, anything).is_none());
    assert_eq!(
        main.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "nobody has opened the other end yet"
    );
    drop(fs::OpenOptions::new().read(true).open(&name).unwrap());
    assert_ne!(
        main.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "whoever opens it is noticed"
    );
}

#[test]
fn files_of_the_kernel_are_not_opened() {
    for path in [
        "/proc/version",
        "/proc/self/maps",
        "/sys/kernel/uevent_seqnum",
    ] {
        assert!(
            open_below(Path::new("/"), path, anything).is_none(),
            "{path}"
        );
    }
}

#[test]
fn no_link_is_followed() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    fs::create_dir_all(root.join("inside")).unwrap();
    fs::write(root.join("inside/file"), "inside").unwrap();
    fs::write(place.path().join("file"), "outside").unwrap();
    for (link, target) in [
        ("up", PathBuf::from("..")),
        ("whole", place.path().into()),
        ("round", "/inside".into()),
    ] {
        std::os::unix::fs::symlink(target, root.join(link)).unwrap();
    }
    let text = |path: &str| {
        let mut text = String::new();
        open_below(&root, path, anything)?
            .read_to_string(&mut text)
            .unwrap();
        Some(text)
    };
    for path in ["/inside/file", "inside/file", "//inside//file"] {
        assert_eq!(text(path).as_deref(), Some("inside"), "{path}");
    }
    for path in [
        "/up/file",
        "/whole/file",
        "/round/file",
        "/../file",
        "../file",
        "/inside/../inside/file",
    ] {
        assert_eq!(text(path), None, "{path}");
    }
}

#[test]
fn a_file_that_others_wait_for_is_not_waited_for() {
    let begun = Instant::now();
    let all = gather(begun + Duration::from_millis(300), |found| {
        found.send(1).unwrap();
        std::thread::sleep(Duration::from_secs(4));
    });
    assert_eq!(all, [1]);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}
