//! Splits a file into sections and assignments, each with its line and column.
//!
//! The dialect is systemd.syntax(7). rust-ini, which reads `/etc/os-release`, does not support it:
//!
//! * it keeps no line numbers, and every message names a line;
//! * it stops at the first bad line, and a mistake must cost no neighbour;
//! * a line without `=` swallows the next one, and `:` separates as well as `=`;
//! * it joins continued lines without the space of systemd and knows no comment between them.
//!
//! With all that done around it, it repeated work that was done already and took a quarter of the
//! generator's instructions.

use super::SourceFile;
use super::place::{Piece, Place, Written};
use super::problem::{Mistake, Problem};
use super::ward::NativeLine;
use super::wrong::offset_in;
use std::borrow::Cow;

/// One section: its name, its place, its assignments in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'a> {
    /// The text between the brackets.
    pub name: Cow<'a, str>,
    /// Place of the name.
    pub at: Place,
    /// The assignments.
    pub entries: Vec<Entry<'a>>,
    /// Lines that are no assignments; their cost depends on the section.
    pub strays: Vec<Stray>,
}

/// `Key=Value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Left of the first `=`, trimmed.
    pub key: Cow<'a, str>,
    /// Right of it, trimmed; continuation lines joined by a space.
    pub value: Cow<'a, str>,
    /// Place of the key.
    pub at: Place,
    /// Location of the value.
    pub written: Written,
}

impl Entry<'_> {
    /// Returns the place `offset` bytes into the value.
    #[must_use]
    pub fn place_of(&self, offset: usize) -> Place {
        self.written.place_of(&self.at.path, &self.value, offset)
    }
}

/// A line of a section that is no assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Place of its beginning.
    pub at: Place,
    /// Its beginning, quoted, with advice on bytes that are not UTF-8.
    pub found: String,
}

/// Replaces bytes that are not UTF-8: ASCII's own character for what cannot be represented. It
/// invalidates any line but a comment. A file that contains this character itself, as DOS files do
/// at their end, gets the same message.
pub const NO_TEXT: char = '\u{1a}';

/// Longest piece of a file that a message repeats, in characters.
const QUOTED: usize = 60;

/// Returns the assignments in all sections of this name of a unit file.
#[must_use]
pub fn lines_of(file: &SourceFile, section: &str) -> Vec<NativeLine> {
    let (sections, _) = split(file);
    let named = sections.iter().filter(|found| found.name == section);
    named
        .flat_map(|section| &section.entries)
        .map(NativeLine::from)
        .collect()
}

/// Splits `file`. Total: unreadable lines become problems, the rest remains.
#[must_use]
pub fn split(file: &SourceFile) -> (Vec<Section<'_>>, Vec<Problem>) {
    let mut problems = Vec::new();
    if let Some(nul) = file.text.find('\0') {
        return (Vec::new(), vec![no_text_at(file, nul)]);
    }
    if file.text.contains(NO_TEXT) {
        problems.extend(comments_without_text(file));
    }
    let mut sections: Vec<Section<'_>> = Vec::with_capacity(8);
    logical_lines(&file.text, |line| {
        add(file, line, &mut sections, &mut problems);
    });
    (sections, problems)
}

/// Returns the problem of a file with a NUL byte at the offset `nul`.
fn no_text_at(file: &SourceFile, nul: usize) -> Problem {
    let before = &file.text[..nul];
    let line = before.matches('\n').count() + 1;
    let last = before.lines().last().filter(|_| !before.ends_with('\n'));
    let why = "the file holds a NUL byte and is not text; write it anew as text".into();
    Problem {
        at: file.place(line, last.map_or(1, |last| last.chars().count() + 1)),
        mistake: Mistake::file(&file.path, why),
    }
}

/// Adds a line to the sections, or its mistake to the problems.
fn add<'a>(
    file: &SourceFile,
    line: Line<'a>,
    sections: &mut Vec<Section<'a>>,
    problems: &mut Vec<Problem>,
) {
    let Line {
        number,
        column,
        text,
        pieces,
    } = line;
    match (shape(&text), sections.last_mut()) {
        (Shape::Header, _) => {
            let at = file.place(number, column + 1);
            // Blanks belong to the name, as for systemd, which has no section of such a name.
            let name = part(text, |line| &line[1..line.len() - 1]);
            sections.push(Section {
                name,
                at,
                entries: Vec::with_capacity(8),
                strays: Vec::new(),
            });
        }
        (Shape::Assignment { equals }, Some(section)) => {
            let begin = offset_in(&text, text[equals + 1..].trim_start());
            let first = Piece {
                begin: 0,
                line: number,
                column,
            };
            let written = Written::new(&first, &text, begin, pieces);
            let at = file.place(number, column);
            let key = part(text.clone(), |line| line[..equals].trim());
            let value = part(text, |line| &line[begin..]);
            section.entries.push(Entry {
                key,
                value,
                at,
                written,
            });
        }
        (Shape::Assignment { equals }, None) => {
            let mistake = Mistake::OutsideSection {
                key: shorten(text[..equals].trim()),
            };
            problems.push(Problem {
                at: file.place(number, column),
                mistake,
            });
        }
        (Shape::Neither, Some(section)) => {
            section.strays.push(Stray {
                at: file.place(number, column),
                found: quote(&text),
            });
        }
        (Shape::Neither, None) => {
            let mistake = Mistake::NotALine {
                found: quote(&text),
            };
            problems.push(Problem {
                at: file.place(number, column),
                mistake,
            });
        }
    }
}

