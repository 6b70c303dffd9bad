//! The journal as a witness: from PID 1's own messages to the end of each run, for units of any
//! kind.
//!
//! It knows less than a run record: the "Stopping …" before the end of the process shows a request,
//! the messages of the end show its cause. PID 1 writes nothing about a clean exit, so a clean
//! death has no process in it.
//!
//! # Requests
//!
//! * A stop or restart job that had begun before the main process ended, or a shutdown by then.
//! * Units that stop in an instant (timers, sockets, a oneshot that remains) have no "Stopping …":
//!   there "Stopped …" follows the clean end at once ([`AT_ONCE`]). After a failure it means
//!   nothing: a death limit stops the unit too.
//! * Never, if systemd then schedules a restart.
//!
//! # Invariants
//!
//! One end for a run, in the order they happened; memory is bounded for any input, the oldest ends
//! are dropped first and counted. Messages below `LogLevelMax=` of a unit are not in the journal,
//! and its ends not here.

pub mod entry;
mod run;

pub use entry::{Entry, Fact, Role, RunEvent};

use super::observation::{InvocationId, ProcessEnd, ServiceResult};
use super::tracker::{Activity, Evidence};
use super::verdict::Testimony;
use run::{CoreDump, End, Run, Start};
use std::collections::{HashMap, VecDeque};

/// Number of ends that are kept.
pub const ENDS_KEPT: usize = 20_000;

/// Number of units that are followed. If there are more, those whose run is over are dropped first.
const UNITS_FOLLOWED: usize = 20_000;

/// Longest time between the end of a unit that stops in an instant and "Stopped …", in
/// milliseconds.
const AT_ONCE: u64 = 1_000;

/// Number of latest ends that a core dump's entry, which may be late, is matched with.
const LATE: usize = 256;

/// The end of one run, as recorded in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEnd {
    /// The boot it happened in: 32 hexadecimal digits.
    pub boot: String,
    /// The unit.
    pub unit: String,
    /// The run.
    pub invocation: InvocationId,
    /// The end. The pid is known only of a process that dumped core.
    pub testimony: Testimony,
    /// Completion of the start; a oneshot ends before that.
    pub activity: Activity,
    /// Position in the journal: of two ends the one with the lower position came first, whatever
    /// the clock said.
    pub place: u64,
}

/// Number of restarts of targets that are kept: more than are made by hand.
const RESTARTS_KEPT: usize = 1_000;

/// Number of automatic restarts that may cause the restart of a target: as many as begin at once.
const SCHEDULED_KEPT: usize = 1_000;

/// The restart of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRestart {
    /// The boot it happened in: 32 hexadecimal digits.
    pub boot: String,
    /// The target.
    pub unit: String,
    /// The run that it ended.
    pub ended: InvocationId,
    /// Time of the restart, in milliseconds since the epoch.
    pub at: u64,
    /// Units whose automatic restart systemd had scheduled at that moment.
    pub scheduled: Vec<String>,
}

/// A run that was up after a death.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restarted {
    /// The boot it happened in: 32 hexadecimal digits.
    pub boot: String,
    /// The unit.
    pub unit: String,
    /// The run.
    pub invocation: InvocationId,
    /// The run that had died, after which systemd restarted the unit by itself.
    pub follows: InvocationId,
    /// Time at which it was up, its lines after the start included, in milliseconds since the
    /// epoch.
    pub at: u64,
    /// Position in the journal.
    pub place: u64,
}

/// State of the evaluation so far.
#[derive(Debug, Default)]
pub struct Witness {
    boot: String,
    going_down: bool,
    runs: HashMap<String, Run>,
    ends: VecDeque<JournalEnd>,
    restarts: VecDeque<TargetRestart>,
    restarted: VecDeque<Restarted>,
    /// The latest automatic restarts of units, with their times in milliseconds since the epoch.
    scheduled: VecDeque<(String, u64)>,
    left_out: usize,
    /// Position of the latest entry.
    place: u64,
    /// Time of the latest entry for the witness, in milliseconds since the epoch.
    at: u64,
}

