//! `unitward monitor`: the daemon's signals as they come, a line each.
//!
//! It outlives the daemon and the bus: it says when nobody tells it anything any more, and when somebody does again. What
//! happens meanwhile is not made up for; the reports have it.

mod line;

use crate::shell::news::News;
use crate::shell::survey::{BUS_NAME, OBJECT_PATH};
use clap::Args;
use futures_util::StreamExt as _;
use line::{Line, Presence};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;
use zbus::message::{Message, Type};
use zbus::{Connection, MessageStream};

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
/// Pause before connecting to the bus anew.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is seen whether anybody still reads the output.
const LOOK: Duration = Duration::from_secs(1);
/// How long the bus may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The command's arguments.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Only what happens to this ward; to a unit without one by its name without suffix.
    #[arg(long, value_name = "NAME")]
    ward: Option<String>,
}

/// Runs the command.
pub(super) fn monitor(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(async {
        tokio::select! {
            ended = watch(arguments) => ended,
            () = nobody_reads() => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Returns when whoever read the output has gone, as in `unitward monitor | head -1`.
async fn nobody_reads() {
    loop {
        tokio::time::sleep(LOOK).await;
        let out = io::stdout();
        let mut asked = [PollFd::new(&out, PollFlags::empty())];
        let found = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        if found.is_ok() && asked[0].revents().contains(PollFlags::ERR) {
            return;
        }
    }
}

/// Prints until the output cannot be written.
async fn watch(arguments: &Arguments) -> anyhow::Result<()> {
    let mut presence = None;
    loop {
        if let Ok(mut ear) = Ear::open().await {
            note(arguments, &mut presence, ear.presence())?;
            while let Some(Ok(message)) = ear.stream.next().await {
                if let Some(news) = ear.hear(&message) {
                    print(arguments, &news)?;
                }
                note(arguments, &mut presence, ear.presence())?;
            }
        }
        note(arguments, &mut presence, Presence::Gone)?;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Says whether the daemon is there, when that changes; that it is there at the beginning goes without saying.
fn note(arguments: &Arguments, before: &mut Option<Presence>, now: Presence) -> io::Result<()> {
    let was = before.replace(now);
    if was == Some(now) || (was.is_none() && now == Presence::Here) {
        return Ok(());
    }
    put(arguments, &Line::of_presence(now))
}

fn print(arguments: &Arguments, news: &News) -> io::Result<()> {
    if arguments.ward.as_ref().is_some_and(|ward| !news.is_of_a_ward() || news.subject() != ward) {
        return Ok(());
    }
    put(arguments, &Line::of(news))
}

fn put(arguments: &Arguments, line: &Line<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if arguments.json {
        super::write_json(&mut out, &line.to_json())?;
    } else {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

/// A connection that hears the daemon's signals, and of its coming and going.
struct Ear {
    stream: MessageStream,
    /// The daemon's connection, by its own name; anyone may send us a signal.
    daemon: Option<String>,
}

impl Ear {
    async fn open() -> zbus::Result<Self> {
        let late = |_| zbus::Error::Failure("the bus did not answer in time".to_owned());
        tokio::time::timeout(PATIENCE, Self::listen()).await.map_err(late)?
    }

    async fn listen() -> zbus::Result<Self> {
        let bus = Connection::system().await?;
        let stream = MessageStream::from(&bus);
        for rule in [
            format!("type='signal',sender='{BUS_NAME}',path='{OBJECT_PATH}'"),
            format!("type='signal',sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',arg0='{BUS_NAME}'"),
        ] {
            bus.call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", &rule).await?;
        }
        let owner = bus.call_method(Some(BUS), BUS_PATH, Some(BUS), "GetNameOwner", &BUS_NAME).await;
        let daemon = owner.ok().and_then(|reply| reply.body().deserialize::<String>().ok());
        Ok(Self { stream, daemon })
    }

    fn presence(&self) -> Presence {
        if self.daemon.is_some() { Presence::Here } else { Presence::Gone }
    }

    /// What a message tells, if it is the daemon's; learns who that is.
    fn hear(&mut self, message: &Message) -> Option<News> {
        if message.message_type() != Type::Signal {
            return None;
        }
        let header = message.header();
        let sender = header.sender()?.as_str();
        if sender == BUS {
            let body = message.body();
            if let Ok((name, _, owner)) = body.deserialize::<(&str, &str, &str)>()
                && name == BUS_NAME
            {
                self.daemon = Some(owner.to_owned()).filter(|owner| !owner.is_empty());
            }
            return None;
        }
        (self.daemon.as_deref() == Some(sender)).then(|| News::read(message))?
    }
}
