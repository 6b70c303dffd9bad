//! The causes of failed connections, in words that a person can act on.
//!
//! The words identify a cause: the same words are logged once. Each class has a MESSAGE_ID of its
//! own, so that a fleet can tell an expired certificate from an unplugged cable.

use super::super::messages;
use super::mqtt::TooMuch;
use super::outbox::Blame;
use super::tls::{KEYS, VERSION_1, is_version_1};
use crate::core::config::settings::Security;
use crate::core::visible::visible;
use rustls::{AlertDescription, CertificateError};
use std::io;

/// Upper bound of a certificate's names that are shown; it may have thousands.
const NAMES: usize = 4;
/// Upper bound of a text from a broker that is shown, in bytes: the longest name in DNS.
const TEXT: usize = 255;

/// The cause of a failed connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The TCP connection was refused.
    #[error("nobody listens there (connection refused)")]
    NoListener,
    /// The host name does not resolve.
    #[error("the host name is not known: {0}")]
    UnknownHost(String),
    /// An answer or the acceptance of data did not come in time.
    #[error("the broker did not answer in time")]
    NoAnswer,
    /// The connection was closed before the broker had accepted it.
    #[error("the broker hung up instead of answering{}", hint(*.0))]
    Mute(Security),
    /// The connection was closed.
    #[error("the broker closed the connection")]
    HungUp,
    /// The broker's bytes are no valid MQTT.
    #[error("the broker's answer is not understood: {0}")]
    Garbage(&'static str),
    /// The broker sent MQTT that no broker may send.
    #[error("the broker breaks the protocol: {0}")]
    Violation(Violation),
    /// Any other failure of the connection.
    #[error("{0}")]
    Network(String),

    /// The certificate's authority is not trusted.
    #[error(
        "the broker's certificate is from an authority that is not trusted here (check CAFile=)"
    )]
    UnknownAuthority,
    /// The certificate has expired.
    #[error("the broker's certificate has expired (check the clock of this host, too)")]
    Expired,
    /// The certificate is not valid yet.
    #[error("the broker's certificate is not valid yet (check the clock of this host)")]
    NotYetValid,
    /// The certificate is for another host.
    #[error("the broker's certificate is not for the host in Broker={0}")]
    WrongName(String),
    /// The certificate has another fault.
    #[error("the broker's certificate is not accepted: {0}")]
    BadCertificate(String),
    /// The broker does not speak TLS.
    #[error("no TLS is spoken there: {0} (plain MQTT wants mqtt://)")]
    NoTls(String),
    /// The broker requires a client certificate, or does not accept ours.
    #[error(
        "the broker refuses us without a valid client certificate, it says {0} (check CertFile= and KeyFile=)"
    )]
    ClientCertificate(String),
    /// The handshake failed for another reason.
    #[error("the TLS handshake failed: {0}")]
    Tls(String),

    /// The broker refuses the user name or password.
    #[error("the broker refuses us: bad user name or password (check Username= and PasswordFile=)")]
    Login,
    /// The broker does not authorize us; some say so of a bad password too.
    #[error("the broker refuses us: not authorized (check Username= and PasswordFile=)")]
    NotAuthorized,
    /// The broker does not authorize a report, or does not take it for another passing reason.
    #[error("the broker refuses our reports: {0} (check its access rules)")]
    Unauthorized(String),
    /// The broker does not speak the version of MQTT that was tried.
    #[error("the broker speaks neither MQTT 5 nor MQTT 3.1.1")]
    Version,
    /// The broker's own reason for a refusal or a DISCONNECT.
    #[error("the broker refuses us: {0}")]
    Refused(String),
    /// A report was larger than the broker takes.
    #[error("the broker refuses a report as too large")]
    Oversized,
    /// A file of the configuration cannot be used.
    #[error("failed to read {0}")]
    File(String),
}

/// A violation of the protocol by the broker. It has no numbers or texts of its own, so that each
/// kind is one cause, however often and in whatever form it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    /// A CONNACK after the first.
    #[error("it answers our greeting more than once")]
    SecondGreeting,
    /// More PUBLISH than are accepted and dropped.
    #[error(
        "it sends messages without end, and we subscribe to none (does it subscribe its clients by itself?)"
    )]
    Message,
    /// A PUBLISH of QoS 2, which needs more than one answer.
    #[error(
        "it sends a message of QoS 2, and we subscribe to none (does it subscribe its clients by itself?)"
    )]
    ExactlyOnce,
    /// A PUBACK for a report that is not in flight.
    #[error("it acknowledges what was not sent")]
    Acknowledgement,
    /// A PINGRESP without a ping.
    #[error("it answers a ping that was not sent")]
    Pong,
    /// A packet of another kind.
    #[error("it sends a packet that answers nothing")]
    Packet,
    /// Limits of zero, which are not allowed.
    #[error("its limits leave no room for a single report")]
    Terms,
    /// More bytes than can be due.
    #[error("it sends more than it was asked for")]
    TooMuch,
}

impl Failure {
    /// A packet that cannot be read.
    pub(super) const MALFORMED: Self = Self::Garbage("a packet is malformed");

    /// Returns true if the broker violates the protocol, so that its earlier acknowledgements prove
    /// nothing.
    pub(super) const fn is_misconduct(&self) -> bool {
        matches!(self, Self::Violation(_) | Self::Garbage(_))
    }

