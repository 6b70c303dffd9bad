//! The MQTT client: one connection, on which reports are published and acknowledged, and nothing else.
//!
//! rumqttc encodes and decodes the packets. Its event loop is not used, for three reasons: it
//! accepts every packet of MQTT, asked for or not, as often as a broker sends it; it silently drops
//! a packet that ends before its properties do, so that a flood of such packets grows its buffer
//! without limit; and it brings a rustls-webpki of its own with known faults.
//!
//! # Packets that a broker may send
//!
//! One CONNACK; one PUBACK for each report in flight; one PINGRESP for each ping; in MQTT 5 a
//! DISCONNECT. Messages of QoS 0 and 1, which a broker sends that subscribes its clients by itself,
//! are dropped and those of QoS 1 acknowledged, up to a number a minute ([`conversation`]). All
//! else ends the connection, as far as possible on its first byte, and so does a packet of more
//! than [`frame::LARGEST`] bytes, or more bytes than [`metered`] allows below TLS. So the load that
//! a broker can cause on one connection is bounded.
//!
//! [`super::courier`] has the reason why a connection is never used again after an error.

mod conversation;
mod five;
mod frame;
mod inbox;
mod metered;
mod session;
mod stream;
mod three;

use super::dialect::Version;
use super::failure::Failure;
use super::letter::Letter;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

pub(super) use metered::TooMuch;
pub(super) use session::run;

/// Longest time between two pings, whatever else is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Time limit until the broker has accepted the connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit of a write, during which the broker has to read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Content type of reports.
const CONTENT_TYPE: &str = "application/json";

/// The parameters of a connection. It contains a password and so has no `Debug`.
pub(super) struct Greeting {
    /// Name or address, IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) client_id: String,
    /// User name and password.
    pub(super) login: Option<(String, String)>,
    /// TLS configuration; `None`: plain TCP.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// An event of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The broker has accepted the connection; the largest packet that it takes, in bytes, if it
    /// named one.
    Connected(Option<u32>),
    /// The packet id of the oldest report that was handed over and had none.
    Numbered(u16),
    /// The broker has acknowledged the report of this packet id.
    Acknowledged(u16),
    /// The broker will never take the report of this packet id, with the reason.
    Refused(u16, String),
    /// The broker does not take the report of this packet id for now, with the reason.
    Declined(u16, String),
    /// The connection cannot be used any more.
    Failed(Failure),
}

/// The limits that a broker sets in its CONNACK.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Terms {
    /// Largest packet that it takes, in bytes.
    largest: Option<u32>,
    /// Largest number of reports in flight.
    at_once: Option<u16>,
    /// Longest time between two of our packets; zero: no limit.
    keep_alive: Option<Duration>,
}

/// A report that was handed over.
#[derive(Debug)]
pub(super) struct Outgoing {
    topic: String,
    id: String,
    payload: Vec<u8>,
}

/// The half of a connection that takes reports.
#[derive(Debug)]
pub(super) struct Client {
    version: Version,
    queue: mpsc::Sender<Outgoing>,
}

/// Returns the two halves of a connection for so many reports in flight; [`run`] takes the second.
pub(super) fn open(version: Version, in_flight: usize) -> (Client, mpsc::Receiver<Outgoing>) {
    let (queue, outgoing) = mpsc::channel(in_flight);
    (Client { version, queue }, outgoing)
}

/// Processes bytes as if a broker had sent them, in both versions of MQTT, without a connection.
/// For fuzz targets.
pub(super) fn digest(bytes: &[u8]) {
    for version in [Version::Five, Version::Three] {
        // Their errors do not matter.
        let _ = inbox::digest(version, bytes);
    }
}

impl Client {
    /// Hands over one report. There is room for as many as may be in flight. If the connection has
    /// just ended, that is no error here: its own failure is reported as any other.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub(super) fn publish(&self, letter: Letter<'_>) -> Result<(), Failure> {
        let (topic, id) = (letter.topic.to_owned(), letter.id.to_owned());
        match self.queue.try_send(Outgoing {
            topic,
            id,
            payload: letter.payload.to_vec(),
        }) {
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => Err(Failure::Network(format!(
                "failed to publish on {:?}",
                letter.topic
            ))),
        }
    }

    /// Returns the size of the packet without the payload, in bytes; 0 in MQTT 3.1.1.
    pub(super) fn overhead(&self, letter: Letter<'_>) -> usize {
        match self.version {
            Version::Five => five::overhead(letter),
            // Only MQTT 5 has a largest packet.
            Version::Three => 0,
        }
    }
}
