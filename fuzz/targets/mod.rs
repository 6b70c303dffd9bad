//! The fuzz targets: readers of foreign bytes, each with properties that must hold for all bytes.
//! `make fuzz` runs them with coverage-guided mutation, and `tests/fuzz.rs` over all seeds and
//! regressions, with a few seconds of blind mutation.

mod files;
mod units;

use std::path::Path;
use unitward::core::crash::backtrace;
use unitward::core::crash::memory_map::MemoryMap;
use unitward::core::crash::witness::{Entry, Witness};
use unitward::core::full_restart::request::{LONGEST, Request};
use unitward::fuzzing;

/// One target.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// Its name, and the name of its folder in `seeds` and `regressions`.
    pub(crate) name: &'static str,
    run: fn(&[u8]),
}

impl Target {
    /// Runs it once; panics if a property does not hold.
    pub(crate) fn run(self, bytes: &[u8]) {
        (self.run)(bytes);
    }
}

/// All targets.
pub(crate) const TARGETS: [Target; 15] = [
    Target {
        name: "ward",
        run: units::ward,
    },
    Target {
        name: "stack",
        run: units::stack,
    },
    Target {
        name: "settings",
        run: units::settings,
    },
    Target {
        name: "value",
        run: units::value,
    },
    Target {
        name: "request",
        run: request,
    },
    Target {
        name: "demangle",
        run: demangle,
    },
    Target {
        name: "backtrace",
        run: frames,
    },
    Target {
        name: "witness",
        run: witness,
    },
    Target {
        name: "record",
        run: files::record,
    },
    Target {
        name: "series",
        run: files::series,
    },
    Target {
        name: "exclusion",
        run: files::exclusion,
    },
    Target {
        name: "symbols",
        run: files::symbols,
    },
    Target {
        name: "coredump",
        run: files::coredump,
    },
    Target {
        name: "mqtt",
        run: fuzzing::mqtt,
    },
    Target {
        name: "pid1",
        run: fuzzing::pid1,
    },
];

/// Returns the target of this name.
#[allow(dead_code, reason = "the test runs all of them")]
pub(crate) fn find(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// A request that is accepted is bounded and without control characters, and is parsed again
/// unchanged.
fn request(bytes: &[u8]) {
    let Ok(request) = Request::parse(bytes) else {
        return;
    };
    assert!(bytes.len() <= LONGEST && !request.caller.is_empty());
    let unit = request.cause.as_ref().map_or("", |cause| &cause.unit);
    assert!(
        !request.caller.contains(char::is_control) && !unit.contains(char::is_control),
        "{request:?}"
    );
    let frames = request.backtrace.as_deref().unwrap_or_default();
    assert!(
        !frames.contains(|c: char| c.is_control() && c != '\n'),
        "{request:?}"
    );
    let text = request.to_text();
    assert!(text.len() <= LONGEST, "{} bytes", text.len());
    assert_eq!(Request::parse(text.as_bytes()).as_ref(), Ok(&request));
}

/// A name's readable form is no longer than a bound.
fn demangle(bytes: &[u8]) {
    let Ok(name) = std::str::from_utf8(bytes) else {
        return;
    };
    // Names are known to unfold exponentially, and are read in a process that is killed for it:
    // longer ones show nothing here.
    let readable = fuzzing::demangle(name);
    assert!(
        readable.len() <= name.len().max(4_096),
        "{} bytes",
        readable.len()
    );
}

/// The message of systemd-coredump, and behind the first NUL the memory map.
fn frames(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (message, maps) = text.split_once('\0').unwrap_or((&text, ""));
    let map = MemoryMap::parse(maps);
    let frames = backtrace::frames(message, &map);
    let rendered = backtrace::render(&frames, &fuzzing::as_said(&frames));
    assert!(
        !rendered.contains(|c: char| c.is_control() && c != '\n'),
        "{rendered:?}"
    );
    assert_eq!(rendered.lines().count(), frames.len(), "{rendered:?}");
}

/// Entries of the journal, one a line, each an object of texts.
fn witness(bytes: &[u8]) {
    let mut witness = Witness::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(fields) = serde_json::from_slice::<serde_json::Map<_, _>>(line) else {
            continue;
        };
        let field = |name: &str| fields.get(name).and_then(serde_json::Value::as_str);
        if let Some(entry) = Entry::read(&field) {
            witness.take(entry);
        }
    }
    let (ends, _) = witness.finish();
    assert!(ends.len() <= bytes.len());
}

/// A directory that does not exist.
const NOWHERE: &str = "/nonexistent";

fn nowhere() -> &'static Path {
    Path::new(NOWHERE)
}
