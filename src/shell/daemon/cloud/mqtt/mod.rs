//! One face for rumqttc's two clients, one for each version of MQTT.
//!
//! A client and its event loop are two halves of one connection and are made and thrown away together; [`super::courier`]
//! says why.

mod five;
mod three;

use super::dialect::Version;
use super::failure::Failure;
use super::letter::Letter;
use rumqttc::{AsyncClient, v5};
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;

/// How often the broker is pinged when nothing else is said.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long it may take until the broker lets us in, seconds.
const CONNECT_TIMEOUT: u64 = 10;
/// Packet ids rumqttc counts through. Far above what is on its way at once, so that an id is free again when its turn comes,
/// and far below its default, for which it sets aside some 13 MB.
const PACKET_IDS: u16 = 256;
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
    /// Nothing of interest.
    Quiet,
    /// The connection cannot be used any more.
    Failed(Failure),
}

/// The half that takes reports.
#[derive(Debug)]
pub(super) enum Client {
    Five(v5::AsyncClient),
    Three(AsyncClient),
}

/// The half that moves bytes.
pub(super) enum EventLoop {
    Five(Box<v5::EventLoop>),
    Three(Box<rumqttc::EventLoop>),
}

/// A connection that begins with the first [`EventLoop::poll`], for so many reports on their way.
pub(super) fn open(version: Version, greeting: Greeting, in_flight: usize) -> (Client, EventLoop) {
    match version {
        Version::Five => {
            let (client, events) = v5::AsyncClient::new(five::options(greeting), in_flight);
            (Client::Five(client), EventLoop::Five(Box::new(events)))
        }
        Version::Three => {
            let (client, mut events) = AsyncClient::new(three::options(greeting), in_flight);
            three::bound(&mut events);
            (Client::Three(client), EventLoop::Three(Box::new(events)))
        }
    }
}

impl Client {
    /// Hands one report to the event loop, which has room for as many as may be on their way.
    pub(super) fn publish(&self, letter: Letter<'_>) -> Result<(), Failure> {
        let taken = match self {
            Self::Five(client) => five::publish(client, letter),
            Self::Three(client) => three::publish(client, letter),
        };
        if taken { Ok(()) } else { Err(Failure::Network(format!("failed to publish on {:?}", letter.topic))) }
    }

    /// What the packet has beside the payload, in bytes.
    pub(super) fn overhead(&self, letter: Letter<'_>) -> usize {
        match self {
            Self::Five(_) => five::overhead(letter),
            // Only MQTT 5 knows a largest packet.
            Self::Three(_) => 0,
        }
    }
}

impl EventLoop {
    /// Waits for the next thing to happen. Must not be dropped half-way.
    pub(super) async fn poll(&mut self) -> Progress {
        match self {
            Self::Five(events) => match events.poll().await {
                Ok(event) => {
                    five::keep_alive(&mut events.options);
                    five::progress(&event)
                }
                Err(error) => Progress::Failed(five::failure(&error)),
            },
            Self::Three(events) => match events.poll().await {
                Ok(event) => three::progress(&event),
                Err(error) => Progress::Failed(three::failure(&error)),
            },
        }
    }

    /// What had happened before a failure, in the same gulp, and was not told yet: acknowledgements among it.
    pub(super) fn untold(&mut self) -> Vec<Progress> {
        match self {
            Self::Five(events) => events.state.events.drain(..).map(|event| five::progress(&event)).collect(),
            Self::Three(events) => events.state.events.drain(..).map(|event| three::progress(&event)).collect(),
        }
    }
}
