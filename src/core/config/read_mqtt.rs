//! From the `[MQTT]` sections of `unitward.conf` and its drop-ins to [`Mqtt`].
//!
//! Keys that depend on each other are checked after all files are read, since a drop-in may
//! complete the main file. Files are named here, never opened: they may come and go while the
//! daemon runs.

use super::mistake::Applies;
use super::place::Place;
use super::problem::{Mistake, Problem};
use super::read_keys::{self, Refusal};
use super::settings::{Broker, ClientCertificate, FileAt, Mqtt, Security};
use super::syntax::Section;
use super::wrong::{Wrong, nearest};
use std::collections::HashMap;
use std::net::Ipv6Addr;

pub(super) const KEYS: [&str; 9] = [
    "Broker",
    "ClientId",
    "Username",
    "PasswordFile",
    "CAFile",
    "CertFile",
    "KeyFile",
    "CrashTopic",
    "RecoveryTopic",
];

/// The sections read so far.
#[derive(Debug, Default)]
pub(super) struct MqttReader {
    mqtt: Mqtt,
    certificate: Option<FileAt>,
    key: Option<FileAt>,
    /// Place and text of the last value of each key.
    written: HashMap<String, (Place, String)>,
}

impl MqttReader {
    /// Reads one section.
    pub(super) fn read(&mut self, section: &Section<'_>) -> Vec<Problem> {
        for entry in &section.entries {
            self.written.insert(
                entry.key.to_string(),
                (entry.place_of(0), entry.value.to_string()),
            );
        }
        read_keys::read(section, &KEYS, |key, value| self.set(key, value))
    }

    /// Checks the keys that depend on each other and returns the settings.
    pub(super) fn finish(mut self) -> (Mqtt, Vec<Problem>) {
        let mut problems = Vec::new();
        match (self.certificate.take(), self.key.take()) {
            (Some(certificate), Some(key)) => {
                self.mqtt.client_certificate = Some(ClientCertificate { certificate, key });
            }
            (Some(_), None) => problems.extend(self.alone("CertFile", "KeyFile")),
            (None, Some(_)) => problems.extend(self.alone("KeyFile", "CertFile")),
            (None, None) => {}
        }
        if self
            .mqtt
            .broker
            .as_ref()
            .is_some_and(|broker| broker.security == Security::Plain)
        {
            let why = "has no effect with mqtt://; write Broker=mqtts://HOST for TLS";
            if self.mqtt.ca_file.is_some() {
                problems.extend(self.warning("CAFile", why));
            }
            if self.mqtt.client_certificate.is_some() {
                problems.extend(self.warning("CertFile", why));
            }
        }
        if self.mqtt.password_file.is_some() && self.mqtt.username.is_none() {
            problems.extend(self.warning(
                "PasswordFile",
                "has no effect without Username=; write that too, or take this line out",
            ));
        }
        (self.mqtt, problems)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        let default = Mqtt::default();
        match key {
            "Broker" => {
                self.mqtt.wants_broker = !value.is_empty();
                self.mqtt.broker = if value.is_empty() {
                    None
                } else {
                    Some(broker(value)?)
                };
            }
            "ClientId" => self.mqtt.client_id = text(value),
            "Username" => self.mqtt.username = text(value),
            "PasswordFile" => self.mqtt.password_file = file(value)?,
            "CAFile" => self.mqtt.ca_file = file(value)?,
            "CertFile" => self.certificate = file(value)?,
            "KeyFile" => self.key = file(value)?,
            "CrashTopic" => self.mqtt.crash_topic = topic(value)?.unwrap_or(default.crash_topic),
            "RecoveryTopic" => {
                self.mqtt.recovery_topic = topic(value)?.unwrap_or(default.recovery_topic)
            }
            _ => return Err(Refusal::Unknown),
        }
        Ok(())
    }

    fn alone(&self, key: &str, missing: &str) -> Option<Problem> {
        let (at, value) = self.written.get(key)?.clone();
        let wrong = Wrong::from(format!(
            "{missing}= is missing beside it; write that too, or take this line out"
        ));
        Some(Problem {
            at,
            mistake: Mistake::BadValue {
                key: key.to_owned(),
                value,
                wrong,
                applies: Applies::Default,
            },
        })
    }

