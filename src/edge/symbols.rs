//! The functions that the frames of a backtrace are in, from the symbol tables of the objects on
//! this host.
//!
//! A file counts only if it is the one that the process ran; after an upgrade the path leads to
//! another. It must have the inode number that was mapped, or if that is not known must not have
//! changed since the crash, and no other build-id than systemd-coredump took from the core, if it
//! took one. A function that is not found keeps the name that systemd-coredump gives, which knows
//! separate debug information too, without an offset.
//!
//! # Untrusted files
//!
//! A process chooses the files that it maps, the names of its functions and, with a mount namespace
//! of its own, what stands at a path. So files are opened as [`open`] says, and their contents, and
//! every name, are read in a confined process ([`worker`], [`confine`]): without rights, without
//! files of the host, with bounds to its memory and time. It answers bit by bit; the answers given
//! when its time is over count, and a part that it cannot finish costs nothing but itself
//! ([`known`]).
//!
//! Nothing here can fail, and nothing takes longer than the [`Resolver`] was given.
//!
//! A file that is overwritten in place is not noticed. On overlayfs with `xino=on`, and if the
//! clock was set back before the crash, files are taken for others and reported without offsets.
//! The device in a memory map is not compared: on btrfs and overlayfs it is another one than that
//! of the file.

mod confine;
pub(super) mod core_file;
mod demangle;
pub(crate) mod digest;
mod elf;
mod filter;
mod known;
mod open;
mod session;
mod wire;
pub mod worker;

use crate::core::crash::backtrace::{Frame, Symbol};
use crate::core::crash::memory_map::{MappedFile, Spot};
use known::{Known, Object};
pub(in crate::edge) use open::gather;
use open::open_below;
pub use session::OPTION;
use session::{Program, Session};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
pub(in crate::edge) use wire::Compression;
use wire::{Answer, FILES, Mapped, Request};

/// Maximum number of processes of one look-up: it takes one more for each part of the work on which
/// one was lost.
const PROCESSES: u32 = 8;

/// Upper bound of the time for one part of the work; another is a third of the time that is left.
const LONGEST_PART: Duration = Duration::from_secs(1);

/// Build-ids in hexadecimal digits, by the name in [`Frame::module`].
pub type BuildIds = BTreeMap<String, String>;

/// Facts that distinguish a process's objects from others.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// The build-ids that are known.
    pub build_ids: BuildIds,
    /// Time of the crash, in milliseconds since the epoch.
    pub at_ms: u64,
}

/// Looks up functions in a confined process, until a deadline.
#[derive(Debug, Clone)]
pub struct Resolver {
    program: Program,
    until: Instant,
}

impl Resolver {
    /// Returns a resolver that runs this very program. Results that are there by `until` count.
    #[must_use]
    pub fn new(until: Instant) -> Self {
        Self {
            program: Program::this(),
            until,
        }
    }

    /// Returns a resolver that runs another program of ours, one that has [`OPTION`].
    #[must_use]
    pub fn with_program(path: PathBuf, until: Instant) -> Self {
        Self {
            program: Program::at(path),
            until,
        }
    }

    /// Returns the function of each frame, from the objects below `root`.
    #[must_use]
    pub fn look_up(&self, root: &Path, frames: &[Frame], marks: &Marks) -> Vec<Option<Symbol>> {
        self.name(frames, self.objects(root, frames, marks))
    }

    /// Returns the function of each frame, as systemd-coredump or the frame's owner names it.
    #[must_use]
    pub fn as_said(&self, frames: &[Frame]) -> Vec<Option<Symbol>> {
        self.name(frames, Vec::new())
    }

    /// Returns the files that were mapped at these addresses, by the core at this path below
    /// `root`.
    #[must_use]
    pub(in crate::edge) fn mapped_files(
        &self,
        root: &Path,
        core: &str,
        addresses: &[u64],
    ) -> Vec<MappedFile> {
        let path = root.join(core.trim_start_matches('/'));
        let opened = gather(self.halfway(), move |found| {
            // The receiver is gone if it took too long.
            let _ = open_core(&path).map(|file| found.send(file));
        });
        let compression = if core.ends_with(".zst") {
            Compression::Zstd
        } else {
            Compression::None
        };
        let request = Request::Mapped(Mapped {
            addresses: addresses.to_owned(),
            compression,
        });
        let Some(core) = opened.first() else {
            return Vec::new();
        };
        let Ok(mut session) = Session::begin(&self.program, &request, &[core], self.until) else {
            return Vec::new();
        };
        let files = std::iter::from_fn(|| match session.next(self.until)? {
            Answer::File(part) => Some(part.into()),
            _ => None,
        });
        files.take(FILES).collect()
    }

