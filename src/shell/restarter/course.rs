//! The course of one full restart: record, restart, look, complete the record. It runs in a thread of its own, so what it waits
//! for holds up no caller.
//!
//! The record is on the disk before anything is restarted. Where it cannot be, the restart happens all the same: the stack
//! needs it, and the journal has it.

mod drive;
mod watch;

use super::bell::Ringer;
use super::runs::Runs;
use super::{leftovers, say};
use crate::core::crash::observation::Stage;
use crate::core::full_restart::RestartOutcome;
use crate::core::full_restart::outcome::{Look, Work};
use crate::core::full_restart::reception::{Event, errno};
use crate::core::full_restart::request::Answer;
use crate::edge::exclusion::By;
use crate::edge::full_restart::charge::{Charge, MemberWard};
use crate::edge::full_restart::record::{Member, RestartEnd, RestartRecord, Restarts, Saved};
use crate::edge::full_restart::underway::{Note, Underway, Way};
use crate::edge::full_restart::{frames, look};
use crate::edge::pid1::{self, Wanted};
use crate::edge::record::WardState;
use crate::edge::{clock, exclusion, triggers};
use sd_notify::NotifyState;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Names of callers that a record has room for.
const MOST_JOINED: usize = 64;

/// How long after each other callers may ask for the same event that then does not happen.
const SAME_EVENT: Duration = Duration::from_millis(300);

/// What it is told meanwhile.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// One more has asked for it.
    Joined(String),
    /// The next restart waits.
    Hurry,
}

/// A restart to be made.
pub(super) struct Order {
    /// What is restarted.
    pub(super) charge: Arc<Charge>,
    /// Who asked for it, and of one that is taken over all that was written down.
    pub(super) record: RestartRecord,
    /// Where it notes the runs that it ends.
    pub(super) runs: Runs,
    /// What it is told meanwhile.
    pub(super) control: Receiver<Control>,
    /// Whom it tells how it goes.
    pub(super) told: Ringer,
}

/// Why a restart came to nothing.
enum Failure {
    /// Nothing was done.
    NotBegun(String),
    /// The script says so, or did not end; with an errno.
    Script(i32, String),
    /// It lasts too long.
    Late,
}

struct Course {
    charge: Arc<Charge>,
    record: RestartRecord,
    runs: Runs,
    control: Receiver<Control>,
    told: Ringer,
    restarts: Restarts,
    underway: Option<Underway>,
    /// When the first process was killed at the earliest: systemd's monotonic clock in microseconds.
    since: u64,
    begun: Instant,
    deadline: Instant,
}

/// Restarts a stack, unless it is inhibited.
pub(super) fn run(order: Order) {
    let stack = &order.charge.stack;
    let hold = stack.inhibit_file.as_ref().filter(|file| file.exists());
    let words = match hold {
        Some(file) => Some(format!("{} is not restarted while {} exists", stack.identifier, file.display())),
        None => {
            is_stopped(&order).then(|| format!("{} is not restarted: {} is stopped", stack.identifier, stack.unit()))
        }
    };
    if let Some(words) = words {
        // They are all told the same, at the same time, and it is one line in the journal.
        std::thread::sleep(SAME_EVENT);
        return order.told.tell(Event::Inhibited(words));
    }
    let timeout = stack.timeout;
    let mut course = Course::new(order, timeout);
    course.prepare();
    course.readmit();
    let restarted = course.restart();
    course.conclude(restarted);
}

/// Whether somebody has stopped the stack, and a member asks all the same: it shall not bring back what is to go.
fn is_stopped(order: &Order) -> bool {
    let asked_by_member = order.record.by.unit.as_deref().is_some_and(|unit| order.charge.has(unit));
    let whole = order.charge.stack.unit();
    if !asked_by_member {
        return false;
    }
    let wanted = Wanted { unit: &["Job", "ActiveState"], own: &[] };
    let (known, job) = pid1::ask_with_job(whole.as_str(), wanted).unwrap_or_default();
    // With a job that is to start it, it is on its way.
    let is_wanted = job.is_some_and(|kind| kind != "stop");
    matches!(known.text("ActiveState"), "inactive" | "deactivating") && !is_wanted
}

/// Goes on with one that an earlier restarter has begun.
pub(super) fn resume(order: Order) {
    say::resuming(&order.record);
    let left = order.charge.stack.timeout.saturating_sub(leftovers::age(&order.record));
    let mut course = Course::new(order, left);
    let restarted = course.take_over();
    course.conclude(restarted);
}

impl Course {
    fn new(order: Order, timeout: Duration) -> Self {
        let Order { charge, record, runs, control, told } = order;
        let underway = Underway::hold(&record.stack).map_err(|error| {
            tracing::warn!("Failed to note that {} is being restarted, going on without: {error}", record.stack);
        });
        let begun = Instant::now();
        Self {
            restarts: Restarts::of(&record.stack),
            underway: underway.ok(),
            since: clock::monotonic(),
            begun,
            deadline: begun + timeout,
            charge,
            record,
            runs,
            control,
            told,
        }
    }

