//! The sockets, timers and paths that start a unit, stopped and started with it.

use super::refusal::Refusal;
use super::rule::{manager_call, property, unanswered};
use crate::edge::triggers::is_up;
use tracing::warn;
use zbus::Connection;

/// Those of a unit that are up.
///
/// # Errors
/// When systemd does not tell.
pub(super) async fn active(bus: &Connection, unit: &str) -> Result<Vec<String>, Refusal> {
    let found = async {
        let mut up = Vec::new();
        for trigger in Vec::<String>::try_from(property(bus, unit, "TriggeredBy").await?)? {
            let state = String::try_from(property(bus, &trigger, "ActiveState").await?)?;
            if is_up(&state) {
                up.push(trigger);
            }
        }
        Ok(up)
    };
    found.await.map_err(|error| unanswered(unit, &error))
}

/// Has them stopped. Whatever requires them is left alone.
pub(super) async fn stop(bus: &Connection, triggers: &[String]) {
    each(bus, ("StopUnit", "ignore-dependencies"), triggers).await;
}

/// Has them started again.
pub(super) async fn start(bus: &Connection, triggers: &[String]) {
    each(bus, ("StartUnit", "replace"), triggers).await;
}

/// One that systemd refuses keeps the others from nothing: the unit itself decides what comes of the ruling.
async fn each(bus: &Connection, (method, mode): (&'static str, &str), triggers: &[String]) {
    for trigger in triggers {
        if let Err(error) = manager_call(bus, method, &(trigger.as_str(), mode)).await {
            warn!("Failed to have {trigger} stopped or started with its service, ignoring: {error}");
        }
    }
}
