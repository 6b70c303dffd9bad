//! Steps: the actions of a condition, each with its `Else…` steps for a failure.

use super::command_line::CommandLine;
use super::names::{StackName, UnitName};
use super::place::Place;
use std::time::Duration;

/// One step with its `Else…` steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The action.
    pub action: Action,
    /// `ElseExecute=`, `ElseWaitFor=`, `ElseSignal=`, `ElseLog=` below it: they act only if it
    /// failed.
    pub otherwise: Vec<Otherwise>,
    /// Place of its argument, for messages.
    pub at: Place,
}

/// An `Else…` step.
#[derive(Debug, Clone, PartialEq)]
pub struct Otherwise {
    /// The action.
    pub action: Action,
    /// Place of its argument.
    pub at: Place,
}

/// Action of a step: the keys of unitward.ward(5), section STEPS, without the `Else…` ones.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Runs a command and waits for it.
    Execute(CommandLine),
    /// Waits for a time or for a thing.
    WaitFor(Wait),
    /// `Restart=%n`: position of the ward's own restart among the steps.
    RestartSelf,
    /// Restarts another unit if it is active.
    Restart(UnitName),
    /// Starts a unit.
    Start(UnitName),
    /// Stops a unit.
    Stop(UnitName),
    /// Reloads a unit.
    Reload(UnitName),
    /// Sends a signal (its name, `SIGHUP`) to a unit's main process.
    Signal(UnitName, String),
    /// Writes a line to the journal.
    Log(String),
    /// Restarts a whole stack.
    RestartStack(StackName),
    /// Reboots the host.
    Reboot(RebootGuard),
}

impl Action {
    /// Returns the longest time that the step itself waits; the time of a command is not included.
    #[must_use]
    pub fn longest_wait(&self) -> Duration {
        match self {
            Self::WaitFor(Wait::Pause(span) | Wait::Until(_, span)) => *span,
            _ => Duration::ZERO,
        }
    }
}

/// Target of a `WaitFor=` step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// A pause.
    Pause(Duration),
    /// Until the thing is there, at most for this time.
    Until(Awaited, Duration),
}

/// The things that can be waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// `path:/dev/nfs2`: the path exists.
    Path(String),
    /// `unit:x.service`: the unit is active.
    Unit(UnitName),
    /// `bus:org.x`: the name has an owner on the system bus.
    Bus(String),
    /// `tcp:127.0.0.1:111`: a connection is accepted.
    Tcp(String),
    /// `unix:/run/x.sock`: a connection is accepted.
    Unix(String),
}

/// Guard against a reboot soon after a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebootGuard {
    /// `Reboot=yes`: refused within ten minutes of boot.
    Patient,
    /// `Reboot=force`.
    Force,
}
