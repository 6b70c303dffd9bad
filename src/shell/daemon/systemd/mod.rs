//! The listener at PID 1: one connection to the system bus, one ordered stream of messages.
//!
//! # One stream
//!
//! Signals and the replies to our own questions are read by one loop, in the order PID 1 sent them.
//! A reply to `GetAll` is therefore never older than the signals before it, and a tracker can take
//! it as one more observation.
//!
//! # Back-pressure
//!
//! zbus stops reading the socket, replies included, when one of its streams is full. So the loop in
//! [`listen`] only drains, reduces and passes on; passing on never waits. When the channel to the
//! daemon's main loop is full, sights are dropped and one [`Sight::Overflow`] takes their place as
//! soon as there is room: the main loop then starts a resync. Questions are sent by a second loop,
//! in [`converse`], which may wait without harm.
//!
//! # Units come and go
//!
//! `UnitNew` is ignored. It comes for every unit that any client queries, and a query of one that
//! is not loaded any more loads it, which causes a `UnitNew`: two watchers, or one, would go on for
//! ever. A unit is asked about when it is listed as loaded, or has just been seen running.
//! `UnitRemoved` is taken in, so that unloaded units can be forgotten; it never causes a question.
//!
//! # Trust
//!
//! Any client of the system bus may send a signal to us alone. Only signals from the present owner
//! of `org.freedesktop.systemd1` count, and only the bus itself is trusted on ownership.

mod decode;
mod question;
mod reduce;
mod sight;

pub(super) use question::{JobAt, Question, UnitAt};
pub(super) use sight::{Description, Sight, StackSeen, UnitState};

use crate::core::watch_list::WatchList;
use crate::edge::pid1::{MANAGER_PATH, SYSTEMD};
use futures_util::StreamExt;
use reduce::Reducer;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use zbus::message::{Builder, Message};
use zbus::{Connection, MessageStream};

/// The manager's interface.
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// Path of the bus' own object.
const BUS_PATH: &str = "/org/freedesktop/DBus";
/// Number of messages that zbus may hold before it stops reading: about those of 60 units that die
/// at once.
const STREAM_QUEUE: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not zero");
/// Upper bound of sights that wait for the main loop: about 4,000 deaths.
const SIGHTS: usize = 16_384;
/// Upper bound of questions that wait to be sent.
const QUESTIONS: usize = 4_096;
/// Time limit of the connection to the bus, and again of the first calls.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause before connecting anew: first, and longest. The bus is local, so a longer pause has no
/// use.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// The main loop's side of the channels.
pub(super) struct Bus {
    pub(super) sights: mpsc::Receiver<Sight>,
    pub(super) questions: mpsc::Sender<Question>,
    pub(super) watched: watch::Sender<Arc<WatchList>>,
}

/// Starts listening; ends when the returned value is dropped.
pub(super) fn listen_to_systemd() -> Bus {
    let (sight_sender, sights) = mpsc::channel(SIGHTS);
    let (questions, question_receiver) = mpsc::channel(QUESTIONS);
    let (watched, watch_receiver) = watch::channel(Arc::new(WatchList::default()));
    tokio::spawn(stay_connected(
        sight_sender,
        question_receiver,
        watch_receiver,
    ));
    Bus {
        sights,
        questions,
        watched,
    }
}

/// Unanswered questions by the serial of their message.
type Pending = Arc<Mutex<HashMap<u32, Question>>>;

