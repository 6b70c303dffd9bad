//! Environment variables that describe the death to a step's command.

use super::line::StepLine;
use crate::core::config::ConditionKind;
use crate::core::crash::reason::TimeLimits;
use crate::edge::pid1::{self, TIME_LIMITS, Wanted};
use crate::edge::record::{End, RunRecord, StartKind, WardState};
use crate::edge::series_file;

/// Returns the variables for a step of the run with this record. Those of a death are present if
/// the step answers one.
pub(super) fn variables(
    state: &WardState,
    line: &StepLine,
    record: &RunRecord,
) -> Vec<(&'static str, String)> {
    let series = series_file::load(state);
    let is_of_limit = line.place.kind() == Some(ConditionKind::Limit);
    let deaths = if is_of_limit {
        series.limit_at
    } else {
        series.deaths.len()
    };
    let mut variables = vec![
        ("UNITWARD_WARD", line.ward.clone()),
        ("UNITWARD_CONDITION", line.place.condition.clone()),
        ("UNITWARD_DEATHS", deaths.to_string()),
    ];
    if let Some((invocation, end, unit)) = ended_run(state, record) {
        variables.push(("UNITWARD_INVOCATION", invocation));
        variables.push(("UNITWARD_REASON", reason(&end, &unit)));
        variables.extend(end.pid.map(|pid| ("UNITWARD_PID", pid.to_string())));
    }
    variables
}

/// Returns the run whose end the step answers: its invocation, its end, its unit.
fn ended_run(state: &WardState, record: &RunRecord) -> Option<(String, End, String)> {
    let ended = match record.start {
        _ if record.end.is_some() => record.clone(),
        StartKind::Condition => state.latest_death()?,
        StartKind::First => return None,
        StartKind::AfterDeath | StartKind::AfterAbnormalDeath => {
            state.run(record.follows.as_ref()?).ok()?
        }
    };
    Some((ended.invocation, ended.end?, ended.unit))
}

/// Returns the reason of the end, in the words of a report.
fn reason(end: &End, unit: &str) -> String {
    let has_limit = matches!(end.result.as_str(), "watchdog" | "timeout");
    let limits = if has_limit {
        limits_of(unit)
    } else {
        TimeLimits::default()
    };
    end.cause(&limits).to_string()
}

/// Returns the unit's time limits; none if PID 1 does not answer.
fn limits_of(unit: &str) -> TimeLimits {
    let wanted = Wanted {
        unit: &[],
        own: &TIME_LIMITS,
    };
    pid1::ask(unit, wanted)
        .map(|known| known.time_limits())
        .unwrap_or_default()
}
