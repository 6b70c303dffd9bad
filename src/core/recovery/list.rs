//! Encoding of a list of steps in one line: each step begins with a word `--step=CONDITION:NUMBER`.
//!
//! The generator writes such lines and the helper reads them. A word of a step's own that would look like a
//! beginning has a backslash before it; one that a specifier of systemd's begins, of which the generator does not know what it will
//! be, [`WORD`].

/// Beginning of the first word of each step.
pub const STEP: &str = "--step=";

/// Stands before a word whose beginning PID 1 puts in. Whoever has an instance of a template started chooses its name.
const WORD: &str = "--word=";

/// A word of a step, made fit to stand in a list.
#[must_use]
pub fn guarded(word: &str) -> String {
    // In the escaped name of an instance there can be no "=".
    let is_put_in = word.starts_with('%') && !word.starts_with("%%") && word != "%i";
    if is_put_in || word.starts_with(WORD) {
        return [WORD, word].concat();
    }
    if word.trim_start_matches('\\').starts_with(STEP) {
        ["\\", word].concat()
    } else {
        word.to_owned()
    }
}

/// Removes the escape of [`guarded`].
#[must_use]
pub fn plain(word: &str) -> String {
    if let Some(word) = word.strip_prefix(WORD) {
        return word.to_owned();
    }
    let is_guarded = word.starts_with('\\') && word.trim_start_matches('\\').starts_with(STEP);
    word[usize::from(is_guarded)..].to_owned()
}

/// The words of one step: its condition, its number and the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The condition's id.
    pub condition: String,
    /// `3`, or `3.1` for its first `Else…` step.
    pub step: String,
    /// Flags, keyword, argument.
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
            entry.words.push(plain(word));
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
                assert_eq!(plain(&put_in), name);
                assert_eq!(
                    split(&["end".to_owned(), "--step=a:1".to_owned(), put_in]).1[0].words,
                    [name]
                );
            }
        }
        for word in ["%i", "%%I", "a%I", "--word=a"] {
            assert_eq!(plain(&guarded(word)), word);
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
        assert_eq!(entries[0].words[1..], odd);
        assert_eq!(
            (entries[1].step.as_str(), entries[1].words.len()),
            ("2.1", 2)
        );
        assert_eq!(split(&words[..2]).1, []);
    }
}
