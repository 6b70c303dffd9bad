//! The messages between a look-up and the process that reads objects for it.
//!
//! The request is one JSON document, sent with the opened files as descriptors over a stream
//! socket, whose writing side is then shut down. The answers are JSON documents, a line each. They
//! come one by one, each as soon as it is found, and each part of the work is announced before it
//! begins. So from a process that does not reach its end there is all that it found, and the part
//! that it failed on.

use crate::core::crash::memory_map::MappedFile;
use serde::{Deserialize, Serialize};

/// Maximum number of files of a request: a backtrace has no more frames.
pub(super) const FILES: usize = crate::core::crash::backtrace::FRAMES;

/// Longest name in a request or an answer, in bytes; reading a longer one is not worth its cost.
pub(super) const NAME: usize = 8192;

/// A request to the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Request {
    /// For the functions that frames are in; it has a file for each object.
    Functions(Functions),
    /// For the files that a process had mapped, by its core, the only file.
    Mapped(Mapped),
}

/// Frames, and the objects they are in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Functions {
    /// The build-id of each object, in hexadecimal digits, if it is known; an object with another
    /// is not used.
    pub(super) build_ids: Vec<Option<String>>,
    /// The frames.
    pub(super) frames: Vec<Asked>,
}

/// A frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The function's name as systemd-coredump or another source gives it, mangled.
    pub(super) said: Option<String>,
    /// Place of the frame in an object.
    pub(super) place: Option<ObjectPlace>,
}

/// A place in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectPlace {
    /// Index of the object among the request's files.
    pub(super) object: usize,
    /// The offset in the file, in bytes.
    pub(super) offset: u64,
}

/// A request about a core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mapped {
    /// The addresses whose files are wanted.
    pub(super) addresses: Vec<u64>,
    /// Compression of the core.
    pub(super) compression: Compression,
}

/// Compression of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// None.
    None,
    /// zstd.
    Zstd,
}

/// A part of the work that may take long, or bring the process down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Job {
    /// Looking into this object.
    Object(usize),
    /// Making the name of this frame readable, and of all others that have the same name.
    Name(usize),
}

/// An answer of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// A part of the work begins.
    Begun(Job),
    /// The function of a frame.
    Function {
        /// The frame, by its place in the request.
        frame: usize,
        /// The name, mangled.
        name: String,
        /// Distance of the place from the function's beginning, in bytes.
        behind: u64,
    },
    /// The readable name of a frame's function, and of all others with the same mangled name.
    Readable {
        /// The frame, by its place in the request.
        frame: usize,
        /// The name.
        name: String,
    },
    /// A part of a file that a process had mapped.
    File(MappedPart),
    /// There is no more.
    Done,
}

/// [`MappedFile`] as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MappedPart {
    start: u64,
    end: u64,
    offset: u64,
    path: String,
}

impl From<MappedFile> for MappedPart {
    fn from(
        MappedFile {
            addresses,
            offset,
            path,
        }: MappedFile,
    ) -> Self {
        Self {
            start: addresses.start,
            end: addresses.end,
            offset,
            path,
        }
    }
}

impl From<MappedPart> for MappedFile {
    fn from(
        MappedPart {
            start,
            end,
            offset,
            path,
        }: MappedPart,
    ) -> Self {
        Self {
            addresses: start..end,
            offset,
            path,
        }
    }
}
