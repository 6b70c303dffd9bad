//! From the text of a core dump's journal entry to the backtrace of a report.
//!
//! systemd-coredump writes the stacks of all threads into the entry's message, that of the thread
//! that crashed first, one frame a line: `#2  0x000055d7cffb3f37 main (prog + 0x115a)`, `n/a` for
//! what it does not know. The name of the object usually has no path; [`MemoryMap`] has it. A
//! report has OpenSync's lines instead, `2 > 0x55d7cffb3f37: main 0x34 /usr/bin/prog`.
//!
//! Invariants: no text makes this panic; a backtrace has at most [`FRAMES`] lines of at most
//! [`LINE`] bytes each, and no line contains a control character, so that the names of a process
//! and its functions cannot forge a line.
//!
//! The caller of [`render`] determines the function of an address.

use super::memory_map::{MemoryMap, Spot};
use crate::core::visible::is_visible;
use std::fmt::Write;

/// Number of frames in a report, the innermost ones; an endless recursion has thousands.
pub const FRAMES: usize = 32;

/// Longest line in bytes, its end included. Names of C++ functions can be as long as a page.
pub const LINE: usize = 512;

/// Longest name in a line, in bytes.
const NAME: usize = 256;

/// Longest path in a line, in bytes. With a name and three numbers the line is still within
/// [`LINE`].
const PATH: usize = 200;

/// Replacement for an unknown name or object.
const UNKNOWN: &str = "(null)";

/// One frame of the thread that crashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Address of the frame: the innermost at the instruction that failed, the others at the one
    /// they return to.
    pub address: u64,
    /// The instruction that it is at: in a caller the call, since the address after a call that
    /// never returns may belong to the next function.
    pub instruction: u64,
    /// The function that systemd-coredump names, mangled.
    pub function: Option<String>,
    /// The object as systemd-coredump names it, with or without its path.
    pub module: Option<String>,
    /// Path of the object, if the memory map has it.
    pub object: Option<String>,
    /// Position of the instruction in the object's file.
    pub spot: Option<Spot>,
}

/// The function a frame is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its demangled name.
    pub name: String,
    /// Distance of the frame's address from the beginning of the function, if known.
    pub offset: Option<u64>,
}

/// Visibility of addresses in backtraces. They reveal the memory layout of a program: the positions
/// that address space layout randomization hides, in a process that still runs, or in another one
/// of the same parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// Addresses are shown.
    Shown,
    /// Addresses read `0x0`. Functions, offsets and objects stay.
    Masked,
}

impl Addresses {
    /// Masks the addresses in the lines of a report, if they must be.
    #[must_use]
    pub fn tell(self, backtrace: String) -> String {
        match self {
            Self::Shown => backtrace,
            Self::Masked => backtrace.split_inclusive('\n').map(masked).collect(),
        }
    }
}

/// Returns a line with its address masked. A line of unknown origin, from a caller of a full
/// restart, may contain addresses anywhere: every number in it that is too long for an offset is
/// masked.
fn masked(line: &str) -> String {
    let (head, rest) = match line.split_once(": ") {
        Some((head, rest)) if is_head(head) => (
            head.split_once("0x").map_or(head, |(number, _)| number),
            rest,
        ),
        _ => return without_numbers(line),
    };
    format!("{head}0x0: {}", without_numbers(rest))
}

/// Returns true if the text has the form `2 > 0x55d7cffb3f37`.
fn is_head(text: &str) -> bool {
    let Some((number, address)) = text.trim_start().split_once(" > 0x") else {
        return false;
    };
    is_hexadecimal(number) && is_hexadecimal(address)
}

/// Returns true if the text is a hexadecimal number, without a prefix.
fn is_hexadecimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Longest offset within a function, in digits; a longer number counts as an address.
const OFFSET: usize = 6;

/// Replaces each hexadecimal number that is longer than an offset by `0x0`.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let part = if digits > OFFSET {
            &format!("0{}", &part[digits..])
        } else {
            part
        };
        told.push_str("0x");
        told.push_str(part);
    }
    told
}

