//! The restarter: `unitward restart-stack --serve NAME`, the program of
//! `unitward-stack@NAME.service`.
//!
//! systemd starts it when somebody connects to the stack's socket. One loop serves the callers and
//! receives the events of a restart, [`crate::core::full_restart::reception`] decides who gets
//! which answer, and [`course`] restarts in a thread of its own. The loop never blocks, and a long
//! queue does not hold it up: it accepts a bounded number of callers, reads from them, and handles
//! other events. It may be killed at any time without harm: the next one reads the record and goes
//! on.
//!
//! It does not report. unitwardd reads the records, whenever it runs.

mod bell;
mod callers;
mod connections;
mod course;
mod leftovers;
mod process;
mod runs;
mod say;
mod underway;
mod wish;

use crate::core::config::StackName;
use crate::core::full_restart::reception::{Action, Event, Reception};
use crate::core::visible::visible;
use crate::edge::full_restart::charge::Charge;
use crate::edge::log;
use anyhow::Context as _;
use bell::{Hearer, Ringer};
use connections::Connections;
use course::Control;
use leftovers::Leftovers;
use sd_notify::NotifyState;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use underway::Underway;
use wish::Wish;

/// Time for which the configuration is cached to decide who may ask: a caller who may not must not
/// have it read at every attempt.
const BELIEVED: Duration = Duration::from_secs(1);

/// Serves one stack, on the socket that standard input is.
pub(super) fn serve(stack: &StackName) -> ExitCode {
    log::to_journal("unitward");
    match Restarter::new(stack.clone()) {
        Ok(mut restarter) => {
            restarter.run();
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(UNITWARD_STACK = stack.as_str(), "{error:#}");
            eprintln!("unitward: {}", visible(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

struct Restarter {
    stack: StackName,
    connections: Connections,
    reception: Reception<Wish>,
    refusals: say::Refusals,
    charge: Option<(Instant, Option<Arc<Charge>>)>,
    told: Ringer,
    heard: Hearer,
    /// The restart under way.
    course: Option<Underway>,
    started: Instant,
}

/// Decision of the loop: to go on or to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stay {
    Yes,
    No,
}

impl Restarter {
    fn new(stack: StackName) -> anyhow::Result<Self> {
        let input = std::io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .context("failed to take over the socket")?;
        let is_listening = rustix::net::sockopt::socket_acceptconn(&input).unwrap_or(false);
        anyhow::ensure!(
            is_listening,
            "standard input is no socket; unitward-stack@{stack}.socket starts this program"
        );
        Self::at(UnixListener::from(input), stack)
    }

    /// Returns a restarter that serves the connections of this socket.
    fn at(listener: UnixListener, stack: StackName) -> anyhow::Result<Self> {
        let (told, heard) = bell::pair().context("failed to make a pair of sockets")?;
        Ok(Self {
            connections: Connections::new(listener).context("failed to take over the socket")?,
            reception: Reception::new(Duration::ZERO),
            refusals: say::Refusals::new(),
            charge: None,
            told,
            heard,
            course: None,
            started: Instant::now(),
            stack,
        })
    }

    fn run(&mut self) {
        let ready = format!("Ready for requests to restart {}.", self.stack);
        let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&ready)]);
        self.resume();
        while self.turn() == Stay::Yes {
            let limit = self
                .reception
                .deadline()
                .map(|deadline| deadline.saturating_sub(self.now()));
            self.connections.wait(self.heard.bell(), limit);
        }
        self.refusals.sum_up(&self.stack);
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    }

    /// Handles all events and connections that are there.
    fn turn(&mut self) -> Stay {
        while let Some(event) = self.heard.next() {
            match &event {
                Event::Begun | Event::Started => self.is_certain(),
                Event::Failed(_) => self.greet_the_queue(),
                Event::Over(_) => {
                    self.greet_the_queue();
                    self.course = None;
                }
                Event::Inhibited(why) => {
                    self.greet_the_queue();
                    if let Some(course) = self.course.take() {
                        say::inhibited(&course.charge.stack, &course.callers, why);
                    }
                }
                Event::Arrived(..)
                | Event::Asked(..)
                | Event::Left(_)
                | Event::Refused
                | Event::Tick => {}
            }
            self.step(event);
        }
        self.greet();
        self.listen();
        self.step(Event::Tick)
    }

    fn step(&mut self, event: Event<Wish>) -> Stay {
        let mut stay = Stay::Yes;
        for action in self.reception.step(self.now(), event) {
            match action {
                Action::Restart(wish) => self.restart(&wish),
                Action::Join(wish) => self.join(wish.request.caller),
                Action::Hurry => self.control(Control::Hurry),
                Action::Answer(caller, answer) => self.connections.answer(caller, &answer),
                Action::Leave => stay = Stay::No,
            }
        }
        stay
    }

    /// Returns the stack and its members by the present configuration, or by one read a moment ago.
    fn charge(&mut self) -> Option<Arc<Charge>> {
        if let Some((read, charge)) = &self.charge
            && read.elapsed() < BELIEVED
        {
            return charge.clone();
        }
        self.charge_anew()
    }

    /// Returns the stack and its members by the present configuration.
    fn charge_anew(&mut self) -> Option<Arc<Charge>> {
        let charge = Charge::load(Path::new("/"), &self.stack).map(Arc::new);
        self.charge = Some((Instant::now(), charge.clone()));
        charge
    }

    /// Resumes a restart that an earlier process has begun, and completes the records of the
    /// others.
    fn resume(&mut self) {
        let charge = self.charge();
        let leftovers = Leftovers::find(
            &self.stack,
            charge.as_ref().map(|charge| charge.stack.timeout),
        );
        leftovers.complete();
        if let (Some(charge), Some(record)) = (charge, leftovers.to_resume) {
            self.reception = Reception::resumed();
            self.begin(charge, record, course::resume);
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

#[cfg(test)]
mod tests;