    /// Returns the MESSAGE_ID of the class.
    pub(super) const fn message_id(&self) -> &'static str {
        match self {
            Self::NoListener => messages::NO_LISTENER,
            Self::UnknownHost(_) => messages::UNKNOWN_HOST,
            Self::NoAnswer => messages::NO_ANSWER,
            Self::UnknownAuthority => messages::TLS_AUTHORITY,
            Self::Expired | Self::NotYetValid => messages::TLS_EXPIRED,
            Self::WrongName(_) => messages::TLS_NAME,
            Self::NoTls(_) => messages::TLS_MISSING,
            Self::ClientCertificate(_) => messages::TLS_CLIENT,
            Self::BadCertificate(_) | Self::Tls(_) => messages::TLS_FAILED,
            Self::Login => messages::LOGIN,
            Self::NotAuthorized | Self::Unauthorized(_) => messages::NOT_AUTHORIZED,
            Self::Oversized => messages::OVERSIZED,
            Self::File(_) => messages::FILE,
            Self::Garbage(_) | Self::Violation(_) => messages::PROTOCOL,
            Self::Mute(_) | Self::HungUp | Self::Network(_) | Self::Version | Self::Refused(_) => {
                messages::DISCONNECTED
            }
        }
    }

    /// Returns the blame: if a report in flight may be the cause.
    pub(super) const fn blame(&self) -> Blame {
        match self {
            Self::HungUp
            | Self::NoAnswer
            | Self::Garbage(_)
            | Self::Oversized
            | Self::Unauthorized(_) => Blame::OnTheirWay,
            // May be a wrong answer to a report.
            Self::Violation(Violation::Acknowledgement | Violation::Packet) => Blame::OnTheirWay,
            _ => Blame::Nobody,
        }
    }

    /// Classifies an error of the socket, or of TLS above it.
    pub(super) fn of_io(error: &io::Error) -> Self {
        if let Some(tls) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            return Self::of_tls(tls);
        }
        if error.get_ref().is_some_and(|inner| inner.is::<TooMuch>()) {
            return Self::Violation(Violation::TooMuch);
        }
        let text = error.to_string();
        // The standard library has no kind of its own for errors of getaddrinfo(3).
        if let Some(why) = text.strip_prefix("failed to lookup address information: ") {
            return Self::UnknownHost(why.to_owned());
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::NoListener,
            io::ErrorKind::TimedOut => Self::NoAnswer,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::HungUp,
            _ => Self::Network(text),
        }
    }

    /// Classifies an error of the handshake.
    pub(super) fn of_handshake(error: &io::Error) -> Self {
        match Self::of_io(error) {
            Self::HungUp => Self::NoTls("the broker hung up during the handshake".to_owned()),
            failure => failure,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            rustls::Error::InvalidMessage(_) => Self::NoTls("what answers does not make sense".to_owned()),
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied => Self::ClientCertificate(format!("{alert:?}")),
                // In TLS 1.2 this is the only alert if no client certificate is shown.
                AlertDescription::HandshakeFailure => {
                    Self::Tls("the broker says HandshakeFailure (does it want CertFile= and KeyFile=, or is its own key one on P-521?)".to_owned())
                }
                alert => Self::Tls(format!("the broker says {alert:?}")),
            },
            error => Self::Tls(excerpt(&error.to_string())),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            // A renewed authority has the name of the old one, and another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::UnknownAuthority
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::NotValidForName => Self::WrongName(String::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                let mut names: Vec<_> = presented
                    .iter()
                    .take(NAMES)
                    .map(|name| excerpt(bare(name)))
                    .collect();
                names.extend((presented.len() > NAMES).then(|| "others".to_owned()));
                let names = if names.is_empty() {
                    "no name at all".to_owned()
                } else {
                    names.join(", ")
                };
                Self::WrongName(format!(", but for {names}"))
            }
            error if is_version_1(error) => Self::BadCertificate(VERSION_1.to_owned()),
            other if is_of_unknown_key(other) => Self::BadCertificate(format!(
                "it is signed with a key of a kind that cannot be used here; {KEYS}"
            )),
            other => Self::BadCertificate(excerpt(&other.to_string())),
        }
    }
}

/// Returns true if a signature was made with a kind of key that rustls does not support here.
fn is_of_unknown_key(error: &CertificateError) -> bool {
    format!("{error:?}").starts_with("UnsupportedSignatureAlgorithm")
}

/// Strips a name of a certificate, which rustls writes as `DnsName("host")` or
/// `IpAddress(10.0.0.1)`.
fn bare(name: &str) -> &str {
    name.split_once('(')
        .map_or(name, |(_, name)| name)
        .trim_end_matches(')')
        .trim_matches('"')
}

/// Returns the beginning of a text from a broker, safe to be shown.
fn excerpt(text: &str) -> String {
    let shown = visible(text);
    let end = shown
        .char_indices()
        .map(|(at, letter)| at + letter.len_utf8())
        .take_while(|end| *end <= TEXT)
        .last();
    shown[..end.unwrap_or_default()].to_owned()
}

const fn hint(security: Security) -> &'static str {
    match security {
        Security::Plain => " (a port for TLS wants mqtts://)",
        Security::Tls => " (does it want CertFile= and KeyFile=?)",
    }
}

#[cfg(test)]
mod tests;
