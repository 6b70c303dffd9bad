//! The document of `unitward status`.

use super::Answer;
use zbus::Connection;

/// Answers it.
pub(super) async fn answer(_bus: &Connection, _ward: &str) -> anyhow::Result<Answer> {
    anyhow::bail!("not there yet")
}
