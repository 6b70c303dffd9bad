//! The readers of the confined process, called in this one. For fuzz targets.
//!
//! Only the length of a name limits their time: reading one that is made for it takes exponentially
//! long.

use super::core_file;
use super::demangle;
use super::elf::{self, Query};
use crate::core::crash::backtrace::{Frame, Symbol};
use crate::core::crash::memory_map::MappedFile;
use std::fs::File;

pub use super::wire::Compression;

/// Longest name that [`demangle()`] reads, in bytes; longer ones stay as they are.
pub const LONGEST_NAME: usize = 64;

/// Returns the function at each offset of an object's file: its mangled name, and the distance of
/// the offset from its beginning, in bytes. Empty if the object cannot be read.
#[must_use]
pub fn functions(object: File, offsets: &[u64]) -> Vec<Option<(String, u64)>> {
    let queries = offsets.iter().map(|offset| Query {
        offset: *offset,
        said: None,
    });
    let found = elf::find(object, None, queries);
    found
        .into_iter()
        .map(|function| function.map(|function| (function.name, function.behind)))
        .collect()
}

/// Returns the files that a core's process had mapped.
#[must_use]
pub fn mapped_files(core: File, compression: Compression) -> Vec<MappedFile> {
    core_file::mapped_files(core, compression)
}

/// Returns the readable form of a name of at most [`LONGEST_NAME`] bytes.
#[must_use]
pub fn demangle(name: &str) -> String {
    if name.len() > LONGEST_NAME {
        name.to_owned()
    } else {
        demangle::demangle(name)
    }
}

/// Returns the readable form of each frame's own function name.
#[must_use]
pub fn as_said(frames: &[Frame]) -> Vec<Option<Symbol>> {
    frames
        .iter()
        .map(|frame| {
            Some(Symbol {
                name: demangle(frame.function.as_ref()?),
                offset: None,
            })
        })
        .collect()
}
