//! The destination of reports: the `[MQTT]` section with everything filled in.

use super::super::identity::Identity;
use crate::core::config::settings::{ClientCertificate, FileAt, Mqtt, Security};
use crate::edge::history::entry::Channel;
use std::fmt;

/// A broker, and the parameters of the connection to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell::daemon) struct Endpoint {
    pub(super) security: Security,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) client_id: String,
    pub(super) username: Option<String>,
    pub(super) password_file: Option<FileAt>,
    pub(super) ca_file: Option<FileAt>,
    pub(super) client_certificate: Option<ClientCertificate>,
    crash_topic: String,
    recovery_topic: String,
}

impl Endpoint {
    /// Returns the configured endpoint; `None`: no broker is configured.
    pub(in crate::shell::daemon) fn new(mqtt: &Mqtt, identity: &Identity) -> Option<Self> {
        let broker = mqtt.broker.as_ref()?;
        Some(Self {
            security: broker.security,
            host: broker.host.clone(),
            port: broker.port,
            client_id: mqtt
                .client_id
                .clone()
                .unwrap_or_else(|| identity.client_id.clone()),
            username: mqtt.username.clone(),
            password_file: mqtt.password_file.clone(),
            ca_file: mqtt.ca_file.clone(),
            client_certificate: mqtt.client_certificate.clone(),
            crash_topic: expand(&mqtt.crash_topic, identity),
            recovery_topic: expand(&mqtt.recovery_topic, identity),
        })
    }

    /// Returns the topic of reports of this kind.
    pub(super) fn topic(&self, channel: Channel) -> &str {
        match channel {
            Channel::Crash => &self.crash_topic,
            Channel::Recovery => &self.recovery_topic,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            Security::Plain => "mqtt",
            Security::Tls => "mqtts",
        };
        if self.host.contains(':') {
            write!(out, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// Fills in `%n`, `%l` and `%%`. Characters that a topic to publish on may not have become `_`:
/// wildcards and control characters anywhere, and level separators in the values, so that a value
/// adds no levels.
fn expand(template: &str, identity: &Identity) -> String {
    let mut topic = String::new();
    let mut chars = template.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            topic.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => topic.push_str(&as_level(&identity.node_id)),
            Some('l') => topic.push_str(&as_level(&identity.location_id)),
            Some('%') | None => topic.push('%'),
            Some(other) => topic.extend(['%', other]),
        }
    }
    topic.replace(|c: char| c == '+' || c == '#' || c.is_control(), "_")
}

/// Returns a value as a part of one level of a topic.
fn as_level(value: &str) -> String {
    value.replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expect: &str) {
        let identity = Identity {
            node_id: "n/1+".into(),
            location_id: "#l\0".into(),
            firmware_version: String::new(),
            model: String::new(),
            client_id: String::new(),
        };
        assert_eq!(expand(template, &identity), expect, "{template}");
    }

    #[test]
    fn topics_are_filled_in_and_stay_publishable() {
        check("Crash/Reports", "Crash/Reports");
        check("%n/Crash/%l", "n_1_/Crash/_l_");
        check("100%%/%x/%", "100%/%x/%");
        check("a/+/#", "a/_/_");
        check("%%n", "%n");
    }
}
