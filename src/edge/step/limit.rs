//! The death limit: its numbers in a line's options, and the consequences when it is reached.

use super::arguments::Arguments;
use super::bad_line;
use super::stack::{self, Death};
use crate::core::config::{StackName, time_span};
use crate::core::recovery::Series;
use crate::core::recovery::series::{DeathLimit, LastEnd, Verdict};
use crate::edge::exclusion;
use crate::edge::pid1::{self, Wanted};
use crate::edge::record::{GivenUp, WardState};
use crate::edge::systemctl;
use crate::edge::{clock, triggers};
use std::io;
use std::time::Duration;

/// Time after boot during which a reboot as a last resort is refused, in milliseconds: a host that
/// dies at every boot must stay up long enough for a repair.
pub(super) const REBOOT_PAUSE: u64 = 10 * 60 * 1_000;

/// Records a death now and reports whether it exceeds the limit.
pub(super) fn death(
    series: &mut Series,
    end: LastEnd,
    arguments: &Arguments,
) -> io::Result<Verdict> {
    Ok(series.death(clock::since_boot(), end, of(arguments)?))
}

/// The limit of a line's options.
pub(super) fn of(arguments: &Arguments) -> io::Result<DeathLimit> {
    let (within, reset_after) = (arguments.span("within")?, arguments.span("reset-after")?);
    Ok(DeathLimit {
        deaths: tolerated(arguments),
        within,
        reset_after,
    })
}

/// The same decision if nothing can be written, based on systemd's own counter. It counts the
/// restarts of the unit's whole life, so only those since its last stored value count, and only if
/// this run was as short as those of a loop.
pub(super) fn death_by_counter(counted: Counted, arguments: &Arguments) -> io::Result<Verdict> {
    let Counted { now, noted, lasted } = counted;
    let tolerated = tolerated(arguments);
    let in_a_row = now.map_or(0, |now| now.saturating_sub(noted));
    let is_loop = lasted < arguments.span("within")?;
    let is_reached = tolerated > 0 && is_loop && in_a_row >= tolerated;
    Ok(if is_reached {
        Verdict::LimitReached
    } else {
        Verdict::Restart
    })
}

/// Input of [`death_by_counter`], the decision if nothing can be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    /// `NRestarts`, if systemd tells it.
    pub(super) now: Option<u32>,
    /// Last stored value of `NRestarts`.
    pub(super) noted: u32,
    /// Life time of the run's main process.
    pub(super) lasted: Duration,
}

