//! Targets whose readers take files: state of runs, objects, cores.

use std::cell::LazyCell;
use std::fs::{self, File};
use std::path::Path;
use tempfile::TempDir;
use unitward::edge::coredump::{Core, Dumper};
use unitward::edge::record::{RunRecord, WardState};
use unitward::edge::{exclusion, series_file};
use unitward::fuzzing::{self, Compression};

thread_local! {
    static FOLDER: LazyCell<TempDir> = LazyCell::new(|| {
        // In memory if there is such a place: a fuzzer writes a thousand files a second.
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        made.expect("a folder")
    });
}

/// Writes the bytes to this place in a folder of this thread's, and passes the folder to `look`.
fn with(place: &str, bytes: &[u8], look: impl FnOnce(&Path)) {
    FOLDER.with(|folder| {
        let file = folder.path().join(place);
        fs::create_dir_all(file.parent().expect("a file is in a folder")).expect("a folder");
        fs::write(&file, bytes).expect("a file");
        look(folder.path());
        fs::remove_file(file).expect("a file");
    });
}

/// The record of a run: once read and written, it is read again unchanged.
pub(super) fn record(bytes: &[u8]) {
    with(
        "states/web/runs/0123456789abcdef0123456789abcdef.json",
        bytes,
        |folder| {
            let state = WardState::below(&folder.join("states"), "web");
            let read = state.runs().pop();
            let _ = (
                state.latest_death(),
                state.latest_end(),
                state.latest_run(),
                state.totals(),
                state.sum(),
            );
            if let Some(record) = read {
                let text = serde_json::to_vec(&record).expect("a record is JSON");
                let again: RunRecord =
                    serde_json::from_slice(&text).expect("what was written is read");
                assert_eq!(again, record);
            }
        },
    );
}

/// The series of a ward: once read and written, it is read again unchanged.
pub(super) fn series(bytes: &[u8]) {
    with("states/web/series.json", bytes, |folder| {
        let state = WardState::below(&folder.join("states"), "web");
        let series = series_file::load(&state);
        series_file::save(&state, &series).expect("a file");
        assert_eq!(series_file::load(&state), series);
    });
}

/// The mark of an exclusion: once read and written, it is read again unchanged.
pub(super) fn exclusion(bytes: &[u8]) {
    with("states/web/excluded.json", bytes, |folder| {
        let state = WardState::below(&folder.join("states"), "web");
        let Some(mark) = exclusion::load(&state) else {
            return;
        };
        exclusion::save(&state, &mark).expect("a file");
        assert_eq!(exclusion::load(&state), Some(mark));
    });
}

/// An object, with look-ups at the offset that the first two bytes give, and at the least and the
/// greatest one.
pub(super) fn symbols(bytes: &[u8]) {
    let Some(([low, high], object)) = bytes.split_first_chunk() else {
        return;
    };
    with("object", object, |folder| {
        let offsets = [u64::from(*low) | u64::from(*high) << 8, 0, u64::MAX];
        let file = File::open(folder.join("object")).expect("a file");
        let found = fuzzing::functions(file, &offsets);
        assert!(
            found.is_empty() || found.len() == offsets.len(),
            "{found:?}"
        );
    });
}

/// A line of journalctl about a core dump, and behind the first newline the beginning of the core,
/// compressed or not.
pub(super) fn coredump(bytes: &[u8]) {
    let (line, core) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    // The first bytes of zstd's frames.
    let compression = if core.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Compression::Zstd
    } else {
        Compression::None
    };
    let line = String::from_utf8_lossy(line);
    with("core", core, |folder| {
        let mapped = fuzzing::mapped_files(
            File::open(folder.join("core")).expect("a file"),
            compression,
        );
        let Some(core) = Core::parse(&line, Dumper::of(folder)) else {
            return;
        };
        let backtrace = fuzzing::backtrace(&core, mapped);
        assert!(
            !backtrace.contains(|c: char| c.is_control() && c != '\n'),
            "{backtrace:?}"
        );
        assert!(core.size() >= size_of::<Core>());
    });
}
