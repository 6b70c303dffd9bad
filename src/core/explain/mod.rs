//! Explains the recovery of a ward in words: from the model alone, in the order of events.
//!
//! Invariants: it describes the units that are generated from the same model; the reader needs to
//! know nothing but systemd.

mod limit;
mod restart;
mod steps;
mod told;

use super::config::{Settings, Stack, UnitName, Ward};
use super::unit::AdoptedUnit;

/// Known facts about the ward and its surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The ward.
    pub ward: &'a Ward,
    /// Settings in the files of the unit it adopts.
    pub adopted: Option<&'a AdoptedUnit>,
    /// Its stack, with the units of all members.
    pub stack: Option<(&'a Stack, &'a [UnitName])>,
    /// The units that are bound to its own (`BindsTo=`).
    pub bound: &'a [UnitName],
    /// `unitward.conf`.
    pub settings: &'a Settings,
}

/// Sentences on one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The subject.
    pub heading: String,
    /// The sentences, in the order of events if there is one.
    pub lines: Vec<Line>,
}

/// A sentence or two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A separate line.
    Plain(String),
    /// One of several events in sequence.
    Numbered(String),
    /// A detail of the line above it.
    Below(String),
}

/// Explains a ward's recovery.
#[must_use]
pub fn explain(subject: Subject<'_>) -> Vec<Part> {
    let parts = [
        restart::noticed(subject),
        restart::comes_back(subject),
        restart::waits(subject),
        steps::recovery(subject),
        steps::unrestarted(subject),
        steps::failures(subject),
        limit::too_often(subject),
        steps::other_times(subject.ward),
        steps::touched(subject),
        told::told(subject),
    ];
    parts
        .into_iter()
        .filter(|part| !part.lines.is_empty())
        .collect()
}

/// Renders the parts as text, in lines of at most `width` columns.
#[must_use]
pub fn text(parts: &[Part], width: usize) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push('\n');
        }
        text.extend([&part.heading, "\n"]);
        let mut number = 0;
        for line in &part.lines {
            let (first, rest, sentence) = match line {
                Line::Plain(sentence) => ("  ".to_owned(), "  ", sentence),
                Line::Numbered(sentence) => {
                    number += 1;
                    (format!("{number:>4}. "), "      ", sentence)
                }
                Line::Below(sentence) => ("      ".to_owned(), "      ", sentence),
            };
            let indent = Indent {
                first: &first,
                rest,
            };
            wrap(&mut text, indent, sentence, width);
        }
    }
    text
}

/// The text before a sentence, and before each further line of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Indent<'a> {
    /// Begins the first line.
    pub(super) first: &'a str,
    /// Begins each other line.
    pub(super) rest: &'a str,
}

/// Adds a sentence to the text, in lines of at most `width` columns.
pub(super) fn wrap(text: &mut String, indent: Indent<'_>, sentence: &str, width: usize) {
    let mut line = indent.first.to_owned();
    let mut is_empty = true;
    for word in sentence.split(' ').filter(|word| !word.is_empty()) {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            text.extend([line.trim_end(), "\n"]);
            indent.rest.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    text.extend([line.trim_end(), "\n"]);
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests;
