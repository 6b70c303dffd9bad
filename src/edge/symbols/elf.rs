//! Looks up functions in the symbol table of an ELF object, by offsets of its file.
//!
//! The table is `.symtab`, or `.dynsym` in a stripped object. As in gdb a symbol with a size ends
//! where its size says; one without a size reaches to the next symbol or to the end of its section.
//!
//! Invariants: an object is read piece by piece, and no more than [`BUDGET`] of it; only names are
//! not counted. No content makes this code panic.

use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};
use object::read::{ReadCache, ReadRef, StringTable};
use object::{Endianness, FileKind, elf};
use std::cell::Cell;
use std::fs::File;
use std::ops::Range;

/// Number of bytes of one object that may be read: symbol tables of a million symbols have been
/// seen, larger ones are absurd.
const BUDGET: u64 = 64 << 20;

/// Number of names of one address that are compared with the one that systemd-coredump gives.
const ALIASES: usize = 16;

/// A query for one function.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    /// Offset in the object's file.
    pub(super) offset: u64,
    /// The function that systemd-coredump names; it is preferred to others that begin at the same
    /// address.
    pub(super) said: Option<&'a str>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    /// Its name, mangled.
    pub(super) name: String,
    /// Distance of the offset from the function's beginning, in bytes.
    pub(super) behind: u64,
}

/// Answers the queries in their order. The result is empty if the object cannot be read, or has
/// another build-id, or none where one is known of the object that crashed.
pub(super) fn find<'a>(
    file: File,
    build_id: Option<&str>,
    queries: impl Iterator<Item = Query<'a>>,
) -> Vec<Option<Function>> {
    let data = &Bounded {
        cache: ReadCache::new(file),
        left: Cell::new(BUDGET),
    };
    let found = match FileKind::parse(data) {
        Ok(FileKind::Elf32) => find_in::<elf::FileHeader32<Endianness>>(data, build_id, queries),
        Ok(FileKind::Elf64) => find_in::<elf::FileHeader64<Endianness>>(data, build_id, queries),
        Ok(_) | Err(_) => return Vec::new(),
    };
    found.unwrap_or_default()
}

fn find_in<'a, Elf: FileHeader<Endian = Endianness>>(
    data: &Bounded,
    build_id: Option<&str>,
    queries: impl Iterator<Item = Query<'a>>,
) -> Option<Vec<Option<Function>>> {
    let object = Object::<Elf>::parse(data)?;
    let other = build_id.is_some_and(|wanted| {
        object
            .build_id()
            .is_none_or(|id| !id.eq_ignore_ascii_case(wanted))
    });
    (!other).then(|| queries.map(|query| object.function(query)).collect())
}

/// An opened object.
struct Object<'data, Elf: FileHeader<Endian = Endianness>> {
    data: &'data Bounded,
    endian: Endianness,
    machine: elf::Machine,
    segments: &'data [Elf::ProgramHeader],
    sections: &'data [Elf::SectionHeader],
    symbols: &'data [Elf::Sym],
    strings: StringTable<'data, &'data Bounded>,
}

impl<'data, Elf: FileHeader<Endian = Endianness>> Object<'data, Elf> {
    fn parse(data: &'data Bounded) -> Option<Self> {
        let header = Elf::parse(data).ok()?;
        let endian = header.endian().ok()?;
        let segments = header.program_headers(endian, data).ok()?;
        let sections = header.section_headers(endian, data).ok()?;
        let table = [elf::SHT_SYMTAB, elf::SHT_DYNSYM]
            .into_iter()
            .find_map(|kind| {
                sections
                    .iter()
                    .find(|section| section.sh_type(endian) == kind)
            })?;
        let symbols = table.data_as_array(endian, data).ok()?;
        let strings = sections
            .get(table.link(endian).0)?
            .strings(endian, data)
            .ok()??;
        Some(Self {
            data,
            endian,
            machine: header.e_machine(endian),
            segments,
            sections,
            symbols,
            strings,
        })
    }