    /// Opens the objects that the frames are in.
    fn objects(&self, root: &Path, frames: &[Frame], marks: &Marks) -> Vec<Object> {
        let mut wanted = wanted(frames);
        wanted.truncate(FILES);
        let paths: Vec<_> = wanted
            .iter()
            .map(|object| (object.path.to_owned(), object.inode))
            .collect();
        let (root, at_ms) = (root.to_owned(), marks.at_ms);
        let opened = gather(self.halfway(), move |found| {
            for (number, (path, inode)) in paths.into_iter().enumerate() {
                if let Some(file) = open_below(&root, &path, |file| is_same(file, inode, at_ms)) {
                    let _ = found.send((number, file));
                }
            }
        });
        let objects = opened.into_iter().map(|(number, file)| {
            let places = std::mem::take(&mut wanted[number].places);
            let build_id = places
                .iter()
                .find_map(|(index, _)| marks.build_ids.get(frames[*index].module.as_ref()?));
            Object {
                file,
                build_id: build_id.cloned(),
                places,
            }
        });
        objects.collect()
    }

    fn halfway(&self) -> Instant {
        let now = Instant::now();
        now + self.until.saturating_duration_since(now) / 2
    }

    fn name(&self, frames: &[Frame], objects: Vec<Object>) -> Vec<Option<Symbol>> {
        let mut known = Known::new(frames, objects);
        for _ in 0..PROCESSES {
            let Some((request, files)) = known.request() else {
                break;
            };
            let Ok(session) = Session::begin(&self.program, &request, &files, self.until) else {
                break;
            };
            let end = self.listen(session, &mut known);
            // If one is lost before it has begun anything, so would others be.
            if end == End::Done || known.under_way().is_none() {
                break;
            }
            known.give_up();
        }
        known.symbols(frames)
    }

    /// Receives the answers of a process.
    fn listen(&self, mut session: Session, known: &mut Known) -> End {
        loop {
            let now = Instant::now();
            let left = self.until.saturating_duration_since(now);
            let until = if known.under_way().is_some() {
                now + (left / 3).min(LONGEST_PART)
            } else {
                self.until
            };
            match session.next(until) {
                Some(Answer::Done) => return End::Done,
                Some(answer) => known.take(answer),
                None => return End::Lost,
            }
        }
    }
}

/// Opens a core that systemd-coredump wrote. Links on the way to its folder are an administrator's,
/// and are followed.
fn open_core(path: &Path) -> Option<File> {
    open_below(path.parent()?, path.file_name()?.to_str()?, |_| true)
}

/// End of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It has given all answers.
    Done,
    /// It has ended, or got stuck, before that.
    Lost,
}

/// An object that frames are in.
struct Wanted<'a> {
    path: &'a str,
    inode: Option<u64>,
    /// Indices of the frames, each with its offset in the object's file.
    places: Vec<(usize, u64)>,
}

fn wanted(frames: &[Frame]) -> Vec<Wanted<'_>> {
    let mut objects: Vec<Wanted<'_>> = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let (Some(path), Some(Spot { inode, offset })) = (&frame.object, frame.spot) else {
            continue;
        };
        match objects
            .iter_mut()
            .find(|object| object.path == path && object.inode == inode)
        {
            Some(object) => object.places.push((index, offset)),
            None => objects.push(Wanted {
                path,
                inode,
                places: vec![(index, offset)],
            }),
        }
    }
    objects
}

/// Returns true if this is the file that was mapped by a process that crashed at `at_ms`. The
/// kernel gives a crash's time in whole seconds.
fn is_same(file: &Metadata, inode: Option<u64>, at_ms: u64) -> bool {
    match inode {
        // The memory map has no more digits than the machine's words.
        Some(inode) => file.ino() & (usize::MAX as u64) == inode,
        None => u64::try_from(file.ctime()).is_ok_and(|changed| changed <= at_ms / 1000),
    }
}

#[cfg(test)]
mod tests;
