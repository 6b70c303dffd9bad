//! The daemon's ear at PID 1: one connection to the system bus, one ordered stream of what comes in.
//!
//! # Why one stream
//!
//! Signals and the replies to our own questions are read by one loop, in the order PID 1 sent them.
//! A reply to `GetAll` is therefore never older than the signals before it, and a tracker can take
//! it as one more observation.
//!
//! # What holds up what
//!
//! zbus stops reading the socket, replies included, when one of its streams is full. So the loop in [`listen`]
//! does nothing but drain, reduce and pass on; passing on never waits. When the channel to the daemon's
//! main loop is full, sights are dropped and one [`Sight::Overflow`] is put in their place as soon as there
//! is room: the main loop then asks for everything anew. Questions are sent by a second
//! loop, [`ask`], which may wait without harm.
//!
//! # Units come and go
//!
//! `UnitNew` is not listened to. It comes for every unit that anybody looks at, and to look at one that is
//! not loaded any more loads it, which gives a `UnitNew`: two watchers, or one, would go on for ever.
//! A unit is asked about when it is listed as loaded, or has just been seen running. `UnitRemoved` is taken in,
//! so that what has gone can be forgotten; nothing is ever asked because of it.
//!
//! # Trust
//!
//! Anyone on the system bus may send a signal to us alone. Only messages from the present
//! owner of `org.freedesktop.systemd1` count, and ownership is believed of the bus itself only.

pub(in crate::shell) mod decode;
mod reduce;

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
/// The bus' own object.
const BUS_PATH: &str = "/org/freedesktop/DBus";
/// Messages zbus may hold before it stops reading: about what 60 units that die at once cause.
const STREAM_QUEUE: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not zero");
/// Sights the main loop may be behind: about 4,000 deaths.
const SIGHTS: usize = 16_384;
/// Questions that may wait to be sent.
const QUESTIONS: usize = 4_096;
/// How long the bus may take to connect us and to answer the first calls.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause before connecting anew: first, and longest. The bus is local, a long pause buys nothing.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What was seen on the bus.
#[derive(Debug)]
pub(super) enum Sight {
    /// We are connected and subscribed; nothing is known of any unit.
    Connected,
    /// The connection is gone, or could not be made, and why.
    Lost(String),
    /// Sights were dropped.
    Overflow,
    /// PID 1 executed itself anew and has forgotten who subscribed.
    ManagerReplaced,
    /// `Reloading(true)`.
    ReloadBegins,
    /// `Reloading(false)`.
    ReloadEnds,
    /// A watched unit changed.
    Changed(String, Box<Observation>, UnitState),
    /// systemd has let go of a watched unit.
    Removed(String),
    /// A job for a watched unit or a stack's was queued.
    JobQueued(JobAt),
    /// A job of a stack's unit came to its end, with this result.
    JobDone(JobAt, String),
    /// A stack's unit changed, or it was asked about.
    StackChanged(String, StackSeen),
    /// The service that restarts a stack has news.
    Restarter,
    /// The reply to [`Question::Units`]: the watched ones of all loaded units.
    Listed(Vec<UnitAt>),
    /// The reply to [`Question::Find`]: where the unit is, under its own name.
    Found(String, UnitAt),
    /// The reply to [`Question::Describe`].
    Described(String, Box<Description>),
    /// The reply to [`Question::JobType`].
    JobKnown(JobAt, JobKind),
    /// There was no answer: what was asked about is gone.
    Unanswered(Question),
}

/// A question to PID 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// `Subscribe`; no sight comes of it.
    Subscribe,
    /// `ListUnits`.
    Units,
    /// `GetUnit`, which finds aliases and does not load anything.
    Find(String),
    /// All properties of a unit.
    Describe(UnitAt),
    /// Where a stack's unit stands.
    Stack(UnitAt),
    /// What a job does.
    JobType(JobAt),
}

impl Question {
    /// Whether it is about all of this unit.
    pub(super) fn is_to_describe(&self, unit: &str) -> bool {
        matches!(self, Self::Describe(at) if at.unit == unit)
    }
}

/// Where a stack's unit stands; a target has no more to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StackSeen {
    pub(super) is_up: bool,
    pub(super) run: Option<InvocationId>,
    pub(super) job: Option<u32>,
    /// When it last left `active`, microseconds since the epoch.
    pub(super) left_active: u64,
    /// The units that it requires, where it was asked for.
    pub(super) requires: Option<Vec<String>>,
}

impl StackSeen {
    /// The same of a service that is watched for its own sake.
    pub(super) fn of(observation: &Observation) -> Self {
        let Observation { stage, invocation, job, left_active, .. } = observation;
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
    /// Whether a run goes on or begins, and none is only waited for. While `ExecCondition=` runs the start may still be refused.
    pub(super) fn is_a_start(&self) -> bool {
        let stage = Stage::of(&self.active, &self.sub);
        matches!(stage, Stage::Starting | Stage::Running | Stage::Exited | Stage::Reloading) && self.sub != "condition"
    }
}

/// A unit and its object's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitAt {
    pub(super) unit: String,
    pub(super) path: String,
}