    /// Returns the GNU build-id in hexadecimal digits.
    fn build_id(&self) -> Option<String> {
        let notes = self
            .segments
            .iter()
            .filter_map(|segment| segment.notes(self.endian, self.data).ok()?);
        let mut notes = notes.flatten().filter_map(Result::ok);
        let id = notes.find(|note| {
            note.n_type(self.endian) == elf::NT_GNU_BUILD_ID && note.name() == elf::ELF_NOTE_GNU
        })?;
        Some(id.desc().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn function(&self, query: Query<'_>) -> Option<Function> {
        let address = self.address(query.offset)?;
        let section = self.section(address)?;
        let entries = self
            .symbols
            .iter()
            .filter_map(|symbol| self.entry(symbol, section));
        let mut aliases = nearest(entries, address);
        let begin = aliases.first()?.start;
        aliases.sort_by_key(|entry| entry.standing);
        aliases.truncate(ALIASES);
        let names = aliases
            .iter()
            .filter_map(|entry| self.strings.get(entry.name).ok());
        let names: Vec<_> = names.map(String::from_utf8_lossy).collect();
        let name = names
            .iter()
            .find(|name| Some(name.as_ref()) == query.said)
            .or(names.first())?;
        Some(Function {
            name: name.clone().into_owned(),
            behind: address - begin,
        })
    }

    /// Returns the address of an offset of the file, before the object is moved to its load
    /// address.
    fn address(&self, offset: u64) -> Option<u64> {
        let loaded = self
            .segments
            .iter()
            .filter(|segment| segment.p_type(self.endian) == elf::PT_LOAD);
        loaded
            .filter_map(|segment| {
                let behind = offset.checked_sub(segment.p_offset(self.endian).into())?;
                let inside = behind < segment.p_filesz(self.endian).into();
                inside.then(|| segment.p_vaddr(self.endian).into().checked_add(behind))?
            })
            .next()
    }

    /// Returns the index of the section that an address lies in.
    fn section(&self, address: u64) -> Option<usize> {
        self.sections.iter().position(|section| {
            let behind = address.checked_sub(section.sh_addr(self.endian).into());
            let inside = behind.is_some_and(|behind| behind < section.sh_size(self.endian).into());
            let in_file = section.sh_type(self.endian) != elf::SHT_NOBITS;
            inside && in_file && section.sh_flags(self.endian).contains(elf::SHF_ALLOC)
        })
    }

    /// Returns the symbol as an entry, if it names a function of this section. A local one without
    /// type and size is a label, such as those that mark data and code on ARM.
    fn entry(&self, symbol: &Elf::Sym, section: usize) -> Option<Entry> {
        let home = symbol.st_shndx(self.endian);
        let here = home == elf::SHN_XINDEX || usize::from(home.0) == section;
        let size = symbol.st_size(self.endian).into();
        let function = match symbol.st_type() {
            elf::STT_FUNC | elf::STT_GNU_IFUNC => true,
            elf::STT_NOTYPE => size > 0 || symbol.st_bind() != elf::STB_LOCAL,
            _ => false,
        };
        let mut start = symbol.st_value(self.endian).into();
        if self.machine == elf::EM_ARM {
            // The lowest bit says that a function is in Thumb code.
            start &= !1;
        }
        let standing = match symbol.st_bind() {
            elf::STB_LOCAL => Standing::Local,
            elf::STB_WEAK => Standing::Weak,
            _ => Standing::Global,
        };
        (here && function).then(|| Entry {
            start,
            size,
            name: symbol.st_name(self.endian),
            standing,
        })
    }
}

/// A symbol that may be the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    start: u64,
    /// Size in bytes; 0: unknown.
    size: u64,
    /// Place of its name in the string table.
    name: u32,
    standing: Standing,
}

/// Rank among several names of one function: the one that other objects use is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Global,
    Weak,
    Local,
}

/// Returns all symbols of the function at `address`. One that contains the address counts before
/// one without a size below it, and the latter only if it is not below another function.
fn nearest(entries: impl Iterator<Item = Entry>, address: u64) -> Vec<Entry> {
    let mut containing = Vec::new();
    let mut unsized_below = Vec::new();
    let mut last_sized = 0;
    for entry in entries.filter(|entry| entry.start <= address) {
        if entry.size == 0 {
            keep_nearest(&mut unsized_below, entry);
        } else {
            last_sized = last_sized.max(entry.start);
            if address - entry.start < entry.size {
                keep_nearest(&mut containing, entry);
            }
        }
    }
    unsized_below.retain(|entry| entry.start >= last_sized);
    if containing.is_empty() {
        unsized_below
    } else {
        containing
    }
}

fn keep_nearest(kept: &mut Vec<Entry>, entry: Entry) {
    let start = kept.first().map_or(entry.start, |first| first.start);
    if entry.start > start {
        kept.clear();
    }
    if entry.start >= start {
        kept.push(entry);
    }
}

/// A file of which only so much is read. The cache alone would read any length that a table claims.
#[derive(Debug)]
struct Bounded {
    cache: ReadCache<File>,
    left: Cell<u64>,
}

impl<'a> ReadRef<'a> for &'a Bounded {
    fn len(self) -> std::result::Result<u64, ()> {
        self.cache.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> std::result::Result<&'a [u8], ()> {
        self.left.set(self.left.get().checked_sub(size).ok_or(())?);
        self.cache.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(
        self,
        range: Range<u64>,
        delimiter: u8,
    ) -> std::result::Result<&'a [u8], ()> {
        self.cache.read_bytes_at_until(range, delimiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses entries `START+SIZE`, in the order of the table; the name of each is its place there.
    fn table(symbols: &str) -> impl Iterator<Item = Entry> {
        symbols.split_whitespace().zip(0..).map(|(symbol, name)| {
            let (start, size) = symbol.split_once('+').unwrap();
            Entry {
                start: start.parse().unwrap(),
                size: size.parse().unwrap(),
                name,
                standing: Standing::Global,
            }
        })
    }

    #[test]
    fn a_symbol_ends_where_its_size_says() {
        for (symbols, address, expect) in [
            ("", 5, &[][..]),
            ("10+10", 9, &[]),
            ("10+10", 10, &[0]),
            ("10+10", 19, &[0]),
            ("10+10", 20, &[]),
            // Aliases.
            ("10+10 10+10 30+5 10+12", 15, &[0, 1, 3]),
            ("10+10 10+10 30+5 10+12", 21, &[3]),
            // A function within another.
            ("10+100 20+10", 25, &[1]),
            ("10+100 20+10", 50, &[0]),
            // Without a size: up to the next symbol, never past a function with one.
            ("10+0", 500, &[0]),
            ("10+0 20+0 20+0 30+0", 25, &[1, 2]),
            ("10+0 20+5", 22, &[1]),
            ("10+0 20+5", 26, &[]),
            ("20+5 22+0", 23, &[0]),
            ("20+5 22+0 30+0", 40, &[2]),
            ("18446744073709551615+1", u64::MAX, &[0]),
            ("0+18446744073709551615", u64::MAX - 1, &[0]),
        ] {
            let names: Vec<_> = nearest(table(symbols), address)
                .iter()
                .map(|entry| entry.name)
                .collect();
            assert_eq!(names, expect, "{symbols:?} at {address}");
        }
    }
}
