//! Makes text of others safe to show: on a terminal, in a line of the journal, in SVG or HTML.
//!
//! A control character may move the cursor or end a line, and a format character changes the
//! display invisibly: U+202E reverses the rest of a line, U+2028 breaks it, U+200B makes two names
//! look alike. None of them is passed.
//!
//! JSON documents that are printed hold the same characters as JSON's own escapes: they lose
//! nothing, and do nothing to a terminal.

use std::fmt::Write as _;

/// Replacement for a character that is not passed.
const INSTEAD: char = '\u{fffd}';

/// Characters that are invisible or change how others are displayed, beside the controls (category
/// Cc): the categories Cf, Zl and Zp without the visible signs of Arabic numbers, other
/// default-ignorable code points (DerivedCoreProperties.txt), interlinear annotations, and U+FFFE
/// and U+FFFF, which are no characters. The variation selectors U+FE00 to U+FE0F pass, since emoji
/// contain them.
const HIDDEN: [(char, char); 23] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{fffe}', '\u{ffff}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    ('\u{1fffe}', '\u{1ffff}'),
    ('\u{10fffe}', '\u{10ffff}'),
];

/// Returns true if a character is displayed as itself and does not change the display of others.
#[must_use]
pub fn is_visible(letter: char) -> bool {
    !letter.is_control()
        && !HIDDEN
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&letter))
}

/// Returns a text on one line. Each character that is not visible becomes U+FFFD.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|letter| if is_visible(letter) { letter } else { INSTEAD })
        .collect()
}

/// Returns a text with its line feeds and tabs. Each other character that is not visible becomes
/// U+FFFD.
#[must_use]
pub fn visible_lines(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' | '\t' => letter,
            _ if is_visible(letter) => letter,
            _ => INSTEAD,
        })
        .collect()
}

/// Returns a JSON document with each character that is not visible as JSON's escape `\uXXXX`. Line
/// feeds stay: they can only be between values.
#[must_use]
pub fn visible_json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for letter in document.chars() {
        if is_visible(letter) || letter == '\n' {
            shown.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            write!(shown, "\\u{unit:04x}").expect("writing to a string never fails");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_not_passed() {
        let hidden = [
            "\0\u{7}\u{8}\t\n\r\u{1b}\u{7f}",
            "\u{80}\u{85}\u{9b}\u{9d}\u{9f}",
            "\u{ad}\u{34f}\u{61c}\u{180e}",
            "\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}",
            "\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}",
            "\u{2060}\u{2061}\u{2064}\u{2066}\u{2067}\u{2068}\u{2069}\u{206a}\u{206f}",
            "\u{115f}\u{1160}\u{3164}\u{ffa0}\u{feff}\u{fff9}\u{fffb}\u{fffe}\u{ffff}",
            "\u{e0001}\u{e0020}\u{e0041}\u{e007f}\u{e0100}\u{e01ef}",
            "\u{1d173}\u{1bca0}\u{110bd}\u{13430}",
        ];
        for letter in hidden.iter().flat_map(|text| text.chars()) {
            assert_eq!(
                visible(&format!("a{letter}b")),
                "a\u{fffd}b",
                "U+{:04X}",
                u32::from(letter)
            );
        }
    }

    #[test]
    fn what_is_seen_is_passed() {
        for text in [
            "plain ASCII: \"quotes\" & <tags> \\n ~",
            "Grüße, naïve, Ζεύς, Москва, 東京, 서울, क्षि",
            // Text that is written from right to left by itself, and Arabic number signs.
            "שלום مرحبا \u{600}",
            "e\u{301} ❤\u{fe0f} 👍🏽 \u{a0}\u{3000}",
            "\u{fffd}",
            "",
        ] {
            assert_eq!(visible(text), text);
            assert_eq!(visible_lines(text), text);
        }
    }

    #[test]
    fn lines_stay_lines_only_where_they_may() {
        let text = "one\n\ttwo\r\n\u{202e}three\u{2028}four\u{1b}[2J";
        assert_eq!(
            visible(text),
            "one\u{fffd}\u{fffd}two\u{fffd}\u{fffd}\u{fffd}three\u{fffd}four\u{fffd}[2J"
        );
        assert_eq!(
            visible_lines(text),
            "one\n\ttwo\u{fffd}\n\u{fffd}three\u{fffd}four\u{fffd}[2J"
        );
    }

    #[test]
    fn a_json_document_is_the_same_one_in_visible_characters() {
        let text = "plain é \"\\ \0\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{200b}\u{2028}\u{202e}\u{feff}\u{ffff}\u{e0041}\u{10ffff}\n👍";
        let document =
            serde_json::to_string(&std::collections::BTreeMap::from([(text, text)])).unwrap();
        let shown = visible_json(&document);
        assert!(shown.chars().all(is_visible), "{shown:?}");
        assert!(
            shown.contains(
                "\\u007f\\u0085\\u009b\\u00ad\\u200b\\u2028\\u202e\\ufeff\\uffff\\udb40\\udc41\\udbff\\udfff"
            ),
            "{shown}"
        );
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&shown), parse(&document));
        let plain = "{\n  \"a\": \"é\"\n}\n{}\n";
        assert_eq!(visible_json(plain), plain);
    }
}
