//! The messages between a look-up and the process that reads objects for it.
//!
//! The request is one JSON document, sent with the opened files as descriptors over a stream socket, at whose end no more comes.
//! The answers are JSON documents, a line each. They come one by one, each as soon as it is found, and each part of the work is
//! announced before it begins: so a process that does not come to its end has told all it found, and what it came to grief on.

use crate::core::crash::memory_map::MappedFile;
use serde::{Deserialize, Serialize};

/// Most files of a request: a backtrace has no more frames.
pub(super) const FILES: usize = crate::core::crash::backtrace::FRAMES;

/// The longest name in a request or an answer, in bytes; reading a longer one costs more than it tells.
pub(super) const NAME: usize = 8192;

/// What is asked of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Request {
    /// Which functions frames are in; a file for each object.
    Functions(Functions),
    /// Which files a process had mapped, by its core, the only file.
    Mapped(Mapped),
}

/// Frames, and the objects they are in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Functions {
    /// The build-id that each object must have, in hexadecimal digits, where it is known.
    pub(super) build_ids: Vec<Option<String>>,
    /// The frames.
    pub(super) frames: Vec<Asked>,
}

/// A frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The function's name as somebody else gives it, mangled.
    pub(super) said: Option<String>,
    /// Where to look.
    pub(super) place: Option<ObjectPlace>,
}

/// A place in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectPlace {
    /// Which of the request's files.
    pub(super) object: usize,
    /// The offset in the file, in bytes.
    pub(super) offset: u64,
}

/// The question about a core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mapped {
    /// The addresses whose files are wanted.
    pub(super) addresses: Vec<u64>,
    /// How the core is written.
    pub(super) compression: Compression,
}

/// How a core is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// As it is.
    None,
    /// By zstd.
    Zstd,
}

/// A part of the work that may take long, or bring the process down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Job {
    /// The look into this object.
    Object(usize),
    /// Making the name of this frame readable, and with it of all that have the same.
    Name(usize),
}

/// What the process tells.
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
        /// How far the place is behind the function's beginning, in bytes.
        behind: u64,
    },
    /// The readable name of a frame's function, and of all that have the same mangled one.
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
    fn from(MappedFile { addresses, offset, path }: MappedFile) -> Self {
        Self { start: addresses.start, end: addresses.end, offset, path }
    }
}

impl From<MappedPart> for MappedFile {
    fn from(MappedPart { start, end, offset, path }: MappedPart) -> Self {
        Self { addresses: start..end, offset, path }
    }
}
