//! Classification of the end of a run: requested, finished, or a death.
//!
//! It relies on two facts of systemd 252 and 257: while `ExecStopPost=` runs, the unit has a stop
//! or restart job if the end was requested; a start job means that the start itself failed, or that
//! a start has overtaken a stop.

use super::arguments::Arguments;
use super::ending::Told;
use super::{said, stack, this_run};
use crate::core::recovery::series::LastEnd;
use crate::edge::pid1::{self, Properties};
use crate::edge::record::TimedOut;

/// Times of the last state changes of a unit, by PID 1's monotonic clock in microseconds; 0: never.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamps {
    /// Time at which it left `inactive`: start of the run.
    pub(super) began: u64,
    /// Time at which it became `active`.
    pub(super) up: u64,
    /// Time at which it left `active`.
    pub(super) left: u64,
    /// End of its main process.
    pub(super) died: u64,
}

impl Stamps {
    pub(super) fn of(known: &Properties) -> Self {
        Self {
            began: known.number_or_zero("InactiveExitTimestampMonotonic"),
            up: known.number_or_zero("ActiveEnterTimestampMonotonic"),
            left: known.number_or_zero("ActiveExitTimestampMonotonic"),
            died: known.number_or_zero(super::MAIN_ENDED),
        }
    }
}

/// Kind of the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A stop or restart was requested.
    Asked,
    /// The work was done, or `ExecCondition=` refused the start.
    Finished,
    /// A clean end without a request.
    Death,
    /// A crash.
    AbnormalDeath,
}

impl Kind {
    pub(super) fn is_death(self) -> bool {
        self.death().is_some()
    }

    /// Returns the kind of death; `None`: it is none.
    pub(super) fn death(self) -> Option<LastEnd> {
        match self {
            Self::Death => Some(LastEnd::Death),
            Self::AbnormalDeath => Some(LastEnd::AbnormalDeath),
            Self::Asked | Self::Finished => None,
        }
    }
}

/// Returns the time limit that was exceeded. If a unit had been up and its main process ended
/// before the stop, systemd was only waiting for other processes, or for `ExecStop=`.
pub(super) fn timed_out(told: &Told, known: &Properties, kind: Kind) -> Option<TimedOut> {
    let Stamps {
        began,
        up,
        left,
        died,
    } = Stamps::of(known);
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

/// Returns true if a stop or restart is under way that a user or the shutdown requested, by the
/// type of the unit's job, if it has one.
pub(super) fn asked(told: &Told, known: &Properties, job: Option<&str>) -> bool {
    match job {
        Some("stop" | "restart" | "try-restart") => {
            !died_before_the_stop(known) && !died_in_a_start(told, known)
        }
        // A job that has ended meanwhile counts as well.
        _ => known.job().is_some() && a_stop_was_overtaken(told, known),
    }
}

/// Returns true if a full restart of the ward's stack has ended this run, by any means except those
/// by which processes die of their own faults.
pub(super) fn was_restarted_with_its_stack(
    told: &Told,
    arguments: &Arguments,
    known: &Properties,
) -> bool {
    let Stamps { began, died, .. } = Stamps::of(known);
    !is_a_fault(told)
        && arguments
            .all("stack")
            .any(|stack| stack::has_ended(stack, began, died))
}

/// Returns true if the process died in a way that no stop request causes.
fn is_a_fault(told: &Told) -> bool {
    const FAULTS: [&str; 7] = ["SEGV", "ABRT", "BUS", "ILL", "FPE", "SYS", "TRAP"];
    matches!(told.result.as_str(), "core-dump" | "watchdog" | "oom-kill")
        || FAULTS.contains(&told.status.as_str())
}

/// Returns true if the pending stop came too late: the unit left `active` because its main process
/// had ended, not because of the stop. At a shutdown the stop of a unit waits for those that come
/// after it, and the unit may crash meanwhile.
///
/// A unit that stays up after the end of its process leaves `active` at some later time.
fn died_before_the_stop(known: &Properties) -> bool {
    const AT_ONCE: u64 = 1_000_000;
    let Stamps {
        began,
        up,
        left,
        died,
    } = Stamps::of(known);
    0 < began && began <= up && up <= died && died <= left && left - died < AT_ONCE
}

/// Returns true if the host shuts down, the unit had not come up, and its main process ended in a
/// way that no stop signal causes. No timestamp tells which came first; but a shutdown stops every
/// unit, including one that has just crashed.
fn died_in_a_start(told: &Told, known: &Properties) -> bool {
    let Stamps { began, up, .. } = Stamps::of(known);
    let failed = matches!(told.result.as_str(), "signal" | "exit-code" | "core-dump");
    let stopped =
        told.code == "killed" && matches!(told.status.as_str(), "TERM" | "INT" | "HUP" | "PIPE");
    up < began && failed && !stopped && pid1::is_going_down()
}

/// Returns true if the unit was being stopped before its main process ended, although the stop job
/// no longer exists: a start has replaced it. systemd's own reasons to stop a unit appear in the
/// result.
///
/// `STOPPING=1` looks like a stop, and any user may have a start queued if the service has a name
/// on the bus. The journal messages of PID 1 tell the two apart.
fn a_stop_was_overtaken(told: &Told, known: &Properties) -> bool {
    let Stamps {
        began,
        up,
        left,
        died,
    } = Stamps::of(known);
    let of_itself = matches!(
        told.result.as_str(),
        "watchdog" | "timeout" | "oom-kill" | "resources" | "protocol"
    );
    let may_be =
        !of_itself && !is_a_fault(told) && began > 0 && began <= up && up <= left && left < died;
    may_be
        && this_run::known(known)
            .is_some_and(|run| said::is_stopping(known.text("Id"), run.as_str()))
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
            let told = |result: &str| Told {
                result: result.into(),
                code: "killed".into(),
                status: "TERM".into(),
            };
            assert_eq!(
                timed_out(&told("timeout"), &known, kind),
                Some(expect),
                "{known:?}"
            );
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
