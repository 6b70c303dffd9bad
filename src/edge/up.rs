//! The time at which a run was up, by PID 1, for runs of which no line of the unit has noted it.
//!
//! A ward without steps after the restart has no line there either. systemd calls a service
//! `active` once the last of its `ExecStartPost=` lines is over, including lines with steps. So a
//! run that is `active` is up even if its record does not say so, and callers need not know if the
//! unit has such a line.

use super::clock;
use super::pid1::{self, Properties, Wanted};
use super::record::{RunRecord, StartKind, Up, UpSinceBoot};

/// Property with the time at which PID 1 started the main process, by its monotonic clock.
pub const MAIN_STARTED: &str = "ExecMainStartTimestampMonotonic";

/// Property with the time at which PID 1 saw the main process end, by the same clock.
pub const MAIN_ENDED: &str = "ExecMainExitTimestampMonotonic";

/// The properties of every unit that [`of_present`] reads.
pub const OF_UNIT: [&str; 3] = [
    "ActiveState",
    "InvocationID",
    "ActiveEnterTimestampMonotonic",
];

/// Returns the times at which a run was up: it became `active`, and its main process was started,
/// both by PID 1's monotonic clock in microseconds. A `main` of 0 (never) or after `active` is
/// replaced by `active`.
#[must_use]
pub fn at(active: u64, main: u64) -> Up {
    let at = clock::epoch_of_monotonic(active);
    let of_boot = clock::since_boot_of_monotonic;
    // A process that has taken the main one's place since was started later.
    let is_known = main > 0 && main <= active;
    let since_boot = UpSinceBoot {
        main: of_boot(if is_known { main } else { active }),
        at: of_boot(active),
    };
    let main = if main == 0 {
        at
    } else {
        clock::epoch_of_monotonic(main).min(at)
    };
    Up {
        main,
        at,
        since_boot: Some(since_boot),
    }
}

/// Returns true if a unit is up in this state.
#[must_use]
pub fn is_up(active_state: &str) -> bool {
    matches!(active_state, "active" | "reloading" | "refreshing")
}

/// Returns the time at which the unit's present run was up, if that run is this one and is up.
#[must_use]
pub fn of_present(invocation: &str, shown: &Properties) -> Option<Up> {
    let is_it =
        is_up(shown.text("ActiveState")) && shown.id("InvocationID").as_deref() == Some(invocation);
    let active = shown
        .number("ActiveEnterTimestampMonotonic")
        .filter(|at| is_it && *at > 0)?;
    Some(at(active, shown.number(MAIN_STARTED).unwrap_or(0)))
}

/// Returns true if a record leaves open if the run is up.
#[must_use]
pub fn is_open(record: &RunRecord) -> bool {
    record.up.is_none() && record.end.is_none() && record.start != StartKind::Condition
}

/// Completes the records of runs that are up without a note of it. If PID 1 does not answer they
/// stay as they are.
pub fn complete(records: &mut [RunRecord]) {
    let open: Vec<_> = records
        .iter_mut()
        .filter(|record| is_open(record))
        .collect();
    if open.is_empty() {
        return;
    }
    let units: Vec<_> = open.iter().map(|record| record.unit.clone()).collect();
    let units: Vec<_> = units.iter().map(String::as_str).collect();
    let Ok(shown) = pid1::ask_all(
        &units,
        Wanted {
            unit: &OF_UNIT,
            own: &[MAIN_STARTED],
        },
    ) else {
        return;
    };
    for (record, shown) in open.into_iter().zip(&shown) {
        record.up = of_present(&record.invocation, shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_up_when_it_is_the_one_that_is_active() {
        let shown = |state: &'static str| {
            Properties::from([
                ("ActiveState", state.into()),
                ("InvocationID", vec![0xab_u8; 16].into()),
                ("ActiveEnterTimestampMonotonic", 3_000_000_u64.into()),
                (MAIN_STARTED, 2_000_000_u64.into()),
            ])
        };
        let run = "ab".repeat(16);
        let up = of_present(&run, &shown("active")).unwrap();
        assert_eq!(up.at - up.main, 1_000);
        assert!(of_present(&run, &shown("reloading")).is_some());
        assert_eq!(
            of_present(&run, &shown("activating")),
            None,
            "its last lines run"
        );
        assert_eq!(
            of_present(&"cd".repeat(16), &shown("active")),
            None,
            "it is another one's"
        );
    }

    #[test]
    fn a_main_process_that_took_over_later_does_not_make_the_run_up_before_it_was_started() {
        assert_eq!(at(3_000_000, 9_000_000).main, at(3_000_000, 0).at);
    }
}
