//! Whether somebody asked for the end of a run.
//!
//! Two facts of systemd 252 and 257 carry it: while `ExecStopPost=` runs, the unit has a stop or restart job if somebody asked for
//! the end; a start job means that the start itself failed, or that a start has overtaken a stop.

use super::arguments::Arguments;
use super::ending::Told;
use super::{said, stack, this_run};
use crate::edge::pid1::{self, Properties};
use crate::edge::record::TimedOut;

/// When what happened to the unit last, by PID 1's monotonic clock in microseconds; 0: never.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamps {
    /// It left `inactive`: the run began.
    pub(super) began: u64,
    /// It became `active`.
    pub(super) up: u64,
    /// It left `active`.
    pub(super) left: u64,
    /// Its main process ended.
    pub(super) died: u64,
}

impl Stamps {
    pub(super) fn of(known: &Properties) -> Self {
        let at = |key: &str| known.number(key).unwrap_or(0);
        Self {
            began: at("InactiveExitTimestampMonotonic"),
            up: at("ActiveEnterTimestampMonotonic"),
            left: at("ActiveExitTimestampMonotonic"),
            died: at(super::MAIN_ENDED),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody asked for it.
    Asked,
    /// There was nothing more to do.
    Finished,
    /// A clean end nobody asked for.
    Death,
    /// A crash.
    AbnormalDeath,
}

impl Kind {
    pub(super) fn is_death(self) -> bool {
        matches!(self, Self::Death | Self::AbnormalDeath)
    }
}

/// Which time limit struck. A unit that had been up and whose main process ended before it was stopped was only waited
/// for: for other processes, or for `ExecStop=`.
pub(super) fn timed_out(told: &Told, known: &Properties, kind: Kind) -> Option<TimedOut> {
    let Stamps { began, up, left, died } = Stamps::of(known);
    if told.result != "timeout" {
        return None;
    }
    let died_first = died > 0 && died <= left;
    Some(match kind {
        Kind::Asked => TimedOut::Stop,
        _ if up < began => TimedOut::Start,
        _ if died_first => TimedOut::Stop,
        Kind::Finished | Kind::Death | Kind::AbnormalDeath => TimedOut::Run,
    })
}

/// Whether a stop or restart is under way that somebody, or the shutdown, asked for; by the type of the unit's job, if it has one.
pub(super) fn asked(told: &Told, (known, job): (&Properties, Option<&str>)) -> bool {
    match job {
        Some("stop" | "restart" | "try-restart") => !died_before_the_stop(known) && !died_in_a_start(told, known),
        // A job that is over meanwhile was one, too.
        _ => known.job().is_some() && a_stop_was_overtaken(told, known),
    }
}

/// Whether a full restart of the ward's stack has ended this run, by whatever means but those by which processes die of their
/// own faults.
pub(super) fn was_restarted_with_its_stack(told: &Told, arguments: &Arguments, known: &Properties) -> bool {
    let Stamps { began, died, .. } = Stamps::of(known);
    !is_a_fault(told) && arguments.all("stack").any(|stack| stack::has_ended(stack, began, died))
}

/// Whether the process died in a way that nobody's request causes.
fn is_a_fault(told: &Told) -> bool {
    const FAULTS: [&str; 7] = ["SEGV", "ABRT", "BUS", "ILL", "FPE", "SYS", "TRAP"];
    matches!(told.result.as_str(), "core-dump" | "watchdog" | "oom-kill") || FAULTS.contains(&told.status.as_str())
}

/// Whether the stop that is wanted now came too late: the unit left `active` because its main process had ended, and not to be
/// stopped. At a shutdown the stop of a unit waits for those that come after it, and the unit may crash meanwhile.
///
/// A unit that stays up after its process has ended leaves `active` at some later time.
fn died_before_the_stop(known: &Properties) -> bool {
    const AT_ONCE: u64 = 1_000_000;
    let Stamps { began, up, left, died } = Stamps::of(known);
    0 < began && began <= up && up <= died && died <= left && left - died < AT_ONCE
}

/// Whether the host goes down, the unit had not come up, and its main process ended in a way that no stop's signal causes. No
/// time tells there which came first; but at a shutdown the stop is wanted of every unit, also of one that has just crashed.
fn died_in_a_start(told: &Told, known: &Properties) -> bool {
    let Stamps { began, up, .. } = Stamps::of(known);
    let failed = matches!(told.result.as_str(), "signal" | "exit-code" | "core-dump");
    let stopped = told.code == "killed" && matches!(told.status.as_str(), "TERM" | "INT" | "HUP" | "PIPE");
    up < began && failed && !stopped && pid1::is_going_down()
}

/// Whether the unit was being stopped before its main process ended, though the stop job is no more: a start has taken its
/// place. systemd's own reasons to stop a unit name themselves in the result.
///
/// `STOPPING=1` looks like a stop, and anybody may have a start queued where the service has a name on the bus. What PID 1 has said
/// tells the two apart.
fn a_stop_was_overtaken(told: &Told, known: &Properties) -> bool {
    let Stamps { began, up, left, died } = Stamps::of(known);
    let of_itself = matches!(told.result.as_str(), "watchdog" | "timeout" | "oom-kill" | "resources" | "protocol");
    let may_be = !of_itself && !is_a_fault(told) && began > 0 && began <= up && up <= left && left < died;
    may_be && this_run::known(known).is_some_and(|run| said::is_stopping(known.text("Id"), run.as_str()))
}

pub(super) fn kind_of_end(told: &Told, known: &Properties, asked: bool) -> Kind {
    match told.result.as_str() {
        _ if asked => Kind::Asked,
        // ExecCondition= said that there is nothing to do.
        "exec-condition" => Kind::Finished,
        "success" if known.text("Type") == "oneshot" => Kind::Finished,
        "success" => Kind::Death,
        _ => Kind::AbnormalDeath,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_is_that_of_the_phase_it_struck_in() {
        let stamps = |began: u64, up: u64, left: u64, died: u64| {
            Properties::from([
                ("InactiveExitTimestampMonotonic", began.into()),
                ("ActiveEnterTimestampMonotonic", up.into()),
                ("ActiveExitTimestampMonotonic", left.into()),
                ("ExecMainExitTimestampMonotonic", died.into()),
            ])
        };
        let check = |known: Properties, kind: Kind, expect: TimedOut| {
            let told = |result: &str| Told { result: result.into(), code: "killed".into(), status: "TERM".into() };
            assert_eq!(timed_out(&told("timeout"), &known, kind), Some(expect), "{known:?}");
            assert_eq!(timed_out(&told("signal"), &known, kind), None);
        };
        check(stamps(50, 0, 0, 60), Kind::AbnormalDeath, TimedOut::Start);
        check(stamps(50, 10, 20, 60), Kind::AbnormalDeath, TimedOut::Start);
        check(stamps(50, 51, 60, 61), Kind::AbnormalDeath, TimedOut::Run);
        check(stamps(50, 51, 60, 0), Kind::AbnormalDeath, TimedOut::Run);
        check(stamps(50, 51, 60, 60), Kind::AbnormalDeath, TimedOut::Stop);
        check(stamps(50, 51, 60, 61), Kind::Asked, TimedOut::Stop);
        check(stamps(50, 0, 0, 61), Kind::Asked, TimedOut::Stop);
    }
}
