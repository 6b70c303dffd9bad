//! Command lines of `Execute=`: systemd's syntax (systemd.service(5), "Command lines"), with the
//! prefixes `-` and `+`.
//!
//! A command is split into words and later quoted anew ([`quote`]), so the configured text can
//! neither end the line nor begin a second command (`;`). `$NAME` is left for the helper to replace
//! ([`crate::core::expand`]), and `%` specifiers for systemd, except those that name the ward's
//! unit: they are replaced here, because a condition's own service has another name.

use super::names::UnitName;
use super::wrong::{Wrong, offset_in};
use std::borrow::Cow;
use std::fmt::Write as _;

/// A command: its prefixes and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// `-`: a failure counts as success.
    pub ignore_failure: bool,
    /// `+`: runs as root, without most of the service's sandbox.
    pub privileged: bool,
    /// The program and its arguments, unquoted, specifiers still in them.
    pub words: Vec<String>,
}

impl CommandLine {
    /// Parses a command.
    ///
    /// # Errors
    /// A [`Wrong`] that says what is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let rest = text.trim_start_matches(['-', '+', '@', ':', '!', '|']);
        let prefixes = &text[..text.len() - rest.len()];
        if let Some((offset, other)) = prefixes.char_indices().find(|(_, c)| !"-+".contains(*c)) {
            let why =
                format!("the prefix {other:?} is not possible here, only - and +; take it out");
            return Err(Wrong {
                offset,
                ..why.into()
            });
        }
        let words = split_words(rest).map_err(|wrong| wrong.moved(prefixes.len()))?;
        check_program(&words).map_err(|wrong| wrong.moved(prefixes.len()))?;
        check_specifiers(rest).map_err(|wrong| wrong.moved(prefixes.len()))?;
        // The split words are checked too, since \x25 is a percent sign.
        for word in &words {
            check_specifiers(word).map_err(|wrong| Wrong {
                offset: prefixes.len(),
                ..wrong
            })?;
        }
        Ok(Self {
            ignore_failure: prefixes.contains('-'),
            privileged: prefixes.contains('+'),
            words,
        })
    }

    /// Returns the words joined again, for messages and records.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(64);
        for word in &self.words {
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(&quote(word));
        }
        text
    }

    /// Replaces the specifiers that name the unit.
    #[must_use]
    pub fn for_unit(mut self, unit: &UnitName) -> Self {
        self.name_unit(unit);
        self
    }

    /// The same in place.
    pub(super) fn name_unit(&mut self, unit: &UnitName) {
        for word in self.words.iter_mut().filter(|word| word.contains('%')) {
            *word = expand(word, unit);
        }
    }
}

/// Specifiers systemd 252 knows (systemd.unit(5)); any other makes it drop the line.
const SPECIFIERS: &str = "aAbBCdDEfgGhHiIjJlLmMnNopPqsStTuUvVwWyY%";

/// Checks that the first word is the absolute path of a program.
fn check_program(words: &[String]) -> Result<(), Wrong> {
    let Some(program) = words.first() else {
        return Err("a command is expected, as in /usr/bin/true".into());
    };
    if !program.starts_with('/') {
        let name = program.rsplit('/').next().unwrap_or_default();
        let why = format!("write the absolute path of {program:?}, as in /usr/bin/{name}");
        return Err(why.into());
    }
    if program.ends_with('/') {
        let why = format!("{program:?} is a folder, not a program; write the program's own path");
        return Err(why.into());
    }
    Ok(())
}

fn check_specifiers(text: &str) -> Result<(), Wrong> {
    if !text.contains('%') {
        return Ok(());
    }
    let mut chars = text.char_indices();
    while let Some((offset, c)) = chars.next() {
        if c == '%'
            && !chars
                .next()
                .is_some_and(|(_, letter)| SPECIFIERS.contains(letter))
        {
            let specifier = text[offset..].chars().take(2).collect::<String>();
            let why = format!(
                "systemd knows no such specifier as {:?}; write %% for a percent sign",
                specifier.trim()
            );
            return Err(Wrong {
                offset,
                ..why.into()
            });
        }
    }
    Ok(())
}

/// Replaces `%n`, `%N`, `%p`, `%i` by the parts of `unit`; other specifiers stay.
pub(super) fn expand(word: &str, unit: &UnitName) -> String {
    let mut out = String::with_capacity(word.len());
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '%' { chars.next() } else { None }) {
            ('%', Some('n')) => out.push_str(unit.as_str()),
            ('%', Some('N')) => out.push_str(unit.stem()),
            ('%', Some('p')) => out.push_str(unit.prefix()),
            ('%', Some('i')) => out.push_str(unit.instance()),
            ('%', Some(other)) => out.extend(['%', other]),
            _ => out.push(c),
        }
    }
    out
}

