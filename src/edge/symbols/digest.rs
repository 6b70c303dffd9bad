//! The readers of the confined process, called in this one. For fuzz targets.
//!
//! Nothing here has a bound to its time but the length of a name: reading one that is made for it takes exponentially long.

use super::demangle;
use super::elf::{self, Query};
use crate::core::crash::backtrace::{Frame, Symbol};
use crate::core::crash::memory_map::MappedFile;
use crate::edge::coredump::core_file;
use std::fs::File;

pub use super::wire::Compression;

/// Longer names are left as they are, bytes.
pub const LONGEST_NAME: usize = 64;

/// The function at each offset of an object's file: its mangled name, and how far the offset is behind its beginning, in bytes.
/// Empty where the object cannot be read.
#[must_use]
pub fn functions(object: File, offsets: &[u64]) -> Vec<Option<(String, u64)>> {
    let queries = offsets.iter().map(|offset| Query { offset: *offset, said: None });
    let found = elf::find(object, None, queries);
    found.into_iter().map(|function| function.map(|function| (function.name, function.behind))).collect()
}

/// The files that a core's process had mapped.
#[must_use]
pub fn mapped_files(core: File, compression: Compression) -> Vec<MappedFile> {
    core_file::mapped_files(core, compression)
}

/// The readable form of a name of at most [`LONGEST_NAME`] bytes.
#[must_use]
pub fn demangle(name: &str) -> String {
    if name.len() > LONGEST_NAME { name.to_owned() } else { demangle::demangle(name) }
}

/// The function of each frame as it is named there, in its readable form.
#[must_use]
pub fn as_said(frames: &[Frame]) -> Vec<Option<Symbol>> {
    let symbol = |name: &String| Symbol { name: demangle(name), offset: None };
    frames.iter().map(|frame| frame.function.as_ref().map(symbol)).collect()
}
