//! The course of a recovery: the times of its attempts. It is kept beside the published record,
//! which has durations only.
//!
//! Invariants: the size is bounded, even for a ward without a limit: of a long recovery the first
//! and the last attempts are kept; the form of older versions can be read, and an unreadable course
//! counts as unknown.

use super::account::Attempt;
use serde::{Deserialize, Serialize};

/// Number of attempts that are kept from the beginning, and as many from the end.
const KEPT: usize = 100;

/// The times of a recovery's attempts, each in milliseconds since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempts {
    /// The first ones, oldest first.
    pub first: Vec<AttemptTimes>,
    /// Number of attempts and steps left out after them.
    pub left_out: LeftOut,
    /// The last ones, if some were left out.
    pub last: Vec<AttemptTimes>,
}

/// Numbers of what lies between the first and the last attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Number of attempts.
    pub attempts: usize,
    /// Number of their steps.
    pub steps: usize,
}

/// The times of one attempt, each in milliseconds since the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptTimes {
    /// Time of its first line.
    pub begun: Option<u64>,
    /// Time at which the unit was down before it.
    pub down: Option<u64>,
    /// Back-off after that, in milliseconds.
    pub backoff_ms: u64,
    /// Times of the ends of its steps.
    pub steps: Vec<u64>,
    /// Start of its main process.
    pub main: Option<u64>,
    /// Time at which it was up, steps included.
    pub up: Option<u64>,
    /// Time of its end, if it failed.
    pub failed: Option<u64>,
}

impl Attempts {
    /// Takes the times of these attempts.
    #[must_use]
    pub fn of(attempts: &[Attempt]) -> Self {
        if attempts.len() <= 2 * KEPT {
            return Self {
                first: attempts.iter().map(AttemptTimes::of).collect(),
                ..Self::default()
            };
        }
        let (first, rest) = attempts.split_at(KEPT);
        let (between, last) = rest.split_at(rest.len() - KEPT);
        Self {
            first: first.iter().map(AttemptTimes::of).collect(),
            left_out: LeftOut {
                attempts: between.len(),
                steps: between.iter().map(|attempt| attempt.steps.len()).sum(),
            },
            last: last.iter().map(AttemptTimes::of).collect(),
        }
    }

    /// Renders the text that is kept.
    #[must_use]
    pub fn to_json(&self) -> String {
        let stored = Stored {
            first: self.first.iter().map(StoredAttempt::from).collect(),
            attempts_left_out: self.left_out.attempts,
            steps_left_out: self.left_out.steps,
            last: self.last.iter().map(StoredAttempt::from).collect(),
        };
        serde_json::to_string(&stored).expect("lists of integers always have a JSON form")
    }

    /// Parses the text; `None`: it has another form.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let Stored {
            first,
            attempts_left_out,
            steps_left_out,
            last,
        } = serde_json::from_str(text).ok()?;
        Some(Self {
            first: first.into_iter().map(AttemptTimes::from).collect(),
            left_out: LeftOut {
                attempts: attempts_left_out,
                steps: steps_left_out,
            },
            last: last.into_iter().map(AttemptTimes::from).collect(),
        })
    }
}

impl AttemptTimes {
    fn of(attempt: &Attempt) -> Self {
        Self {
            begun: attempt.begun,
            down: attempt.down,
            backoff_ms: attempt.backoff_ms,
            steps: attempt.steps.iter().map(|step| step.at).collect(),
            main: attempt.up.map(|up| up.main),
            up: attempt.up.map(|up| up.at),
            failed: attempt.failed_at,
        }
    }
}

/// Form in the history. The names must never change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    first: Vec<StoredAttempt>,
    #[serde(default, skip_serializing_if = "is_zero")]
    attempts_left_out: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    steps_left_out: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    last: Vec<StoredAttempt>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredAttempt {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    down: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backoff_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    main: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    up: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<u64>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl From<&AttemptTimes> for StoredAttempt {
    fn from(times: &AttemptTimes) -> Self {
        let AttemptTimes {
            begun,
            down,
            backoff_ms,
            steps,
            main,
            up,
            failed,
        } = times.clone();
        Self {
            begun,
            down,
            backoff_ms: (backoff_ms > 0).then_some(backoff_ms),
            steps,
            main,
            up,
            failed,
        }
    }
}

impl From<StoredAttempt> for AttemptTimes {
    fn from(stored: StoredAttempt) -> Self {
        let StoredAttempt {
            begun,
            down,
            backoff_ms,
            steps,
            main,
            up,
            failed,
        } = stored;
        Self {
            begun,
            down,
            backoff_ms: backoff_ms.unwrap_or(0),
            steps,
            main,
            up,
            failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::recovery::account::{StepDone, StepOutcome, UpTimes};

    fn attempt(number: u64) -> Attempt {
        let step = StepDone {
            condition: "OnDeath".into(),
            step: "Execute".into(),
            argument: "/bin/true".into(),
            result: StepOutcome::Ok,
            ms: 7,
            at: number * 10 + 5,
        };
        Attempt {
            begun: Some(number * 10),
            down: None,
            backoff_ms: number,
            steps: vec![step],
            up: None,
            failed_at: Some(number * 10 + 9),
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let up = UpTimes { main: 16, at: 19 };
        let up = Attempt {
            down: Some(8),
            up: Some(up),
            failed_at: None,
            ..attempt(1)
        };
        for attempts in [
            vec![],
            vec![up.clone()],
            vec![attempt(0), up],
            (0..500).map(attempt).collect(),
        ] {
            let course = Attempts::of(&attempts);
            assert_eq!(Attempts::read(&course.to_json()), Some(course));
        }
    }

    #[test]
    fn the_text_is_that_of_the_first_version_that_kept_it() {
        let up = Attempt {
            up: Some(UpTimes { main: 26, at: 29 }),
            failed_at: None,
            ..attempt(2)
        };
        let expect = r#"{"first":[{"begun":10,"backoffMs":1,"steps":[15],"failed":19},{"begun":20,"backoffMs":2,"steps":[25],"main":26,"up":29}]}"#;
        assert_eq!(Attempts::of(&[attempt(1), up]).to_json(), expect);
    }

    #[test]
    fn of_a_long_recovery_the_first_and_last_attempts_are_kept() {
        let course = Attempts::of(&(0..1_000).map(attempt).collect::<Vec<_>>());
        assert_eq!((course.first.len(), course.last.len()), (KEPT, KEPT));
        assert_eq!(
            course.left_out,
            LeftOut {
                attempts: 800,
                steps: 800
            }
        );
        assert_eq!(course.last[KEPT - 1].begun, Some(9_990));
        assert!(
            course.to_json().len() < 20_000,
            "bounded: {}",
            course.to_json().len()
        );
    }

    #[test]
    fn what_is_damaged_is_not_known() {
        assert_eq!(Attempts::read("{\"first\":[{\"begun\":-1}]}"), None);
        assert_eq!(Attempts::read(""), None);
    }
}
