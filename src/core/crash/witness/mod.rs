//! The journal as a witness: from PID 1's own messages to the end of each run, for units of any kind.
//!
//! It knows less than a run record and more than nothing: who asked is seen by the "Stopping …" that came before the
//! process ended, why it ended by the messages of its end. PID 1 says nothing of a clean exit, so a clean death has no
//! process in it.
//!
//! # Who asked
//!
//! * A stop or restart job that had begun before the main process ended, or the host was going down by then.
//! * Units that stop in an instant (timers, sockets, a oneshot that remains) have no "Stopping …": there "Stopped …"
//!   follows the clean end at once ([`AT_ONCE`]). After a failure it means nothing: a death limit stops the unit too.
//! * Never, where systemd then schedules a restart.
//!
//! # Invariants
//!
//! One end for a run, in the order they happened; memory is bounded whatever is fed, the oldest ends go first and are
//! counted. Messages below `LogLevelMax=` of a unit are not in the journal, and its ends not here.

pub mod entry;

pub use entry::{Entry, Fact, Role, RunEvent};

use super::observation::{InvocationId, ProcessEnd, ServiceResult};
use super::tracker::{Activity, Evidence, Waited};
use super::verdict::Testimony;
use std::collections::{HashMap, VecDeque};

/// Ends that are kept.
pub const ENDS_KEPT: usize = 20_000;

/// Units that are followed. Those whose run is over go first when there are more.
const UNITS_FOLLOWED: usize = 20_000;

/// Longest time between the end of a unit that stops in an instant and "Stopped …", milliseconds.
const AT_ONCE: u64 = 1_000;

/// Ends that a core dump's entry, which may be late, is matched with.
const LATE: usize = 256;

/// The end of one run, as the journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEnd {
    /// The boot it happened in: 32 hexadecimal digits.
    pub boot: String,
    /// The unit.
    pub unit: String,
    /// The run.
    pub invocation: InvocationId,
    /// How it ended. The pid is known only of a process that dumped core.
    pub testimony: Testimony,
    /// Whether its start was ever done; a oneshot ends before that.
    pub activity: Activity,
    /// Where in the journal it is told: of two ends the one with the lower place came first, whatever the clock said.
    pub place: u64,
}

/// Restarts of targets that are kept: nobody makes more by hand.
const RESTARTS_KEPT: usize = 1_000;

/// Automatic restarts that a target's may follow from: as many as begin at once.
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
    /// When, milliseconds since the epoch.
    pub at: u64,
    /// Units that systemd was about to restart by itself, at that moment.
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
    /// The run that had died, and after which systemd restarted the unit by itself.
    pub follows: InvocationId,
    /// When it was up, its lines after the start included, milliseconds since the epoch.
    pub at: u64,
    /// Where in the journal it is told.
    pub place: u64,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Witness {
    boot: String,
    going_down: bool,
    runs: HashMap<String, Run>,
    ends: VecDeque<JournalEnd>,
    restarts: VecDeque<TargetRestart>,
    restarted: VecDeque<Restarted>,
    /// The latest restarts of units that systemd makes by itself, with their times in milliseconds since the epoch.
    scheduled: VecDeque<(String, u64)>,
    left_out: usize,
    /// That of the latest entry.
    place: u64,
}

/// A unit's present run.
#[derive(Debug)]
struct Run {
    invocation: InvocationId,
    /// The run whose death it answers.
    follows: Option<InvocationId>,
    start: Start,
    /// Whether its end was asked for, as far as is seen.
    evidence: Evidence,
    main: Option<(ProcessEnd, u64)>,
    control: Option<(ProcessEnd, u64)>,
    /// Whether a control process failed before the main process ended.
    control_first: bool,
    /// The main process, if it dumped core before the end was told: id and signal.
    dumped: Option<(u32, i32)>,
    end: End,
}

/// Whether a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    /// At this time; what follows may still tell who asked.
    At(u64),
    /// And systemd restarts the unit by itself.
    Settled,
}

/// How far a run's start got, as far as was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Unseen,
    Begun,
    Done,
}

