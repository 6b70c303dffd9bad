//! This very program's own functions, looked up as if it had crashed in them.

use super::*;
use crate::core::crash::memory_map::{MemoryMap, Spot};
use std::fs;
use std::hint::black_box;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

#[inline(never)]
fn a_function_of_this_program(number: u32) -> u32 {
    black_box(number) + 1
}

/// A frame at a place of that function, as if it were the innermost.
fn frame_behind_its_beginning(by: u64) -> Frame {
    let map = MemoryMap::parse(&fs::read_to_string("/proc/self/maps").unwrap());
    let function: fn(u32) -> u32 = a_function_of_this_program;
    let address = function as usize as u64 + by;
    let place = map.place(address).unwrap();
    let module = Some("the-test".to_owned());
    let function = Some("_ZN4said3itsE".to_owned());
    Frame { address, instruction: address, function, module, object: Some(place.object), spot: place.spot }
}

fn look_up_one(root: &Path, frame: &Frame, build_ids: &BuildIds) -> Option<Symbol> {
    let marks = Marks { build_ids: build_ids.clone(), at_ms: 0 };
    look_up(root, std::slice::from_ref(frame), &marks).pop().unwrap()
}

fn is_found(symbol: Option<&Symbol>, offset: u64) -> bool {
    symbol.is_some_and(|symbol| {
        symbol.offset == Some(offset) && symbol.name.ends_with("::tests::a_function_of_this_program")
    })
}

/// What is told of a function that cannot be looked up.
fn only_said() -> Option<Symbol> {
    Some(Symbol { name: "said::its".to_owned(), offset: None })
}

#[test]
fn a_function_of_this_program_is_found_with_its_offset() {
    for by in [0, 1, 4] {
        let symbol = look_up_one(Path::new("/"), &frame_behind_its_beginning(by), &BuildIds::new());
        assert!(is_found(symbol.as_ref(), by), "{symbol:?}");
    }
}

#[test]
fn a_caller_has_the_offset_it_returns_to() {
    let mut frame = frame_behind_its_beginning(3);
    frame.address += 1;
    let symbol = look_up_one(Path::new("/"), &frame, &BuildIds::new());
    assert!(is_found(symbol.as_ref(), 4), "{symbol:?}");
}

#[test]
fn a_file_that_took_the_programs_place_is_not_believed() {
    let place = tempfile::tempdir().unwrap();
    let frame = frame_behind_its_beginning(0);
    let path = place.path().join(frame.object.as_deref().unwrap().trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::copy(frame.object.as_deref().unwrap(), &path).unwrap();
    assert_eq!(look_up_one(place.path(), &frame, &BuildIds::new()), only_said());

    // The copy itself can be read: it was the other inode number that kept it from being.
    let inode = fs::metadata(&path).unwrap().ino();
    let copied = Frame { spot: frame.spot.map(|spot| Spot { inode: Some(inode), ..spot }), ..frame.clone() };
    assert!(is_found(look_up_one(place.path(), &copied, &BuildIds::new()).as_ref(), 0));
    let foreign = BuildIds::from([("the-test".to_owned(), "00".repeat(20))]);
    let elsewhere = BuildIds::from([("another".to_owned(), "00".repeat(20))]);
    assert!(is_found(look_up_one(place.path(), &copied, &elsewhere).as_ref(), 0));
    assert_eq!(look_up_one(place.path(), &copied, &foreign), only_said());
}

#[test]
fn a_file_that_was_changed_since_is_not_believed_where_its_number_is_unknown() {
    let frame = frame_behind_its_beginning(0);
    let frame = Frame { spot: frame.spot.map(|spot| Spot { inode: None, ..spot }), ..frame };
    let changed = fs::metadata(frame.object.as_deref().unwrap()).unwrap().ctime();
    let changed = u64::try_from(changed).unwrap() * 1000;
    for (at_ms, found) in [(changed - 1, false), (changed, true), (changed + 5000, true), (0, false)] {
        let marks = Marks { at_ms, ..Marks::default() };
        let symbol = look_up(Path::new("/"), std::slice::from_ref(&frame), &marks).pop().unwrap();
        assert_eq!(is_found(symbol.as_ref(), 0), found, "{symbol:?}");
        assert_eq!(symbol == only_said(), !found);
    }
}

#[test]
fn links_pipes_and_folders_are_not_opened() {
    let place = tempfile::tempdir().unwrap();
    let frame = frame_behind_its_beginning(0);
    let at = |name: &str| place.path().join(name);
    std::os::unix::fs::symlink("/proc/self/exe", at("link")).unwrap();
    fs::create_dir(at("folder")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), Mode::RUSR).unwrap();
    for name in ["link", "folder", "pipe", "nothing", ""] {
        let inode = fs::metadata(at(name)).map_or(0, |metadata| metadata.ino());
        let spot = frame.spot.map(|spot| Spot { inode: Some(inode), ..spot });
        let frame = Frame { object: Some(format!("/{name}")), spot, ..frame.clone() };
        assert_eq!(look_up_one(place.path(), &frame, &BuildIds::new()), only_said(), "{name}");
    }
}

/// The program with `bytes` in place of some, under a root of its own.
fn damaged(root: &Path, frame: &Frame, changes: &[(u64, Vec<u8>)]) -> (Frame, PathBuf) {
    let path = root.join("damaged");
    fs::copy(frame.object.as_deref().unwrap(), &path).unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for (at, bytes) in changes {
        file.seek(SeekFrom::Start(*at)).unwrap();
        file.write_all(bytes).unwrap();
    }
    let inode = fs::metadata(&path).unwrap().ino();
    let spot = frame.spot.map(|spot| Spot { inode: Some(inode), ..spot });
    (Frame { object: Some("/damaged".to_owned()), spot, ..frame.clone() }, path)
}

#[test]
fn a_damaged_object_is_as_good_as_none_and_brings_nothing_down() {
    let place = tempfile::tempdir().unwrap();
    let frame = frame_behind_its_beginning(0);
    let ones = || vec![0xff; 64];
    // The header's pieces, its pointers to the tables, and the first program headers.
    for at in [0, 4, 16, 32, 40, 48, 54, 56, 58, 60, 62, 64, 120, 176] {
        let (frame, path) = damaged(place.path(), &frame, &[(at, ones())]);
        let symbol = look_up_one(place.path(), &frame, &BuildIds::new());
        assert!(symbol == only_said() || is_found(symbol.as_ref(), 0), "{at}: {symbol:?}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_table_of_absurd_length_is_not_read() {
    let place = tempfile::tempdir().unwrap();
    let frame = frame_behind_its_beginning(0);
    // The number of sections stands in the first one if the header has 0. With so many the table is 512 MB long.
    let program = fs::read(frame.object.as_deref().unwrap()).unwrap();
    let sections = u64::from_le_bytes(program[40..48].try_into().unwrap());
    let many = 8_000_000_u64.to_le_bytes().to_vec();
    let (frame, path) = damaged(place.path(), &frame, &[(60, vec![0, 0]), (sections + 32, many)]);
    // Sparse, so that the table would fit in.
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1 << 30).unwrap();
    assert_eq!(look_up_one(place.path(), &frame, &BuildIds::new()), only_said());
}
