//! Full restarts in a status, from the history and from the restarts' own records.

use super::timeline::{self, FullRestart};
use crate::edge::full_restart::record::RestartRecord;
use crate::edge::history::read::Told;
use serde::{Deserialize, Serialize};

/// Number of full restarts that are shown.
const TOLD: usize = 3;

/// A full restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct RestartTold {
    pub(in crate::shell) timestamp: u64,
    pub(in crate::shell) caller: String,
    /// `restarted` or `failed`; `None`: it is under way, or its end is not known.
    pub(in crate::shell) outcome: Option<String>,
    pub(in crate::shell) trouble: Option<String>,
}

/// Returns the last full restarts, from the history and from the records of those that it does not
/// know, or whose end it does not know.
pub(super) fn full_restarts(history: &[Told], records: &[RestartRecord]) -> Vec<RestartTold> {
    timeline::full_restarts(history, records)
        .into_iter()
        .rev()
        .take(TOLD)
        .map(RestartTold::from)
        .collect()
}

impl From<FullRestart> for RestartTold {
    fn from(restart: FullRestart) -> Self {
        Self {
            timestamp: restart.timestamp,
            caller: restart.caller,
            outcome: restart.outcome,
            trouble: restart.trouble,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::crash::observation::InvocationId;
    use crate::core::full_restart::RestartOutcome;
    use crate::edge::full_restart::record::{Asker, RestartEnd};
    use crate::edge::history::entry::{
        Fate, Key, Severity, StoredDeath, StoredRestart, StoredRestartEnd, Witness,
    };
    use crate::edge::history::read::ToldRestart;

    fn id(number: u64) -> String {
        format!("{number:032x}")
    }

    fn record(number: u64, end: Option<RestartOutcome>) -> RestartRecord {
        RestartRecord {
            id: id(number),
            stack: "shop".into(),
            name: "Shop".into(),
            unit: "shop.target".into(),
            boot: "b".repeat(32),
            ended: None,
            members: Vec::new(),
            caller: "record".into(),
            backtrace: None,
            cause: None,
            by: Asker {
                pid: 1,
                uid: 0,
                unit: None,
            },
            at: number,
            joined: Vec::new(),
            end: end.map(|outcome| RestartEnd {
                outcome,
                trouble: String::new(),
                at: number + 1,
            }),
        }
    }

    fn told(number: u64, end: Option<RestartOutcome>) -> Told {
        let invocation = InvocationId::parse(&id(number)).unwrap();
        let key = Key {
            boot: "b".repeat(32),
            unit: "shop.target".into(),
            invocation,
        };
        let restart = StoredRestart {
            death: key.clone(),
            stack: "shop".into(),
            caller: "history".into(),
            ended: None,
            cause: None,
        };
        let end = end.map(|outcome| StoredRestartEnd {
            at: number + 1,
            outcome,
            trouble: String::new(),
        });
        let death = StoredDeath {
            key,
            name: "Shop".into(),
            severity: Severity::Crash,
            pid: None,
            reason: "Shop restarted by history".into(),
            at: number,
            backtrace: None,
            witness: Witness::Bus,
            fate: Fate::Reported,
        };
        let restart = Some(ToldRestart { restart, end });
        Told {
            id: 1,
            death,
            report: None,
            recovery: None,
            recovery_report: None,
            restart,
            led_to: None,
        }
    }

    #[test]
    fn what_the_history_has_not_taken_in_yet_is_told_by_the_records() {
        let (restarted, failed) = (
            Some(RestartOutcome::Restarted),
            Some(RestartOutcome::Failed),
        );
        let history = [told(1, failed), told(2, failed), told(3, None)];
        let records = [record(2, restarted), record(3, restarted), record(4, None)];
        let all = full_restarts(&history, &records);
        let all: Vec<_> = all
            .iter()
            .map(|one| (one.timestamp, one.caller.as_str(), one.outcome.as_deref()))
            .collect();
        assert_eq!(
            all,
            [
                (4, "record", None),
                (3, "record", Some("restarted")),
                (2, "history", Some("failed"))
            ]
        );
    }
}
