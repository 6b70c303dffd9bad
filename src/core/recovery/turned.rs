//! Automatic restarts that systemd has turned into a stop and a start.

use super::Series;

/// PID 1's data on a start with `NRestarts` 0 that may still be an automatic restart. Times are in
/// microseconds of the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// True if a unit that this one requires, binds to or is part of stops this one in its own
    /// stop.
    pub is_in_circle: bool,
    /// Time at which the unit was last down; 0: PID 1 has not seen it down.
    pub down: u64,
    /// Time at which this start began.
    pub begun: u64,
}

/// Longest wait of such a start for other units, in microseconds.
const LONGEST_WAIT: u64 = 5 * 60 * 1_000_000;

/// Shortest `RestartSec=` that allows to tell whether systemd waited for it, in microseconds.
const SHORTEST_DELAY: u64 = 1_000_000;

/// Returns the earliest time of the restart of a unit that dies at `now` and waits `delay`, in
/// microseconds.
#[must_use]
pub fn restart_due(now: u64, delay: u64) -> u64 {
    now.saturating_add(if delay > SHORTEST_DELAY { delay } else { 0 })
}

/// Returns true if a start answers a death although systemd counts no restart.
///
/// Since version 254 systemd first stops a unit whose restart is due if the unit is in a circle
/// with another one, such as a socket that it requires and that is part of it, and then starts it
/// like any other: `NRestarts` is 0 again. That stop happens when the restart is due and not
/// before, which a stop or restart by hand is unlikely to hit.
#[must_use]
pub fn is_turned_restart(series: &Series, nrestarts: Option<u32>, beginning: Beginning) -> bool {
    let Beginning {
        is_in_circle,
        down,
        begun,
    } = beginning;
    let is_due = series.restart_due.is_some_and(|due| down >= due);
    nrestarts == Some(0)
        && series.died_in.is_some()
        && is_in_circle
        && is_due
        && begun.saturating_sub(down) <= LONGEST_WAIT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::recovery::series::{LastEnd, Start};

    #[test]
    fn a_start_in_a_circle_answers_a_death_if_the_unit_was_down_when_its_restart_was_due() {
        let second = 1_000_000;
        let died = |delay| Series {
            died_in: Some("a".into()),
            restart_due: Some(restart_due(100 * second, delay)),
            ..Series::default()
        };
        let at = |down: u64, begun: u64| Beginning {
            is_in_circle: true,
            down: down * second,
            begun: begun * second,
        };
        for (delay, beginning, expect) in [
            (3 * second, at(103, 103), true),
            (3 * second, at(100, 103), false),
            (3 * second, at(0, 103), false),
            (3 * second, at(103, 404), false),
            (0, at(100, 100), true),
            (second / 2, at(100, 100), true),
            (
                0,
                Beginning {
                    is_in_circle: false,
                    ..at(100, 100)
                },
                false,
            ),
        ] {
            assert_eq!(
                is_turned_restart(&died(delay), Some(0), beginning),
                expect,
                "{delay} {beginning:?}"
            );
        }
        assert!(
            !is_turned_restart(&died(0), Some(1), at(100, 100)),
            "systemd has counted it"
        );
        assert!(
            !is_turned_restart(&Series::default(), Some(0), at(100, 100)),
            "nobody died"
        );
        let mut series = died(0);
        series.last_end = LastEnd::AbnormalDeath;
        assert_eq!(series.start(Some(0), true), Start::AfterAbnormalDeath);
        assert_eq!((series.restarts, series.restart_due), (1, None));
    }
}
