//! Places in configuration files, with which every message begins.
//!
//! Columns are computed only for a message. Only the beginning of a value is stored; for a value of
//! several lines, the beginning of each line.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, shared by the places of all its lines.
    pub path: Arc<Path>,
    /// Line number from 1; 0 means the file as a whole.
    pub line: usize,
    /// Column from 1, in characters; 0 means the line, or the file, as a whole.
    pub column: usize,
}

impl Place {
    /// The file as a whole.
    #[must_use]
    pub fn whole(path: Arc<Path>) -> Self {
        Self {
            path,
            line: 0,
            column: 0,
        }
    }

    /// Returns true if the file is a drop-in: it stands in a directory `NAME.d`.
    #[must_use]
    pub fn is_in_drop_in(&self) -> bool {
        let folder = self.path.parent().and_then(Path::extension);
        folder.is_some_and(|extension| extension == "d")
    }
}

/// Writes `path:line:column:`, as far as it is known.
impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:", self.path.display())?;
        for number in [self.line, self.column]
            .into_iter()
            .take_while(|number| *number > 0)
        {
            write!(out, "{number}:")?;
        }
        Ok(())
    }
}

/// Location of a value in its file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    line: usize,
    column: usize,
    /// The lines that continue it.
    more: Vec<Piece>,
}

/// Beginning of one of several joined lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Offset in the joined text, in bytes.
    pub(super) begin: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Written {
    /// Locates a value that begins `begin` bytes into `text`, a line that begins with `first` and
    /// is joined of `pieces` if it has any.
    pub(super) fn new(first: &Piece, text: &str, begin: usize, pieces: Vec<Piece>) -> Self {
        if pieces.is_empty() {
            return Self {
                line: first.line,
                column: first.column + text[..begin].chars().count(),
                more: pieces,
            };
        }
        let (line, column) = locate(text, begin, &pieces).unwrap_or((first.line, first.column));
        let later = pieces.into_iter().filter(|piece| piece.begin > begin);
        let more = later
            .map(|piece| Piece {
                begin: piece.begin - begin,
                ..piece
            })
            .collect();
        Self { line, column, more }
    }

    /// Returns the place `offset` bytes into `value`, which is written here in the file `path`.
    #[must_use]
    pub fn place_of(&self, path: &Arc<Path>, value: &str, offset: usize) -> Place {
        let (line, column) = locate(value, offset, &self.more)
            .unwrap_or_else(|| (self.line, self.column + characters(value, 0, offset)));
        Place {
            path: path.clone(),
            line,
            column,
        }
    }
}

/// Returns line and column of `offset`, counted from the last of `pieces` that begins at or before
/// it.
fn locate(text: &str, offset: usize, pieces: &[Piece]) -> Option<(usize, usize)> {
    let piece = pieces.iter().rfind(|piece| piece.begin <= offset)?;
    Some((
        piece.line,
        piece.column + characters(text, piece.begin, offset),
    ))
}

fn characters(text: &str, from: usize, to: usize) -> usize {
    text.get(from..to)
        .map_or(0, |between| between.chars().count())
}

#[cfg(test)]
mod tests {
    use super::super::{SourceFile, syntax};

    /// Line and column of `word` in the one value of `text`.
    fn check(text: &str, word: &str, expected: (usize, usize)) {
        let file = SourceFile {
            path: std::path::Path::new("a").into(),
            text: text.into(),
        };
        let (sections, problems) = syntax::split(&file);
        assert_eq!(problems, []);
        let entry = &sections[0].entries[0];
        let at = entry.place_of(entry.value.find(word).unwrap());
        assert_eq!((at.line, at.column), expected, "{word} in {text:?}");
    }

    #[test]
    fn columns_are_counted_in_characters_from_one() {
        check("[A]\nKey=one two\n", "one", (2, 5));
        check("[A]\nKey=one two\n", "two", (2, 9));
        check("[A]\r\n \tKey =  \u{e9}\u{e9} two\r\n", "two", (2, 13));
        check("\u{feff}[A]\nK=\n", "", (2, 3));
    }

    #[test]
    fn a_word_in_a_continued_line_has_the_line_it_stands_in() {
        let text = "[A]\nK = one \\\n# no\n  two \u{e9} three\\\n four\n";
        for (word, place) in [
            ("one", (2, 5)),
            ("two", (4, 3)),
            ("three", (4, 9)),
            ("four", (5, 2)),
        ] {
            check(text, word, place);
        }
        check("[A]\n\\\n  K=\\\n\\\n one", "one", (5, 2));
    }

    #[test]
    fn headers_and_strays_have_their_column() {
        let text = "x\n [ A ]\n  what is this\nK=1\n";
        let file = SourceFile {
            path: std::path::Path::new("a").into(),
            text: text.into(),
        };
        let (sections, problems) = syntax::split(&file);
        let said = |at: &super::Place| at.to_string();
        assert_eq!(said(&problems[0].at), "a:1:1:");
        assert_eq!(said(&sections[0].at), "a:2:3:");
        assert_eq!(said(&sections[0].strays[0].at), "a:3:3:");
        assert_eq!(said(&super::Place::whole(file.path)), "a:");
    }
}
