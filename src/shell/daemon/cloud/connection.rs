//! A connection to a broker, from the reading of its files to its end.

use super::credentials;
use super::dialect::Version;
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::letter::Letter;
use super::mqtt::{self, Client, Greeting, Outgoing, Progress};
use super::outbox::IN_FLIGHT;
use super::tls;
use crate::core::config::settings::Security;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Upper bound of events that wait for the publisher. When full, only this connection pauses.
const EVENTS: usize = 64;
/// Time limit of reading the files of the configuration, which may lie on a file system that hangs.
const READING: Duration = Duration::from_secs(10);

/// A connection, closed on drop.
pub(super) struct Connection {
    version: Version,
    security: Security,
    events: mpsc::Receiver<Progress>,
    task: JoinHandle<()>,
    client: Client,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    /// Connected, with the size of the largest packet that the broker takes.
    Up(usize),
}

impl Connection {
    /// Starts to connect.
    pub(super) fn open(endpoint: &Endpoint, version: Version) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let security = endpoint.security;
        let (client, outgoing) = mqtt::open(version, IN_FLIGHT);
        // A task of its own, because a packet must not be left half-written.
        let task = tokio::spawn(live(endpoint.clone(), version, outgoing, sender));
        Self {
            version,
            security,
            events,
            task,
            client,
            state: State::Connecting,
        }
    }

    /// Returns the version of MQTT in use.
    pub(super) const fn version(&self) -> Version {
        self.version
    }

    /// Returns true if the broker has accepted the connection.
    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Waits for the next event. Is cancel-safe.
    pub(super) async fn progress(&mut self) -> Progress {
        match self.events.recv().await {
            Some(Progress::Connected(largest)) => {
                let size = largest.and_then(|largest| usize::try_from(largest).ok());
                self.state = State::Up(size.unwrap_or(usize::MAX));
                Progress::Connected(largest)
            }
            Some(Progress::Failed(Failure::HungUp)) if !self.is_up() => {
                Progress::Failed(Failure::Mute(self.security))
            }
            Some(progress) => progress,
            None => Progress::Failed(Failure::Network("the connection ended".to_owned())),
        }
    }

    /// Returns the size of the largest payload that the broker takes with this topic and id. A
    /// larger one would end the connection.
    pub(super) fn largest(&self, letter: Letter<'_>) -> usize {
        match self.state {
            State::Up(largest) if largest < usize::MAX => {
                largest.saturating_sub(self.client.overhead(letter))
            }
            State::Up(_) | State::Connecting => usize::MAX,
        }
    }

    /// Hands over one report. There is always room: no more than [`IN_FLIGHT`] are in flight.
    pub(super) fn publish(&self, letter: Letter<'_>) -> Result<(), Failure> {
        self.client.publish(letter)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn live(
    endpoint: Endpoint,
    version: Version,
    outgoing: mpsc::Receiver<Outgoing>,
    sender: mpsc::Sender<Progress>,
) {
    match prepare(endpoint).await {
        Ok(greeting) => mqtt::run(greeting, version, outgoing, &sender).await,
        // The receiver may be gone.
        Err(failure) => drop(sender.send(Progress::Failed(failure)).await),
    }
}

/// Reads the files that the configuration names, in a thread of its own.
async fn prepare(endpoint: Endpoint) -> Result<Greeting, Failure> {
    let reading = tokio::task::spawn_blocking(move || greeting(endpoint));
    match tokio::time::timeout(READING, reading).await {
        Ok(Ok(greeting)) => greeting,
        Ok(Err(error)) => Err(Failure::File(format!(
            "the files of the configuration: {error}"
        ))),
        Err(_) => Err(Failure::File(
            "the files of the configuration in time".to_owned(),
        )),
    }
}

fn greeting(endpoint: Endpoint) -> Result<Greeting, Failure> {
    let password = endpoint
        .password_file
        .as_ref()
        .map(|file| credentials::password("PasswordFile", file));
    let login = match (endpoint.username, password) {
        (Some(username), Some(password)) => Some((username, password?)),
        (Some(username), None) => Some((username, String::new())),
        (None, _) => None,
    };
    let tls = match endpoint.security {
        Security::Plain => None,
        Security::Tls => Some(tls::configuration(
            endpoint.ca_file.as_ref(),
            endpoint.client_certificate.as_ref(),
        )?),
    };
    Ok(Greeting {
        host: endpoint.host,
        port: endpoint.port,
        client_id: endpoint.client_id,
        login,
        tls,
    })
}
