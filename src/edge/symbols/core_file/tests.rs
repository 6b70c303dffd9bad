//! A core made by hand, whole, cut and damaged. Real ones are read in the tests on hosts.

use super::*;
use crate::edge::symbols::Resolver;
use std::io::Write;
use std::time::{Duration, Instant};

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A note of the kernel's, each part padded to whole words of 4 bytes.
fn note(kind: u32, description: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = [5, u32::try_from(description.len()).unwrap(), kind]
        .map(u32::to_le_bytes)
        .concat();
    bytes.extend(b"CORE\0\0\0\0");
    bytes.extend(description);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A core of 64 bits with these notes, `gap` bytes behind the headers.
fn core(notes: &[u8], gap: usize) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    bytes.extend([4_u16, 62].map(u16::to_le_bytes).concat());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(words(&[0, 64, 0]));
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend([64_u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    bytes.extend(4_u32.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    let offset = 64 + 56 + gap;
    bytes.extend(words(&[offset as u64, 0, 0, notes.len() as u64, 0, 0]));
    bytes.resize(offset, 0);
    bytes.extend(notes);
    bytes
}

fn two_files() -> Vec<u8> {
    let mut files = words(&[
        2,
        0x1000,
        0x40_0000,
        0x40_2000,
        0,
        0x7f00_0000_0000,
        0x7f00_0000_1000,
        3,
    ]);
    files.extend(b"/usr/bin/x\0/usr/lib/a b.so (deleted)\0");
    [note(1, &[7; 336]), note(0x4649_4c45, &files)].concat()
}

fn expected() -> Vec<MappedFile> {
    let file = |addresses, offset, path: &str| MappedFile {
        addresses,
        offset,
        path: path.into(),
    };
    vec![
        file(0x40_0000..0x40_2000, 0, "/usr/bin/x"),
        file(
            0x7f00_0000_0000..0x7f00_0000_1000,
            0x3000,
            "/usr/lib/a b.so (deleted)",
        ),
    ]
}

#[test]
fn the_files_are_found_however_far_behind_the_headers_they_stand() {
    for gap in [0, 8, 70_000, 2_000_000] {
        assert_eq!(files_of(&*core(&two_files(), gap)), expected(), "{gap}");
    }
    assert_eq!(files_of(&*core(&two_files(), 17 << 20)), []);
    assert_eq!(files_of(&*core(&note(1, &[7; 336]), 0)), []);
}

#[test]
fn words_of_each_size_and_order_are_read() {
    let read = |width, endian| {
        let mut words = Words {
            bytes: &[1, 2, 3, 4, 5, 6, 7, 8, 9],
            endian,
            width,
        };
        [words.next(), words.next(), words.next()]
    };
    assert_eq!(
        read(Width::Eight, Endianness::Little),
        [Some(0x0807_0605_0403_0201), None, None]
    );
    assert_eq!(
        read(Width::Four, Endianness::Big),
        [Some(0x0102_0304), Some(0x0506_0708), None]
    );
}

#[test]
fn a_core_that_is_cut_or_damaged_brings_nothing_down() {
    let whole = core(&two_files(), 0);
    for end in 0..whole.len() {
        assert_eq!(files_of(&whole[..end]), [], "{end}");
        let mut damaged = whole.clone();
        damaged[end] = 0xff;
        assert!(files_of(&*damaged).len() <= 2, "{end}");
    }
}

#[test]
fn the_name_says_how_it_is_compressed() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    std::fs::write(at("core"), core(&two_files(), 0)).unwrap();
    let read = |name: &str| {
        let resolver = Resolver::new(Instant::now() + Duration::from_secs(10));
        resolver.mapped_files(
            place.path(),
            name,
            &[0x40_1000, 0x7f00_0000_0fff, 0x5000_0000],
        )
    };
    assert_eq!(read("/core"), expected());
    for name in ["core.zst", "core.xz", "nothing"] {
        std::fs::File::create(at("core.zst"))
            .unwrap()
            .write_all(b"nonsense")
            .unwrap();
        assert_eq!(read(name), [], "{name}");
    }
    let compressed = std::fs::File::create(at("core.zst")).unwrap();
    ruzstd::encoding::compress(
        &*core(&two_files(), 0),
        compressed,
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    assert_eq!(read("/core.zst"), expected());
}
