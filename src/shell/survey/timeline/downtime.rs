//! Downtime of a ward after a recovery that did not bring it back, or during one that goes on.
//!
//! A recovery that was ended by a request counts until then: the time after it was requested. After
//! the death limit the ward is down until somebody starts it; for deaths of this boot, the run
//! records have the time of that start.

use super::document::{Document, Recovery};
use crate::edge::record::{RunRecord, StartKind, WardState};
use crate::edge::up;

/// Adds the downtime; `boot` is the beginning of this boot, in milliseconds since the epoch.
pub(super) fn add(document: &mut Document, boot: u64) {
    for recovery in document
        .recoveries
        .iter_mut()
        .filter(|recovery| recovery.downtime_ms.is_none())
    {
        let ward = &recovery.ward;
        (recovery.down_ms, recovery.is_down) = down(recovery, boot, document.now, || runs(ward));
    }
}

/// Returns the runs of a ward, each with the time since which it is up.
fn runs(ward: &str) -> Vec<RunRecord> {
    let mut runs = WardState::of(ward).runs();
    up::complete(&mut runs);
    runs
}

/// Returns the downtime in milliseconds, and true if the ward is still down.
fn down(
    recovery: &Recovery,
    boot: u64,
    now: u64,
    runs: impl FnOnce() -> Vec<RunRecord>,
) -> (Option<u64>, bool) {
    let so_far = now.saturating_sub(recovery.timestamp);
    match recovery.outcome.as_str() {
        "ended" => (recovery.end_ms, false),
        "under-way" => match recovery.attempts.last().and_then(|attempt| attempt.main_ms) {
            Some(main) => (Some(main), false),
            None => (Some(so_far), true),
        },
        _ if recovery.timestamp < boot => (None, false),
        _ => {
            let began = runs()
                .into_iter()
                .filter(|run| run.start != StartKind::Condition)
                .filter_map(|run| run.up);
            let back = began
                .map(|up| up.main)
                .filter(|main| *main > recovery.timestamp)
                .min();
            back.map_or((Some(so_far), true), |back| {
                (Some(back - recovery.timestamp), false)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::Up;
    use crate::shell::survey::timeline::Times;

    fn recovery(outcome: &str) -> Recovery {
        Recovery {
            ward: "web".into(),
            unit: "web.service".into(),
            invocation: "e".repeat(32),
            timestamp: 1_000,
            reason: None,
            outcome: outcome.into(),
            restarts: 0,
            downtime_ms: None,
            recovery_ms: None,
            end_ms: Some(70),
            down_ms: None,
            is_down: false,
            times: Times::Known,
            attempts_left_out: 0,
            attempts: Vec::new(),
            led_to: None,
        }
    }

    #[test]
    fn a_ward_that_was_given_up_is_down_until_it_runs_again() {
        let run = |main: u64| RunRecord {
            up: Some(Up {
                main,
                at: main + 5,
                since_boot: None,
            }),
            ..RunRecord::new("web", "web.service", "i", StartKind::First)
        };
        let check =
            |outcome: &str, boot: u64, runs: Vec<RunRecord>, expect: (Option<u64>, bool)| {
                assert_eq!(
                    down(&recovery(outcome), boot, 9_000, || runs),
                    expect,
                    "{outcome}"
                );
            };
        check("excluded", 10, vec![run(500)], (Some(8_000), true));
        check(
            "excluded",
            10,
            vec![run(500), run(6_000), run(4_000)],
            (Some(3_000), false),
        );
        check("excluded", 2_000, vec![], (None, false));
        check("ended", 10, vec![], (Some(70), false));
        check("under-way", 10, vec![], (Some(8_000), true));
    }
}
