//! The service `org.unitward1` on the system bus: questions answered, rulings taken, news told.
//!
//! A task of its own with a connection of its own, so that nothing asked here holds up the ear at PID 1 or the main loop. The
//! loop gives it [`Facts`] and news and takes [`Ruling`]s. When the connection is lost it is made again and the name taken again,
//! as often as it takes; nobody needs this service for a recovery or a report.
//!
//! # What is bounded
//!
//! Answers are made by a few processes ([`clerks`]) for a bounded number of callers. News that find the channel full are
//! left out: whoever must miss nothing reads the reports. While there is no bus there is nobody to tell.

mod clerks;
mod manager;
mod refusal;
mod rule;
mod wards;

use crate::edge::ruling::Ruling;
use crate::shell::news::News;
use crate::shell::survey::{BUS_NAME, MANAGER_INTERFACE, OBJECT_PATH};
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

/// News that may wait to be sent: about what 200 deaths at once cause.
const NEWS: usize = 2_048;
/// Rulings that may wait for the main loop.
const RULINGS: usize = 16;
/// How long the bus may take to connect us and give us the name.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause before connecting anew: first, and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How often changes of the properties are told at most.
const TELL_FACTS: Duration = Duration::from_secs(1);

/// What the service knows without asking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) node_id: String,
    /// How the connection to the broker stands, in words.
    pub(super) cloud: String,
    /// Reports that wait for the broker.
    pub(super) pending_reports: u64,
    /// The wards' units, by the wards' names.
    pub(super) wards: Arc<BTreeMap<String, String>>,
}

/// The main loop's end.
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
    Service { facts, news, rulings }
}

async fn stay_connected(facts: watch::Receiver<Facts>, mut news: mpsc::Receiver<News>, rulings: mpsc::Sender<Ruling>) {
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
        // Of before: whoever listens now has not heard what led to it.
        while news.try_recv().is_ok() {}
    }
}

async fn connect(facts: &watch::Receiver<Facts>, rulings: &mpsc::Sender<Ruling>) -> Result<Connection, String> {
    let clerks = Arc::new(Clerks::default());
    let manager = Manager { facts: facts.clone(), clerks: Arc::clone(&clerks) };
    let wards = Wards { clerks, ruler: Ruler::new(facts.clone(), rulings.clone()) };
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

/// Sends what there is to tell; `None`: the daemon ends.
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
        News::Death(body) => bus.emit_signal(nobody, OBJECT_PATH, interface, member, body).await,
        News::Recovery(body) => bus.emit_signal(nobody, OBJECT_PATH, interface, member, body).await,
        News::Excluded(body) => bus.emit_signal(nobody, OBJECT_PATH, interface, member, body).await,
        News::Readmitted(body) => bus.emit_signal(nobody, OBJECT_PATH, interface, member, body).await,
        News::StateChanged(body) => bus.emit_signal(nobody, OBJECT_PATH, interface, member, body).await,
        News::FullRestart(body) => bus.emit_signal(nobody, OBJECT_PATH, interface, member, body).await,
        News::FullRestartOver(body) => bus.emit_signal(nobody, OBJECT_PATH, interface, member, body).await,
    }
}

/// `PropertiesChanged`, with those properties that did.
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
    bus.emit_signal(nobody, OBJECT_PATH, "org.freedesktop.DBus.Properties", "PropertiesChanged", &body).await
}
