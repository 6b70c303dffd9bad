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
mod connections;
mod course;
mod leftovers;
mod process;
mod runs;
mod say;
mod wish;

use crate::core::config::StackName;
use crate::core::full_restart::places::{Holder, MOST, Pool, Verdict};
use crate::core::full_restart::reception::{Action, CallerId, Event, Reception, Standing, errno};
use crate::core::full_restart::request::{Answer, Request};
use crate::core::visible::visible;
use crate::edge::full_restart::charge::Charge;
use crate::edge::full_restart::peer::{Life, Peer};
use crate::edge::full_restart::record::RestartRecord;
use crate::edge::log;
use anyhow::Context as _;
use bell::{Hearer, Ringer};
use connections::{Connections, News};
use course::{Control, Order};
use leftovers::Leftovers;
use runs::Runs;
use sd_notify::NotifyState;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use wish::Wish;

/// Time for which the configuration is cached to decide who may ask: a caller who may not must not
/// have it read at every attempt.
const BELIEVED: Duration = Duration::from_secs(1);

/// Number of connections that are accepted before those accepted already are read: somebody may
/// connect faster than the answers go out.
const AT_A_TIME: usize = 32;

/// Number of connections that are accepted when a restart is over, because they came before: as
/// many as the kernel keeps in a queue.
const QUEUED: usize = 4096;

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

/// A restart under way, or a requested one that may turn out to be inhibited.
struct Underway {
    control: Sender<Control>,
    charge: Arc<Charge>,
    /// Callers that have asked for it before it was certain, in their order.
    callers: Vec<String>,
    /// The runs that it ends, if systemd restarts. Units that a script starts may join for as long
    /// as the script runs.
    runs: Runs,
    certain: bool,
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

    /// Accepts all connections in the queue, because they came before the restart was over; but not
    /// those that keep coming.
    fn greet_the_queue(&mut self) {
        for _ in 0..QUEUED / AT_A_TIME {
            let count = self.greet();
            self.listen();
            if count == 0 {
                break;
            }
        }
    }

    /// Accepts connections, no more of them than can be read soon, and returns their number.
    fn greet(&mut self) -> usize {
        for count in 0..AT_A_TIME {
            let Some((caller, peer)) = self.connections.accept() else {
                return count;
            };
            self.receive(caller, &peer);
        }
        AT_A_TIME
    }

    /// Decides about a caller that has connected: it may ask, or it is refused.
    fn receive(&mut self, caller: CallerId, peer: &Peer) {
        match self.charge() {
            None => {
                let answer = self.no_such_stack();
                self.connections.dismiss(caller, &answer);
            }
            Some(charge) if charge.admits(peer) => {
                let standing = match peer.unit.as_deref().filter(|unit| charge.has(unit)) {
                    Some(unit)
                        if self
                            .course
                            .as_ref()
                            .is_some_and(|course| course.runs.has_renewed(unit)) =>
                    {
                        Standing::NewMember
                    }
                    Some(_) => Standing::Member,
                    None => Standing::Outsider,
                };
                if self.gets_place(caller, peer, standing) {
                    self.step(Event::Arrived(caller, standing));
                }
            }
            // The caller can no longer be identified; it may well be a member that the restart has
            // ended.
            Some(_) if peer.life == Life::Gone => self.connections.drop_silently(caller),
            Some(_) => {
                self.step(Event::Refused);
                self.refusals.refused(&self.stack, peer);
                let words = format!(
                    "only root and members of {} may ask for its restart",
                    self.stack
                );
                self.connections.dismiss(
                    caller,
                    &Answer {
                        errno: errno::ACCES,
                        words,
                    },
                );
            }
        }
    }

