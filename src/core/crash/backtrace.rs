//! From the text of a core dump's journal entry to the backtrace of a report.
//!
//! systemd-coredump writes the stacks of all threads into the entry's message, that of the thread that crashed first,
//! one frame a line: `#2  0x000055d7cffb3f37 main (prog + 0x115a)`, `n/a` for what it does not know. The name of the object
//! has no path as a rule; [`MemoryMap`] has it. A report has OpenSync's lines instead,
//! `2 > 0x55d7cffb3f37: main 0x34 /usr/bin/prog`.
//!
//! Invariants: no text makes this panic; a backtrace has at most [`FRAMES`] lines of at most [`LINE`] bytes each, and no
//! line has a control character in it, so that what a process calls itself and its functions cannot forge a line.
//!
//! Which function an address belongs to is said by whoever calls [`render`].

use super::memory_map::{MemoryMap, Spot};
use crate::core::visible::is_visible;
use std::fmt::Write;

/// The deepest frames that are told; a recursion without end has thousands.
pub const FRAMES: usize = 32;

/// The length of a line in bytes, its end included. Names of C++ functions can be as long as a page.
pub const LINE: usize = 512;

/// Bytes of a line that a name may take.
const NAME: usize = 256;

/// Bytes of a line that a path may take. With a name and three numbers it still is within [`LINE`].
const PATH: usize = 200;

/// What stands for a name or an object that is not known.
const UNKNOWN: &str = "(null)";

/// One frame of the thread that crashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where it is: the innermost at the instruction that failed, the others at the one they return to.
    pub address: u64,
    /// The instruction it is at: of a caller the call, lest one that never returns belongs to the function behind it.
    pub instruction: u64,
    /// The function that systemd-coredump names, mangled.
    pub function: Option<String>,
    /// The object as systemd-coredump names it, with or without its path.
    pub module: Option<String>,
    /// The object's path, where the memory map has it.
    pub object: Option<String>,
    /// Where the instruction stands in the object's file.
    pub spot: Option<Spot>,
}

/// The function a frame is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name as people write it.
    pub name: String,
    /// How far the frame's address is behind the function's beginning, where that is known.
    pub offset: Option<u64>,
}

/// Whether addresses in backtraces are told. They say where a program's memory is: what a process that still runs, or another one of
/// the same parent, has at which place is what address space layout randomization keeps secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// They are.
    Shown,
    /// They read `0x0`. Functions, offsets and objects stay.
    Masked,
}

impl Addresses {
    /// Lines of a report as they may be told.
    #[must_use]
    pub fn tell(self, backtrace: String) -> String {
        match self {
            Self::Shown => backtrace,
            Self::Masked => backtrace.split_inclusive('\n').map(masked).collect(),
        }
    }
}

/// A line without its address. One that somebody else has written, a caller of a full restart, may have addresses anywhere: of it every
/// number counts as one that is too long to be an offset.
fn masked(line: &str) -> String {
    let (head, rest) = match line.split_once(": ") {
        Some((head, rest)) if is_head(head) => (head.split_once("0x").map_or(head, |(number, _)| number), rest),
        _ => return without_numbers(line),
    };
    format!("{head}0x0: {}", without_numbers(rest))
}

/// Whether it is `2 > 0x55d7cffb3f37`.
fn is_head(text: &str) -> bool {
    let Some((number, address)) = text.trim_start().split_once(" > 0x") else { return false };
    let is_hexadecimal = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hexadecimal(number) && is_hexadecimal(address)
}

/// Digits of an offset within a function; more are an address.
const OFFSET: usize = 6;

/// Text with `0x0` for each hexadecimal number that is longer than an offset.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        let part = if digits > OFFSET { &format!("0{}", &part[digits..]) } else { part };
        told.push_str("0x");
        told.push_str(part);
    }
    told
}

/// Reads the frames of the thread that crashed, the innermost first; empty where the message has no stack.
#[must_use]
pub fn frames(message: &str, map: &MemoryMap) -> Vec<Frame> {
    let mut lines = message.lines().skip_while(|line| !line.starts_with("Stack trace of thread"));
    lines.next();
    let stack = lines.map_while(Frame::parse).take(FRAMES).enumerate();
    stack.map(|(depth, frame)| frame.located(depth, map)).collect()
}

/// The lines of a report; each frame with the symbol at the same place in `symbols`.
#[must_use]
pub fn render(frames: &[Frame], symbols: &[Option<Symbol>]) -> String {
    let mut text = String::new();
    let symbols = symbols.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    for (number, (frame, symbol)) in frames.iter().take(FRAMES).zip(symbols).enumerate() {
        let indent = if number == 0 { "" } else { " " };
        let name = symbol.map_or(UNKNOWN.to_owned(), |symbol| shorten(&symbol.name, NAME, Keep::Beginning));
        let offset = symbol.and_then(|symbol| symbol.offset).map_or("0".to_owned(), |offset| format!("{offset:#x}"));
        let object = frame.object.as_ref().or(frame.module.as_ref());
        let object = object.map_or(UNKNOWN.to_owned(), |path| shorten(path, PATH, Keep::End));
        writeln!(text, "{indent}{number} > {:#x}: {name} {offset} {object}", frame.address)
            .expect("writing to a string never fails");
    }
    text
}

impl Frame {
    /// `#0  0x00007f1d221f5eec n/a (libc.so.6 + 0x8aeec)`
    fn parse(line: &str) -> Option<Self> {
        let (number, rest) = line.strip_prefix('#')?.split_once(' ')?;
        let _: usize = number.parse().ok()?;
        let (address, rest) = rest.trim_start().strip_prefix("0x")?.split_once(' ')?;
        let address = u64::from_str_radix(address, 16).ok()?;
        let (function, rest) = rest.split_once(" (")?;
        let (module, _offset) = rest.strip_suffix(')')?.rsplit_once(" + 0x")?;
        let known = |word: &str| (word != "n/a").then(|| word.to_owned());
        let (function, module) = (known(function), known(module));
        Some(Self { address, instruction: address, function, module, object: None, spot: None })
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

/// The part of a text that says more when there is no room for all of it.
#[derive(Clone, Copy)]
enum Keep {
    Beginning,
    End,
}

/// At most `limit` bytes of `text`, all of them visible.
fn shorten(text: &str, limit: usize, keep: Keep) -> String {
    const CUT: char = '…';
    let printable: String = text.chars().map(|c| if is_visible(c) { c } else { '?' }).collect();
    if printable.len() <= limit {
        return printable;
    }
    let room = limit - CUT.len_utf8();
    match keep {
        Keep::Beginning => {
            let end = (0..=room).rev().find(|at| printable.is_char_boundary(*at)).unwrap_or(0);
            format!("{}{CUT}", &printable[..end])
        }
        Keep::End => {
            let first = printable.len() - room;
            let start = (first..printable.len()).find(|at| printable.is_char_boundary(*at)).unwrap_or(printable.len());
            format!("{CUT}{}", &printable[start..])
        }
    }
}

#[cfg(test)]
mod tests;
