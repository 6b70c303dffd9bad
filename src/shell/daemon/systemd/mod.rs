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

pub(in crate::shell) mod decode;
mod reduce;

use crate::core::config::template;
use futures_util::StreamExt;
use reduce::Reducer;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use zbus::message::Message;
use zbus::{Connection, MessageStream};

use crate::core::crash::observation::{InvocationId, Observation, Stage};
use crate::core::crash::tracker::JobKind;
use crate::core::crash::verdict::{FailedControl, Nature};
use crate::edge::pid1::{MANAGER_PATH, SYSTEMD, label};

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

/// An event on the bus that concerns the main loop.
#[derive(Debug)]
pub(super) enum Sight {
    /// The connection is up and subscribed; the state of all units is unknown.
    Connected,
    /// The connection is lost, or could not be made, with the reason.
    Lost(String),
    /// Sights were dropped.
    Overflow,
    /// PID 1 executed itself anew and has forgotten its subscribers.
    ManagerReplaced,
    /// `Reloading(true)`.
    ReloadBegins,
    /// `Reloading(false)`.
    ReloadEnds,
    /// A watched unit changed.
    Changed(String, Box<Observation>, UnitState),
    /// systemd has unloaded a watched unit.
    Removed(String),
    /// A job for a watched unit or a stack's was queued.
    JobQueued(JobAt),
    /// A job of a stack's unit came to its end, with this result.
    JobDone(JobAt, String),
    /// A stack's unit changed, or it was asked about.
    StackChanged(String, StackSeen),
    /// The service that restarts a stack has news.
    Restarter,
    /// The reply to [`Question::Units`]: the loaded units that are watched.
    Listed(Vec<UnitAt>),
    /// The reply to [`Question::Find`]: the name asked for, and the unit under its own name.
    Found(String, UnitAt),
    /// The reply to [`Question::Describe`].
    Described(String, Box<Description>),
    /// The reply to [`Question::JobType`].
    JobKnown(JobAt, JobKind),
    /// The answer is an error or unreadable: mostly the subject of the question is gone.
    Unanswered(Question),
}

/// A question to PID 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// `Subscribe`; a reply to it gives no sight.
    Subscribe,
    /// `ListUnits`.
    Units,
    /// `GetUnit`, which finds aliases and does not load anything.
    Find(String),
    /// All properties of a unit.
    Describe(UnitAt),
    /// The state of a stack's unit.
    Stack(UnitAt),
    /// The kind of a job.
    JobType(JobAt),
}

impl Question {
    /// Returns true if it asks for all properties of this unit.
    pub(super) fn is_to_describe(&self, unit: &str) -> bool {
        matches!(self, Self::Describe(at) if at.unit == unit)
    }
}

/// The state of a stack's unit; a target has no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StackSeen {
    pub(super) is_up: bool,
    pub(super) run: Option<InvocationId>,
    pub(super) job: Option<u32>,
    /// Time at which it last left `active`, in microseconds since the epoch.
    pub(super) left_active: u64,
    /// The units that it requires; `None`: not known, as in a signal.
    pub(super) requires: Option<Vec<String>>,
}

impl StackSeen {
    /// Returns the same for a service that is watched itself.
    pub(super) fn of(observation: &Observation) -> Self {
        let Observation {
            stage,
            invocation,
            job,
            left_active,
            ..
        } = observation;
        Self {
            is_up: matches!(stage, Stage::Running | Stage::Exited | Stage::Reloading),
            run: invocation.clone(),
            job: *job,
            left_active: *left_active,
            requires: None,
        }
    }
}

/// A unit's state in systemd's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitState {
    /// `ActiveState`.
    pub(super) active: String,
    /// `SubState`.
    pub(super) sub: String,
}

