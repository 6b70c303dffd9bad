//! Encoding of a list of steps in one line: each step begins with a word `--step=CONDITION:NUMBER`.
//!
//! The generator writes such lines and the helper reads them. A word of a step's own that would look like a
//! beginning has a backslash before it; one that a specifier of systemd's begins, of which the generator does not know what it will
//! be, [`WORD`].
//!
//! Anybody may have chosen the name of a template's instance, and unescaped (`%I`, `%f`) it may hold anything, a variable such as
//! `${HOME}` too. So not PID 1 puts that name in but the helper ([`NAMED`]), in such a way that it stays as it is.

/// Beginning of the first word of each step.
pub const STEP: &str = "--step=";

/// Stands before a word whose beginning PID 1 puts in. Whoever has an instance of a template started chooses its name.
const WORD: &str = "--word=";

/// Stands before a word in which the helper replaces the specifiers of [`UNESCAPED`], and `%%`.
const NAMED: &str = "--named-word=";

/// Specifiers for the unescaped name of an instance, the second with a slash before it
/// (systemd.unit(5)).
const UNESCAPED: [char; 2] = ['I', 'f'];

/// A word of a step of a template, made fit to stand in a list: the unescaped name of the instance
/// is left to the helper.
#[must_use]
pub fn guarded_in_template(word: &str) -> String {
    let mut named = NAMED.to_owned();
    let mut is_named = false;
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '%' { chars.next() } else { None }) {
            ('%', Some(letter)) if UNESCAPED.contains(&letter) => {
                is_named = true;
                named.extend(['%', '%', letter]);
            }
            // PID 1 makes one of two.
            ('%', Some('%')) => named.push_str("%%%%"),
            ('%', Some(other)) => named.extend(['%', other]),
            _ => named.push(c),
        }
    }
    if is_named { named } else { guarded(word) }
}

/// A word of a step, made fit to stand in a list.
#[must_use]
pub fn guarded(word: &str) -> String {
    // In the escaped name of an instance there can be no "=".
    let is_put_in = word.starts_with('%') && !word.starts_with("%%") && word != "%i";
    if is_put_in || word.starts_with(WORD) || word.starts_with(NAMED) {
        return [WORD, word].concat();
    }
    if word.trim_start_matches('\\').starts_with(STEP) {
        ["\\", word].concat()
    } else {
        word.to_owned()
    }
}

/// Removes the escape of [`guarded`], and puts the name of the instance in: that of the ward.
#[must_use]
pub fn plain(word: &str, ward: &str) -> String {
    if let Some(word) = word.strip_prefix(NAMED) {
        return with_instance(word, ward);
    }
    if let Some(word) = word.strip_prefix(WORD) {
        return word.to_owned();
    }
    let is_guarded = word.starts_with('\\') && word.trim_start_matches('\\').starts_with(STEP);
    word[usize::from(is_guarded)..].to_owned()
}

/// Replaces the specifiers that the generator has left to the helper. What is put in holds no
/// variable: `$$` stands for `$`.
fn with_instance(word: &str, ward: &str) -> String {
    let (_, instance) = ward.split_once('@').unwrap_or((ward, ""));
    let name = unescaped(instance).replace('$', "$$");
    let mut out = String::with_capacity(word.len() + name.len());
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '%' { chars.next() } else { None }) {
            ('%', Some('I')) => out.push_str(&name),
            ('%', Some('f')) => out.extend(["/", &name]),
            ('%', Some('%')) => out.push('%'),
            ('%', Some(other)) => out.extend(['%', other]),
            _ => out.push(c),
        }
    }
    out
}

/// Undoes the escapes of a unit's name (systemd-escape(1)): `-` for a slash, `\xNN` for a byte.
/// A name with other escapes stays as it is.
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        match c {
            '-' => bytes.push(b'/'),
            '\\' => {
                let byte = rest
                    .get(1..4)
                    .and_then(|escape| escape.strip_prefix('x'))
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let Some(byte) = byte else {
                    return name.to_owned();
                };
                bytes.push(byte);
                rest = &rest[3..];
            }
            other => bytes.extend(other.encode_utf8(&mut [0; 4]).bytes()),
        }
        rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The words of one step: its condition, its number and the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The condition's id.
    pub condition: String,
    /// `3`, or `3.1` for its first `Else…` step.
    pub step: String,
    /// Flags, keyword, argument, as they stand in the list.
    pub words: Vec<String>,
}

