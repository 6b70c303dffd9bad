//! Replaces variables in the words of a command like PID 1 (systemd.service(5), "Command lines").

/// Replaces the variables: `${NAME}` by its value, `$NAME` as a word of its own by the words of its
/// value, `$$` by `$`.
#[must_use]
pub fn expand(words: &[String], value: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut expanded = Vec::with_capacity(words.len());
    for word in words {
        match word.strip_prefix('$') {
            Some(name) if !name.starts_with(['{', '$']) => {
                expanded.extend(split(&value(name).unwrap_or_default()))
            }
            _ => expanded.push(within(word, value)),
        }
    }
    expanded
}

fn within(word: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some((name, behind)) = after
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
        {
            out.push_str(&value(name).unwrap_or_default());
            rest = behind;
        } else {
            out.push('$');
            rest = after.strip_prefix('$').unwrap_or(after);
        }
    }
    out.push_str(rest);
    out
}

/// Splits a value at blanks; quotes group words, a backslash takes the next character literally.
fn split(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => word.get_or_insert_default().extend(chars.next()),
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.get_or_insert_default().push(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, None) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expect: &[&str]) {
        let value = |name: &str| match name {
            "ONE" => Some("1".to_owned()),
            "TWO" => Some(" a  'b c' \"\" d\\ e ".to_owned()),
            "MONEY" => Some("$ONE".to_owned()),
            _ => None,
        };
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(expand(&words, &value), expect, "{words:?}");
    }

    #[test]
    fn variables_are_replaced_as_systemd_replaces_them() {
        check(
            &[
                "/bin/x",
                "$ONE",
                "${ONE}",
                "a${ONE}b${NO}c",
                "$$ONE",
                "a$$b",
            ],
            &["/bin/x", "1", "1", "a1bc", "$ONE", "a$b"],
        );
        check(
            &["$TWO", "${TWO}"],
            &["a", "b c", "", "d e", " a  'b c' \"\" d\\ e "],
        );
        check(&["$NO", "$", "${NO}", "a$ONE", "$ONE/b"], &["", "a$ONE"]);
        check(
            &["${MONEY}", "$MONEY", "${ONE", "x$"],
            &["$ONE", "$ONE", "${ONE", "x$"],
        );
    }
}
