//! The recovery record as it leaves the host: ten keys in this order, and log lines if requested.

use super::account::{Account, Outcome, StepDone, StepOutcome};
use serde::Serialize;

/// Serialised form of an [`Account`]. The order of the fields is the order of the keys.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RecoveryReport<'a> {
    node_id: &'a str,
    ward: &'a str,
    invocation: &'a str,
    reason: &'a str,
    timestamp: u64,
    steps: Vec<StepReport<'a>>,
    outcome: &'static str,
    restarts: u32,
    downtime_ms: Option<u64>,
    recovery_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_lines: Option<Vec<&'a str>>,
}

/// Upper bound of the log lines of a record, in bytes of JSON.
const LOG: usize = 4 << 10;

/// Returns the last of these lines that fit into [`LOG`].
fn within_bounds(lines: &[String]) -> Vec<&str> {
    let mut room = LOG;
    let mut kept = Vec::new();
    for line in lines.iter().rev() {
        let size = serde_json::to_string(line).map_or(LOG, |json| json.len() + 1);
        if size > room {
            break;
        }
        room -= size;
        kept.push(line.as_str());
    }
    kept.reverse();
    kept
}

#[derive(Debug, Serialize)]
struct StepReport<'a> {
    condition: &'a str,
    step: &'a str,
    argument: &'a str,
    result: &'static str,
    ms: u64,
}

impl Outcome {
    /// Returns its word in the record.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::StepFailed => "step-failed",
            Self::Excluded => "excluded",
            Self::StackRestarted => "stack-restarted",
            Self::Rebooting => "rebooting",
            Self::Ended => "ended",
        }
    }
}

impl Account {
    /// Returns the bytes that are published for the node `node_id`.
    #[must_use]
    pub fn to_json(&self, node_id: &str) -> Vec<u8> {
        let report = RecoveryReport {
            node_id,
            ward: &self.ward,
            invocation: self.invocation.as_str(),
            reason: &self.reason,
            timestamp: self.timestamp,
            steps: self.steps.iter().map(StepReport::from).collect(),
            outcome: self.outcome.word(),
            restarts: self.restarts,
            downtime_ms: self.downtime_ms,
            recovery_ms: self.recovery_ms,
            log_lines: self.log_lines.as_deref().map(within_bounds),
        };
        serde_json::to_vec(&report)
            .expect("strings, integers and a list of them always have a JSON form")
    }
}

impl<'a> From<&'a StepDone> for StepReport<'a> {
    fn from(done: &'a StepDone) -> Self {
        let result = match done.result {
            StepOutcome::Ok => "ok",
            StepOutcome::Failed => "failed",
            StepOutcome::Dropped => "dropped",
        };
        Self {
            condition: &done.condition,
            step: &done.step,
            argument: &done.argument,
            result,
            ms: done.ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::crash::observation::InvocationId;
    use crate::core::recovery::course::Attempts;

    fn account() -> Account {
        Account {
            ward: "fs-nfs2".into(),
            invocation: InvocationId::parse("0123456789abcdef0123456789abcdef").unwrap(),
            reason: "SIG 9 (Killed)".into(),
            timestamp: 1_738_838_543_963,
            steps: vec![StepDone {
                condition: "OnDeath".into(),
                step: "Execute".into(),
                argument: "/usr/bin/mount \"a\"".into(),
                result: StepOutcome::Ok,
                ms: 41,
                at: 0,
            }],
            outcome: Outcome::Recovered,
            restarts: 1,
            downtime_ms: Some(184),
            recovery_ms: Some(4_312),
            over: None,
            log_lines: None,
            course: Attempts::default(),
        }
    }

    #[test]
    fn the_bytes_are_those_the_cloud_expects() {
        let expect = concat!(
            r#"{"nodeId":"ABCDEF1234","ward":"fs-nfs2","invocation":"0123456789abcdef0123456789abcdef","#,
            r#""reason":"SIG 9 (Killed)","timestamp":1738838543963,"steps":[{"condition":"OnDeath","#,
            r#""step":"Execute","argument":"/usr/bin/mount \"a\"","result":"ok","ms":41}],"#,
            r#""outcome":"recovered","restarts":1,"downtimeMs":184,"recoveryMs":4312}"#
        );
        assert_eq!(
            String::from_utf8(account().to_json("ABCDEF1234")).unwrap(),
            expect
        );
    }

    #[test]
    fn log_lines_come_last_where_they_are_wanted_and_are_bounded() {
        let with = |lines: Vec<String>| {
            let account = Account {
                log_lines: Some(lines),
                ..account()
            };
            String::from_utf8(account.to_json("n")).unwrap()
        };
        let text = with(vec!["a \"b\"".into(), "c".into()]);
        assert!(
            text.ends_with(r#""recoveryMs":4312,"logLines":["a \"b\"","c"]}"#),
            "{text}"
        );
        assert!(with(vec![]).ends_with(r#""logLines":[]}"#));
        let plain = account().to_json("n").len();
        let many: Vec<String> = (0..100)
            .map(|number| format!("{number:03}\"{}", "x".repeat(100)))
            .collect();
        let text = with(many.clone());
        assert!(
            text.len() <= plain + LOG + 20 && text.len() > plain + LOG - 200,
            "{}",
            text.len()
        );
        assert!(
            text.contains("099\\\"") && !text.contains("000\\\""),
            "the last ones are kept"
        );
        assert!(with(vec!["x".repeat(5_000)]).ends_with(r#""logLines":[]}"#));
    }

    #[test]
    fn who_never_came_up_has_no_times() {
        let down = Account {
            outcome: Outcome::Excluded,
            downtime_ms: None,
            recovery_ms: None,
            ..account()
        };
        let text = String::from_utf8(down.to_json("n")).unwrap();
        assert!(
            text.ends_with(
                r#""outcome":"excluded","restarts":1,"downtimeMs":null,"recoveryMs":null}"#
            ),
            "{text}"
        );
    }
}
