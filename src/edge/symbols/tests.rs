//! Look-ups of this very program's own functions, as if it had crashed in them.

use super::*;
use crate::core::crash::backtrace::FRAMES;
use crate::core::crash::memory_map::{MemoryMap, Spot};
use std::fs;
use std::hint::black_box;
use std::io::{Seek, SeekFrom, Write};
use std::process::ExitCode;

/// The part of a unit test's program that runs as the confined process.
#[test]
#[ignore = "it is no test but the process that others start"]
fn the_confined_process() {
    // A run of all ignored tests starts nothing.
    let input = rustix::fs::fstat(std::io::stdin()).unwrap();
    if rustix::fs::FileType::from_raw_mode(input.st_mode).is_socket() {
        let failed = worker::main() != ExitCode::SUCCESS;
        std::process::exit(i32::from(failed));
    }
}

fn resolver() -> Resolver {
    Resolver::new(Instant::now() + Duration::from_secs(10))
}

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
    Frame {
        address,
        instruction: address,
        function,
        module,
        object: Some(place.object),
        spot: place.spot,
    }
}

fn look_up_one(root: &Path, frame: &Frame, build_ids: &BuildIds) -> Option<Symbol> {
    let marks = Marks {
        build_ids: build_ids.clone(),
        at_ms: 0,
    };
    resolver()
        .look_up(root, std::slice::from_ref(frame), &marks)
        .pop()
        .unwrap()
}

fn is_found(symbol: Option<&Symbol>, offset: u64) -> bool {
    symbol.is_some_and(|symbol| {
        symbol.offset == Some(offset)
            && symbol.name.ends_with("::tests::a_function_of_this_program")
    })
}

/// Returns the symbol that stands for a function that cannot be looked up.
fn only_said() -> Option<Symbol> {
    Some(Symbol {
        name: "said::its".to_owned(),
        offset: None,
    })
}