    fn warning(&self, key: &str, why: &str) -> Option<Problem> {
        let (at, _) = self.written.get(key)?.clone();
        Some(Problem {
            at,
            mistake: Mistake::Warning(format!("{key}= {why}")),
        })
    }
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

/// Parses an absolute path, or the name of a credential as systemd accepts it: one component of a
/// path in ASCII.
fn file(value: &str) -> Result<Option<FileAt>, Refusal> {
    let is_name = value.len() <= 255
        && value != "."
        && value != ".."
        && value.chars().all(|c| c.is_ascii_graphic());
    match value {
        "" => Ok(None),
        value if value.starts_with('/') => Ok(Some(FileAt::Path(value.into()))),
        value if is_name && !value.contains(['/', ':']) => {
            Ok(Some(FileAt::Credential(value.to_owned())))
        }
        _ => Err(
            "expected an absolute path, or the name of a credential of unitwardd.service".into(),
        ),
    }
}

/// Parses a topic to publish on: no wildcard, only the specifiers `%n`, `%l`, `%%`. `None`: the
/// default.
fn topic(value: &str) -> Result<Option<String>, Refusal> {
    let rest = value.replace("%n", "").replace("%l", "").replace("%%", "");
    if rest.contains(['#', '+', '%']) || value.len() > 65_535 {
        return Err(
            "expected a topic without the wildcards # and +; %n is the node id, %l the location id, %% a percent sign"
                .into(),
        );
    }
    Ok(text(value))
}

/// The form of a broker's address.
const SHAPE: &str = "expected mqtt://HOST:1883 or mqtts://HOST:8883";
/// What is wrong with the address of a web server.
const NOT_MQTT: &str = "MQTT is spoken over TCP here, not over HTTP or WebSocket: expected mqtt://HOST:1883 or mqtts://HOST:8883";

fn broker(value: &str) -> Result<Broker, Wrong> {
    let Some((scheme, rest)) = value.split_once("://") else {
        let meant = ["mqtt://", value].concat();
        let fits = !value.contains('/') && broker(&meant).is_ok();
        return Err(Wrong {
            nearest: fits.then_some(meant),
            ..SHAPE.into()
        });
    };
    let (security, default_port) = security(scheme, rest)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('@') {
        return Err(
            "the login does not belong in the address; write Username= and PasswordFile=".into(),
        );
    }
    if !rest.starts_with('[') && rest.matches(':').count() > 1 {
        let nearest = in_brackets(rest).map(|rest| [scheme, "://", &rest].concat());
        return Err(Wrong {
            nearest,
            ..Wrong::from("an IPv6 address stands in brackets")
        });
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port))
            if !host.ends_with(':') && (!host.contains(':') || host.ends_with(']')) =>
        {
            (
                host,
                port.parse().ok().filter(|port| *port > 0).ok_or(SHAPE)?,
            )
        }
        _ => (rest, default_port),
    };
    let host = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty()
        || !host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._:%".contains(c))
    {
        return Err(SHAPE.into());
    }
    Ok(Broker {
        security,
        host: host.to_owned(),
        port,
    })
}

/// Returns what a scheme means for the connection to `rest`, with the default port.
fn security(scheme: &str, rest: &str) -> Result<(Security, u16), Wrong> {
    match scheme {
        "mqtt" => Ok((Security::Plain, 1883)),
        "mqtts" => Ok((Security::Tls, 8883)),
        "tcp" => Err(Wrong {
            nearest: Some(["mqtt://", rest].concat()),
            ..SHAPE.into()
        }),
        "ssl" | "tls" => Err(Wrong {
            nearest: Some(["mqtts://", rest].concat()),
            ..SHAPE.into()
        }),
        "http" | "https" | "ws" | "wss" => Err(Wrong::from(NOT_MQTT)),
        _ => Err(Wrong {
            nearest: nearest(scheme, ["mqtt", "mqtts"])
                .map(|scheme| [&scheme, "://", rest].concat()),
            ..SHAPE.into()
        }),
    }
}

/// Puts an IPv6 address in brackets, with the port after them. If both readings are possible the
/// last number is the port: few addresses end in one.
fn in_brackets(text: &str) -> Option<String> {
    match text.rsplit_once(':') {
        Some((host, port)) if is_address(host) && port.parse::<u16>().is_ok() => {
            Some(format!("[{host}]:{port}"))
        }
        _ => is_address(text).then(|| format!("[{text}]")),
    }
}

/// Returns true if the text is an IPv6 address, with a zone or without.
fn is_address(text: &str) -> bool {
    text.split('%')
        .next()
        .is_some_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests;
