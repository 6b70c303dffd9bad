//! Splits a file into sections and assignments, with the line each stands on.
//!
//! The dialect is systemd.syntax(7). rust-ini splits headers, keys and values and keeps their order and
//! repeats. What it cannot carry is done here, before and after it:
//!
//! * `\` at a line's end: rust-ini would glue the lines without the space systemd puts there, and would not skip a
//!   comment between them, so lines are joined first;
//! * line numbers: rust-ini keeps none, so the numbers of the lines given to it are kept here and
//!   paired with what comes out, which is in the same order;
//! * a line that is no assignment: rust-ini would read on into the next line for its `=`, take a `:` for one, or give
//!   up on the whole file, so only sound lines reach it and the others become problems.

use super::SourceFile;
use super::problem::{Mistake, Problem};
use super::ward::Place;
use ini::{Ini, ParseOption};

/// One section: its header's words, where it stands, its assignments in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The text between the brackets.
    pub name: String,
    /// The header's place.
    pub at: Place,
    /// The assignments.
    pub entries: Vec<Entry>,
    /// Lines that are no assignments; what they cost depends on the section.
    pub strays: Vec<(usize, String)>,
}

/// `Key=Value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Left of the first `=`, trimmed.
    pub key: String,
    /// Right of it, trimmed; continuation lines joined by a space.
    pub value: String,
    /// Where it begins.
    pub at: Place,
}

/// Longest piece of a file that a message repeats, in characters.
const QUOTED: usize = 60;

/// Splits `file`. Total: unreadable lines become problems, the rest stands.
#[must_use]
pub fn split(file: &SourceFile) -> (Vec<Section>, Vec<Problem>) {
    let mut problems = Vec::new();
    if let Some(at) = file.text.find('\0') {
        let line = file.text[..at].matches('\n').count() + 1;
        problems.push(problem(file, line, Mistake::File { why: "the file holds a NUL byte and is not text".into() }));
        return (Vec::new(), problems);
    }
    let lines = logical_lines(&file.text);
    let mut sound = String::with_capacity(file.text.len() + 1);
    let mut sections: Vec<Section> = Vec::new();
    let mut keys_at: Vec<Vec<usize>> = Vec::new();
    for (number, line) in lines {
        match shape(&line) {
            Shape::Header(name) => {
                sound.push_str(&format!("[{name}]\n"));
                let at = Place { path: file.path.clone(), line: number };
                sections.push(Section { name: name.to_owned(), at, entries: Vec::new(), strays: Vec::new() });
                keys_at.push(Vec::new());
            }
            Shape::Assignment(key) => match keys_at.last_mut() {
                Some(numbers) => {
                    sound.push_str(&line);
                    sound.push('\n');
                    numbers.push(number);
                }
                None => problems.push(problem(file, number, Mistake::OutsideSection { key: shorten(key) })),
            },
            Shape::Neither => match sections.last_mut() {
                Some(section) => section.strays.push((number, shorten(&line))),
                None => problems.push(problem(file, number, Mistake::NotALine { found: shorten(&line) })),
            },
        }
    }
    fill(file, &sound, &mut sections, &keys_at);
    (sections, problems)
}

/// Gives each section the assignments that rust-ini found in it.
fn fill(file: &SourceFile, sound: &str, sections: &mut [Section], keys_at: &[Vec<usize>]) {
    let options = ParseOption { enabled_quote: false, enabled_escape: false, ..ParseOption::default() };
    let Ok(parsed) = Ini::load_from_str_opt(sound, options) else {
        debug_assert!(false, "only sound lines reach rust-ini: {sound:?}");
        return;
    };
    // rust-ini lists an unnamed section first, though it is empty here, then the named ones as they came.
    let named = parsed.iter().filter(|(name, _)| name.is_some());
    for ((section, numbers), (_, properties)) in sections.iter_mut().zip(keys_at).zip(named) {
        debug_assert_eq!(properties.iter().count(), numbers.len(), "in {sound:?}");
        section.entries = properties
            .iter()
            .zip(numbers)
            .map(|((key, value), &line)| Entry {
                key: key.to_owned(),
                value: value.trim().to_owned(),
                at: Place { path: file.path.clone(), line },
            })
            .collect();
    }
}

enum Shape<'a> {
    Header(&'a str),
    Assignment(&'a str),
    Neither,
}

fn shape(line: &str) -> Shape<'_> {
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Shape::Neither;
    }
    if let Some(inside) = line.strip_prefix('[') {
        return match inside.strip_suffix(']') {
            Some(name) if !name.contains(['[', ']', '\\']) && !name.trim().is_empty() => Shape::Header(name.trim()),
            _ => Shape::Neither,
        };
    }
    match line.split_once('=') {
        Some((key, _)) if is_key(key.trim()) => Shape::Assignment(key.trim()),
        _ => Shape::Neither,
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// Joins continued lines, drops comments and empty lines; each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim();
        // A comment may stand between continued lines (systemd.syntax(7)).
        if line.starts_with(['#', ';']) || (line.is_empty() && open.is_none()) {
            continue;
        }
        let (number, mut whole) = open.take().unwrap_or((index + 1, String::new()));
        match continued(line) {
            Some(begun) => {
                whole.push_str(begun);
                whole.push(' ');
                open = Some((number, whole));
            }
            None => {
                whole.push_str(line);
                lines.push((number, whole.trim().to_owned()));
            }
        }
    }
    lines.extend(open.map(|(number, whole)| (number, whole.trim().to_owned())));
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

    fn check(text: &str, expected: &[(&str, usize, &[(&str, &str, usize)])]) {
        let file = SourceFile { path: std::path::Path::new("a.ward").into(), text: text.into() };
        let (sections, problems) = split(&file);
        assert_eq!(problems, [], "{text:?}");
        let found: Vec<_> = sections
            .iter()
            .map(|s| {
                let entries: Vec<_> = s.entries.iter().map(|e| (e.key.as_str(), e.value.as_str(), e.at.line)).collect();
                (s.name.as_str(), s.at.line, entries)
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
        let (sections, problems) = split(&SourceFile { path: std::path::Path::new("a").into(), text: text.into() });
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
