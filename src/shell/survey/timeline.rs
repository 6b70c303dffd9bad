//! The document of `unitward timeline`.

use super::Answer;

/// Which recoveries: a ward's name for its latest, the ID of a death for that one, or `@` and milliseconds since the epoch for
/// all since then; empty: the latest of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell) struct Which(pub(in crate::shell) String);

/// Answers it.
pub(super) fn answer(_which: &Which) -> anyhow::Result<Answer> {
    anyhow::bail!("not there yet")
}
