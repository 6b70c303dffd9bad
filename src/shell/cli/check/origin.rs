//! From what systemd complains of back to the line of the ward that caused it.

use crate::core::config::Ward;
use crate::core::config::ward::NativeLine;

/// Returns the ward's line that line `number` of its unit was written from, and its section.
///
/// Lines are passed through as they are, so the same line for the second time is the ward's second
/// such line.
pub(super) fn planned<'a>(
    ward: &'a Ward,
    unit: &'a str,
    number: usize,
) -> Option<(&'a str, &'a NativeLine)> {
    let before: Vec<&str> = unit.lines().take(number).collect();
    let written = *before.last()?;
    let begins = before.iter().rposition(|line| line.starts_with('['))?;
    let section = before[begins].trim_matches(['[', ']']);
    let earlier = before[begins..]
        .iter()
        .filter(|line| **line == written)
        .count()
        - 1;
    let native = match section {
        "Unit" => &ward.native.unit,
        "Service" => &ward.native.service,
        _ => &ward.native.install,
    };
    let (key, value) = written.split_once('=')?;
    let line = native
        .iter()
        .filter(|line| line.key == key && line.value == value)
        .nth(earlier)?;
    Some((section, line))
}

/// Returns the line of the ward that systemd seems to speak of: it names the key, with `=` or
/// without, or something of the value.
pub(super) fn cause<'a>(ward: &'a Ward, text: &str) -> Option<&'a NativeLine> {
    let native = &ward.native;
    let lines: Vec<&NativeLine> = native
        .unit
        .iter()
        .chain(&native.service)
        .chain(&native.install)
        .rev()
        .collect();
    let words: Vec<&str> = text
        .split_whitespace()
        .map(|word| word.trim_matches(['\'', '"', ',', '.', ':', '(', ')']))
        .collect();
    let mut keys = words.iter().filter_map(|word| word.split_once('='));
    let mut names = words
        .iter()
        .filter(|word| word.starts_with('/') || word.contains('.'));
    keys.find_map(|(key, _)| with_key(&lines, key))
        .or_else(|| names.find_map(|name| with_value(&lines, name)))
        .or_else(|| words.iter().find_map(|word| with_key(&lines, word)))
}

/// Returns the first line with this key.
fn with_key<'a>(lines: &[&'a NativeLine], key: &str) -> Option<&'a NativeLine> {
    let mut lines = lines.iter().copied();
    lines.find(|line| line.key.eq_ignore_ascii_case(key))
}

/// Returns the first line whose value has this word, or a word that contains it.
fn with_value<'a>(lines: &[&'a NativeLine], word: &str) -> Option<&'a NativeLine> {
    lines.iter().copied().find(|line| {
        let mut parts = line.value.split_whitespace();
        parts.any(|part| part.contains(word))
    })
}
