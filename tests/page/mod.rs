//! A page of the manual as its reader takes it: files to write, commands to type, and what is only shown.
//!
//! A block whose first line is `# /a/path` is that file, whole. A block with a word before the path, as in `# aws: /a/path`, is a
//! file for other circumstances than the page's own. A block of `sh` is typed as it stands; with `# in another terminal` as its
//! first line it goes on beside what follows. All other blocks are only looked at.

#![allow(dead_code, reason = "each test program needs its part of it")]

use std::fs;
use std::path::{Path, PathBuf};

/// What stands between two fences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// A file; `case` is the word before its path, empty for the page's own.
    File {
        case: String,
        path: String,
        text: String,
    },
    /// Commands.
    Commands(String),
    /// Commands that wait for what the following ones do.
    Beside(String),
    /// What is shown.
    Shown { language: String },
}

/// The README and the pages of the manual.
pub(crate) fn all() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manual = fs::read_dir(root.join("docs/manual"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = manual.chain([root.join("README.md")]).collect();
    pages.sort();
    pages
}

/// The blocks of a page, in their order. `page` is its path below the repository.
pub(crate) fn blocks(page: impl AsRef<Path>) -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let fenced = text.split("\n```").skip(1).step_by(2);
    fenced
        .map(|block| block.split_once('\n').unwrap())
        .map(|(language, text)| block(language, text))
        .collect()
}

fn block(language: &str, text: &str) -> Block {
    let first = text.lines().next().unwrap_or_default();
    if let Some((case, path)) = first
        .strip_prefix("# ")
        .and_then(|comment| comment.split_once('/'))
    {
        let (case, path) = (
            case.trim_end_matches([':', ' ']).to_owned(),
            format!("/{path}"),
        );
        return Block::File {
            case,
            path,
            text: format!("{text}\n"),
        };
    }
    match language {
        "sh" if first == "# in another terminal" => Block::Beside(text.to_owned()),
        "sh" => Block::Commands(text.to_owned()),
        _ => Block::Shown {
            language: language.to_owned(),
        },
    }
}
