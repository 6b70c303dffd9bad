//! Splits a file into sections and assignments, with the line each stands on.
//!
//! The dialect is systemd.syntax(7). rust-ini, which reads `/etc/os-release` for us, cannot carry it:
//!
//! * it keeps no line numbers, and every message names a line;
//! * it stops at the first bad line, and a mistake must cost no neighbour;
//! * a line without `=` swallows the next one, and `:` separates as well as `=`;
//! * it joins continued lines without the space systemd puts there and knows no comment between them.
//!
//! With all that done around it, it split what was split already and took a quarter of the generator's instructions.

use super::SourceFile;
use super::problem::{Mistake, Problem};
use super::ward::Place;
use std::borrow::Cow;

/// One section: its header's words, where it stands, its assignments in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section<'a> {
    /// The text between the brackets.
    pub name: Cow<'a, str>,
    /// The header's place.
    pub at: Place,
    /// The assignments.
    pub entries: Vec<Entry<'a>>,
    /// Lines that are no assignments; what they cost depends on the section.
    pub strays: Vec<(usize, String)>,
}

/// `Key=Value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Left of the first `=`, trimmed.
    pub key: Cow<'a, str>,
    /// Right of it, trimmed; continuation lines joined by a space.
    pub value: Cow<'a, str>,
    /// Where it begins.
    pub at: Place,
}

/// Longest piece of a file that a message repeats, in characters.
const QUOTED: usize = 60;

/// Splits `file`. Total: unreadable lines become problems, the rest stands.
#[must_use]
pub fn split(file: &SourceFile) -> (Vec<Section<'_>>, Vec<Problem>) {
    let mut problems = Vec::new();
    if let Some(at) = file.text.find('\0') {
        let line = file.text[..at].matches('\n').count() + 1;
        problems.push(problem(file, line, Mistake::File { why: "the file holds a NUL byte and is not text".into() }));
        return (Vec::new(), problems);
    }
    let mut sections: Vec<Section<'_>> = Vec::with_capacity(8);
    for (number, line) in logical_lines(&file.text) {
        let at = Place { path: file.path.clone(), line: number };
        match (shape(&line), sections.last_mut()) {
            (Shape::Header, _) => {
                let name = part(line, |line| line[1..line.len() - 1].trim());
                sections.push(Section { name, at, entries: Vec::with_capacity(8), strays: Vec::new() });
            }
            (Shape::Assignment { equals }, Some(section)) => {
                let key = part(line.clone(), |line| line[..equals].trim());
                let value = part(line, |line| line[equals + 1..].trim());
                section.entries.push(Entry { key, value, at });
            }
            (Shape::Assignment { equals }, None) => {
                problems.push(problem(file, number, Mistake::OutsideSection { key: shorten(line[..equals].trim()) }));
            }
            (Shape::Neither, Some(section)) => section.strays.push((number, shorten(&line))),
            (Shape::Neither, None) => {
                problems.push(problem(file, number, Mistake::NotALine { found: shorten(&line) }));
            }
        }
    }
    (sections, problems)
}

/// A part of a line, borrowed where the line is.
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
    if line.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Shape::Neither;
    }
    if let Some(inside) = line.strip_prefix('[') {
        return match inside.strip_suffix(']') {
            Some(name) if !name.contains(['[', ']', '\\']) && !name.trim().is_empty() => Shape::Header,
            _ => Shape::Neither,
        };
    }
    match line.find('=') {
        Some(equals) if is_key(line[..equals].trim()) => Shape::Assignment { equals },
        _ => Shape::Neither,
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Joins continued lines, drops comments and empty lines; each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, Cow<'_, str>)> {
    let mut lines = Vec::with_capacity(32);
    let mut open: Option<(usize, String)> = None;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim();
        // A comment may stand between continued lines (systemd.syntax(7)).
        if line.starts_with(['#', ';']) || (line.is_empty() && open.is_none()) {
            continue;
        }
        let begun = open.take();
        match (continued(line), begun) {
            (None, None) => lines.push((index + 1, Cow::Borrowed(line))),
            (None, Some((number, whole))) => lines.push((number, Cow::Owned(whole + line))),
            (Some(part), begun) => {
                let (number, whole) = begun.unwrap_or((index + 1, String::new()));
                open = Some((number, whole + part + " "));
            }
        }
    }
    lines.extend(open.map(|(number, whole)| (number, Cow::Owned(whole))));
    for (_, line) in &mut lines {
        if let Cow::Owned(whole) = line {
            *whole = whole.trim().to_owned();
        }
    }
    lines.retain(|(_, line)| !line.is_empty());
    lines
}

