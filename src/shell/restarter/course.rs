//! The course of one full restart: record, restart, watch, complete the record. It runs in a thread
//! of its own, so its waits hold up no caller.
//!
//! The record is on the disk before anything is restarted. If it cannot be written, the restart
//! happens all the same: the stack needs it, and the journal has it.

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

/// Maximum number of further callers' names in a record.
const MOST_JOINED: usize = 64;

/// Delay of the answer to a restart that does not happen: callers that ask because of the same
/// event meanwhile get it too.
const SAME_EVENT: Duration = Duration::from_millis(300);

/// A message to a course under way.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// One more caller has asked for this restart.
    Joined(String),
    /// The next restart waits: watch no longer.
    Hurry,
}

/// A restart to be made.
pub(super) struct Order {
    /// The stack, and its members.
    pub(super) charge: Arc<Charge>,
    /// The record to complete: who asked for the restart, and for one that is resumed all that was
    /// written down.
    pub(super) record: RestartRecord,
    /// The course notes here the runs that the restart ends.
    pub(super) runs: Runs,
    /// Messages to the course.
    pub(super) control: Receiver<Control>,
    /// Sends events about the progress.
    pub(super) told: Ringer,
}

/// Reason why a restart failed.
enum Failure {
    /// Nothing was done.
    NotBegun(String),
    /// The script has failed, or did not end; with an errno.
    Script(i32, String),
    /// It takes too long.
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
    /// Earliest time at which the first process was killed: systemd's monotonic clock, in
    /// microseconds.
    since: u64,
    begun: Instant,
    deadline: Instant,
}