#[test]
fn a_function_of_this_program_is_found_with_its_offset() {
    for by in [0, 1, 4] {
        let symbol = look_up_one(
            Path::new("/"),
            &frame_behind_its_beginning(by),
            &BuildIds::new(),
        );
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
    let path = place
        .path()
        .join(frame.object.as_deref().unwrap().trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::copy(frame.object.as_deref().unwrap(), &path).unwrap();
    assert_eq!(
        look_up_one(place.path(), &frame, &BuildIds::new()),
        only_said()
    );

    // The copy itself can be read: it was the other inode number that kept it from being.
    let inode = fs::metadata(&path).unwrap().ino();
    let copied = Frame {
        spot: frame.spot.map(|spot| Spot {
            inode: Some(inode),
            ..spot
        }),
        ..frame.clone()
    };
    assert!(is_found(
        look_up_one(place.path(), &copied, &BuildIds::new()).as_ref(),
        0
    ));
    let foreign = BuildIds::from([("the-test".to_owned(), "00".repeat(20))]);
    let elsewhere = BuildIds::from([("another".to_owned(), "00".repeat(20))]);
    assert!(is_found(
        look_up_one(place.path(), &copied, &elsewhere).as_ref(),
        0
    ));
    assert_eq!(look_up_one(place.path(), &copied, &foreign), only_said());

    // Nor is one that has no build-id, where that of the program is known.
    let mut bytes = fs::read(&path).unwrap();
    let note = [4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, b'G', b'N', b'U', 0];
    let at = bytes
        .windows(note.len())
        .position(|found| found == note)
        .unwrap();
    bytes[at + 8] = 9;
    fs::write(&path, bytes).unwrap();
    assert_eq!(look_up_one(place.path(), &copied, &foreign), only_said());
    assert!(is_found(
        look_up_one(place.path(), &copied, &elsewhere).as_ref(),
        0
    ));
}

#[test]
fn a_file_that_was_changed_since_is_not_believed_where_its_number_is_unknown() {
    let frame = frame_behind_its_beginning(0);
    let frame = Frame {
        spot: frame.spot.map(|spot| Spot {
            inode: None,
            ..spot
        }),
        ..frame
    };
    let changed = fs::metadata(frame.object.as_deref().unwrap())
        .unwrap()
        .ctime();
    let changed = u64::try_from(changed).unwrap() * 1000;
    for (at_ms, found) in [
        (changed - 1, false),
        (changed, true),
        (changed + 5000, true),
        (0, false),
    ] {
        let marks = Marks {
            at_ms,
            ..Marks::default()
        };
        let symbol = resolver()
            .look_up(Path::new("/"), std::slice::from_ref(&frame), &marks)
            .pop()
            .unwrap();
        assert_eq!(is_found(symbol.as_ref(), 0), found, "{symbol:?}");
        assert_eq!(symbol == only_said(), !found);
    }
}

/// Returns a name that takes longer to read than any deadline: 98 bytes, 26 seconds on a quick
/// machine.
fn endless_name() -> String {
    format!("_Z{}", "1aIcvStL".repeat(12))
}

#[test]
fn a_name_that_takes_without_end_costs_only_itself() {
    let here = frame_behind_its_beginning(0);
    let said = |name: &str| Frame {
        function: Some(name.to_owned()),
        object: None,
        spot: None,
        ..here.clone()
    };
    let longer = format!("_Z{}", "1aIcvStL".repeat(14));
    // One that can be read, and is not the first to be.
    let long = format!("_ZN4said{}E", "3its".repeat(30));
    let names = [
        endless_name(),
        "_ZN4said3itsE".to_owned(),
        endless_name(),
        long,
        longer.clone(),
        "plain".to_owned(),
    ];
    let mut frames: Vec<_> = names.iter().map(|name| said(name)).collect();
    frames.push(here);
    let begun = Instant::now();
    let resolver = Resolver::new(begun + Duration::from_secs(2));
    let symbols = resolver.look_up(Path::new("/"), &frames, &Marks::default());
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    let names: Vec<_> = symbols
        .iter()
        .map(|symbol| symbol.as_ref().unwrap().name.as_str())
        .collect();
    assert_eq!(names[..3], [&endless_name(), "said::its", &endless_name()]);
    assert!(names[3].starts_with("said::its::its::"), "{names:?}");
    assert_eq!(names[4..6], [&longer, "plain"]);
    assert!(is_found(symbols[6].as_ref(), 0), "{symbols:?}");
}

#[test]
fn names_without_end_all_over_take_no_longer_than_told() {
    let frame = |number: usize| {
        let function = Some(format!("_Z{}1a{number}", "1aIcvStL".repeat(12)));
        Frame {
            function,
            object: None,
            spot: None,
            ..frame_behind_its_beginning(0)
        }
    };
    let frames: Vec<_> = (0..FRAMES).map(frame).collect();
    let begun = Instant::now();
    let symbols = Resolver::new(begun + Duration::from_secs(1)).as_said(&frames);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    for (symbol, frame) in symbols.iter().zip(&frames) {
        assert_eq!(
            symbol.as_ref().map(|symbol| &symbol.name),
            frame.function.as_ref()
        );
    }
}

#[test]
fn without_a_process_the_names_are_those_that_were_said() {
    let frame = frame_behind_its_beginning(0);
    let said = [Some(Symbol {
        name: "_ZN4said3itsE".to_owned(),
        offset: None,
    })];
    for program in ["/nothing", "/bin/false", "/bin/cat", "/bin/yes"] {
        let resolver =
            Resolver::with_program(program.into(), Instant::now() + Duration::from_secs(1));
        assert_eq!(
            resolver.look_up(
                Path::new("/"),
                std::slice::from_ref(&frame),
                &Marks::default()
            ),
            said
        );
    }
}

/// Writes a copy of the program with `changes` below `root`, and returns the frame in it with the
/// copy's path.
fn damaged(root: &Path, frame: &Frame, changes: &[(u64, Vec<u8>)]) -> (Frame, std::path::PathBuf) {
    let path = root.join("damaged");
    fs::copy(frame.object.as_deref().unwrap(), &path).unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for (at, bytes) in changes {
        file.seek(SeekFrom::Start(*at)).unwrap();
        file.write_all(bytes).unwrap();
    }
    let inode = fs::metadata(&path).unwrap().ino();
    let spot = frame.spot.map(|spot| Spot {
        inode: Some(inode),
        ..spot
    });
    (
        Frame {
            object: Some("/damaged".to_owned()),
            spot,
            ..frame.clone()
        },
        path,
    )
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
        assert!(
            symbol == only_said() || is_found(symbol.as_ref(), 0),
            "{at}: {symbol:?}"
        );
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_table_of_absurd_length_is_not_read() {
    let place = tempfile::tempdir().unwrap();
    let frame = frame_behind_its_beginning(0);
    // The number of sections stands in the first one if the header has 0. With so many the table is
    // 512 MB long.
    let program = fs::read(frame.object.as_deref().unwrap()).unwrap();
    let sections = u64::from_le_bytes(program[40..48].try_into().unwrap());
    let many = 8_000_000_u64.to_le_bytes().to_vec();
    let (frame, path) = damaged(
        place.path(),
        &frame,
        &[(60, vec![0, 0]), (sections + 32, many)],
    );
    // Sparse, so that the table would fit in.
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    assert_eq!(
        look_up_one(place.path(), &frame, &BuildIds::new()),
        only_said()
    );
}