/// Returns a warning for each comment that holds bytes that are not UTF-8: it may have been meant
/// to be read.
fn comments_without_text(file: &SourceFile) -> impl Iterator<Item = Problem> {
    file.text.lines().enumerate().filter_map(|(index, line)| {
        let before = line
            .trim_start()
            .starts_with(['#', ';'])
            .then(|| line.split_once(NO_TEXT))??
            .0;
        let at = file.place(index + 1, before.chars().count() + 1);
        let why = "the comment is not UTF-8 text here; write it as UTF-8".to_owned();
        Some(Problem {
            at,
            mistake: Mistake::Warning(why),
        })
    })
}

/// Takes a part of a line, borrowed if the line is.
fn part<'a>(line: Cow<'a, str>, take: impl Fn(&str) -> &str) -> Cow<'a, str> {
    match line {
        Cow::Borrowed(line) => Cow::Borrowed(take(line)),
        Cow::Owned(line) => Cow::Owned(take(&line).to_owned()),
    }
}

enum Shape {
    Header,
    Assignment { equals: usize },
    Neither,
}

fn shape(line: &str) -> Shape {
    if line
        .bytes()
        .any(|byte| byte.is_ascii_control() && byte != b'\t')
    {
        return Shape::Neither;
    }
    if let Some(inside) = line.strip_prefix('[') {
        return match inside.strip_suffix(']') {
            Some(name) if !name.contains(['[', ']', '\\']) && !name.trim().is_empty() => {
                Shape::Header
            }
            _ => Shape::Neither,
        };
    }
    match line.find('=') {
        Some(equals) if is_key(line[..equals].trim()) => Shape::Assignment { equals },
        _ => Shape::Neither,
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A line as systemd reads it: continued lines joined.
struct Line<'a> {
    /// The number of its first line in the file.
    number: usize,
    /// Column of its beginning there, in characters from 1.
    column: usize,
    text: Cow<'a, str>,
    /// Beginning of each of the joined lines; empty for a single line.
    pieces: Vec<Piece>,
}

impl Line<'_> {
    /// Removes blanks around a text that was joined.
    fn trimmed(mut self) -> Self {
        if let Cow::Owned(whole) = &mut self.text {
            let lost = whole.len() - whole.trim_start().len();
            *whole = whole.trim().to_owned();
            for piece in &mut self.pieces {
                piece.begin = piece.begin.saturating_sub(lost);
            }
            if let Some(first) = self.pieces.iter().rfind(|piece| piece.begin == 0) {
                (self.number, self.column) = (first.line, first.column);
            }
        }
        self
    }
}

/// Joins continued lines, drops comments and empty lines, and passes each remaining line to
/// `hand_over`.
fn logical_lines<'a>(text: &'a str, mut hand_over: impl FnMut(Line<'a>)) {
    let mut open: Option<(String, Vec<Piece>)> = None;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim();
        // A comment may stand between continued lines (systemd.syntax(7)).
        if line.starts_with(['#', ';']) || (line.is_empty() && open.is_none()) {
            continue;
        }
        let (number, column) = (index + 1, raw[..offset_in(raw, line)].chars().count() + 1);
        match (continued(line), open.take()) {
            (None, None) => {
                hand_over(Line {
                    number,
                    column,
                    text: Cow::Borrowed(line),
                    pieces: Vec::new(),
                });
            }
            (part, begun) => {
                let (mut whole, mut pieces) = begun.unwrap_or_default();
                pieces.push(Piece {
                    begin: whole.len(),
                    line: number,
                    column,
                });
                whole.push_str(part.unwrap_or(line));
                match part {
                    None => joined(whole, pieces).into_iter().for_each(&mut hand_over),
                    Some(_) => {
                        whole.push(' ');
                        open = Some((whole, pieces));
                    }
                }
            }
        }
    }
    if let Some((whole, pieces)) = open {
        joined(whole, pieces).into_iter().for_each(hand_over);
    }
}

/// Returns the line that is joined of `pieces`, if it is not empty.
fn joined<'a>(whole: String, pieces: Vec<Piece>) -> Option<Line<'a>> {
    let (number, column) = pieces
        .first()
        .map_or((0, 0), |first| (first.line, first.column));
    let line = Line {
        number,
        column,
        text: Cow::Owned(whole),
        pieces,
    }
    .trimmed();
    (!line.text.is_empty()).then_some(line)
}

/// Returns the line without its final `\` if the next line continues it; an even number of them is
/// literal.
fn continued(line: &str) -> Option<&str> {
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    (backslashes % 2 == 1).then(|| &line[..line.len() - 1])
}

/// Quotes the beginning of an unreadable line for a message.
fn quote(text: &str) -> String {
    let advice = if text.contains(NO_TEXT) {
        ", which is not UTF-8 text (write it as UTF-8)"
    } else {
        ""
    };
    format!("{:?}{advice}", shorten(text).replace(NO_TEXT, "\u{fffd}"))
}

fn shorten(text: &str) -> String {
    text.chars().take(QUOTED).collect::<String>()
}

#[cfg(test)]
mod tests;
