//! Names of functions that a caller could not determine itself.
//!
//! A program knows only the functions that it exports itself; the symbol tables in its objects'
//! files contain the others as well. They can be read while the caller waits for its answer. The
//! caller is root or a member, but its input is not trusted: a frame is looked up only if the
//! kernel confirms that the process has mapped an object of that name, and if one frame does not
//! match, none is looked up. Its files are opened and read as in [`crate::edge::symbols`], and a
//! restart waits for names no longer than [`PATIENCE`].

use crate::core::crash::backtrace::{self, Frame, Symbol};
use crate::core::crash::memory_map::MemoryMap;
use crate::edge::clock;
use crate::edge::symbols::{Marks, Resolver, gather};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time limit of the look-up. As a rule it takes milliseconds; on a busy host it may take long, and
/// callers wait no longer than 5 seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Text of a caller for an unknown name.
const UNKNOWN: &str = "(null)";

/// Returns the backtrace with all names that were found in time, those of C++ and Rust demangled.
#[must_use]
pub fn named(backtrace: &str, pid: u32) -> String {
    let begun = Instant::now();
    // A process can delay the read of its map by a file system of its own.
    let map = gather(begun + PATIENCE / 4, move |found| {
        // The receiver is gone if it took too long.
        let _ = fs::read_to_string(format!("/proc/{pid}/maps")).map(|map| found.send(map));
    });
    let map = MemoryMap::parse(map.first().map_or("", String::as_str));
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    named_by(backtrace, &map, &root, &Resolver::new(begun + PATIENCE))
}

fn named_by(backtrace: &str, map: &MemoryMap, root: &Path, resolver: &Resolver) -> String {
    let lines: Vec<_> = backtrace
        .lines()
        .map(|text| (text, Line::parse(text)))
        .collect();
    let known: Vec<_> = lines.iter().filter_map(|(_, line)| line.as_ref()).collect();
    let mut symbols = match frames(&known, map) {
        Some(frames) => resolver.look_up(
            root,
            &frames,
            &Marks {
                at_ms: clock::since_epoch(),
                ..Marks::default()
            },
        ),
        None => resolver.as_said(&known.iter().map(|line| line.frame()).collect::<Vec<_>>()),
    }
    .into_iter();
    let mut named = String::with_capacity(backtrace.len() * 2);
    for (text, line) in &lines {
        // The symbols are in the order of the lines that are frames.
        let symbol = line.as_ref().and_then(|_| symbols.next().flatten());
        match line.as_ref().and_then(|line| line.with(symbol)) {
            Some(line) => named.push_str(&line),
            None => named.push_str(text),
        }
        named.push('\n');
    }
    named
}

/// A line `3 > 0x2bdd4: NAME OFFSET OBJECT`.
struct Line<'l> {
    head: &'l str,
    address: u64,
    name: &'l str,
    offset: &'l str,
    object: &'l str,
}

impl<'l> Line<'l> {
    fn parse(text: &'l str) -> Option<Self> {
        let (head, rest) = text.split_once(": ")?;
        let (_, address) = head.rsplit_once("0x")?;
        let mut words = rest.splitn(3, ' ');
        Some(Self {
            head,
            address: u64::from_str_radix(address, 16).ok()?,
            name: words.next()?,
            offset: words.next()?,
            object: words.next()?,
        })
    }

    /// Returns the line with the name; `None`: it stays as it is.
    fn with(&self, symbol: Option<Symbol>) -> Option<String> {
        let Self {
            head,
            name,
            offset,
            object,
            ..
        } = self;
        let symbol = symbol?;
        match *name {
            UNKNOWN => {
                let frame = Frame {
                    object: Some((*object).to_owned()),
                    ..self.frame()
                };
                let line = backtrace::render(&[frame], &[Some(symbol)]);
                let (_, named) = line.trim_end().split_once(": ")?;
                Some(format!("{head}: {named}"))
            }
            _ => Some(format!("{head}: {} {offset} {object}", symbol.name)),
        }
    }

    /// Returns the name if it is mangled.
    fn mangled(&self) -> Option<&str> {
        Some(self.name).filter(|name| name.starts_with("_Z") || name.starts_with("_R"))
    }

