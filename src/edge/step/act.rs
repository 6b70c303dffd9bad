//! What each step does. Every result is an exit status: 0, or why not.

use super::run::StepLine;
use super::stopped::REBOOT_PAUSE;
use super::wait;
use crate::core::config::UnitName;
use crate::core::config::read_step;
use crate::core::config::step::{Action, RebootGuard};
use crate::edge::systemctl::{self, Wait};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

/// Acts, for the ward whose unit is `own`, and says in the journal what went wrong.
pub(super) fn act(line: &StepLine, own: &str) -> u8 {
    let done = if line.keyword.ends_with("Execute") { execute(&line.arguments) } else { built_in(line, own) };
    match done {
        Ok(status) => status,
        Err(error) => {
            let (ward, condition, step) = (&line.ward, &line.place.condition, &line.place.step);
            let what = format!("{}={}", line.keyword, line.arguments.join(" "));
            tracing::warn!(
                UNITWARD_WARD = ward,
                UNITWARD_CONDITION = condition,
                UNITWARD_STEP = step,
                "Step {step} of [{condition}] in ward {ward} failed: {what}: {error}"
            );
            1
        }
    }
}

fn execute(words: &[String]) -> io::Result<u8> {
    let (program, arguments) = words.split_first().ok_or_else(|| io::Error::other("no command"))?;
    let status = Command::new(program).args(arguments).status()?;
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(0),
        (Some(code), _) => Ok(u8::try_from(code).unwrap_or(1)),
        (None, signal) => Ok(u8::try_from(128 + signal.unwrap_or(0)).unwrap_or(1)),
    }
}

fn built_in(line: &StepLine, own: &str) -> io::Result<u8> {
    let wait = if line.no_wait { Wait::ForQueue } else { Wait::ForJob };
    let unit_job = |verb, unit: &UnitName| unit_job(verb, unit.as_str(), own, wait);
    let keyword = line.keyword.strip_prefix("Else").unwrap_or(&line.keyword);
    let action = read_step::read_built_in(keyword, &line.arguments.join(" ")).map_err(io::Error::other)?;
    match action {
        Action::WaitFor(what) => wait::wait(&what)?,
        Action::Restart(unit) => unit_job("try-restart", &unit)?,
        Action::Start(unit) => unit_job("start", &unit)?,
        Action::Stop(unit) => unit_job("stop", &unit)?,
        Action::Reload(unit) => unit_job("try-reload-or-restart", &unit)?,
        Action::Signal(unit, signal) => {
            let signal = format!("--signal={signal}");
            systemctl::output(&["kill", "--kill-whom=main", &signal, "--", unit.as_str()])?;
        }
        Action::Log(text) => {
            tracing::info!(
                UNITWARD_WARD = line.ward,
                UNITWARD_CONDITION = line.place.condition,
                UNITWARD_STEP = line.place.step,
                "{text}"
            );
        }
        Action::Reboot(guard) => reboot(guard)?,
        Action::Execute(_) | Action::RestartSelf => return Err(io::Error::other("no step of the helper's")),
    }
    Ok(0)
}

/// Queues a job and waits for it, unless the unit is ordered after the ward's own: its job would then wait for the very
/// start this step is part of.
fn unit_job(verb: &str, unit: &str, own: &str, wait: Wait) -> io::Result<()> {
    let behind = systemctl::show(unit, &["After"])?;
    let waits_for_us = behind.get("After").split(' ').any(|name| name == own);
    systemctl::job(verb, unit, if waits_for_us { Wait::ForQueue } else { wait })
}

fn reboot(guard: RebootGuard) -> io::Result<()> {
    if guard == RebootGuard::Patient && systemctl::since_boot() < REBOOT_PAUSE {
        return Err(io::Error::other("refused, the host booted less than 10 minutes ago; Reboot=force would not mind"));
    }
    systemctl::output(&["--no-block", "reboot"]).map(drop)
}