    /// Writes down what is going to be ended, and says so.
    fn prepare(&mut self) {
        // Later the caller may be gone, and with it what its addresses mean.
        if let Some(backtrace) = &mut self.record.backtrace {
            *backtrace = frames::named(backtrace, self.record.by.pid);
        }
        // The daemon knows by what was ended that this restart is nobody else's.
        match self.look_patiently() {
            Ok(looks) => {
                let run = |look: &Look| look.run.clone().filter(|_| look.stage != Stage::Ended);
                let member = |look: &Look| Member { unit: look.unit.clone(), run: run(look) };
                self.record.ended = looks.first().and_then(run);
                self.record.members = looks.iter().skip(1).map(member).collect();
            }
            Err(error) => tracing::warn!("Failed to look at {} before its restart: {error}", self.record.stack),
        }
        self.save();
        self.restarts.prune();
        say::restarting(&self.record);
        let RestartRecord { name, caller, id, .. } = &self.record;
        status(&format!("Restarting {name} for {caller}, {id}."));
    }

    /// The stack's own unit and the members, in this order.
    fn look(&self) -> io::Result<Vec<Look>> {
        let whole = self.charge.stack.unit();
        let members = self.charge.members.iter().map(|member| member.unit.as_str());
        let mut looks = look::at(&[whole.as_str()].into_iter().chain(members).collect::<Vec<_>>(), self.since)?;
        for (member, look) in self.charge.members.iter().zip(looks.iter_mut().skip(1)) {
            if look.stage == Stage::Ended && self.is_excluded_meanwhile(member) {
                look.work = Work::Excluded;
            }
        }
        Ok(looks)
    }

    /// Whether somebody has excluded the ward since the restart began; that of the death limit has a cause that is told.
    fn is_excluded_meanwhile(&self, member: &MemberWard) -> bool {
        let mark = exclusion::load(&WardState::of(member.ward.as_str()));
        mark.is_some_and(|mark| mark.by == By::Hand && mark.at >= clock::epoch_of_monotonic(self.since))
    }

    /// Takes back the members that their death limit has excluded: a full restart gives all of them a new beginning. What a person
    /// has excluded stays so.
    fn readmit(&self) {
        for MemberWard { ward, unit } in &self.charge.members {
            let state = WardState::of(ward.as_str());
            let Some(mark) = exclusion::load(&state).filter(|mark| mark.by == By::Limit) else { continue };
            if let Err(error) = exclusion::remove(&state).map(drop).and_then(|()| triggers::start(&mark.triggers)) {
                tracing::warn!("Failed to take {unit} back, which its death limit has excluded: {error}");
            }
        }
    }

    fn save(&self) {
        let name = &self.record.name;
        match self.restarts.save(&self.record) {
            Ok(Saved::OnDisk) => {}
            Ok(Saved::InMemory(error)) => {
                tracing::warn!("Failed to write down the restart of {name}, it is lost if the host goes down: {error}");
            }
            Err(error) => {
                tracing::warn!("Failed to write down the restart of {name}, it may not be reported: {error}");
            }
        }
    }

    /// Tells `unitward-step` since when ends of members are this restart's doing, and a later restarter who does it.
    fn note(&self, by: Option<u32>) {
        let script = self.charge.stack.restart_script.is_some();
        let way = if script { Way::Script } else { Way::Systemd };
        let note = Note { since: self.since, id: self.record.id.clone(), by, way };
        if let Some(Err(error)) = self.underway.as_ref().map(|underway| underway.note(&note)) {
            tracing::warn!("Failed to note that {} is being restarted: {error}", self.record.stack);
        }
    }

    /// Looks at what came of it, and tells.
    fn conclude(mut self, restarted: Result<(), Failure>) {
        let by_failed_script = matches!(restarted, Err(Failure::Script(..)));
        let (errno, trouble) = match restarted {
            Err(Failure::NotBegun(why)) => (errno::IO, why),
            Err(Failure::Script(errno, why)) => {
                self.settle();
                (errno, why)
            }
            Ok(()) | Err(Failure::Late) => self.watch(),
        };
        let outcome = if errno == 0 { RestartOutcome::Restarted } else { RestartOutcome::Failed };
        self.take_messages(Duration::ZERO);
        self.record.end = Some(RestartEnd { outcome, trouble: trouble.clone(), at: clock::since_epoch() });
        self.save();
        say::over(&self.record, self.begun.elapsed());
        let RestartRecord { name, caller, id, .. } = &self.record;
        let words = match (errno, trouble.as_str()) {
            (0, "") => format!("{name} was restarted"),
            (0, trouble) => format!("{name} was restarted, but {trouble}"),
            (_, trouble) => trouble.to_owned(),
        };
        status(&format!("Restart of {name} for {caller}, {id}, is over: {words}."));
        let answer = Answer { errno, words };
        if by_failed_script {
            self.told.tell(Event::Failed(answer.clone()));
            self.await_ends();
        }
        self.underway = None;
        self.told.tell(Event::Over(answer));
    }

    /// Waits so long for what it is told; gives the wish for haste, and notes callers.
    fn take_messages(&mut self, at_most: Duration) -> Option<Control> {
        let until = Instant::now() + at_most;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.control.recv_timeout(left) {
                Ok(Control::Joined(caller)) => {
                    if self.record.joined.len() < MOST_JOINED {
                        self.record.joined.push(caller);
                    }
                }
                Ok(Control::Hurry) => return Some(Control::Hurry),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(left);
                    return None;
                }
            }
        }
    }
}

/// Tells systemd, and so everybody who listens to it, unitwardd among them.
fn status(words: &str) {
    let _ = sd_notify::notify(&[NotifyState::Status(words)]);
}