async fn stay_connected(
    sights: mpsc::Sender<Sight>,
    mut questions: mpsc::Receiver<Question>,
    watched: watch::Receiver<Arc<WatchList>>,
) {
    let (mut pause, longest) = PAUSES;
    while !sights.is_closed() {
        let error = match connect().await {
            Ok(stream) => {
                while questions.try_recv().is_ok() {}
                let connection = Connection::from(&stream);
                let pending = Pending::default();
                let reducer = Reducer::new(Arc::clone(&pending), watched.clone());
                pause = PAUSES.0;
                tokio::select! {
                    () = listen(stream, reducer, sights.clone()) => "the bus closed the connection".to_owned(),
                    error = converse(&connection, &pending, &mut questions, &sights) => error.to_string(),
                    () = sights.closed() => return,
                }
            }
            Err(error) => error,
        };
        // This one waits for room in the channel: without it there would be no resync.
        if sights.send(Sight::Lost(error)).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

async fn connect() -> Result<MessageStream, String> {
    let building = zbus::connection::Builder::system()
        .max_queued(STREAM_QUEUE)
        .build();
    match tokio::time::timeout(HANDSHAKE, building).await {
        Ok(result) => result
            .map(MessageStream::from)
            .map_err(|error| error.to_string()),
        Err(_) => Err("the bus did not answer in time".to_owned()),
    }
}

/// Drains the stream until its end.
async fn listen(mut stream: MessageStream, mut reducer: Reducer, sights: mpsc::Sender<Sight>) {
    let mut dropped = false;
    while let Some(Ok(message)) = stream.next().await {
        if let Some(sight) = reducer.reduce(&message) {
            if dropped {
                dropped = sights.try_send(Sight::Overflow).is_err();
            }
            dropped = dropped || sights.try_send(sight).is_err();
        }
    }
}

/// Subscribes, sends [`Sight::Connected`], then sends questions; returns only when the bus fails or
/// the daemon stops.
async fn converse(
    connection: &Connection,
    pending: &Pending,
    questions: &mut mpsc::Receiver<Question>,
    sights: &mpsc::Sender<Sight>,
) -> zbus::Error {
    if let Err(error) = tokio::time::timeout(HANDSHAKE, subscribe(connection))
        .await
        .unwrap_or_else(|_| {
            Err(zbus::Error::Failure(
                "systemd did not answer in time".to_owned(),
            ))
        })
    {
        return error;
    }
    if sights.send(Sight::Connected).await.is_err() {
        return zbus::Error::Failure("the daemon is stopping".to_owned());
    }
    loop {
        let Some(question) = questions.recv().await else {
            std::future::pending().await
        };
        if let Err(error) = ask(connection, pending, question).await {
            return error;
        }
    }
}

async fn subscribe(connection: &Connection) -> zbus::Result<()> {
    const BUS: &str = "org.freedesktop.DBus";
    let rules = [
        format!("type='signal',sender='{SYSTEMD}',path='{MANAGER_PATH}',interface='{MANAGER}'"),
        format!(
            "type='signal',sender='{SYSTEMD}',interface='org.freedesktop.DBus.Properties',\
             member='PropertiesChanged',path_namespace='{MANAGER_PATH}/unit'"
        ),
        format!(
            "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',\
             member='NameOwnerChanged',arg0='{SYSTEMD}'"
        ),
    ];
    for rule in &rules {
        connection
            .call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", rule)
            .await?;
    }
    connection
        .call_method(Some(BUS), BUS_PATH, Some(BUS), "GetNameOwner", &SYSTEMD)
        .await?;
    connection
        .call_method(Some(SYSTEMD), MANAGER_PATH, Some(MANAGER), "Subscribe", &())
        .await?;
    Ok(())
}

/// Sends one question; its reply is recognised by the serial.
async fn ask(connection: &Connection, pending: &Pending, question: Question) -> zbus::Result<()> {
    let message = match &question {
        Question::Subscribe => to_manager("Subscribe").build(&())?,
        Question::Units => to_manager("ListUnits").build(&())?,
        Question::Find(unit) => to_manager("GetUnit").build(&unit)?,
        Question::Describe(at) | Question::Stack(at) => {
            for_properties(&at.path, "GetAll").build(&"")?
        }
        Question::JobType(at) => {
            let arguments = ("org.freedesktop.systemd1.Job", "JobType");
            for_properties(&at.path, "Get").build(&arguments)?
        }
    };
    let serial = message.primary_header().serial_num().get();
    pending
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .insert(serial, question);
    connection.send(&message).await
}

/// Begins a call of one of the manager's methods.
fn to_manager(method: &'static str) -> Builder<'static> {
    Message::method_call(MANAGER_PATH, method)
        .destination(SYSTEMD)
        .interface(MANAGER)
}

/// Begins a call that asks an object for properties.
fn for_properties<'p>(path: &'p str, method: &'static str) -> Builder<'p> {
    Message::method_call(path, method)
        .destination(SYSTEMD)
        .interface("org.freedesktop.DBus.Properties")
}