impl UnitState {
    /// Returns true if a run goes on or begins, not if it only waits. While `ExecCondition=` runs
    /// the start may still be refused.
    pub(super) fn is_a_start(&self) -> bool {
        let stage = Stage::of(&self.active, &self.sub);
        matches!(
            stage,
            Stage::Starting | Stage::Running | Stage::Exited | Stage::Reloading
        ) && self.sub != "condition"
    }
}

/// A unit and the path of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitAt {
    pub(super) unit: String,
    pub(super) path: String,
}

impl UnitAt {
    /// Returns the object of a unit; systemd derives the path from the name.
    pub(super) fn new(unit: &str) -> Self {
        Self {
            unit: unit.to_owned(),
            path: format!("{MANAGER_PATH}/unit/{}", label::escape(unit)),
        }
    }
}

/// A job and the path of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobAt {
    pub(super) unit: String,
    pub(super) id: u32,
    pub(super) path: String,
}

/// The full state of one unit.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) observation: Observation,
    pub(super) state: UnitState,
    pub(super) nature: Nature,
    /// The control process that failed and had the main process stopped, or else the latest that failed.
    pub(super) failed_control: Option<FailedControl>,
}

/// The watched units; the reducer drops the signals of all others.
#[derive(Debug, Default)]
pub(in crate::shell) struct WatchList {
    units: std::collections::HashSet<String>,
    /// The units that represent stacks.
    stacks: std::collections::HashSet<String>,
    patterns: Vec<glob::Pattern>,
}

/// Prefix of the services that restart stacks: `unitward-stack@NAME.service`.
const RESTARTER: &str = "unitward-stack@";

impl WatchList {
    pub(in crate::shell) fn new(
        units: impl IntoIterator<Item = String>,
        stacks: impl IntoIterator<Item = String>,
        patterns: Vec<glob::Pattern>,
    ) -> Self {
        Self {
            units: units.into_iter().collect(),
            stacks: stacks.into_iter().collect(),
            patterns,
        }
    }

    /// Returns true if this unit represents a stack.
    pub(super) fn is_stack(&self, unit: &str) -> bool {
        self.stacks.contains(unit)
    }

    /// Returns true if a unit of this name is watched. Patterns do not match the services of a
    /// ward's conditions and those that restart stacks: their failures are in the reports of the
    /// ward and the stack.
    pub(in crate::shell) fn covers(&self, unit: &str) -> bool {
        let of_template =
            || template::split(unit).is_some_and(|(template, _)| self.units.contains(&template));
        if self.units.contains(unit) || of_template() {
            return true;
        }
        let ours = unit
            .strip_prefix("unitward-")
            .is_some_and(|rest| rest.contains("-On") || rest.starts_with("stack@"));
        unit.ends_with(".service")
            && !ours
            && self.patterns.iter().any(|pattern| pattern.matches(unit))
    }
}

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
                    error = converse(&connection, (&pending, &mut questions), &sights) => error.to_string(),
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
    (pending, questions): (&Pending, &mut mpsc::Receiver<Question>),
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
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
    let call = |path: String, method| Message::method_call(path, method).destination(SYSTEMD);
    let message = match &question {
        Question::Subscribe => call(MANAGER_PATH.to_owned(), "Subscribe")
            .interface(MANAGER)
            .build(&())?,
        Question::Units => call(MANAGER_PATH.to_owned(), "ListUnits")
            .interface(MANAGER)
            .build(&())?,
        Question::Find(unit) => call(MANAGER_PATH.to_owned(), "GetUnit")
            .interface(MANAGER)
            .build(&unit)?,
        Question::Describe(at) | Question::Stack(at) => call(at.path.clone(), "GetAll")
            .interface(PROPERTIES)
            .build(&"")?,
        Question::JobType(at) => {
            let arguments = ("org.freedesktop.systemd1.Job", "JobType");
            call(at.path.clone(), "Get")
                .interface(PROPERTIES)
                .build(&arguments)?
        }
    };
    let serial = message.primary_header().serial_num().get();
    pending
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .insert(serial, question);
    connection.send(&message).await
}