fn tolerated(arguments: &Arguments) -> u32 {
    arguments
        .all("death-limit")
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Returns the services of the `[OnLimit]` conditions that fire after this verdict; those with
/// `Once=` are marked in `series`, which must be saved first.
pub(super) fn services(
    verdict: Verdict,
    series: &mut Series,
    arguments: &Arguments,
) -> Vec<String> {
    if verdict != Verdict::LimitReached {
        return Vec::new();
    }
    let once = arguments
        .all("run-once")
        .filter(|service| series.spent.insert((*service).to_owned()));
    let services = arguments.all("run").chain(once);
    services.map(str::to_owned).collect()
}

/// Consequence of a death that exceeds the limit.
#[derive(Debug)]
pub(super) struct Decision {
    next: Next,
    why: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// `OnLimit=none`.
    RestartAllTheSame,
    Exclude,
    /// The ward should be excluded, but systemd must not stop its unit.
    RestartUnstoppable,
    RestartStack(StackName),
    /// A reboot was configured, but the host booted too recently.
    ExcludeInsteadOfReboot,
    Reboot,
}

impl Decision {
    /// Returns the decision as the run record stores it.
    pub(super) fn given_up(&self) -> Option<GivenUp> {
        match &self.next {
            Next::RestartAllTheSame | Next::RestartUnstoppable => None,
            Next::Exclude | Next::ExcludeInsteadOfReboot => Some(GivenUp::Exclude),
            Next::RestartStack(_) => Some(GivenUp::RestartStack),
            Next::Reboot => Some(GivenUp::Reboot),
        }
    }
}

/// Makes the decision without carrying it out, so that it can be recorded first; `None`: the limit
/// is not reached.
pub(super) fn decide(verdict: Verdict, arguments: &Arguments) -> io::Result<Option<Decision>> {
    if verdict != Verdict::LimitReached {
        return Ok(None);
    }
    let (_, unit) = arguments.ward_and_unit()?;
    let within = time_span::render(arguments.span("within")?);
    let next = match arguments.all("on-limit").next() {
        Some("none") => Next::RestartAllTheSame,
        Some("restart-stack") => Next::RestartStack(own_stack(arguments)?),
        Some("reboot") if pid1::since_boot() >= REBOOT_PAUSE => Next::Reboot,
        _ if must_not_be_stopped(unit) => Next::RestartUnstoppable,
        Some("reboot") => Next::ExcludeInsteadOfReboot,
        _ => Next::Exclude,
    };
    let borne = match tolerated(arguments) {
        1 => "once".to_owned(),
        deaths => format!("{deaths} times"),
    };
    Ok(Some(Decision {
        next,
        why: format!("{unit} died more than {borne} within {within}"),
    }))
}

fn own_stack(arguments: &Arguments) -> io::Result<StackName> {
    let name = arguments
        .all("stack")
        .next()
        .ok_or_else(|| bad_line("the stack is missing"))?;
    StackName::new(name).map_err(|why| bad_line(&why.to_string()))
}

/// The line that carries the decision out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Site<'a> {
    /// The line that records the end, for this death.
    Ended(Death<'a>),
    /// The first line of the next start, because the end was not recorded.
    Starting,
}

/// Writes the mark of a decided exclusion before anything else is stored: if this process is killed
/// afterwards, the next start is refused, and the count does not begin at 0 again.
///
/// # Errors
/// The mark cannot be written.
pub(super) fn mark(state: &WardState, decision: Option<&Decision>) -> io::Result<()> {
    match decision.and_then(Decision::given_up) {
        Some(GivenUp::Exclude) => exclusion::save_by_limit(state, Vec::new(), clock::since_epoch()),
        _ => Ok(()),
    }
}

/// Ends the restarts, or the host. Returns how the ward was given up; `None`: the unit is restarted
/// all the same.
///
/// # Errors
/// It failed.
pub(super) fn end_restarts(
    decision: &Decision,
    arguments: &Arguments,
    site: Site<'_>,
) -> io::Result<Option<GivenUp>> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let why = &decision.why;
    match &decision.next {
        Next::RestartAllTheSame => {
            tracing::warn!(
                UNITWARD_WARD = ward,
                OBJECT_SYSTEMD_UNIT = unit,
                "{why}; restarting it all the same."
            );
            return Ok(None);
        }
        Next::Reboot => {
            tracing::error!(
                UNITWARD_WARD = ward,
                OBJECT_SYSTEMD_UNIT = unit,
                "{why}; rebooting the host."
            );
            return systemctl::queue(&["reboot"]).map(|()| Some(GivenUp::Reboot));
        }
        Next::RestartStack(stack) => {
            tracing::error!(
                UNITWARD_WARD = ward,
                UNITWARD_STACK = stack.as_str(),
                OBJECT_SYSTEMD_UNIT = unit,
                "{why}; restarting stack {stack}."
            );
            return restart_stack(stack, arguments, site);
        }
        Next::ExcludeInsteadOfReboot => tracing::warn!(
            UNITWARD_WARD = ward,
            OBJECT_SYSTEMD_UNIT = unit,
            "Not rebooting for {unit}: the host booted less than 10 minutes ago. Excluding it instead."
        ),
        Next::Exclude | Next::RestartUnstoppable => {}
    }
    leave_down(ward, unit, why, "it")
}

