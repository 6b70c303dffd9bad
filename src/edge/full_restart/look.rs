//! State of the units of a stack.

use crate::core::crash::observation::{ServiceResult, Stage};
use crate::core::full_restart::outcome::{Job, Load, Look, Work};
use crate::edge::pid1::{self, Properties, Wanted};
use std::io;

/// Properties that are requested from PID 1.
const ASKED: Wanted<'_> = Wanted {
    unit: &[
        "Job",
        "LoadState",
        "ActiveState",
        "SubState",
        "InvocationID",
        "ConditionResult",
        "ConditionTimestampMonotonic",
    ],
    own: &[
        "Type",
        "Result",
        "ExecMainCode",
        "ExecMainStatus",
        "WatchdogUSec",
        "TimeoutStartUSec",
        "RuntimeMaxUSec",
        "TimeoutStopUSec",
    ],
};

/// Reads the state of these units; `since` is the start of the restart, by the monotonic clock in
/// microseconds.
///
/// # Errors
/// PID 1 cannot be asked or refuses.
pub fn at(units: &[&str], since: u64) -> io::Result<Vec<Look>> {
    let shown = pid1::ask_all(units, ASKED)?;
    Ok(units
        .iter()
        .zip(&shown)
        .map(|(unit, known)| look(unit, known, since))
        .collect())
}

fn look(unit: &str, known: &Properties, since: u64) -> Look {
    let skipped = known.flag("ConditionResult") == Some(false)
        && known
            .number("ConditionTimestampMonotonic")
            .is_some_and(|checked: u64| checked >= since);
    let work = match known.text("Type") {
        _ if skipped => Work::Skipped,
        "oneshot" => Work::Oneshot,
        _ => Work::Lasting,
    };
    // Only services have a result.
    let result = Some(known.text("Result"))
        .filter(|result| !result.is_empty())
        .unwrap_or("success");
    Look {
        unit: unit.to_owned(),
        load: match known.text("LoadState") {
            "loaded" => Load::Loaded,
            other => Load::Missing(other.to_owned()),
        },
        stage: Stage::of(known.text("ActiveState"), known.text("SubState")),
        run: known.id("InvocationID"),
        job: if known.job().is_none() {
            Job::None
        } else {
            Job::Pending
        },
        work,
        result: ServiceResult::parse(result),
        process: known.process_end("ExecMainCode", "ExecMainStatus"),
        limits: known.time_limits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::crash::observation::ProcessEnd;
    use std::time::Duration;
    use zbus::ObjectPath;

    #[test]
    fn what_pid_1_answers_is_read() {
        let known = Properties::from([
            ("LoadState", "loaded".into()),
            ("ActiveState", "failed".into()),
            ("SubState", "failed".into()),
            ("InvocationID", vec![0x1f_u8].into()),
            (
                "Job",
                (12_u32, ObjectPath::try_from("/job/12").unwrap()).into(),
            ),
            ("Type", "notify".into()),
            ("Result", "timeout".into()),
            ("ConditionResult", false.into()),
            ("ConditionTimestampMonotonic", 5_u64.into()),
            ("ExecMainCode", 2_i32.into()),
            ("ExecMainStatus", 9_i32.into()),
            ("TimeoutStartUSec", 90_000_000_u64.into()),
            ("TimeoutStopUSec", u64::MAX.into()),
        ]);
        let seen = look("cm.service", &known, 6);
        assert_eq!(
            (seen.stage, seen.job, seen.work),
            (Stage::Ended, Job::Pending, Work::Lasting)
        );
        assert_eq!(
            (seen.run.as_deref(), seen.result),
            (Some("1f"), ServiceResult::Timeout)
        );
        assert_eq!(seen.process, Some(ProcessEnd::Killed(9)));
        assert_eq!(
            (seen.limits.start, seen.limits.stop),
            (Some(Duration::from_secs(90)), None)
        );
        let skipped = look("cm.service", &known, 5);
        assert_eq!(
            skipped.work,
            Work::Skipped,
            "its condition was checked since"
        );
        let target = Properties::from([
            ("LoadState", "not-found".into()),
            ("ActiveState", "inactive".into()),
        ]);
        let target = look("x.target", &target, 0);
        assert_eq!(target.load, Load::Missing("not-found".into()));
        assert_eq!((target.result, target.run), (ServiceResult::Success, None));
    }
}