/// Splits a line's words into those before the first step, and the steps.
#[must_use]
pub fn split(words: &[String]) -> (&[String], Vec<Entry>) {
    let first = words
        .iter()
        .position(|word| word.starts_with(STEP))
        .unwrap_or(words.len());
    let (head, rest) = words.split_at(first);
    let mut entries: Vec<Entry> = Vec::new();
    for word in rest {
        if let Some(name) = word.strip_prefix(STEP) {
            let (condition, step) = name.rsplit_once(':').unwrap_or((name, ""));
            entries.push(Entry {
                condition: condition.to_owned(),
                step: step.to_owned(),
                words: Vec::new(),
            });
        } else if let Some(entry) = entries.last_mut() {
            entry.words.push(word.clone());
        }
    }
    (head, entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_puts_in_begins_no_step() {
        for specifier in ["%I", "%i=x", "%J/a"] {
            let guarded = guarded(specifier);
            assert!(guarded.starts_with(WORD), "{guarded}");
            for name in ["--step=OnDeath:1", "x", "\\--step=", "--word=x"] {
                let put_in = [WORD, name].concat();
                assert_eq!(plain(&put_in, "w"), name);
                let words = ["end", "--step=a:1", &put_in].map(str::to_owned);
                assert_eq!(split(&words).1[0].words, [put_in]);
            }
        }
        for word in ["%i", "%%I", "a%I", "--word=a", "--named-word=%I"] {
            assert_eq!(plain(&guarded(word), "w@x"), word);
        }
    }

    #[test]
    fn the_unescaped_name_of_an_instance_is_put_in_by_the_helper_and_holds_no_variable() {
        let check = |word: &str, line: &str, instance: &str, expected: &str| {
            assert_eq!(guarded_in_template(word), line);
            // As PID 1 does.
            let read = line.replace("%%", "%");
            let ward = ["worker@", instance].concat();
            assert_eq!(plain(&read, &ward), expected, "{word} {instance}");
        };
        let secret = "\\x24\\x7bSECRET\\x7d";
        check("%I", "--named-word=%%I", secret, "$${SECRET}");
        check("%I", "--named-word=%%I", "\\x24X", "$$X");
        check(
            "a=%I ${X}",
            "--named-word=a=%%I ${X}",
            "b-c\\x20d",
            "a=b/c d ${X}",
        );
        check("%f", "--named-word=%%f", "srv-\\xc3\\xbc", "/srv/\u{fc}");
        check("%I 5%%", "--named-word=%%I 5%%%%", "%I", "%I 5%");
        check("%I", "--named-word=%%I", "bad\\y", "bad\\y");
        check("%I", "--named-word=%%I", "\\x2", "\\x2");
        for word in ["%i", "%%I", "a", "%m"] {
            assert_eq!(guarded_in_template(word), guarded(word));
        }
    }

    #[test]
    fn a_list_is_split_into_its_steps_whatever_their_words_are() {
        let odd = [
            "--step=OnDeath:9",
            "\\--step=x",
            "\\\\--step=",
            "\\",
            "--as-root",
            "",
        ];
        let words: Vec<String> = [
            "end",
            "web",
            "--once=OnRestart",
            "--step=OnDeath-a:2",
            "Execute",
        ]
        .into_iter()
        .map(str::to_owned)
        .chain(odd.iter().map(|word| guarded(word)))
        .chain(["--step=OnDeath-a:2.1", "ElseLog", "x"].map(str::to_owned))
        .collect();
        let (head, entries) = split(&words);
        assert_eq!(head, ["end", "web", "--once=OnRestart"]);
        assert_eq!(
            (entries[0].condition.as_str(), entries[0].step.as_str()),
            ("OnDeath-a", "2")
        );
        let read = entries[0].words[1..].iter().map(|word| plain(word, "web"));
        assert_eq!(read.collect::<Vec<_>>(), odd);
        assert_eq!(
            (entries[1].step.as_str(), entries[1].words.len()),
            ("2.1", 2)
        );
        assert_eq!(split(&words[..2]).1, []);
    }
}
