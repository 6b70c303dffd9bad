//! Looks at the units of a stack, by way of `systemctl`.

use crate::core::crash::observation::{ProcessEnd, ServiceResult, Stage};
use crate::core::full_restart::outcome::{Job, Load, Look, Work};
use crate::edge::systemctl::{self, Properties};
use std::io;

/// What is asked of PID 1.
const ASKED: [&str; 16] = [
    "Id",
    "LoadState",
    "ActiveState",
    "SubState",
    "InvocationID",
    "Job",
    "Type",
    "Result",
    "ConditionResult",
    "ConditionTimestampMonotonic",
    "ExecMainCode",
    "ExecMainStatus",
    "WatchdogUSec",
    "TimeoutStartUSec",
    "RuntimeMaxUSec",
    "TimeoutStopUSec",
];

/// Looks at these units; `since` is when the restart began, by the monotonic clock in microseconds.
///
/// # Errors
/// When `systemctl` cannot be run or refuses.
pub fn at(units: &[&str], since: u64) -> io::Result<Vec<Look>> {
    let shown = systemctl::show_all(units, &ASKED)?;
    Ok(units.iter().zip(&shown).map(|(unit, known)| look(unit, known, since)).collect())
}

fn look(unit: &str, known: &Properties, since: u64) -> Look {
    let skipped = known.get("ConditionResult") == "no"
        && known.number("ConditionTimestampMonotonic").is_some_and(|checked: u64| checked >= since);
    let work = match known.get("Type") {
        _ if skipped => Work::Skipped,
        "oneshot" => Work::Oneshot,
        _ => Work::Lasting,
    };
    let number = |key: &str| known.number(key).unwrap_or(0);
    // Only services have a result.
    let result = Some(known.get("Result")).filter(|result| !result.is_empty()).unwrap_or("success");
    Look {
        unit: unit.to_owned(),
        load: match known.get("LoadState") {
            "loaded" => Load::Loaded,
            other => Load::Missing(other.to_owned()),
        },
        stage: Stage::of(known.get("ActiveState"), known.get("SubState")),
        run: Some(known.get("InvocationID")).filter(|run| !run.is_empty()).map(str::to_owned),
        job: if known.get("Job").is_empty() { Job::None } else { Job::Pending },
        work,
        result: ServiceResult::parse(result),
        process: ProcessEnd::from_wait(number("ExecMainCode"), number("ExecMainStatus")),
        limits: known.time_limits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_systemctl_shows_is_read() {
        let shown = "Id=cm.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nInvocationID=1f\nJob=12\n\
                     Type=notify\nResult=timeout\nConditionResult=no\nConditionTimestampMonotonic=5\nExecMainCode=2\n\
                     ExecMainStatus=9\nTimeoutStartUSec=1min 30s\nTimeoutStopUSec=infinity\n";
        let seen = look("cm.service", &Properties::parse(shown), 6);
        assert_eq!((seen.stage, seen.job, seen.work), (Stage::Ended, Job::Pending, Work::Lasting));
        assert_eq!((seen.run.as_deref(), seen.result), (Some("1f"), ServiceResult::Timeout));
        assert_eq!(seen.process, Some(ProcessEnd::Killed(9)));
        assert_eq!((seen.limits.start, seen.limits.stop), (Some(Duration::from_secs(90)), None));
        let skipped = look("cm.service", &Properties::parse(shown), 5);
        assert_eq!(skipped.work, Work::Skipped, "its condition was checked since");
        let target = look("x.target", &Properties::parse("LoadState=not-found\nActiveState=inactive\n"), 0);
        assert_eq!(target.load, Load::Missing("not-found".into()));
        assert_eq!((target.result, target.run), (ServiceResult::Success, None));
    }
}
