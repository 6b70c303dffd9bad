//! Names in object paths: every byte except letters and digits, and a leading digit, becomes `_`
//! and two hexadecimal digits (`bus_label_escape()` of systemd).

use std::fmt::Write;

/// Returns the last part of a unit's object path.
#[must_use]
pub fn escape(name: &str) -> String {
    let mut label = String::with_capacity(name.len() + 16);
    for (index, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit()) {
            label.push(char::from(byte));
        } else {
            let _ = write!(label, "_{byte:02x}");
        }
    }
    label
}

/// Returns the name from which [`escape`] made `label`; `None`: the label is malformed.
#[must_use]
pub fn unescape(label: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(label.len());
    let mut rest = label.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'_' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_systemds_and_are_read_back() {
        for (name, label) in [
            ("exp-kill.service", "exp_2dkill_2eservice"),
            ("9a@b\\x2d.service", "_39a_40b_5cx2d_2eservice"),
            ("a_b.service", "a_5fb_2eservice"),
        ] {
            assert_eq!(escape(name), label);
            assert_eq!(unescape(label).as_deref(), Some(name));
        }
        for broken in ["a_", "a_2", "a_zz", "_ff"] {
            assert_eq!(unescape(broken), None, "{broken}");
        }
    }
}
