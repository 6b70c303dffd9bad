//! One run of a unit, as far as the journal has shown it.

use crate::core::crash::observation::{InvocationId, ProcessEnd, ServiceResult};
use crate::core::crash::tracker::{Activity, Evidence, Waited};
use crate::core::crash::verdict::Testimony;

/// A unit's present run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) invocation: InvocationId,
    /// The run whose death it answers.
    pub(super) follows: Option<InvocationId>,
    pub(super) start: Start,
    /// Origin of its end, as far as is seen.
    pub(super) evidence: Evidence,
    pub(super) main: Option<(ProcessEnd, u64)>,
    pub(super) control: Option<(ProcessEnd, u64)>,
    /// True if a control process failed before the main process ended.
    pub(super) control_first: bool,
    /// The main process, if it dumped core before the end was reported.
    pub(super) dumped: Option<CoreDump>,
    pub(super) end: End,
}

/// End of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    NotYet,
    /// Over at this time; later entries may still show a request.
    At(u64),
    /// Over, and systemd restarts the unit by itself.
    Settled,
}

/// Progress of a run's start, as far as was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Unseen,
    Begun,
    Done,
}

/// The core dump of a main process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CoreDump {
    /// The id of the process.
    pub(super) pid: u32,
    /// The signal that ended it.
    pub(super) signal: i32,
}

impl Run {
    /// Begins a run of which nothing but its id is known.
    pub(super) fn new(invocation: &InvocationId) -> Self {
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

    /// Returns the testimony on its end, which was reported at `over` with this result, and how far
    /// its start had come.
    pub(super) fn testimony(&self, result: ServiceResult, over: u64) -> (Testimony, Activity) {
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
                .filter(|dump| {
                    process.is_some_and(|(end, _)| end == ProcessEnd::Dumped(dump.signal))
                })
                .map(|dump| dump.pid),
            at: process.map_or(over, |(_, at)| at),
        };
        let activity = if self.start == Start::Begun {
            Activity::NotSeen
        } else {
            Activity::Seen
        };
        (testimony, activity)
    }

    /// Returns the process whose end is the run's result: the main process if its end is of that
    /// kind, else a control process. A control process that failed in the start caused the stop of
    /// the main process.
    fn process(&self, result: &ServiceResult) -> Option<(ProcessEnd, u64)> {
        let main = self.main.filter(|(end, _)| fits(*end, result));
        let control = self.control.filter(|(end, _)| fits(*end, result));
        match (main, control) {
            (Some(_), Some(_)) if self.control_first && self.start != Start::Done => control,
            _ => main.or(control),
        }
    }
}

/// Returns true if the end of a process may be the reason for this result.
fn fits(end: ProcessEnd, result: &ServiceResult) -> bool {
    match result {
        ServiceResult::Success | ServiceResult::ExecCondition => false,
        ServiceResult::ExitCode => matches!(end, ProcessEnd::Exited(_)),
        ServiceResult::Signal => matches!(end, ProcessEnd::Killed(_)),
        ServiceResult::CoreDump => matches!(end, ProcessEnd::Dumped(_)),
        ServiceResult::Watchdog
        | ServiceResult::Timeout
        | ServiceResult::OomKill
        | ServiceResult::StartLimitHit
        | ServiceResult::Other(_) => true,
    }
}
