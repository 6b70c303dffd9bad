//! From what systemd complains of back to the line of the ward that caused it.

use crate::core::config::Ward;
use crate::core::config::ward::NativeLine;

/// The ward's line that line `number` of its unit was written from, and its section.
///
/// Lines are passed through as they are, so the same line for the second time is the ward's second such line.
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

/// The line of the ward that systemd seems to speak of: it names the key, with `=` or without, or something of the value.
pub(super) fn cause<'a>(ward: &'a Ward, text: &str) -> Option<&'a NativeLine> {
    let lines = || {
        ward.native
            .unit
            .iter()
            .chain(&ward.native.service)
            .chain(&ward.native.install)
            .rev()
    };
    let words = || {
        text.split_whitespace()
            .map(|word| word.trim_matches(['\'', '"', ',', '.', ':', '(', ')']))
    };
    let named = |key: &str| lines().find(|line| line.key.eq_ignore_ascii_case(key));
    let with_value = |word: &str| {
        lines().find(|line| {
            line.value
                .split_whitespace()
                .any(|part| part.contains(word))
        })
    };
    let keys = words()
        .filter_map(|word| word.split_once('='))
        .find_map(|(key, _)| named(key));
    let is_name = |word: &&str| word.starts_with('/') || word.contains('.');
    keys.or_else(|| words().filter(is_name).find_map(with_value))
        .or_else(|| words().find_map(named))
}