    /// Makes the frame. All addresses follow a call instruction, also that of the innermost frame.
    fn frame(&self) -> Frame {
        let instruction = self.address.saturating_sub(1);
        let function = self.mangled().map(str::to_owned);
        Frame {
            address: self.address,
            instruction,
            function,
            module: None,
            object: None,
            spot: None,
        }
    }
}

/// Returns the last part of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Locates the frames in the process's memory map; `None`: they do not belong to this process.
fn frames(lines: &[&Line<'_>], map: &MemoryMap) -> Option<Vec<Frame>> {
    let mut frames = Vec::new();
    for line in lines {
        let frame = line.frame();
        let place = map.place(frame.instruction);
        // The caller gives the path by which an object was loaded, the kernel the resolved one: the
        // folders may differ.
        if place
            .as_ref()
            .is_none_or(|place| file_name(&place.object) != file_name(line.object))
            && line.object != UNKNOWN
        {
            return None;
        }
        let place = place.filter(|_| line.name == UNKNOWN);
        frames.push(Frame {
            object: place.as_ref().map(|place| place.object.clone()),
            spot: place.and_then(|place| place.spot),
            ..frame
        });
    }
    Some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[inline(never)]
    fn nobody_exports_this(number: u32) -> u32 {
        black_box(number) + 1
    }

    /// Returns the path of this program, and the address after the first byte of that function.
    fn here() -> (String, u64) {
        let function: fn(u32) -> u32 = nobody_exports_this;
        let program = fs::read_link("/proc/self/exe")
            .unwrap()
            .display()
            .to_string();
        (program, function as usize as u64 + 1)
    }

    #[test]
    fn a_function_that_is_not_exported_is_named() {
        let (program, address) = here();
        let file = program.rsplit('/').next().unwrap();
        let text = format!(
            "0 > {address:#x}: (null) 0 {program}\n 1 > {address:#x}: _ZN1a1bEv 0x7 /elsewhere/{file}\n"
        );
        let found = named(&text, std::process::id());
        let lines: Vec<_> = found.lines().collect();
        assert!(
            lines[0].starts_with(&format!("0 > {address:#x}: ")),
            "{found}"
        );
        assert!(
            lines[0].ends_with(&format!("::nobody_exports_this 0x1 {program}")),
            "{found}"
        );
        assert_eq!(
            lines[1],
            format!(" 1 > {address:#x}: a::b() 0x7 /elsewhere/{file}")
        );
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn a_name_that_takes_without_end_holds_up_no_restart() {
        let (program, address) = here();
        let endless = format!("_Z{}", "1aIcvStL".repeat(12));
        let text = format!(
            "0 > {address:#x}: {endless} 0x1 {program}\n 1 > {address:#x}: (null) 0 {program}\n 2 > 0x10: {endless} 0 (null)\n"
        );
        let begun = Instant::now();
        let found = named(&text, std::process::id());
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{:?}",
            begun.elapsed()
        );
        let lines: Vec<_> = found.lines().collect();
        assert_eq!(
            lines[0],
            format!("0 > {address:#x}: {endless} 0x1 {program}")
        );
        assert!(lines[1].contains("::nobody_exports_this 0x1 "), "{found}");
        let foreign = "0 > 0x10: _ZN1a1bEv 0x7 /usr/bin/cm\n";
        assert_eq!(
            named(foreign, std::process::id()),
            "0 > 0x10: a::b() 0x7 /usr/bin/cm\n"
        );
    }

    #[test]
    fn frames_of_another_process_get_no_names() {
        let (program, address) = here();
        let text =
            format!("0 > {address:#x}: (null) 0 {program}\n 1 > 0x10: (null) 0 /usr/bin/cm\n");
        assert_eq!(named(&text, std::process::id()), text);
        for text in [
            "",
            "what ever\n",
            "0 > 0x1: f 0x2\n",
            "0 > 0xzz: (null) 0 /x\n",
            "0 > 0x1: (null) 0 (null)\n",
        ] {
            assert_eq!(named(text, std::process::id()), text);
        }
        assert_eq!(named("0 > 0x1: (null) 0 /x\n", 0), "0 > 0x1: (null) 0 /x\n");
    }
}
