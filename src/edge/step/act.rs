//! Execution of single steps. Every result is an exit status: 0 on success.

use super::command;
use super::limit::REBOOT_PAUSE;
use super::line::StepLine;
use super::list::{self, Run};
use super::stack::{self, Death};
use super::wait;
use crate::core::config::read_step;
use crate::core::config::step::{Action, RebootGuard};
use crate::core::config::{ConditionKind, StackName, UnitName};
use crate::edge::pid1::{self, Wanted};
use crate::edge::systemctl::{self, Wait};
use std::io;
use std::time::Duration;

/// Executes the step in this run and logs the reason of a failure to the journal.
pub(super) fn act(line: &StepLine, run: &Run<'_>) -> u8 {
    let record = &run.record;
    let own = record.unit.as_str();
    let done = if is_command(line) {
        command::execute(line, run)
    } else {
        built_in(line, run)
    };
    match done {
        Ok(status) => status,
        Err(error) => {
            let (ward, condition, step) = (&line.ward, &line.place.condition, &line.place.step);
            let what = format!("{}={}", line.keyword, line.arguments.join(" "));
            tracing::warn!(
                UNITWARD_WARD = ward,
                UNITWARD_CONDITION = condition,
                UNITWARD_STEP = step,
                OBJECT_SYSTEMD_UNIT = own,
                "Step {step} of [{condition}] in ward {ward} failed: {what}: {error}"
            );
            1
        }
    }
}

/// Returns true if the step runs a command.
pub(super) fn is_command(line: &StepLine) -> bool {
    line.keyword.ends_with("Execute")
}

/// Returns the longest time that the step itself waits, without the run time of a command.
pub(super) fn longest_wait(line: &StepLine) -> Duration {
    action_of(line).map_or(Duration::ZERO, |action| action.longest_wait())
}

fn action_of(line: &StepLine) -> io::Result<Action> {
    let keyword = line.keyword.strip_prefix("Else").unwrap_or(&line.keyword);
    read_step::read_built_in(keyword, &line.arguments.join(" ")).map_err(io::Error::other)
}

fn built_in(line: &StepLine, run: &Run<'_>) -> io::Result<u8> {
    let record = &run.record;
    let own = record.unit.as_str();
    let wait = if line.no_wait {
        Wait::ForQueue
    } else {
        Wait::ForJob
    };
    let phase = if line.place.kind() == Some(ConditionKind::Stop) {
        Phase::Stop
    } else {
        Phase::Start
    };
    let jobs = Jobs { own, phase, wait };
    match action_of(line)? {
        Action::WaitFor(what) => wait::wait(&what)?,
        Action::Restart(unit)
            if line.place.kind().is_some_and(is_after_death) && went_down_with(own, &unit)? =>
        {
            jobs.make("start", &unit)?;
        }
        Action::Restart(unit) => jobs.make("try-restart", &unit)?,
        Action::Start(unit) => jobs.make("start", &unit)?,
        Action::Stop(unit) => jobs.make("stop", &unit)?,
        Action::Reload(unit) => jobs.make("try-reload-or-restart", &unit)?,
        Action::Signal(unit, signal) => {
            let signal = format!("--signal={signal}");
            systemctl::output(&["kill", "--kill-whom=main", &signal, "--", unit.as_str()])?;
        }
        Action::Log(text) => {
            tracing::info!(
                UNITWARD_WARD = line.ward,
                UNITWARD_CONDITION = line.place.condition,
                UNITWARD_STEP = line.place.step,
                OBJECT_SYSTEMD_UNIT = own,
                "{text}"
            );
        }
        Action::RestartStack(stack) => restart_stack(&stack, line, run)?,
        Action::Reboot(guard) => reboot(guard)?,
        Action::Execute(_) | Action::RestartSelf => {
            return Err(io::Error::other("no step of the helper's"));
        }
    }
    Ok(0)
}

fn is_after_death(kind: ConditionKind) -> bool {
    kind.is_death() || kind == ConditionKind::Restart
}

/// Returns true if systemd has stopped `unit` because it is bound to `own` (`BindsTo=`), at the
/// last death of `own` or later. It was active then, and is down now, so a try-restart would do
/// nothing.
fn went_down_with(own: &str, unit: &UnitName) -> io::Result<bool> {
    const LEFT: &str = "ActiveExitTimestampMonotonic";
    let bound = pid1::ask(
        unit.as_str(),
        Wanted {
            unit: &["ActiveState", "BindsTo", LEFT],
            own: &[],
        },
    )?;
    let is_down = matches!(bound.text("ActiveState"), "inactive" | "failed");
    if !is_down || !bound.texts("BindsTo").any(|name| name == own) {
        return Ok(false);
    }
    let died = pid1::ask(
        own,
        Wanted {
            unit: &[LEFT],
            own: &[],
        },
    )?
    .number::<u64>(LEFT)
    .unwrap_or(0);
    Ok(died > 0 && bound.number::<u64>(LEFT).is_some_and(|left| left >= died))
}

/// The job of the ward's unit that this step is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Start,
    Stop,
}

/// Jobs of units that a step demands.
struct Jobs<'a> {
    /// The unit that the step belongs to.
    own: &'a str,
    phase: Phase,
    wait: Wait,
}

impl Jobs<'_> {
    /// Makes a job of a unit, and does not wait for one that waits for this step.
    fn make(&self, verb: &str, unit: &UnitName) -> io::Result<()> {
        let wait = if waits_for_us(unit.as_str(), self.own, self.phase)? {
            Wait::ForQueue
        } else {
            self.wait
        };
        systemctl::job(verb, unit.as_str(), wait)
    }
}

/// Returns true if a job of `unit` would wait for the very start or stop of `own` that this step is
/// part of: then it may be queued but not waited for. A unit ordered after `own` waits for its
/// start; during the stop of `own`, any order between the two waits.
fn waits_for_us(unit: &str, own: &str, phase: Phase) -> io::Result<bool> {
    let order = pid1::ask(
        unit,
        Wanted {
            unit: &["After", "Before"],
            own: &[],
        },
    )?;
    let waiting: &[&str] = match phase {
        Phase::Stop => &["After", "Before"],
        Phase::Start => &["After"],
    };
    Ok(waiting
        .iter()
        .any(|list| order.texts(list).any(|name| name == own)))
}

/// Requests a full restart in the name of the ward, for the death that this step answers.
fn restart_stack(stack: &StackName, line: &StepLine, run: &Run<'_>) -> io::Result<()> {
    let record = &run.record;
    let caller = format!("{} ({})", line.ward, line.place.condition);
    // The service of a condition has its own runs; the death that it answers is the latest one of
    // the ward.
    let latest = if run.site.phase == list::Phase::Condition {
        run.state.latest_death()
    } else {
        None
    };
    let death = match (&record.follows, &latest) {
        (Some(run), _) => Some(Death {
            unit: &record.unit,
            invocation: run,
        }),
        (None, Some(died)) => Some(Death {
            unit: &died.unit,
            invocation: &died.invocation,
        }),
        (None, None) => None,
    };
    stack::restart(stack, caller, death)
}

fn reboot(guard: RebootGuard) -> io::Result<()> {
    if guard == RebootGuard::Patient && pid1::since_boot() < REBOOT_PAUSE {
        return Err(io::Error::other(
            "refused, the host booted less than 10 minutes ago; Reboot=force would not mind",
        ));
    }
    systemctl::queue(&["reboot"])
}
