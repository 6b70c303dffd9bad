//! `unitwardd`: listens to systemd, judges the ends of runs, reports those that were not asked for.
//!
//! One loop: [`next_event`] waits for the first event, [`state::State::step`] decides without side
//! effects, [`perform`] acts without waiting for a channel. Slow work runs in other tasks and
//! threads: [`systemd`] reads the bus, [`cloud`] serves the broker, [`archive`] the disk, and
//! [`cores`] looks for backtraces. The loop reaches them through bounded channels, each of which
//! documents its behaviour when full. [`bus`] answers queries on the bus and sends signals.
//!
//! No recovery needs the daemon, and nothing waits for it. It can ask again for all that it knows.

mod alarm;
mod answer;
mod archive;
mod bus;
pub(super) mod cloud;
mod cores;
mod desk;
mod ends;
mod event;
mod guard;
mod identity;
mod incident;
mod last_lines;
mod log;
mod messages;
mod perform;
mod recall;
mod recent;
pub(super) mod records;
mod resync;
mod rules;
mod say;
mod stacks;
mod standings;
mod state;
pub(super) mod systemd;
mod unnoted;

use crate::edge::symbols;
use alarm::Alarm;
use anyhow::Context;
use event::{Action, Event, Now};
use perform::World;
use rustix::time::{ClockId, clock_gettime};
use state::State;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

const USAGE: &str = "\
Usage: unitwardd [--help | --version]

Listens to systemd and reports crashes of wards and watched units to the journal
and over MQTT. Started by unitwardd.service; configured in /etc/unitward, see
unitward.conf(5). SIGHUP rereads the configuration, and so does each
systemctl daemon-reload.
";

/// Processes bytes as if a broker had sent them, without a connection. For fuzz targets.
pub(crate) fn digest_mqtt(bytes: &[u8]) {
    cloud::digest(bytes);
}

/// The entry point of `unitwardd`.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some(answer::OPTION) {
        return answer::respond(&arguments.collect::<Vec<_>>());
    }
    if first.as_deref() == Some(symbols::OPTION) {
        return symbols::worker::main();
    }
    match (first.as_deref(), arguments.next()) {
        (None, None) => {}
        (Some("--help" | "-h"), None) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        (Some("--version"), None) => {
            println!("unitwardd {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    log::init();
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until SIGTERM or SIGINT.
fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(async {
        let hangups = signal(SignalKind::hangup()).context("failed to listen for SIGHUP")?;
        let (stop, shutdown) = watch::channel(false);
        let mut terminations =
            signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
        let mut interrupts =
            signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminations.recv() => {}
                _ = interrupts.recv() => {}
            }
            stop.send_replace(true);
        });
        run(hangups, Shutdown(shutdown)).await
    })?;
    // A name server that does not answer, or a file system that hangs, blocks a thread; the daemon
    // ends without it.
    runtime.shutdown_background();
    Ok(())
}

/// Becomes true once, when the daemon is asked to stop.
struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Returns once; never again after that.
    async fn requested(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The sources of the loop's events.
struct Sources {
    world: World,
    alarm: Alarm,
    hangups: Signal,
    shutdown: Shutdown,
}

async fn run(hangups: Signal, shutdown: Shutdown) -> anyhow::Result<()> {
    let archive = archive::Archive::open().context("failed to start the archive's thread")?;
    let bus = systemd::listen_to_systemd();
    let cloud = cloud::connect_to_cloud();
    let cores = cores::look_for_cores();
    let service = bus::serve();
    let notes = unnoted::note_deaths().context("failed to start the thread that notes deaths")?;
    let logs =
        last_lines::read_last_lines().context("failed to start the thread that reads log lines")?;
    let (behind, undelivered, inbox) = (BTreeSet::new(), VecDeque::new(), VecDeque::new());
    let world = World {
        bus,
        service,
        cloud,
        archive,
        cores,
        notes,
        logs,
        behind,
        undelivered,
        hurried: false,
        stuck: false,
        inbox,
    };
    let alarm = Alarm::new().context("failed to make a timer")?;
    let mut sources = Sources {
        world,
        alarm,
        hangups,
        shutdown,
    };
    let mut state = State::new(crate::edge::boot::id(), watchdog_interval(), now());
    sources.world.perform(Action::LoadConfiguration);
    while !state.may_end(now()) {
        let event = next_event(&mut sources, state.deadline())
            .await
            .context("failed to set the timer")?;
        for action in state.step(now(), event) {
            sources.world.perform(action);
        }
    }
    Ok(())
}

/// Returns the next event; events that actions caused come before all others.
async fn next_event(sources: &mut Sources, deadline: Option<Duration>) -> io::Result<Event> {
    let Sources {
        world,
        alarm,
        hangups,
        shutdown,
    } = sources;
    if let Some(event) = world.inbox.pop_front() {
        return Ok(event);
    }
    let tick = alarm.rings(deadline);
    tokio::pin!(tick);
    loop {
        let owes = world.owes();
        let event = tokio::select! {
            biased;
            () = shutdown.requested() => Some(Event::Stop),
            _ = hangups.recv() => Some(Event::Hangup),
            rung = &mut tick => Some(rung.map(|()| Event::Tick)?),
            Some(ruling) = world.service.rulings.recv() => Some(Event::Ruled(ruling)),
            // There is room for commands that could not be delivered.
            Ok(_) = world.cloud.commands.reserve(), if owes => None,
            Some(news) = world.cloud.news.recv() => Some(Event::Courier(news)),
            Some(tale) = world.archive.tales.recv() => Some(Event::Archive(tale)),
            Some(found) = world.cores.found.recv() => Some(Event::Core(found)),
            Some(lines) = world.logs.found.recv() => Some(Event::Log(lines)),
            Ok(()) = world.cloud.status.changed() => Some(Event::Cloud(world.cloud.status.borrow_and_update().clone())),
            Some(sight) = world.bus.sights.recv() => Some(Event::Bus(sight)),
            // After the sights of the bus, which show the unit's present state.
            Some(witness) = world.notes.noted.recv() => Some(Event::Record(Box::new(witness))),
        };
        match event {
            Some(event) => return Ok(event),
            None => world.deliver(),
        }
    }
}

/// Returns half of the service's watchdog limit.
fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

fn now() -> Now {
    let epoch = time_of(ClockId::Realtime).as_millis();
    let boot = time_of(ClockId::Boottime).as_millis();
    Now {
        monotonic: time_of(ClockId::Monotonic),
        boot_ms: u64::try_from(boot).unwrap_or(u64::MAX),
        epoch_ms: u64::try_from(epoch).unwrap_or(u64::MAX),
    }
}

/// Returns the time that a clock shows, since its own beginning.
fn time_of(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}
