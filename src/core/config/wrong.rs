//! The reason for refusing a value: a sentence, the offset in the value and the nearest valid word.

use std::fmt;

/// The reason for refusing a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Wrong {
    /// A sentence that says what is wrong and what to write instead.
    pub why: String,
    /// Offset of the wrong word in the value, in bytes.
    pub offset: usize,
    /// The nearest valid word.
    pub nearest: Option<String>,
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.why, did_you_mean(&self.nearest))
    }
}

impl From<&str> for Wrong {
    fn from(why: &str) -> Self {
        Self::from(why.to_owned())
    }
}

impl From<String> for Wrong {
    fn from(why: String) -> Self {
        Self {
            why,
            offset: 0,
            nearest: None,
        }
    }
}

impl Wrong {
    /// Refuses a word that is none of `words`.
    pub(super) fn none_of<'a>(
        word: &str,
        words: impl IntoIterator<Item = &'a str, IntoIter: Clone>,
    ) -> Self {
        let words = words.into_iter();
        let last = words.clone().last().unwrap_or_default();
        let mut list = String::new();
        for known in words.clone() {
            let before = match () {
                () if list.is_empty() => "",
                () if known == last => " or ",
                () => ", ",
            };
            list.extend([before, known]);
        }
        Self::from(format!("expected {list}")).near(word, words)
    }

    /// Adds the one of `candidates` that is most like `word`.
    #[must_use]
    pub(super) fn near<'a>(
        self,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            nearest: nearest(word, candidates),
            ..self
        }
    }

    /// Shifts the offset for a value that is part of a longer one and begins `further` bytes into
    /// it.
    #[must_use]
    pub(super) fn moved(self, further: usize) -> Self {
        Self {
            offset: self.offset + further,
            ..self
        }
    }
}

/// Returns the offset of `part` in `whole`, in bytes; 0 if `part` is not a slice of `whole`.
pub(crate) fn offset_in(whole: &str, part: &str) -> usize {
    let offset = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    if offset
        .checked_add(part.len())
        .is_some_and(|end| end <= whole.len())
    {
        offset
    } else {
        0
    }
}

/// Returns the candidate most like `word`, if its likeness is above 0.75.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    most_like(word, candidates, 0.75)
}

/// Returns the candidate most like `word`, if its likeness, from 0 to 1, is above `least`; callers
/// demand more where there are many candidates.
#[must_use]
pub fn most_like<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    least: f64,
) -> Option<String> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&word, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness > least)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}

/// Renders the nearest word for a message: ` (did you mean "…"?)`, or nothing.
pub(super) fn did_you_mean(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|word| format!(" (did you mean {word:?}?)"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_despite_case_and_slips() {
        let keys = ["Execute", "WaitFor", "Restart", "Log"];
        assert_eq!(nearest("Exceute", keys).as_deref(), Some("Execute"));
        assert_eq!(nearest("waitfor", keys).as_deref(), Some("WaitFor"));
        assert_eq!(nearest("Zzz", keys), None);
    }

    #[test]
    fn the_words_that_are_expected_are_listed_with_the_nearest() {
        let wrong = Wrong::none_of("abnormol", ["abnormal", "death", "no"]);
        assert_eq!(
            wrong.to_string(),
            "expected abnormal, death or no (did you mean \"abnormal\"?)"
        );
        assert_eq!(
            Wrong::none_of("7", ["yes", "no"]).to_string(),
            "expected yes or no"
        );
    }

    #[test]
    fn a_part_is_found_where_it_stands() {
        let whole = "a.service SIGNO";
        assert_eq!(offset_in(whole, &whole[10..]), 10);
        assert_eq!(offset_in(whole, "elsewhere"), 0);
    }
}
