//! The documents of `unitward reports`.

use super::Answer;
pub(in crate::shell) use crate::edge::history::read::Wanted;

/// Answers with the deaths that are wanted, one document a line, in the order of their times.
pub(super) fn answer(_wanted: &Wanted) -> anyhow::Result<Answer> {
    anyhow::bail!("not there yet")
}

/// Answers with one of them, by its ID or the first digits of it.
pub(super) fn answer_one(_id: &str) -> anyhow::Result<Answer> {
    anyhow::bail!("not there yet")
}
