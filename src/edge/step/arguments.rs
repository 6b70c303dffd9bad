//! Parser for the words and `--options` of a generated line. The generator is their only writer, so
//! it stays simple.

use super::bad_line;
use crate::core::config::time_span;
use std::io;
use std::time::Duration;

/// Words and options of a line.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    words: Vec<String>,
    options: Vec<(String, String)>,
}

impl Arguments {
    /// Separates `--key=value` options from plain words.
    pub(super) fn parse(arguments: &[String]) -> Self {
        let mut parsed = Self::default();
        for argument in arguments {
            match argument.strip_prefix("--") {
                Some(option) => {
                    let (key, value) = option.split_once('=').unwrap_or((option, ""));
                    parsed.options.push((key.to_owned(), value.to_owned()));
                }
                None => parsed.words.push(argument.clone()),
            }
        }
        parsed
    }

    /// Returns the word at `index`, or an error for a damaged line.
    pub(super) fn word(&self, index: usize) -> io::Result<&str> {
        self.words
            .get(index)
            .map(String::as_str)
            .ok_or_else(|| bad_line("a word is missing"))
    }

    /// Returns the ward and its unit: the first two words of most lines.
    pub(super) fn ward_and_unit(&self) -> io::Result<(&str, &str)> {
        Ok((self.word(0)?, self.word(1)?))
    }

    /// Returns all values of an option.
    pub(super) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.options
            .iter()
            .filter(move |(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }

    /// Returns true if the option is present.
    pub(super) fn has(&self, key: &str) -> bool {
        self.all(key).next().is_some()
    }

    /// Returns a time span; zero if the option is absent.
    pub(super) fn span(&self, key: &str) -> io::Result<Duration> {
        self.all(key).next().map_or(Ok(Duration::ZERO), |text| {
            time_span::parse(text).map_err(|wrong| bad_line(&wrong.why))
        })
    }
}