impl Witness {
    /// Takes in the next entry.
    pub fn take(&mut self, entry: Entry) {
        if entry.boot != self.boot {
            self.cut_off();
            self.boot.clone_from(&entry.boot);
            self.going_down = false;
        }
        self.pass();
        match entry.fact {
            Fact::TargetRestarted { unit, invocation } => self.restarted(unit, (invocation, entry.at)),
            Fact::GoingDown => self.going_down = true,
            Fact::ComeUp => self.going_down = false,
            Fact::Run { unit, invocation, event: RunEvent::Dumped { pid, signal } } => {
                self.dumped(&unit, &invocation, (pid, signal));
            }
            Fact::Run { unit, invocation, event } => self.happened(unit, invocation, (event, entry.at)),
        }
    }

    fn restarted(&mut self, unit: String, (ended, at): (InvocationId, u64)) {
        if self.restarts.len() == RESTARTS_KEPT {
            self.restarts.pop_front();
        }
        let is_now = |(_, scheduled): &&(String, u64)| at.abs_diff(*scheduled) <= AT_ONCE;
        let scheduled = self.scheduled.iter().filter(is_now).map(|(unit, _)| unit.clone()).collect();
        self.restarts.push_back(TargetRestart { boot: self.boot.clone(), unit, ended, at, scheduled });
    }

    /// All restarts of targets so far, in the order they happened; they are not told again.
    pub fn take_restarts(&mut self) -> Vec<TargetRestart> {
        std::mem::take(&mut self.restarts).into()
    }

    /// All runs so far that were up after a death, likewise.
    pub fn take_restarted(&mut self) -> Vec<Restarted> {
        std::mem::take(&mut self.restarted).into()
    }

    /// What was over by now has been told before; what goes on counts.
    pub fn begin_here(&mut self) {
        self.ends.clear();
        self.left_out = 0;
        self.restarts.clear();
        self.restarted.clear();
    }

    /// The next place in the journal, also for an entry that is not for the witness.
    pub fn pass(&mut self) -> u64 {
        self.place += 1;
        self.place
    }

    /// All ends, in the order they happened, and how many older ones were left out.
    #[must_use]
    pub fn finish(self) -> (Vec<JournalEnd>, usize) {
        (self.ends.into(), self.left_out)
    }

