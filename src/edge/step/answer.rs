//! Whether systemd restarts a service after an end, by the settings that PID 1 has of it.

use crate::core::crash::observation::ProcessEnd;
use crate::core::recovery::policy;
use crate::edge::pid1::Properties;

/// The properties of a service that [`restarts`] reads.
pub(super) const PROPERTIES: [&str; 3] = [
    "Restart",
    "RestartPreventExitStatus",
    "RestartForceExitStatus",
];

/// Returns true if systemd restarts the service after an end without a request, with this `Result`
/// and this end of the main process, if there was one.
pub(super) fn restarts(known: &Properties, result: &str, end: Option<ProcessEnd>) -> bool {
    let [restart, prevent, force] = PROPERTIES;
    let has = |set| end.is_some_and(|end| known.names(set, end));
    !has(prevent) && (has(force) || policy::restarts(known.text(restart), result))
}
