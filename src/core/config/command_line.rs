//! Command lines as `Execute=` takes them: systemd's syntax (systemd.service(5), "Command lines"), with the
//! prefixes `-` and `+`.
//!
//! A command is split into words and later quoted anew ([`quote`]), so what stands in the configuration can
//! neither end the line nor begin a second command (`;`). `$NAME` is left for systemd to replace, and so are
//! `%` specifiers, those that name the ward's unit excepted: they are replaced here, because a
//! condition's own service has another name.

use super::names::UnitName;
use std::borrow::Cow;
use std::fmt::Write as _;

/// A command: its prefixes and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// `-`: a failure counts as success.
    pub ignore_failure: bool,
    /// `+`: runs as root, outside the service's sandbox.
    pub privileged: bool,
    /// The program and its arguments, unquoted, specifiers still in them.
    pub words: Vec<String>,
}

impl CommandLine {
    /// Reads a command.
    ///
    /// # Errors
    /// What is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.trim_start_matches(['-', '+', '@', ':', '!', '|']);
        let prefixes = &text[..text.len() - rest.len()];
        if let Some(other) = prefixes.chars().find(|c| !"-+".contains(*c)) {
            return Err(format!("the prefix {other:?} is not possible here, only - and +"));
        }
        let words = split_words(rest)?;
        let Some(program) = words.first() else {
            return Err("a command is expected".into());
        };
        if !program.starts_with('/') {
            return Err(format!("write the absolute path of {program:?}, as in /usr/bin/{program}"));
        }
        if program.ends_with('/') {
            return Err(format!("{program:?} is a folder, not a program"));
        }
        check_specifiers(&words)?;
        Ok(Self { ignore_failure: prefixes.contains('-'), privileged: prefixes.contains('+'), words })
    }

    /// The words joined again, for messages and records.
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
        for word in self.words.iter_mut().filter(|word| word.contains('%')) {
            *word = expand(word, unit);
        }
        self
    }
}

/// Specifiers systemd 252 knows (systemd.unit(5)); any other makes it drop the line.
const SPECIFIERS: &str = "aAbBCdDEfgGhHiIjJlLmMnNopPqsStTuUvVwWyY%";

fn check_specifiers(words: &[String]) -> Result<(), String> {
    for word in words {
        let mut chars = word.chars();
        while let Some(c) = chars.next() {
            if c == '%' && !chars.next().is_some_and(|letter| SPECIFIERS.contains(letter)) {
                return Err(format!("systemd knows no such specifier in {word:?}; write %% for a percent sign"));
            }
        }
    }
    Ok(())
}

/// Replaces `%n`, `%N`, `%p`, `%i` by the parts of `unit`; other specifiers stay.
fn expand(word: &str, unit: &UnitName) -> String {
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
fn split_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => word.get_or_insert_default().push(unescape(&mut chars)?),
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (';', None) if word.is_none() && chars.peek().is_none_or(|next| next.is_whitespace()) => {
                return Err("\";\" would begin a second command; write a second step, or \\; for the character".into());
            }
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".into());
    }
    words.extend(word);
    Ok(words)
}

/// What follows a backslash. Control characters have no business in a command line, so their escapes are refused.
fn unescape(chars: &mut impl Iterator<Item = char>) -> Result<char, String> {
    let escaped = match chars.next() {
        Some('s') => Some(' '),
        Some('t') => Some('\t'),
        Some('x') => hexadecimal(chars).filter(|c| c.is_ascii() && !c.is_control()),
        Some(c @ ('\\' | '"' | '\'' | ';' | ' ')) => Some(c),
        _ => None,
    };
    escaped.ok_or_else(|| "\"\\\" escapes as in C; write \\\\ for the character itself".to_owned())
}

fn hexadecimal(chars: &mut impl Iterator<Item = char>) -> Option<char> {
    let high = chars.next()?.to_digit(16)?;
    char::from_u32(high * 16 + chars.next()?.to_digit(16)?)
}

/// Quotes one word so that systemd reads exactly this word back. Specifiers and `$` stay alive.
#[must_use]
pub fn quote(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || byte >= 0x80
            || matches!(
                byte,
                b'-' | b'_'
                    | b'.'
                    | b'/'
                    | b':'
                    | b'='
                    | b','
                    | b'+'
                    | b'@'
                    | b'%'
                    | b'$'
                    | b'~'
                    | b'^'
                    | b'{'
                    | b'}'
                    | b'['
                    | b']'
                    | b'('
                    | b')'
                    | b'<'
                    | b'>'
                    | b'|'
                    | b'&'
                    | b'*'
                    | b'?'
                    | b'!'
                    | b'#'
            )
    };
    if !word.is_empty() && word.bytes().all(plain) && !word.starts_with('#') {
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

/// Makes `text` literal for a unit file: no specifier and no variable is replaced in it.
#[must_use]
pub fn literal(text: &str) -> String {
    text.replace('%', "%%").replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(
            CommandLine::parse(text).map(|c| c.words),
            Ok(expected.iter().map(|w| (*w).to_owned()).collect()),
            "{text}"
        );
    }

    #[test]
    fn words_are_split_as_systemd_splits_them() {
        check("/bin/mount -t nfs 10.0.0.1:/a  /b", &["/bin/mount", "-t", "nfs", "10.0.0.1:/a", "/b"]);
        check("/bin/sh -c 'a; b \"c\"'", &["/bin/sh", "-c", "a; b \"c\""]);
        check(
            "/bin/echo \"a\\\\b\" \\x41 '' x\\sy $HOME ${X} %n 100%%",
            &["/bin/echo", "a\\b", "A", "", "x y", "$HOME", "${X}", "%n", "100%%"],
        );
        check("/bin/echo \\; a;b", &["/bin/echo", ";", "a;b"]);
    }

    #[test]
    fn prefixes_are_minus_and_plus_only() {
        let command = CommandLine::parse("-+/bin/true").unwrap();
        assert!(command.ignore_failure && command.privileged);
        for bad in [
            "@/bin/true",
            "!/bin/true",
            ":/bin/true",
            "-",
            "",
            "mount /a",
            "./a",
            "/bin/",
            "/bin/a ; /bin/b",
            "/bin/a 'x",
            "/bin/a \\q",
            "/bin/a 5%",
            "/bin/a %Z",
            "/bin/a \\x0a",
            "/bin/a \\xzz",
            "/bin/a \\",
        ] {
            assert!(CommandLine::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn quoted_words_are_read_back_unchanged() {
        for word in ["a", "", "a b", "\"", "'", "\\", ";", "a;b", "é", "tab\there", "#x", "$X", "%%n", "-", "a\\x41"] {
            assert_eq!(split_words(&quote(word)), Ok(vec![word.to_owned()]), "{word:?}");
        }
        assert!(!quote("a\nb").contains('\n'));
    }

    #[test]
    fn specifiers_that_name_the_unit_are_replaced() {
        let unit = UnitName::new("web@1.service").unwrap();
        let command = CommandLine::parse("/bin/echo %n %N %p %i %H %%n").unwrap().for_unit(&unit);
        assert_eq!(command.words[1..], ["web@1.service", "web@1", "web", "1", "%H", "%%n"]);
    }
}