    /// The boot is over: whoever's process had died and whose end PID 1 did not come to tell ended all the same.
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
                Some(JournalEnd { boot, unit, invocation: run.invocation, testimony, activity, place })
            })
            .collect();
        ends.sort_by_key(|end| end.testimony.at);
        ends.into_iter().for_each(|end| self.tell(end));
    }

    fn happened(&mut self, unit: String, invocation: InvocationId, (event, at): (RunEvent, u64)) {
        let going_down = self.going_down;
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
                    self.came_back(Restarted { boot, unit, invocation, follows, at, place });
                }
            }
            RunEvent::Stopping if run.main.is_none() => run.evidence = Evidence::Asked,
            RunEvent::Exited(Role::Main, end) => run.main = Some((end, at)),
            // The first one that fails ends the start.
            RunEvent::Exited(Role::Control, _) if run.control_first && run.start != Start::Done => {}
            RunEvent::Exited(Role::Control, end) => {
                run.control_first = run.main.is_none();
                run.control = Some((end, at));
            }
            RunEvent::Ended(result) if run.end == End::NotYet => {
                run.end = End::At(at);
                let (testimony, activity) = run.testimony(result, at);
                let (boot, place) = (self.boot.clone(), self.place);
                self.tell(JournalEnd { boot, unit, invocation, testimony, activity, place });
            }
            RunEvent::RestartScheduled => {
                run.end = End::Settled;
                if self.scheduled.len() == SCHEDULED_KEPT {
                    self.scheduled.pop_front();
                }
                self.scheduled.push_back((unit, at));
                self.correct(&invocation, |testimony| testimony.evidence = Evidence::Unasked);
            }
            RunEvent::Stopped if matches!(run.end, End::At(over) if at.saturating_sub(over) <= AT_ONCE) => {
                self.correct(&invocation, |testimony| {
                    if testimony.result == ServiceResult::Success {
                        testimony.evidence = Evidence::Asked;
                    }
                });
            }
            RunEvent::Stopping | RunEvent::Ended(_) | RunEvent::Stopped | RunEvent::Dumped { .. } => {}
        }
    }

    fn dumped(&mut self, unit: &str, invocation: &InvocationId, (pid, signal): (u32, i32)) {
        let other_run_goes_on = self.runs.get(unit).is_some_and(|run| run.invocation != *invocation);
        if !other_run_goes_on {
            self.run(unit, invocation).dumped.get_or_insert((pid, signal));
        }
        self.correct(invocation, |testimony| {
            if testimony.process == Some(ProcessEnd::Dumped(signal)) {
                testimony.pid = testimony.pid.or(Some(pid));
            }
        });
    }

    /// The present run of a unit, which begins with its first entry.
    fn run(&mut self, unit: &str, invocation: &InvocationId) -> &mut Run {
        if self.runs.len() > UNITS_FOLLOWED {
            self.runs.retain(|_, run| run.end == End::NotYet);
        }
        if self.runs.len() > UNITS_FOLLOWED {
            self.runs.clear();
        }
        let run = self.runs.entry(unit.to_owned()).or_insert_with(|| Run::new(invocation));
        if run.invocation != *invocation {
            let follows = (run.end == End::Settled).then(|| run.invocation.clone());
            *run = Run { follows, ..Run::new(invocation) };
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

    /// Corrects what was said of a run that ended not long ago.
    fn correct(&mut self, invocation: &InvocationId, correction: impl FnOnce(&mut Testimony)) {
        if let Some(end) = self.ends.iter_mut().rev().take(LATE).find(|end| end.invocation == *invocation) {
            correction(&mut end.testimony);
        }
    }
}

impl Run {
    fn new(invocation: &InvocationId) -> Self {
        Self {
            invocation: invocation.clone(),
            follows: None,
            start: Start::Unseen,
            evidence: Evidence::Unasked,
            main: None,
            control: None,
            control_first: false,
            dumped: None,
            end: End::NotYet,
        }
    }

    fn testimony(&self, result: ServiceResult, over: u64) -> (Testimony, Activity) {
        let process = self.process(&result);
        let waited = match (self.evidence, self.start) {
            (Evidence::Asked, _) => Some(Waited::Stop),
            (Evidence::Unasked, Start::Begun) => Some(Waited::Start),
            (Evidence::Unasked, Start::Done | Start::Unseen) => None,
        };
        let testimony = Testimony {
            evidence: self.evidence,
            waited: waited.filter(|_| result == ServiceResult::Timeout),
            result,
            process: process.map(|(end, _)| end),
            pid: self
                .dumped
                .filter(|(_, signal)| process.is_some_and(|(end, _)| end == ProcessEnd::Dumped(*signal)))
                .map(|(pid, _)| pid),
            at: process.map_or(over, |(_, at)| at),
        };
        let activity = if self.start == Start::Begun { Activity::NotSeen } else { Activity::Seen };
        (testimony, activity)
    }

    /// The process whose end is the run's result: the main process if its end is of that kind, else a control process. A control process
    /// that failed in the start had the main process stopped.
    fn process(&self, result: &ServiceResult) -> Option<(ProcessEnd, u64)> {
        let fits = |(end, _): &(ProcessEnd, u64)| match result {
            ServiceResult::Success | ServiceResult::ExecCondition => false,
            ServiceResult::ExitCode => matches!(end, ProcessEnd::Exited(_)),
            ServiceResult::Signal => matches!(end, ProcessEnd::Killed(_)),
            ServiceResult::CoreDump => matches!(end, ProcessEnd::Dumped(_)),
            ServiceResult::Watchdog
            | ServiceResult::Timeout
            | ServiceResult::OomKill
            | ServiceResult::StartLimitHit
            | ServiceResult::Other(_) => true,
        };
        let (main, control) = (self.main.filter(fits), self.control.filter(fits));
        match (main, control) {
            (Some(_), Some(_)) if self.control_first && self.start != Start::Done => control,
            _ => main.or(control),
        }
    }
}

#[cfg(test)]
mod tests;
