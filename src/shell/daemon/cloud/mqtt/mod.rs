//! The MQTT client: one connection, on which reports are published and acknowledged, and nothing else.
//!
//! rumqttc encodes and decodes the packets. Its event loop is not used, for three reasons: it takes every packet that MQTT knows, asked
//! for or not, as often as a broker sends it; it drops a packet that ends before its properties do without a word, so that a
//! flood of such packets grows its buffer without limit; and it brings a rustls-webpki of its own with known faults.
//!
//! # What a broker may send
//!
//! One CONNACK; one PUBACK for each report on its way; one PINGRESP for each ping; in MQTT 5 a DISCONNECT. Messages of QoS 0
//! and 1, which a broker sends that subscribes its clients by itself, are dropped and those of QoS 1 acknowledged, up to a
//! number a minute ([`conversation`]). All else ends the connection, as far as possible on its first byte, and so does a packet of more than [`frame::LARGEST`] bytes, or more
//! bytes than [`metered`] allows below TLS. So what a broker can cause on one connection is bounded whatever it sends.
//!
//! [`super::courier`] says why a connection is never used again after an error.

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

/// How often the broker is pinged, whatever else is said.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long it may take until the broker lets us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the broker may take to read what it is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Reports are JSON.
const CONTENT_TYPE: &str = "application/json";

/// What is needed to greet a broker. It has a password in it and so no `Debug`.
pub(super) struct Greeting {
    /// Name or address, IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) client_id: String,
    /// User name and password.
    pub(super) login: Option<(String, String)>,
    /// `None`: plain.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// What comes of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The broker let us in, and takes packets of at most so many bytes, if it said so.
    Connected(Option<u32>),
    /// The oldest report handed over and not yet numbered has this packet id.
    Numbered(u16),
    /// The broker has it.
    Acknowledged(u16),
    /// The broker will never take it, and why.
    Refused(u16, String),
    /// The broker does not take it for now, and why.
    Declined(u16, String),
    /// The connection cannot be used any more.
    Failed(Failure),
}

/// The limits that a broker sets as it lets us in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Terms {
    /// The largest packet it takes, bytes.
    largest: Option<u32>,
    /// How many reports may be on their way.
    at_once: Option<u16>,
    /// How often it wants to hear from us; zero: never.
    keep_alive: Option<Duration>,
}

/// A report that was handed over.
#[derive(Debug)]
pub(super) struct Outgoing {
    topic: String,
    id: String,
    payload: Vec<u8>,
}

/// The half that takes reports.
#[derive(Debug)]
pub(super) struct Client {
    version: Version,
    queue: mpsc::Sender<Outgoing>,
}

/// The two halves of a connection for so many reports on their way; [`run`] is given the second.
pub(super) fn open(version: Version, in_flight: usize) -> (Client, mpsc::Receiver<Outgoing>) {
    let (queue, outgoing) = mpsc::channel(in_flight);
    (Client { version, queue }, outgoing)
}

/// Takes bytes as a broker's in both versions of MQTT, without a connection. For fuzz targets.
pub(super) fn digest(bytes: &[u8]) {
    for version in [Version::Five, Version::Three] {
        // What is wrong with them is no matter.
        let _ = inbox::digest(version, bytes);
    }
}

impl Client {
    /// Hands one report over. There is room for as many as may be on their way. Where the connection has just ended, the
    /// failure is told as any other, with its own cause.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub(super) fn publish(&self, letter: Letter<'_>) -> Result<(), Failure> {
        let (topic, id) = (letter.topic.to_owned(), letter.id.to_owned());
        match self.queue.try_send(Outgoing { topic, id, payload: letter.payload.to_vec() }) {
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => Err(Failure::Network(format!("failed to publish on {:?}", letter.topic))),
        }
    }

    /// What the packet has beside the payload, in bytes.
    pub(super) fn overhead(&self, letter: Letter<'_>) -> usize {
        match self.version {
            Version::Five => five::overhead(letter),
            // Only MQTT 5 knows a largest packet.
            Version::Three => 0,
        }
    }
}