/// Splits a command into words: blanks separate, `"` and `'` hold together, `\` escapes as in C.
fn split_words(text: &str) -> Result<Vec<String>, Wrong> {
    if !text.contains(['"', '\'', '\\', ';']) {
        return Ok(text.split_whitespace().map(str::to_owned).collect());
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<(char, usize)> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let offset = offset_in(text, chars.as_str()) - c.len_utf8();
        match (c, quote) {
            ('\\', _) => {
                let escaped = unescape(&mut chars).ok_or_else(|| Wrong {
                    offset,
                    ..Wrong::from(ESCAPES)
                })?;
                word.get_or_insert_default().push(escaped);
            }
            (c, Some((open, _))) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some((c, offset));
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (';', None)
                if word.is_none() && chars.clone().next().is_none_or(char::is_whitespace) =>
            {
                let why = "\";\" would begin a second command; write a second step, or \\; for the character";
                return Err(Wrong {
                    offset,
                    ..why.into()
                });
            }
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    if let Some((open, offset)) = quote {
        let why = format!(
            "the quote that begins here is not closed; write {open} where it ends, or \\{open} for the character"
        );
        return Err(Wrong {
            offset,
            ..why.into()
        });
    }
    words.extend(word);
    Ok(words)
}

/// Words that a shell interprets and a program does not: alone, or at the beginning of a word.
const SHELL_WORDS: [&str; 5] = ["|", "||", "&", "&&", ";"];
const SHELL_BEGINNINGS: [&str; 7] = [">", "<", "1>", "2>", "&>", "$(", "`"];

/// Returns the first unquoted word that only a shell would interpret: no shell runs the command.
pub(super) fn shell_word(text: &str) -> Option<Wrong> {
    let words = bare_words(text);
    let (_, (offset, word)) = words.iter().enumerate().find(|(index, (_, word))| {
        let next = words.get(index + 1).map(|(_, next)| *next);
        is_for_shell(word, next)
    })?;
    let why = format!(
        "{word:?} is an argument of the command, which no shell runs; write /bin/sh -c '…' around it all, or '{word}' if it is meant so"
    );
    Some(Wrong {
        offset: *offset,
        ..why.into()
    })
}

/// Returns true if only a shell would interpret the word; `next` is the word after it.
fn is_for_shell(word: &str, next: Option<&str>) -> bool {
    // A `;` argument, as of nft(8), is not followed by a path as a second command is.
    let ends_command = word.ends_with(';') && next.is_some_and(|next| next.starts_with('/'));
    ends_command
        || SHELL_WORDS.contains(&word)
        || SHELL_BEGINNINGS.iter().any(|begin| word.starts_with(begin))
}

/// Returns the words without quotes and escapes, each with its offset.
fn bare_words(text: &str) -> Vec<(usize, &str)> {
    let (mut words, mut quote, mut is_escaped) = (Vec::new(), None, false);
    let (mut begin, mut is_bare) = (None, true);
    for (offset, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if quote.is_none() && !is_escaped && c.is_whitespace() {
            words.extend(
                begin
                    .take()
                    .filter(|_| is_bare)
                    .map(|begin| (begin, &text[begin..offset])),
            );
            is_bare = true;
            continue;
        }
        begin.get_or_insert(offset);
        is_bare &= !matches!(c, '"' | '\'' | '\\');
        match (quote, c) {
            _ if is_escaped => is_escaped = false,
            (_, '\\') => is_escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            _ => {}
        }
    }
    words
}

/// Reads the rest of an escape after the backslash. Escapes of control characters are refused.
fn unescape(chars: &mut impl Iterator<Item = char>) -> Option<char> {
    match chars.next()? {
        's' => Some(' '),
        't' => Some('\t'),
        'x' => hexadecimal(chars).filter(|c| c.is_ascii() && !c.is_control()),
        c @ ('\\' | '"' | '\'' | ';' | ' ') => Some(c),
        _ => None,
    }
}

const ESCAPES: &str = "\"\\\" escapes as in C; write \\\\ for the character itself";

fn hexadecimal(chars: &mut impl Iterator<Item = char>) -> Option<char> {
    let high = chars.next()?.to_digit(16)?;
    char::from_u32(high * 16 + chars.next()?.to_digit(16)?)
}

/// Quotes one word so that systemd reads exactly this word back. Specifiers and `$` remain active.
#[must_use]
pub fn quote(word: &str) -> Cow<'_, str> {
    if !word.is_empty() && is_plain(word) && !word.starts_with('#') {
        return Cow::Borrowed(word);
    }
    let mut out = String::from("\"");
    for c in word.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(out, "\\x{byte:02x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    Cow::Owned(out)
}

/// Returns true if no character needs quotes, except possibly at the beginning of a word.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| PLAIN[usize::from(byte)])
}

/// A table by byte, for speed: the boot waits while thousands of words are quoted.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = byte >= 0x80 || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"-_./:=,+@%$~^{}[]()<>|&*?!#";
    let mut at = 0;
    while at < marks.len() {
        plain[marks[at] as usize] = true;
        at += 1;
    }
    plain
};

/// Escapes `text` for a unit file so that no specifier and no variable in it is replaced.
#[must_use]
pub fn literal(text: &str) -> String {
    text.replace('%', "%%").replace('$', "$$")
}

#[cfg(test)]
mod tests;
