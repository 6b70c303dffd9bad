//! When a run that has ended was up, where no line of the unit has noted it.

use super::asked::{Kind, Stamps};
use crate::core::recovery::Series;
use crate::edge::pid1::Properties;
use crate::edge::record::{RunRecord, Up};
use crate::edge::{clock, up};

/// Notes when the run was up, where no line of the unit has; returns true if it was.
pub(super) fn complete(
    record: &mut RunRecord,
    series: &mut Series,
    kind: Kind,
    known: &Properties,
) -> bool {
    let Stamps { up, .. } = Stamps::of(known);
    let was_up = was_up(record.begun_since_boot, known);
    if was_up {
        series
            .up_since
            .get_or_insert_with(|| clock::since_boot_of_monotonic(up));
    }
    if record.up.is_some() {
        return false;
    }
    record.up = if was_up {
        Some(up::at(up, main_started(known)))
    } else {
        work_done(kind, known)
    };
    record.up.is_some()
}

/// Returns true if the unit became `active` in this run.
///
/// With `RestartMode=direct` the unit does not become `inactive` between two runs, so the time at
/// which it left that state tells nothing. The start time of the run's first line (`begun`,
/// milliseconds since boot) is used instead.
fn was_up(begun: Option<u64>, known: &Properties) -> bool {
    let Stamps { began, up, .. } = Stamps::of(known);
    let is_direct = known.text("RestartMode") == "direct";
    0 < up
        && began <= up
        && (!is_direct || begun.is_none_or(|begun| clock::since_boot_of_monotonic(up) >= begun))
}

/// Returns the time at which a oneshot that was never `active` had done its work.
fn work_done(kind: Kind, known: &Properties) -> Option<Up> {
    let Stamps { died, .. } = Stamps::of(known);
    let is_done = kind == Kind::Finished && known.text("Result") == "success" && died > 0;
    is_done.then(|| up::at(died, main_started(known)))
}

/// Returns the time at which PID 1 started the main process, by its monotonic clock in
/// microseconds; 0: never.
pub(super) fn main_started(known: &Properties) -> u64 {
    known.number_or_zero(super::MAIN_STARTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_was_up_whose_unit_became_active_in_it() {
        let now = clock::monotonic();
        let known = |began: u64, up: u64, mode: &'static str| {
            let at = |ago: u64| if ago == 0 { 0 } else { now - ago * 1_000_000 };
            Properties::from([
                ("InactiveExitTimestampMonotonic", at(began).into()),
                ("ActiveEnterTimestampMonotonic", at(up).into()),
                ("RestartMode", mode.into()),
            ])
        };
        let begun = Some(clock::since_boot_of_monotonic(now - 50_000_000));
        for (began, up, mode, expect) in [
            (50, 40, "normal", true),
            (50, 60, "normal", false),
            (50, 0, "", false),
            // An earlier run.
            (90, 80, "direct", false),
            (90, 40, "direct", true),
        ] {
            assert_eq!(
                was_up(begun, &known(began, up, mode)),
                expect,
                "{began} {up} {mode}"
            );
        }
        assert!(
            was_up(None, &known(90, 80, "direct")),
            "nobody noted when it began"
        );
    }
}