impl Witness {
    /// Processes the next entry.
    pub fn take(&mut self, entry: Entry) {
        if entry.boot != self.boot {
            self.cut_off();
            self.boot.clone_from(&entry.boot);
            self.going_down = false;
        }
        self.pass();
        self.at = entry.at;
        match entry.fact {
            Fact::TargetRestarted { unit, invocation } => self.restarted(unit, invocation),
            Fact::GoingDown => self.going_down = true,
            Fact::ComeUp => self.going_down = false,
            Fact::Run {
                unit,
                invocation,
                event: RunEvent::Dumped { pid, signal },
            } => {
                self.dumped(&unit, &invocation, CoreDump { pid, signal });
            }
            Fact::Run {
                unit,
                invocation,
                event,
            } => self.happened(unit, invocation, event),
        }
    }

    /// Records the restart of a target, which ended this run of it.
    fn restarted(&mut self, unit: String, ended: InvocationId) {
        if self.restarts.len() == RESTARTS_KEPT {
            self.restarts.pop_front();
        }
        let scheduled = self
            .scheduled
            .iter()
            .filter(|(_, at)| self.at.abs_diff(*at) <= AT_ONCE)
            .map(|(unit, _)| unit.clone())
            .collect();
        self.restarts.push_back(TargetRestart {
            boot: self.boot.clone(),
            unit,
            ended,
            at: self.at,
            scheduled,
        });
    }

    /// Returns all restarts of targets so far, in the order they happened, and forgets them.
    pub fn take_restarts(&mut self) -> Vec<TargetRestart> {
        std::mem::take(&mut self.restarts).into()
    }

    /// Returns all runs so far that were up after a death, in the order they happened, and forgets
    /// them.
    pub fn take_restarted(&mut self) -> Vec<Restarted> {
        std::mem::take(&mut self.restarted).into()
    }

    /// Forgets what is complete by now, since it was reported before; runs that go on are kept.
    pub fn begin_here(&mut self) {
        self.ends.clear();
        self.left_out = 0;
        self.restarts.clear();
        self.restarted.clear();
    }

    /// Advances to the next position in the journal, also for an entry that is not for the witness.
    pub fn pass(&mut self) -> u64 {
        self.place += 1;
        self.place
    }

    /// Returns all ends, in the order they happened, and the number of older ones that were left
    /// out.
    #[must_use]
    pub fn finish(self) -> (Vec<JournalEnd>, usize) {
        (self.ends.into(), self.left_out)
    }

    /// Ends the boot: runs whose process had ended, but whose end PID 1 could not report, end here.
    fn cut_off(&mut self) {
        let mut ends: Vec<_> = std::mem::take(&mut self.runs)
            .into_iter()
            .filter(|(_, run)| run.end == End::NotYet)
            .filter_map(|(unit, run)| {
                let (end, at) = run.main?;
                let result = match end {
                    ProcessEnd::Exited(_) => ServiceResult::ExitCode,
                    ProcessEnd::Killed(_) => ServiceResult::Signal,
                    ProcessEnd::Dumped(_) => ServiceResult::CoreDump,
                };
                let (testimony, activity) = run.testimony(result, at);
                let (boot, place) = (self.boot.clone(), self.place);
                Some(JournalEnd {
                    boot,
                    unit,
                    invocation: run.invocation,
                    testimony,
                    activity,
                    place,
                })
            })
            .collect();
        ends.sort_by_key(|end| end.testimony.at);
        ends.into_iter().for_each(|end| self.tell(end));
    }

