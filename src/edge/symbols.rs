//! Which function each frame of a backtrace is in, from the symbol tables of the objects on this host.
//!
//! A file counts only when it is the one the process ran; after an upgrade the path leads to another. It has the inode number
//! that was mapped, or where that is not known has not changed since the crash, and the build-id that
//! systemd-coredump took from the core, where it took one. What is not found keeps the name systemd-coredump gives, which knows
//! separate debug information too, without an offset.
//!
//! Nothing here can fail, and what a hostile object can make it read is bounded, see [`elf`].
//!
//! What it does not see: a file overwritten in place. On overlayfs with `xino=on`, and where the clock was set back before
//! the crash, files are taken for others and told without offsets.

mod demangle;
mod elf;

use crate::core::crash::backtrace::{Frame, Symbol};
use crate::core::crash::memory_map::Spot;
pub use demangle::demangle;
use elf::{Function, Query};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Build-ids in hexadecimal digits, by the name that [`Frame::module`] has.
pub type BuildIds = BTreeMap<String, String>;

/// What tells a process's objects from others.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// The build-ids that are known.
    pub build_ids: BuildIds,
    /// When it crashed, milliseconds since the epoch.
    pub at_ms: u64,
}

/// The function of each frame, by the objects below `root`.
#[must_use]
pub fn look_up(root: &Path, frames: &[Frame], marks: &Marks) -> Vec<Option<Symbol>> {
    let mut symbols = as_said(frames);
    for Object { path, inode, places } in objects(frames) {
        let Some(file) = open(root, path).filter(|file| is_same(file, inode, marks.at_ms)) else { continue };
        let build_id = places.iter().find_map(|(index, _)| marks.build_ids.get(frames[*index].module.as_ref()?));
        let queries =
            places.iter().map(|(index, offset)| Query { offset: *offset, said: frames[*index].function.as_deref() });
        let found = elf::find(file, build_id.map(String::as_str), queries);
        for ((index, _), function) in places.iter().zip(found) {
            if let Some(Function { name, behind }) = function {
                let Frame { address, instruction, .. } = frames[*index];
                let offset = behind.checked_add(address - instruction);
                symbols[*index] = Some(Symbol { name: demangle(&name), offset });
            }
        }
    }
    symbols
}

/// An object that frames are in.
struct Object<'a> {
    path: &'a str,
    inode: Option<u64>,
    /// Which frames, and where each is in the object's file.
    places: Vec<(usize, u64)>,
}

fn objects(frames: &[Frame]) -> Vec<Object<'_>> {
    let mut objects: Vec<Object<'_>> = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let (Some(path), Some(Spot { inode, offset })) = (&frame.object, frame.spot) else { continue };
        match objects.iter_mut().find(|object| object.path == path && object.inode == inode) {
            Some(object) => object.places.push((index, offset)),
            None => objects.push(Object { path, inode, places: vec![(index, offset)] }),
        }
    }
    objects
}

/// The function of each frame, as systemd-coredump names it.
#[must_use]
pub fn as_said(frames: &[Frame]) -> Vec<Option<Symbol>> {
    let said = |frame: &Frame| Some(Symbol { name: demangle(frame.function.as_ref()?), offset: None });
    frames.iter().map(said).collect()
}

/// The file at this path below `root`. Neither a link nor a pipe that took its place is opened.
pub(super) fn open(root: &Path, path: &str) -> Option<File> {
    let path = root.join(path.trim_start_matches('/'));
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file)
}

/// Whether it is the file that was mapped by a process that crashed then. The kernel tells a crash's time in whole seconds.
fn is_same(file: &File, inode: Option<u64>, at_ms: u64) -> bool {
    let Ok(metadata) = file.metadata() else { return false };
    match inode {
        // The memory map has no more digits than the machine's words.
        Some(inode) => metadata.ino() & (usize::MAX as u64) == inode,
        None => u64::try_from(metadata.ctime()).is_ok_and(|changed| changed <= at_ms / 1000),
    }
}

#[cfg(test)]
mod tests;