impl UnitAt {
    /// The object of a unit; systemd derives the path from the name.
    pub(super) fn new(unit: &str) -> Self {
        Self { unit: unit.to_owned(), path: format!("{MANAGER_PATH}/unit/{}", label::escape(unit)) }
    }
}

/// A job and its object's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobAt {
    pub(super) unit: String,
    pub(super) id: u32,
    pub(super) path: String,
}

/// All that is of interest of one unit.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) observation: Observation,
    pub(super) state: UnitState,
    pub(super) nature: Nature,
    /// The control process that failed and had the main process stopped, or else the latest that failed.
    pub(super) failed_control: Option<FailedControl>,
}

/// Which units are watched; the reducer drops all else at once.
#[derive(Debug, Default)]
pub(in crate::shell) struct WatchList {
    units: std::collections::HashSet<String>,
    /// The units that stand for stacks.
    stacks: std::collections::HashSet<String>,
    patterns: Vec<glob::Pattern>,
}

/// What the services that restart stacks are called: `unitward-stack@NAME.service`.
const RESTARTER: &str = "unitward-stack@";

impl WatchList {
    pub(in crate::shell) fn new(
        units: impl IntoIterator<Item = String>,
        stacks: impl IntoIterator<Item = String>,
        patterns: Vec<glob::Pattern>,
    ) -> Self {
        Self { units: units.into_iter().collect(), stacks: stacks.into_iter().collect(), patterns }
    }

    /// Whether this unit stands for a stack.
    pub(super) fn is_stack(&self, unit: &str) -> bool {
        self.stacks.contains(unit)
    }

    /// Whether a unit of this name is watched. The services of a ward's conditions and those that
    /// restart stacks are not: what fails in them is told by their ward, and in the stack's report.
    pub(in crate::shell) fn covers(&self, unit: &str) -> bool {
        if self.units.contains(unit) {
            return true;
        }
        let ours =
            unit.strip_prefix("unitward-").is_some_and(|rest| rest.contains("-On") || rest.starts_with("stack@"));
        unit.ends_with(".service") && !ours && self.patterns.iter().any(|pattern| pattern.matches(unit))
    }
}

/// The main loop's end of the connection.
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
    tokio::spawn(stay_connected(sight_sender, question_receiver, watch_receiver));
    Bus { sights, questions, watched }
}

/// Questions by the serial of their message, for the replies.
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
        // A full channel may not swallow this: without it nobody would ask again.
        if sights.send(Sight::Lost(error)).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

async fn connect() -> Result<MessageStream, String> {
    let building = zbus::connection::Builder::system().max_queued(STREAM_QUEUE).build();
    match tokio::time::timeout(HANDSHAKE, building).await {
        Ok(result) => result.map(MessageStream::from).map_err(|error| error.to_string()),
        Err(_) => Err("the bus did not answer in time".to_owned()),
    }
}

/// Drains the stream for as long as it lasts.
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

/// Subscribes, says so, and sends questions; returns only when the bus fails.
async fn converse(
    connection: &Connection,
    (pending, questions): (&Pending, &mut mpsc::Receiver<Question>),
    sights: &mpsc::Sender<Sight>,
) -> zbus::Error {
    if let Err(error) = tokio::time::timeout(HANDSHAKE, subscribe(connection))
        .await
        .unwrap_or_else(|_| Err(zbus::Error::Failure("systemd did not answer in time".to_owned())))
    {
        return error;
    }
    if sights.send(Sight::Connected).await.is_err() {
        return zbus::Error::Failure("the daemon is stopping".to_owned());
    }
    loop {
        let Some(question) = questions.recv().await else { std::future::pending().await };
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
        connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", rule).await?;
    }
    connection.call_method(Some(BUS), BUS_PATH, Some(BUS), "GetNameOwner", &SYSTEMD).await?;
    connection.call_method(Some(SYSTEMD), MANAGER_PATH, Some(MANAGER), "Subscribe", &()).await?;
    Ok(())
}

/// Sends one question; its reply will be known by its serial.
async fn ask(connection: &Connection, pending: &Pending, question: Question) -> zbus::Result<()> {
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
    let call = |path: String, method| Message::method_call(path, method).destination(SYSTEMD);
    let message = match &question {
        Question::Subscribe => call(MANAGER_PATH.to_owned(), "Subscribe").interface(MANAGER).build(&())?,
        Question::Units => call(MANAGER_PATH.to_owned(), "ListUnits").interface(MANAGER).build(&())?,
        Question::Find(unit) => call(MANAGER_PATH.to_owned(), "GetUnit").interface(MANAGER).build(&unit)?,
        Question::Describe(at) | Question::Stack(at) => {
            call(at.path.clone(), "GetAll").interface(PROPERTIES).build(&"")?
        }
        Question::JobType(at) => {
            let arguments = ("org.freedesktop.systemd1.Job", "JobType");
            call(at.path.clone(), "Get").interface(PROPERTIES).build(&arguments)?
        }
    };
    let serial = message.primary_header().serial_num().get();
    pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(serial, question);
    connection.send(&message).await
}
