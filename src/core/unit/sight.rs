//! What systemd sees of the end of a service: that of its main process, where it knows which that is.

use super::ServiceLines;

/// What it sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// The end of the main process.
    Main,
    /// The end of the last process, which it takes for a clean end.
    Last,
    /// Nothing: the service stays up without any process.
    Nothing,
}

impl Sight {
    /// Of a service with these lines. Where systemd may guess the main process it is taken to guess well.
    #[must_use]
    pub fn of(service: ServiceLines<'_>) -> Self {
        let guesses = !is_set(service, "GuessMainPID", ["no", "false", "off", "0"]);
        if service.value("Type") != Some("forking") || service.value("PIDFile").is_some() || guesses
        {
            Self::Main
        } else if is_set(service, "RemainAfterExit", ["yes", "true", "on", "1"]) {
            Self::Nothing
        } else {
            Self::Last
        }
    }
}

/// Returns true if a key has one of these values.
fn is_set(service: ServiceLines<'_>, key: &str, values: [&str; 4]) -> bool {
    service
        .value(key)
        .is_some_and(|value| values.contains(&value))
}
