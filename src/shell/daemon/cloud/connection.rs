//! One connection to a broker, from the reading of its files to its end.

use super::credentials;
use super::dialect::Version;
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::letter::Letter;
use super::mqtt::{self, Client, EventLoop, Greeting, Progress};
use super::outbox::IN_FLIGHT;
use super::tls;
use crate::core::config::settings::Security;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Events that may wait to be looked at. When full, the event loop pauses; nobody else waits for it.
const EVENTS: usize = 64;
/// How long the files of the configuration may take to be read: they may lie on a file system that hangs.
const READING: Duration = Duration::from_secs(10);

/// A connection. It ends with the value.
pub(super) struct Connection {
    version: Version,
    security: Security,
    events: mpsc::Receiver<Message>,
    task: JoinHandle<()>,
    client: Option<Client>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    /// … with the largest packet the broker takes.
    Up(usize),
}

enum Message {
    Client(Client),
    Progress(Progress),
}

impl Connection {
    /// Begins to connect.
    pub(super) fn open(endpoint: &Endpoint, version: Version) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        let security = endpoint.security;
        // A task of its own, because rumqttc's `poll` must not be dropped half-way.
        let task = tokio::spawn(live(endpoint.clone(), version, sender));
        Self { version, security, events, task, client: None, state: State::Connecting }
    }

    /// The version of MQTT that is spoken.
    pub(super) const fn version(&self) -> Version {
        self.version
    }

    /// Whether the broker has let us in.
    pub(super) const fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// Waits for the next thing to happen. May be dropped half-way.
    pub(super) async fn progress(&mut self) -> Progress {
        loop {
            match self.events.recv().await {
                Some(Message::Client(client)) => self.client = Some(client),
                Some(Message::Progress(Progress::Connected(largest))) => {
                    let size = largest.and_then(|largest| usize::try_from(largest).ok());
                    self.state = State::Up(size.unwrap_or(usize::MAX));
                    return Progress::Connected(largest);
                }
                Some(Message::Progress(Progress::Failed(Failure::HungUp))) if !self.is_up() => {
                    return Progress::Failed(Failure::Mute(self.security));
                }
                Some(Message::Progress(progress)) => return progress,
                None => return Progress::Failed(Failure::Network("the connection ended".to_owned())),
            }
        }
    }

    /// The largest payload that the broker takes with this topic and id. rumqttc would end the connection over a larger one.
    pub(super) fn largest(&self, letter: Letter<'_>) -> usize {
        match (&self.client, self.state) {
            (Some(client), State::Up(largest)) if largest < usize::MAX => {
                largest.saturating_sub(client.overhead(letter))
            }
            _ => usize::MAX,
        }
    }

    /// Hands one report over. There is always room: no more than [`IN_FLIGHT`] are.
    pub(super) fn publish(&self, letter: Letter<'_>) -> Result<(), Failure> {
        match &self.client {
            Some(client) => client.publish(letter),
            None => Err(Failure::Network("the broker was not greeted yet".to_owned())),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn live(endpoint: Endpoint, version: Version, sender: mpsc::Sender<Message>) {
    let mut events = match prepare(endpoint).await {
        Ok(greeting) => {
            let (client, events) = mqtt::open(version, greeting, IN_FLIGHT);
            if sender.send(Message::Client(client)).await.is_err() {
                return;
            }
            events
        }
        Err(failure) => {
            // Nobody may be there any more to hear it.
            let _ = sender.send(Message::Progress(Progress::Failed(failure))).await;
            return;
        }
    };
    follow(&mut events, &sender).await;
}

/// Tells of everything until the connection fails or nobody listens any more.
async fn follow(events: &mut EventLoop, sender: &mpsc::Sender<Message>) {
    loop {
        let progress = events.poll().await;
        let over = matches!(progress, Progress::Failed(_));
        let untold = if over { events.untold() } else { Vec::new() };
        for progress in untold.into_iter().chain([progress]) {
            if sender.send(Message::Progress(progress)).await.is_err() {
                return;
            }
        }
        if over {
            return;
        }
    }
}

/// Reads what the configuration names, aside.
async fn prepare(endpoint: Endpoint) -> Result<Greeting, Failure> {
    let reading = tokio::task::spawn_blocking(move || greeting(endpoint));
    match tokio::time::timeout(READING, reading).await {
        Ok(Ok(greeting)) => greeting,
        Ok(Err(error)) => Err(Failure::File(format!("the files of the configuration: {error}"))),
        Err(_) => Err(Failure::File("the files of the configuration in time".to_owned())),
    }
}

fn greeting(endpoint: Endpoint) -> Result<Greeting, Failure> {
    let password = endpoint.password_file.as_ref().map(|file| credentials::password("PasswordFile", file));
    let login = match (endpoint.username, password) {
        (Some(username), Some(password)) => Some((username, password?)),
        (Some(username), None) => Some((username, String::new())),
        (None, _) => None,
    };
    let tls = match endpoint.security {
        Security::Plain => None,
        Security::Tls => Some(tls::configuration(endpoint.ca_file.as_ref(), endpoint.client_certificate.as_ref())?),
    };
    Ok(Greeting { host: endpoint.host, port: endpoint.port, client_id: endpoint.client_id, login, tls })
}
