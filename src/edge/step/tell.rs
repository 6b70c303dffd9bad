//! A run's whole record as one journal entry: unlike `/run` it survives a reboot, and is available
//! when `/run` is full.

use super::messages::{ENDED, RESTARTED};
use crate::edge::record::{End, RunRecord};

/// Largest record in an entry, in bytes. The entry with its other fields stays below 48 KiB, so
/// that it is one datagram with any size of the socket's buffer.
const LARGEST: usize = 46 << 10;

/// Logs that a run has ended.
pub(super) fn ended(record: &RunRecord) {
    let Some(end) = &record.end else { return };
    tell(
        ENDED,
        record,
        &format!(
            "Noted the end of {}: {}, {}.",
            record.unit,
            how(end),
            who(end)
        ),
    );
}

/// Logs that a unit is up after a restart; `failed` is the number of its steps that failed.
pub(super) fn restarted(record: &RunRecord, failed: usize) {
    let steps = match (record.results.len(), failed) {
        (0, _) => String::new(),
        (1, 0) => ", its step done".to_owned(),
        (1, _) => ", its step failed".to_owned(),
        (steps, 0) => format!(", all of its {steps} steps done"),
        (steps, failed) => format!(", {failed} of its {steps} steps failed"),
    };
    tell(
        RESTARTED,
        record,
        &format!(
            "Restarted {}, attempt {}{steps}.",
            record.unit, record.restarts
        ),
    );
}

/// Says which steps of a run that is up PID 1 has dropped, if any.
pub(super) fn dropped(record: &RunRecord) {
    let dropped = record.dropped();
    if dropped.is_empty() {
        return;
    }
    let steps: Vec<_> = dropped
        .iter()
        .map(|step| format!("{} of [{}]", step.step, step.condition))
        .collect();
    let ward = &record.ward;
    tracing::warn!(
        UNITWARD_WARD = ward,
        UNITWARD_INVOCATION_ID = record.invocation,
        OBJECT_SYSTEMD_UNIT = record.unit,
        "Of the steps of ward {ward} systemd has dropped {}, or forgotten how it ended: the ward was changed and systemd reloaded \
         while they ran.",
        steps.join(", ")
    );
}

fn tell(id: &str, record: &RunRecord, text: &str) {
    tracing::info!(
        MESSAGE_ID = id,
        UNITWARD_WARD = record.ward,
        UNITWARD_INVOCATION_ID = record.invocation,
        UNITWARD_RUN = within_bounds(record),
        OBJECT_SYSTEMD_UNIT = record.unit,
        "{text}"
    );
}

fn how(end: &End) -> String {
    let step = end
        .step
        .as_ref()
        .map_or_else(String::new, |step| format!(" ({step})"));
    format!("{}{step}", ended_how(end))
}

fn ended_how(end: &End) -> String {
    match (end.result.as_str(), end.code.as_str()) {
        ("success" | "exit-code", "exited") => format!("exit status {}", end.status),
        ("success" | "signal", "killed") => format!("signal {}", end.status),
        ("core-dump", "dumped") => format!("signal {}, core dumped", end.status),
        (result, _) => result.to_owned(),
    }
}

fn who(end: &End) -> &'static str {
    match (end.asked, end.finished) {
        (true, _) => "as asked for",
        (_, true) => "its work done",
        _ => "nobody asked for it",
    }
}

/// Returns the record as JSON of bounded size. Surplus is dropped, the least important first: the
/// longest arguments, then all steps.
fn within_bounds(record: &RunRecord) -> String {
    let mut text = json(record);
    if text.len() <= LARGEST {
        return text;
    }
    let mut record = RunRecord {
        planned: Vec::new(),
        ..record.clone()
    };
    let mut arguments: Vec<_> = record
        .results
        .iter_mut()
        .map(|result| &mut result.argument)
        .collect();
    arguments.sort_unstable_by_key(|argument| std::cmp::Reverse(argument.len()));
    let mut surplus = text.len() - LARGEST;
    for longest in arguments {
        if surplus > 0 {
            surplus = surplus.saturating_sub(longest.len());
            longest.clear();
        }
    }
    text = json(&record);
    if text.len() > LARGEST {
        record.results.clear();
        text = json(&record);
    }
    text
}

fn json(record: &RunRecord) -> String {
    serde_json::to_string(record).expect("a struct of strings and numbers always has a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::{Outcome, StartKind, StepResult};

    fn record(steps: usize, argument: usize) -> RunRecord {
        let result = |number: usize| StepResult {
            condition: "OnDeath".into(),
            step: number.to_string(),
            action: "Execute".into(),
            argument: "x".repeat(argument),
            outcome: Outcome::Ok,
            status: 0,
            at: 1_738_838_543_963,
            ms: 1,
        };
        RunRecord {
            results: (1..=steps).map(result).collect(),
            ..RunRecord::new(
                "a",
                "a.service",
                "0123456789abcdef0123456789abcdef",
                StartKind::First,
            )
        }
    }

    #[test]
    fn arguments_are_left_out_first_the_longest_before_others() {
        let mut large = record(3, 20);
        large.results[1].argument = "y".repeat(LARGEST);
        let told: RunRecord = serde_json::from_str(&within_bounds(&large)).unwrap();
        let arguments: Vec<_> = told
            .results
            .iter()
            .map(|result| result.argument.len())
            .collect();
        assert_eq!(arguments, [20, 0, 20]);
    }

    #[test]
    fn whatever_a_record_holds_it_stays_within_its_bounds_and_can_be_read() {
        for (steps, argument) in [(0, 0), (10, 100), (200, 3_000), (10_000, 0), (1, 1_000_000)] {
            let text = within_bounds(&record(steps, argument));
            assert!(text.len() <= LARGEST, "{steps} {argument}: {}", text.len());
            let told: RunRecord = serde_json::from_str(&text).unwrap();
            assert_eq!(told.invocation, record(0, 0).invocation);
        }
        let small = record(10, 100);
        assert_eq!(
            serde_json::from_str::<RunRecord>(&within_bounds(&small)).unwrap(),
            small
        );
    }

    #[test]
    fn an_end_is_told_in_words() {
        let words = |result: &str, code: &str, status: &str, asked: bool| {
            let (result, code, status) = (result.to_owned(), code.to_owned(), status.to_owned());
            let end = End {
                asked,
                result,
                code,
                status,
                ..End::killed(0)
            };
            format!("{}, {}", how(&end), who(&end))
        };
        assert_eq!(
            words("signal", "killed", "KILL", false),
            "signal KILL, nobody asked for it"
        );
        assert_eq!(
            words("core-dump", "dumped", "SEGV", false),
            "signal SEGV, core dumped, nobody asked for it"
        );
        assert_eq!(
            words("success", "killed", "TERM", true),
            "signal TERM, as asked for"
        );
        assert_eq!(
            words("exit-code", "exited", "3", false),
            "exit status 3, nobody asked for it"
        );
        assert_eq!(
            words("timeout", "killed", "TERM", false),
            "timeout, nobody asked for it"
        );
        assert_eq!(
            words("resources", "", "", false),
            "resources, nobody asked for it"
        );
    }
}
