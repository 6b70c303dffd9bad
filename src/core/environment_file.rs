//! The syntax of an `EnvironmentFile=` (systemd.exec(5)).

/// Characters that a backslash protects inside double quotes; before any other one it stands for itself.
const ESCAPED: &str = "\"\\`$";

/// The assignments of a file's text, as `NAME=VALUE`, in their order.
///
/// Comment lines begin with `#` or `;`. A value ends at the end of its line, unless a backslash stands there, and blanks around it
/// do not belong to it. Quoted parts are taken as they are.
#[must_use]
pub fn assignments(text: &str) -> Vec<String> {
    let mut rest = text.chars().peekable();
    let mut found = Vec::new();
    while rest.peek().is_some() {
        let mut line = Line { rest: &mut rest };
        found.extend(line.assignment());
    }
    found
}

/// Reads one logical line.
struct Line<'a, 't> {
    rest: &'a mut std::iter::Peekable<std::str::Chars<'t>>,
}

impl Line<'_, '_> {
    fn assignment(&mut self) -> Option<String> {
        while self.rest.next_if(|next| next.is_whitespace()).is_some() {}
        if self
            .rest
            .next_if(|next| matches!(next, '#' | ';'))
            .is_some()
        {
            self.skip();
            return None;
        }
        let mut name = String::new();
        loop {
            match self.rest.next()? {
                '=' => break,
                '\n' => return None,
                other => name.push(other),
            }
        }
        let value = self.value();
        Some([name.trim_end(), "=", &value].concat())
    }

    /// Passes over a comment, which a backslash continues.
    fn skip(&mut self) {
        while let Some(next) = self.rest.next() {
            match next {
                '\\' => drop(self.rest.next()),
                '\n' => return,
                _ => {}
            }
        }
    }

    fn value(&mut self) -> String {
        let mut value = String::new();
        // So much of it does not end in blanks that are to go.
        let mut kept = 0;
        while let Some(next) = self.rest.next() {
            match next {
                '\n' => break,
                ' ' | '\t' if value.is_empty() => continue,
                '\'' => value.extend(self.rest.by_ref().take_while(|next| *next != '\'')),
                '"' => self.quoted(&mut value),
                '\\' => value.extend(self.rest.next().filter(|next| *next != '\n')),
                blank if blank.is_whitespace() => {
                    value.push(blank);
                    continue;
                }
                other => value.push(other),
            }
            kept = value.len();
        }
        value.truncate(kept);
        value
    }

    fn quoted(&mut self, value: &mut String) {
        while let Some(next) = self.rest.next().filter(|next| *next != '"') {
            if next != '\\' {
                value.push(next);
                continue;
            }
            match self.rest.next() {
                Some('\n') | None => {}
                Some(other) if ESCAPED.contains(other) => value.push(other),
                Some(other) => value.extend(['\\', other]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_systemd_reads_it() {
        for (text, expect) in [
            ("A=1\nB = 2 \n", vec!["A=1", "B=2"]),
            ("# A=1\n; B=2\\\nC=3\nD=4", vec!["D=4"]),
            ("A='a b' \"c\\\"d\\n\"  \n", vec!["A=a b c\"d\\n"]),
            ("A=one\\\ntwo\\x\n", vec!["A=onetwox"]),
            ("no assignment\n  A=\n", vec!["A="]),
            ("A=\"two\nlines\"\nB=1", vec!["A=two\nlines", "B=1"]),
            ("A=a  b\t\n", vec!["A=a  b"]),
            ("", vec![]),
        ] {
            assert_eq!(assignments(text), expect, "{text:?}");
        }
    }
}