    /// Gives a place to a caller that may ask, or answers that there is none. A caller that loses
    /// its place to it is answered too.
    fn gets_place(&mut self, caller: CallerId, peer: &Peer, standing: Standing) -> bool {
        let pool = match standing {
            Standing::Member | Standing::NewMember => Pool::Members,
            Standing::Outsider => Pool::Root,
        };
        let unit = peer.unit.clone().unwrap_or_default();
        let loser = match self.connections.give_place(
            caller,
            Holder {
                pool,
                unit,
                user: peer.uid,
            },
        ) {
            Verdict::Taken => return true,
            Verdict::TakenFrom(loser) => loser,
            Verdict::Refused => caller,
        };
        self.step(Event::Left(loser));
        if self.connections.is_waiting(loser) {
            let words = "it is not known yet how the restart goes, and others wait for their turn"
                .to_owned();
            self.connections.answer(
                loser,
                &Answer {
                    errno: errno::INPROGRESS,
                    words,
                },
            );
        } else {
            let words = "too many requests of the same service or user are open, ask again later"
                .to_owned();
            self.connections.dismiss(
                loser,
                &Answer {
                    errno: errno::BUSY,
                    words,
                },
            );
        }
        loser != caller
    }

    /// Reads from the accepted connections and handles the results.
    fn listen(&mut self) {
        for news in self.connections.read() {
            match news {
                News::Said(caller, peer, text) => self.hear(caller, peer, &text),
                News::Left(caller) => {
                    self.step(Event::Left(caller));
                }
                News::BrokeOff(caller) => {
                    self.step(Event::Left(caller));
                    let words = "the request did not come to its end in time".to_owned();
                    self.connections.answer(
                        caller,
                        &Answer {
                            errno: errno::TIMEDOUT,
                            words,
                        },
                    );
                }
            }
        }
    }

    fn hear(&mut self, caller: CallerId, peer: Peer, text: &[u8]) {
        match Request::parse(text) {
            Ok(request) => {
                self.step(Event::Asked(
                    caller,
                    request.answer,
                    Wish::new(request, peer),
                ));
            }
            Err(why) => {
                self.step(Event::Left(caller));
                let words = format!("that is no request: {why}");
                self.connections.answer(
                    caller,
                    &Answer {
                        errno: errno::INVAL,
                        words,
                    },
                );
            }
        }
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

    /// Begins a restart by the present configuration, which may have changed since the request
    /// came.
    fn restart(&mut self, wish: &Wish) {
        match self.charge_anew() {
            Some(charge) => {
                let record = wish.record(&charge.stack);
                self.begin(charge, record, course::run);
            }
            None => self.told.tell(Event::Over(self.no_such_stack())),
        }
    }

    fn no_such_stack(&self) -> Answer {
        Answer {
            errno: errno::NOENT,
            words: format!("there is no stack {} in the configuration", self.stack),
        }
    }

    fn begin(&mut self, charge: Arc<Charge>, record: RestartRecord, course: fn(Order)) {
        let (control, controlled) = channel();
        let callers = vec![record.caller.clone()];
        let script = charge.stack.restart_script.is_some();
        let runs = if script {
            Runs::default()
        } else {
            Runs::ended_by(&record)
        };
        self.course = Some(Underway {
            control,
            charge: charge.clone(),
            callers,
            runs: runs.clone(),
            certain: false,
        });
        let begun = self.told.again().and_then(|told| {
            let order = Order {
                charge,
                record,
                runs,
                control: controlled,
                told,
            };
            thread::Builder::new()
                .name("restart".to_owned())
                .spawn(move || course(order))
        });
        if let Err(error) = begun {
            tracing::error!(
                "Failed to restart {}: no thread could be started: {error}",
                self.stack
            );
            self.told.tell(Event::Over(Answer {
                errno: errno::IO,
                words: format!("no thread could be started: {error}"),
            }));
        }
    }

    /// Sends a message to the restart under way. One that has just ended does not need it.
    fn control(&self, control: Control) {
        if let Some(course) = &self.course {
            let _ = course.control.send(control);
        }
    }

    /// Adds a caller to the restart under way. It is not logged before it is certain that the
    /// restart happens.
    fn join(&mut self, caller: String) {
        match &mut self.course {
            // Of so many callers only the number matters.
            Some(course) if !course.certain && course.callers.len() < MOST => {
                course.callers.push(caller.clone())
            }
            Some(course) if !course.certain => {}
            _ => say::joined(&self.stack, &caller),
        }
        self.control(Control::Joined(caller));
    }

    fn is_certain(&mut self) {
        let Some(course) = self.course.as_mut().filter(|course| !course.certain) else {
            return;
        };
        course.certain = true;
        for caller in course.callers.drain(..).skip(1) {
            say::joined(&self.stack, &caller);
        }
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
