//! The document of `unitward list`.

use super::Answer;
use zbus::Connection;

/// Answers it.
pub(super) async fn answer(_bus: &Connection) -> anyhow::Result<Answer> {
    anyhow::bail!("not there yet")
}