/// Parses the frames of the thread that crashed, the innermost first; empty if the message has no
/// stack.
#[must_use]
pub fn frames(message: &str, map: &MemoryMap) -> Vec<Frame> {
    let mut lines = message
        .lines()
        .skip_while(|line| !line.starts_with("Stack trace of thread"));
    lines.next();
    let stack = lines.map_while(Frame::parse).take(FRAMES).enumerate();
    stack
        .map(|(depth, frame)| frame.located(depth, map))
        .collect()
}

/// Renders the lines of a report; each frame with the symbol at the same index in `symbols`.
#[must_use]
pub fn render(frames: &[Frame], symbols: &[Option<Symbol>]) -> String {
    let mut text = String::new();
    let symbols = symbols
        .iter()
        .map(Option::as_ref)
        .chain(std::iter::repeat(None));
    for (number, (frame, symbol)) in frames.iter().take(FRAMES).zip(symbols).enumerate() {
        let indent = if number == 0 { "" } else { " " };
        let name = symbol.map_or(UNKNOWN.to_owned(), |symbol| {
            shorten(&symbol.name, NAME, Keep::Beginning)
        });
        let offset = symbol
            .and_then(|symbol| symbol.offset)
            .map_or("0".to_owned(), |offset| format!("{offset:#x}"));
        let object = frame.object.as_ref().or(frame.module.as_ref());
        let object = object.map_or(UNKNOWN.to_owned(), |path| shorten(path, PATH, Keep::End));
        writeln!(
            text,
            "{indent}{number} > {:#x}: {name} {offset} {object}",
            frame.address
        )
        .expect("writing to a string never fails");
    }
    text
}

impl Frame {
    /// Parses `#0  0x00007f1d221f5eec n/a (libc.so.6 + 0x8aeec)`.
    fn parse(line: &str) -> Option<Self> {
        let (number, rest) = line.strip_prefix('#')?.split_once(' ')?;
        let _: usize = number.parse().ok()?;
        let (address, rest) = rest.trim_start().strip_prefix("0x")?.split_once(' ')?;
        let address = u64::from_str_radix(address, 16).ok()?;
        let (function, rest) = rest.split_once(" (")?;
        let (module, _offset) = rest.strip_suffix(')')?.rsplit_once(" + 0x")?;
        let (function, module) = (known(function), known(module));
        Some(Self {
            address,
            instruction: address,
            function,
            module,
            object: None,
            spot: None,
        })
    }

    fn located(mut self, depth: usize, map: &MemoryMap) -> Self {
        if depth > 0 {
            self.instruction = self.address.saturating_sub(1);
        }
        if let Some(place) = map.place(self.instruction) {
            self.object = Some(place.object);
            self.spot = place.spot;
        }
        self
    }
}

/// Returns the word, unless it stands for something unknown.
fn known(word: &str) -> Option<String> {
    (word != "n/a").then(|| word.to_owned())
}

/// The end of a text that is kept if the text is too long.
#[derive(Clone, Copy)]
enum Keep {
    Beginning,
    End,
}

/// Returns at most `limit` bytes of `text`, all of them visible.
fn shorten(text: &str, limit: usize, keep: Keep) -> String {
    const CUT: char = '…';
    let printable: String = text
        .chars()
        .map(|c| if is_visible(c) { c } else { '?' })
        .collect();
    if printable.len() <= limit {
        return printable;
    }
    let room = limit - CUT.len_utf8();
    match keep {
        Keep::Beginning => {
            let end = (0..=room)
                .rev()
                .find(|at| printable.is_char_boundary(*at))
                .unwrap_or(0);
            format!("{}{CUT}", &printable[..end])
        }
        Keep::End => {
            let first = printable.len() - room;
            let start = (first..printable.len())
                .find(|at| printable.is_char_boundary(*at))
                .unwrap_or(printable.len());
            format!("{CUT}{}", &printable[start..])
        }
    }
}

#[cfg(test)]
mod tests;