/// Restarts a stack, unless its inhibit file exists, or it is stopped and a member asks.
pub(super) fn run(order: Order) {
    let stack = &order.charge.stack;
    let hold = stack.inhibit_file.as_ref().filter(|file| file.exists());
    let words = match hold {
        Some(file) => Some(format!(
            "{} is not restarted while {} exists",
            stack.identifier,
            file.display()
        )),
        None => is_stopped(&order).then(|| {
            format!(
                "{} is not restarted: {} is stopped",
                stack.identifier,
                stack.unit()
            )
        }),
    };
    if let Some(words) = words {
        // Callers meanwhile get the same answer, in one line of the journal.
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

/// Returns true if the stack is stopped and a member asks all the same: that must not bring back
/// what is to go.
fn is_stopped(order: &Order) -> bool {
    let asked_by_member = order
        .record
        .by
        .unit
        .as_deref()
        .is_some_and(|unit| order.charge.has(unit));
    let whole = order.charge.stack.unit();
    if !asked_by_member {
        return false;
    }
    let wanted = Wanted {
        unit: &["Job", "ActiveState"],
        own: &[],
    };
    let (known, job) = pid1::ask_with_job(whole.as_str(), wanted).unwrap_or_default();
    // With a job that is to start it, it is about to come up.
    let is_wanted = job.is_some_and(|kind| kind != "stop");
    matches!(known.text("ActiveState"), "inactive" | "deactivating") && !is_wanted
}

/// Resumes a restart that an earlier restarter has begun.
pub(super) fn resume(order: Order) {
    say::resuming(&order.record);
    let left = order
        .charge
        .stack
        .timeout
        .saturating_sub(leftovers::age(&order.record));
    let mut course = Course::new(order, left);
    let restarted = course.take_over();
    course.conclude(restarted);
}

impl Course {
    fn new(order: Order, timeout: Duration) -> Self {
        let Order {
            charge,
            record,
            runs,
            control,
            told,
        } = order;
        let underway = Underway::hold(&record.stack).map_err(|error| {
            tracing::warn!(
                "Failed to note that {} is being restarted, going on without: {error}",
                record.stack
            );
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

    /// Writes down the runs that are going to be ended, and logs the restart.
    fn prepare(&mut self) {
        // Later the caller may be gone, and with it what its addresses mean.
        if let Some(backtrace) = &mut self.record.backtrace {
            *backtrace = frames::named(backtrace, self.record.by.pid);
        }
        // By the ended runs the daemon tells this restart from others.
        match self.look_patiently() {
            Ok(looks) => {
                self.record.ended = looks.first().and_then(present_run);
                let members = looks.iter().skip(1).map(|look| Member {
                    unit: look.unit.clone(),
                    run: present_run(look),
                });
                self.record.members = members.collect();
            }
            Err(error) => tracing::warn!(
                "Failed to look at {} before its restart: {error}",
                self.record.stack
            ),
        }
        self.save();
        self.restarts.prune();
        say::restarting(&self.record);
        let RestartRecord {
            name, caller, id, ..
        } = &self.record;
        status(&format!("Restarting {name} for {caller}, {id}."));
    }

    /// Looks at the stack's own unit and the members, in this order.
    fn look(&self) -> io::Result<Vec<Look>> {
        let whole = self.charge.stack.unit();
        let members = self
            .charge
            .members
            .iter()
            .map(|member| member.unit.as_str());
        let mut looks = look::at(
            &[whole.as_str()]
                .into_iter()
                .chain(members)
                .collect::<Vec<_>>(),
            self.since,
        )?;
        for (member, look) in self.charge.members.iter().zip(looks.iter_mut().skip(1)) {
            if look.stage == Stage::Ended && self.is_excluded_meanwhile(member) {
                look.work = Work::Excluded;
            }
        }
        Ok(looks)
    }

    /// Returns true if a person has excluded the ward since the restart began; an exclusion by the
    /// death limit has a cause that is reported.
    fn is_excluded_meanwhile(&self, member: &MemberWard) -> bool {
        let mark = exclusion::load(&WardState::of(member.ward.as_str()));
        mark.is_some_and(|mark| {
            mark.by == By::Hand && mark.at >= clock::epoch_of_monotonic(self.since)
        })
    }

    /// Readmits the members that their death limit has excluded: a full restart gives all of them a
    /// new beginning. Exclusions by a person stay.
    fn readmit(&self) {
        for MemberWard { ward, unit } in &self.charge.members {
            let state = WardState::of(ward.as_str());
            let Some(mark) = exclusion::load(&state).filter(|mark| mark.by == By::Limit) else {
                continue;
            };
            if let Err(error) = exclusion::remove(&state)
                .map(drop)
                .and_then(|()| triggers::start(&mark.triggers))
            {
                tracing::warn!(
                    "Failed to take {unit} back, which its death limit has excluded: {error}"
                );
            }
        }
    }

    fn save(&self) {
        let name = &self.record.name;
        match self.restarts.save(&self.record) {
            Ok(Saved::OnDisk) => {}
            Ok(Saved::InMemory(error)) => {
                tracing::warn!(
                    "Failed to write down the restart of {name}, it is lost if the host goes down: {error}"
                );
            }
            Err(error) => {
                tracing::warn!(
                    "Failed to write down the restart of {name}, it may not be reported: {error}"
                );
            }
        }
    }

    /// Notes since when ends of members are this restart's doing, for `unitward-step`, and the
    /// process that does it, for a later restarter.
    fn note(&self, by: Option<u32>) {
        let script = self.charge.stack.restart_script.is_some();
        let way = if script { Way::Script } else { Way::Systemd };
        let note = Note {
            since: self.since,
            id: self.record.id.clone(),
            by,
            way,
        };
        if let Some(Err(error)) = self.underway.as_ref().map(|underway| underway.note(&note)) {
            tracing::warn!(
                "Failed to note that {} is being restarted: {error}",
                self.record.stack
            );
        }
    }

    /// Watches the result, completes the record, and sends the answer.
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
        let outcome = if errno == 0 {
            RestartOutcome::Restarted
        } else {
            RestartOutcome::Failed
        };
        self.take_messages(Duration::ZERO);
        self.record.end = Some(RestartEnd {
            outcome,
            trouble: trouble.clone(),
            at: clock::since_epoch(),
        });
        self.save();
        say::over(&self.record, self.begun.elapsed());
        let RestartRecord {
            name, caller, id, ..
        } = &self.record;
        let words = match (errno, trouble.as_str()) {
            (0, "") => format!("{name} was restarted"),
            (0, trouble) => format!("{name} was restarted, but {trouble}"),
            (_, trouble) => trouble.to_owned(),
        };
        status(&format!(
            "Restart of {name} for {caller}, {id}, is over: {words}."
        ));
        let answer = Answer { errno, words };
        if by_failed_script {
            self.told.tell(Event::Failed(answer.clone()));
            self.await_ends();
        }
        self.underway = None;
        self.told.tell(Event::Over(answer));
    }

    /// Receives messages for at most this time, and notes callers. Returns at once with
    /// [`Control::Hurry`], if that comes.
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

/// Returns the run that goes on, if one does.
fn present_run(look: &Look) -> Option<String> {
    look.run.clone().filter(|_| look.stage != Stage::Ended)
}

/// Sets the service's status text at systemd, for all who read it there, unitwardd among them.
fn status(words: &str) {
    let _ = sd_notify::notify(&[NotifyState::Status(words)]);
}