    /// Processes an event of a run.
    fn happened(&mut self, unit: String, invocation: InvocationId, event: RunEvent) {
        let (at, going_down) = (self.at, self.going_down);
        let run = self.run(&unit, &invocation);
        if going_down && run.main.is_none() && run.end == End::NotYet {
            run.evidence = Evidence::Asked;
        }
        match event {
            RunEvent::Starting => run.start = Start::Begun,
            RunEvent::Started => {
                run.start = Start::Done;
                if let Some(follows) = run.follows.take() {
                    let (boot, place) = (self.boot.clone(), self.place);
                    self.came_back(Restarted {
                        boot,
                        unit,
                        invocation,
                        follows,
                        at,
                        place,
                    });
                }
            }
            RunEvent::Stopping if run.main.is_none() => run.evidence = Evidence::Asked,
            RunEvent::Exited(Role::Main, end) => run.main = Some((end, at)),
            // The first control process that fails ends the start.
            RunEvent::Exited(Role::Control, _) if run.control_first && run.start != Start::Done => {
            }
            RunEvent::Exited(Role::Control, end) => {
                run.control_first = run.main.is_none();
                run.control = Some((end, at));
            }
            RunEvent::Ended(result) if run.end == End::NotYet => {
                run.end = End::At(at);
                let (testimony, activity) = run.testimony(result, at);
                let (boot, place) = (self.boot.clone(), self.place);
                self.tell(JournalEnd {
                    boot,
                    unit,
                    invocation,
                    testimony,
                    activity,
                    place,
                });
            }
            RunEvent::RestartScheduled => {
                run.end = End::Settled;
                self.restart_scheduled(unit, &invocation);
            }
            RunEvent::Stopped if matches!(run.end, End::At(over) if at.saturating_sub(over) <= AT_ONCE) =>
            {
                self.correct(&invocation, |testimony| {
                    if testimony.result == ServiceResult::Success {
                        testimony.evidence = Evidence::Asked;
                    }
                });
            }
            RunEvent::Stopping
            | RunEvent::Ended(_)
            | RunEvent::Stopped
            | RunEvent::Dumped { .. } => {}
        }
    }

    /// Records that systemd restarts the unit by itself, after this run of it.
    fn restart_scheduled(&mut self, unit: String, invocation: &InvocationId) {
        if self.scheduled.len() == SCHEDULED_KEPT {
            self.scheduled.pop_front();
        }
        self.scheduled.push_back((unit, self.at));
        self.correct(invocation, |testimony| {
            testimony.evidence = Evidence::Unasked
        });
    }

    /// Records a core dump for the run under way, and for the end of a run that has one already.
    fn dumped(&mut self, unit: &str, invocation: &InvocationId, dump: CoreDump) {
        let other_run_goes_on = self
            .runs
            .get(unit)
            .is_some_and(|run| run.invocation != *invocation);
        if !other_run_goes_on {
            self.run(unit, invocation).dumped.get_or_insert(dump);
        }
        self.correct(invocation, |testimony| {
            if testimony.process == Some(ProcessEnd::Dumped(dump.signal)) {
                testimony.pid = testimony.pid.or(Some(dump.pid));
            }
        });
    }

    /// Returns the present run of a unit, which begins with its first entry.
    fn run(&mut self, unit: &str, invocation: &InvocationId) -> &mut Run {
        if self.runs.len() > UNITS_FOLLOWED {
            self.runs.retain(|_, run| run.end == End::NotYet);
        }
        if self.runs.len() > UNITS_FOLLOWED {
            self.runs.clear();
        }
        let run = self
            .runs
            .entry(unit.to_owned())
            .or_insert_with(|| Run::new(invocation));
        if run.invocation != *invocation {
            let follows = (run.end == End::Settled).then(|| run.invocation.clone());
            *run = Run {
                follows,
                ..Run::new(invocation)
            };
        }
        run
    }

    fn came_back(&mut self, restarted: Restarted) {
        if self.restarted.len() == ENDS_KEPT {
            self.restarted.pop_front();
        }
        self.restarted.push_back(restarted);
    }

    fn tell(&mut self, end: JournalEnd) {
        if self.ends.len() == ENDS_KEPT {
            self.ends.pop_front();
            self.left_out += 1;
        }
        self.ends.push_back(end);
    }

    /// Corrects the testimony on a run that ended not long ago.
    fn correct(&mut self, invocation: &InvocationId, correction: impl FnOnce(&mut Testimony)) {
        if let Some(end) = self
            .ends
            .iter_mut()
            .rev()
            .take(LATE)
            .find(|end| end.invocation == *invocation)
        {
            correction(&mut end.testimony);
        }
    }
}

#[cfg(test)]
mod tests;