/// The line without its `\` if that one continues it; an even number of them stands for themselves.
fn continued(line: &str) -> Option<&str> {
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    (backslashes % 2 == 1).then(|| &line[..line.len() - 1])
}

fn shorten(text: &str) -> String {
    text.chars().take(QUOTED).collect::<String>()
}

fn problem(file: &SourceFile, line: usize, mistake: Mistake) -> Problem {
    Problem { at: Place { path: file.path.clone(), line }, mistake }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section's name, its line, and its keys and values with theirs.
    type Expected<'a> = (&'a str, usize, &'a [(&'a str, &'a str, usize)]);

    fn check(text: &str, expected: &[Expected<'_>]) {
        let file = SourceFile { path: std::path::Path::new("a.ward").into(), text: text.into() };
        let (sections, problems) = split(&file);
        assert_eq!(problems, [], "{text:?}");
        let found: Vec<_> = sections
            .iter()
            .map(|s| {
                let entries: Vec<_> = s.entries.iter().map(|e| (e.key.as_ref(), e.value.as_ref(), e.at.line)).collect();
                (s.name.as_ref(), s.at.line, entries)
            })
            .collect();
        let expected: Vec<_> = expected.iter().map(|(name, line, entries)| (*name, *line, entries.to_vec())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn order_and_repeats_are_kept_with_their_lines() {
        check(
            "[OnDeath]\nWaitFor=2s\nExecute=/a\nWaitFor=2s\nExecute=\n\n[OnDeath]\nLog=x = y : z\n",
            &[
                ("OnDeath", 1, &[("WaitFor", "2s", 2), ("Execute", "/a", 3), ("WaitFor", "2s", 4), ("Execute", "", 5)]),
                ("OnDeath", 7, &[("Log", "x = y : z", 8)]),
            ],
        );
    }

    #[test]
    fn a_backslash_joins_lines_with_a_space_and_skips_comments_between() {
        check(
            "[A]\nK=one \\\n# no\n  two\\\n; nor this\nthree\nL=x\n",
            &[("A", 1, &[("K", "one  two three", 2), ("L", "x", 7)])],
        );
        check("[A]\nK=last\\", &[("A", 1, &[("K", "last", 2)])]);
    }

    #[test]
    fn quotes_escapes_and_comment_marks_inside_values_stay() {
        check(
            "\u{feff}  [A]  \r\n K = \"a b\" 'c' \\x41 # no comment\r\n# comment\r\n;another\r\n",
            &[("A", 1, &[("K", "\"a b\" 'c' \\x41 # no comment", 2)])],
        );
    }

    #[test]
    fn strays_are_named_with_their_line_and_cost_no_neighbour() {
        let text = "orphan=1\nnonsense\n[A]\nwhat is this\nk:v\nK=1\n[half\nL=2";
        let file = SourceFile { path: std::path::Path::new("a").into(), text: text.into() };
        let (sections, problems) = split(&file);
        assert_eq!(problems.iter().map(|p| p.at.line).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(sections.len(), 1);
        assert_eq!(sections[0].strays.iter().map(|s| s.0).collect::<Vec<_>>(), [4, 5, 7]);
        assert_eq!(sections[0].entries.iter().map(|e| e.at.line).collect::<Vec<_>>(), [6, 8]);
    }

    #[test]
    fn any_text_is_split_without_panic() {
        for text in [
            "",
            "\\",
            "\\\n\\\n",
            "[",
            "[]",
            "[a\\]",
            "=",
            "[a]\n=",
            "[a]\nb=\\\\",
            "[a]\nb=c\\\\\nd=e",
            "\0",
            "[a]\n[a]\n[b]\n[a]\nk=1",
            "[é]\né=1",
        ] {
            let _ = split(&SourceFile { path: std::path::Path::new("a").into(), text: text.into() });
        }
    }
}
