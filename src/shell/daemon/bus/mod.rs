//! The service `org.unitward1` on the system bus: it answers queries, takes rulings and sends
//! signals.
//!
//! A task of its own with a connection of its own, so that no query blocks the listener at PID 1 or
//! the main loop. The loop gives it [`Facts`] and news and takes [`Ruling`]s. A lost connection is
//! made and the name taken again without limit; no recovery and no report needs this service.
//!
//! # What is bounded
//!
//! Answers are made by a few processes ([`clerks`]) for a bounded number of callers. News that find
//! the channel full are dropped: a client that must miss nothing reads the reports. While there is
//! no bus, news are dropped, too.

mod caller;
mod clerks;
mod manager;
mod refusal;
mod rule;
mod wards;

use crate::edge::ruling::Ruling;
use crate::shell::interface::{BUS_NAME, MANAGER_INTERFACE, OBJECT_PATH};
use crate::shell::news::News;
use clerks::Clerks;
use manager::Manager;
use rule::Ruler;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tracing::warn;
use wards::Wards;
use zbus::{Connection, Variant};

/// Upper bound of news that wait to be sent: about those of 200 deaths at once.
const NEWS: usize = 2_048;
/// Upper bound of rulings that wait for the main loop.
const RULINGS: usize = 16;
/// Time limit of the connection to the bus and of the request for the name.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause before connecting anew: first, and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Shortest time between two `PropertiesChanged`.
const TELL_FACTS: Duration = Duration::from_secs(1);

/// The values that the service has without a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) node_id: String,
    /// State of the connection to the broker, in words.
    pub(super) cloud: String,
    /// Reports that wait for the broker.
    pub(super) pending_reports: u64,
    /// The wards' units, by the wards' names.
    pub(super) wards: Arc<BTreeMap<String, String>>,
}

/// The main loop's side of the channels.
pub(super) struct Service {
    pub(super) facts: watch::Sender<Facts>,
    pub(super) news: mpsc::Sender<News>,
    pub(super) rulings: mpsc::Receiver<Ruling>,
}

/// Starts the task; it ends when the returned value is dropped.
pub(super) fn serve() -> Service {
    let (facts, known) = watch::channel(Facts::default());
    let (news, told) = mpsc::channel(NEWS);
    let (ruled, rulings) = mpsc::channel(RULINGS);
    tokio::spawn(stay_connected(known, told, ruled));
    Service {
        facts,
        news,
        rulings,
    }
}

async fn stay_connected(
    facts: watch::Receiver<Facts>,
    mut news: mpsc::Receiver<News>,
    rulings: mpsc::Sender<Ruling>,
) {
    let (mut pause, longest) = PAUSES;
    let mut said = None;
    while !news.is_closed() {
        let why = match connect(&facts, &rulings).await {
            Ok(bus) => {
                (pause, said) = (PAUSES.0, None);
                tokio::select! {
                    () = bus.closed() => "the bus closed the connection".to_owned(),
                    error = tell(&bus, facts.clone(), &mut news) => match error {
                        Some(error) => error.to_string(),
                        None => return,
                    },
                }
            }
            Err(error) => error,
        };
        if said.as_ref() != Some(&why) {
            warn!("Lost {BUS_NAME} on the bus, trying again: {why}");
            said = Some(why);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
        // News from the time without a connection: today's listeners lack the signals before them.
        while news.try_recv().is_ok() {}
    }
}

async fn connect(
    facts: &watch::Receiver<Facts>,
    rulings: &mpsc::Sender<Ruling>,
) -> Result<Connection, String> {
    let clerks = Arc::new(Clerks::default());
    let manager = Manager {
        facts: facts.clone(),
        clerks: Arc::clone(&clerks),
    };
    let wards = Wards {
        clerks,
        ruler: Ruler::new(facts.clone(), rulings.clone()),
    };
    let building = zbus::connection::Builder::system()
        .serve_at(OBJECT_PATH, manager)
        .serve_at(OBJECT_PATH, wards)
        .name(BUS_NAME)
        .build();
    match tokio::time::timeout(HANDSHAKE, building).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the bus did not answer in time".to_owned()),
    }
}

/// Sends news and changed properties until an error; `None`: the daemon ends.
async fn tell(
    bus: &Connection,
    mut facts: watch::Receiver<Facts>,
    news: &mut mpsc::Receiver<News>,
) -> Option<zbus::Error> {
    let mut told = facts.borrow_and_update().clone();
    let mut next = tokio::time::Instant::now();
    loop {
        let sent = tokio::select! {
            item = news.recv() => send(bus, item?).await,
            () = changed(&mut facts, next) => {
                let now = facts.borrow_and_update().clone();
                next = tokio::time::Instant::now() + TELL_FACTS;
                tell_facts(bus, &std::mem::replace(&mut told, now.clone()), &now).await
            }
        };
        if let Err(error) = sent {
            return Some(error);
        }
    }
}

/// Waits for a change, and not less than until `next`.
async fn changed(facts: &mut watch::Receiver<Facts>, next: tokio::time::Instant) {
    tokio::time::sleep_until(next).await;
    if facts.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn send(bus: &Connection, news: News) -> zbus::Result<()> {
    let (interface, member) = news.signal();
    let nobody = None::<&str>;
    match &news {
        News::Death(body) => {
            bus.emit_signal(nobody, OBJECT_PATH, interface, member, body)
                .await
        }
        News::Recovery(body) => {
            bus.emit_signal(nobody, OBJECT_PATH, interface, member, body)
                .await
        }
        News::Excluded(body) => {
            bus.emit_signal(nobody, OBJECT_PATH, interface, member, body)
                .await
        }
        News::Readmitted(body) => {
            bus.emit_signal(nobody, OBJECT_PATH, interface, member, body)
                .await
        }
        News::StateChanged(body) => {
            bus.emit_signal(nobody, OBJECT_PATH, interface, member, body)
                .await
        }
        News::FullRestart(body) => {
            bus.emit_signal(nobody, OBJECT_PATH, interface, member, body)
                .await
        }
        News::FullRestartOver(body) => {
            bus.emit_signal(nobody, OBJECT_PATH, interface, member, body)
                .await
        }
    }
}

/// Sends `PropertiesChanged` with the properties that differ; nothing if none does.
async fn tell_facts(bus: &Connection, before: &Facts, now: &Facts) -> zbus::Result<()> {
    let mut changes: HashMap<&str, Variant<'_>> = HashMap::new();
    if before.node_id != now.node_id {
        changes.insert("NodeId", now.node_id.as_str().into());
    }
    if before.cloud != now.cloud {
        changes.insert("Cloud", now.cloud.as_str().into());
    }
    if before.pending_reports != now.pending_reports {
        changes.insert("PendingReports", now.pending_reports.into());
    }
    if changes.is_empty() {
        return Ok(());
    }
    let gone: [&str; 0] = [];
    let body = (MANAGER_INTERFACE, changes, gone.as_slice());
    let nobody = None::<&str>;
    bus.emit_signal(
        nobody,
        OBJECT_PATH,
        "org.freedesktop.DBus.Properties",
        "PropertiesChanged",
        &body,
    )
    .await
}
