//! The files that a process had mapped, from the note `NT_FILE` that the kernel writes at the
//! beginning of a core.
//!
//! The core is read piece by piece until that note is complete, only a fraction even of the
//! compressed ones.
//!
//! Cores that are compressed by other means than zstd, which systemd prefers, and those kept in the
//! journal are not read.

use crate::core::crash::memory_map::MappedFile;
use crate::edge::symbols::Compression;
use object::endian::{Endian, Endianness};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{FileKind, elf};
use std::fs::File;
use std::io::{BufReader, Read};

/// Sizes, in bytes, of the beginning of a core that is read: the next one is tried while the notes
/// are not whole. They follow a table of all mappings, of which a process may have 65530 and more.
const PIECES: [u64; 3] = [64 << 10, 1 << 20, 16 << 20];

/// Returns the files that an opened core lists; none if they cannot be read.
///
/// A process decides what its core contains, including the paths of its files, so only the confined
/// process and fuzz targets call this.
pub(in crate::edge) fn mapped_files(core: File, compression: Compression) -> Vec<MappedFile> {
    let core = BufReader::new(core);
    match compression {
        Compression::None => files_of(core),
        Compression::Zstd => ruzstd::decoding::StreamingDecoder::new(core)
            .map(files_of)
            .unwrap_or_default(),
    }
}

fn files_of(mut core: impl Read) -> Vec<MappedFile> {
    let mut head = Vec::new();
    for size in PIECES {
        let more = size - head.len() as u64;
        // A core that is cut short still may have its beginning.
        let _ = core.by_ref().take(more).read_to_end(&mut head);
        let files = match FileKind::parse(&*head) {
            Ok(FileKind::Elf32) => files_in::<elf::FileHeader32<Endianness>>(&head),
            Ok(FileKind::Elf64) => files_in::<elf::FileHeader64<Endianness>>(&head),
            Ok(_) | Err(_) => None,
        };
        if let Some(files) = files {
            return files;
        }
    }
    Vec::new()
}

/// Returns the listed files; `None` if `head` does not reach far enough, or is damaged.
fn files_in<Elf: FileHeader<Endian = Endianness>>(head: &[u8]) -> Option<Vec<MappedFile>> {
    let header = Elf::parse(head).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, head).ok()?;
    let notes = segments
        .iter()
        .find_map(|segment| segment.notes(endian, head).transpose())?
        .ok()?;
    let mut notes = notes.filter_map(Result::ok);
    let note = notes
        .find(|note| note.n_type(endian) == elf::NT_FILE && note.name() == elf::ELF_NOTE_CORE)?;
    let width = if header.is_type_64() {
        Width::Eight
    } else {
        Width::Four
    };
    files_of_note(Words {
        bytes: note.desc(),
        endian,
        width,
    })
}

/// A sequence of numbers, each as wide as an address in the core.
struct Words<'a> {
    bytes: &'a [u8],
    endian: Endianness,
    width: Width,
}

/// Width of such a number, in bytes.
#[derive(Clone, Copy)]
enum Width {
    Four,
    Eight,
}

impl Words<'_> {
    fn next(&mut self) -> Option<u64> {
        let (word, rest) = match self.width {
            Width::Four => {
                let (word, rest) = self.bytes.split_first_chunk()?;
                (self.endian.read_u32(*word).into(), rest)
            }
            Width::Eight => {
                let (word, rest) = self.bytes.split_first_chunk()?;
                (self.endian.read_u64(*word), rest)
            }
        };
        self.bytes = rest;
        Some(word)
    }
}

/// Parses the note: the number of files, the size of a page; for each file its first address, the
/// address behind it and its page in the file; then the paths, each with a NUL behind it.
fn files_of_note(mut words: Words<'_>) -> Option<Vec<MappedFile>> {
    let (count, page) = (words.next()?, words.next()?);
    let mut places = Vec::new();
    for _ in 0..count {
        let (start, end, pages) = (words.next()?, words.next()?, words.next()?);
        places.push((start..end, pages.saturating_mul(page)));
    }
    let paths = words
        .bytes
        .split(|byte| *byte == 0)
        .map(|path| String::from_utf8_lossy(path).into_owned());
    let files = places
        .into_iter()
        .zip(paths)
        .map(|((addresses, offset), path)| MappedFile {
            addresses,
            offset,
            path,
        });
    Some(files.collect())
}

#[cfg(test)]
mod tests;