/// Excludes the ward, unless systemd must not stop its unit: then it returns `None`.
fn leave_down(ward: &str, unit: &str, why: &str, whom: &str) -> io::Result<Option<GivenUp>> {
    let is_stoppable = !must_not_be_stopped(unit);
    let what = if is_stoppable {
        format!("leaving {whom} down until \"unitward readmit {ward}\".")
    } else {
        format!("{unit} has RefuseManualStop=yes, so it is not left down; its restarts go on.")
    };
    tracing::error!(
        UNITWARD_WARD = ward,
        OBJECT_SYSTEMD_UNIT = unit,
        "{why}; {what}"
    );
    is_stoppable.then(|| exclude(ward, unit)).transpose()
}

/// Marks the ward as excluded and stops its unit, for good and in state `failed`, together with its
/// active triggers.
fn exclude(ward: &str, unit: &str) -> io::Result<GivenUp> {
    let state = WardState::of(ward);
    let found = triggers::active(unit);
    let triggers = found.as_deref().unwrap_or_default();
    let marked = exclusion::save_by_limit(&state, triggers.to_vec(), clock::since_epoch());
    let stopped = triggers::stop_with(unit, triggers);
    found
        .map(drop)
        .and(marked)
        .and(stopped)
        .map(|()| GivenUp::Exclude)
}

fn must_not_be_stopped(unit: &str) -> bool {
    let wanted = Wanted {
        unit: &["RefuseManualStop"],
        own: &[],
    };
    pid1::ask_patiently(unit, wanted)
        .is_ok_and(|known| known.flag("RefuseManualStop") == Some(true))
}

/// Stops the unit, which ends in `failed`.
fn stop(unit: &str) -> io::Result<()> {
    triggers::stop_with(unit, &[])
}

/// Ends the unit's restarts and requests the full restart of its stack, which then starts the unit
/// anew.
///
/// The end comes first: later it would cancel the start that the full restart has queued. During a
/// start of the unit it would end this very process, so it is left out: the full restart ends that
/// start anyway.
fn restart_stack(
    stack: &StackName,
    arguments: &Arguments,
    site: Site<'_>,
) -> io::Result<Option<GivenUp>> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let within = arguments.span("within")?.as_secs_f64();
    // The last death was one more than the limit tolerates.
    let deaths = tolerated(arguments).saturating_add(1);
    let caller = format!("{ward} ({deaths} deaths in {within} s)");
    let (stopped, asked) = match site {
        Site::Ended(death) => (stop(unit), stack::restart(stack, caller, Some(death))),
        Site::Starting => (Ok(()), stack::restart(stack, caller, None)),
    };
    let Err(error) = asked else {
        return stopped.map(|()| Some(GivenUp::RestartStack));
    };
    let why = format!("Failed to have stack {stack} restarted: {error}");
    leave_down(ward, unit, &why, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_memory_restarts_count_since_they_were_written_down_and_only_those_of_a_loop() {
        let arguments = |limit: u32| {
            let words =
                format!("web web.service --death-limit={limit} --within=60s --reset-after=600s");
            Arguments::parse(&words.split(' ').map(str::to_owned).collect::<Vec<_>>())
        };
        let check = |limit: u32, (now, noted): (Option<u32>, u32), lasted: u64, expect: Verdict| {
            let counted = Counted {
                now,
                noted,
                lasted: Duration::from_secs(lasted),
            };
            let told = death_by_counter(counted, &arguments(limit)).unwrap();
            assert_eq!(told, expect, "{limit} {counted:?}");
        };
        check(5, (Some(5), 0), 1, Verdict::LimitReached);
        check(5, (Some(4), 0), 1, Verdict::Restart);
        check(5, (Some(5), 5), 1, Verdict::Restart);
        check(5, (Some(10), 5), 1, Verdict::LimitReached);
        check(5, (Some(900), 0), 3_600, Verdict::Restart);
        check(0, (Some(900), 0), 1, Verdict::Restart);
        check(5, (None, 0), 1, Verdict::Restart);
        check(5, (Some(0), 7), 1, Verdict::Restart);
    }
}
