//! systemd's own start limit, set far above the death limit as a last resort.
//!
//! The death limit is enforced by lines of the unit, and there are units for which PID 1 can run no
//! line at all: their user, their environment file or their working directory is missing. Each
//! start of such a unit fails at once, none of our lines runs, and only systemd itself can end
//! that.
//!
//! systemd counts every start, also those by hand or by a socket, so the limit is so high that
//! hardly anything but such a storm reaches it: 330 starts within a minute by default, while a
//! storm makes from 10 to several hundred in a second. The span is a minute whatever
//! `DeathLimitIntervalSec=` is: over a day a timer that restarts a healthy service would use up as
//! many starts.

use crate::core::config::{Mistake, OnLimit, Problem, Recovery, Ward, time_span};
use crate::core::full_restart::reception::ENOUGH;
use std::time::Duration;

/// Settings of systemd's start limit. systemd still accepts those of the first group in
/// `[Service]`, where they would come after, and so undo, the lines in our `[Unit]`.
pub(super) const KEYS: [&str; 4] = [
    "StartLimitInterval",
    "StartLimitBurst",
    "StartLimitIntervalSec",
    "StartLimitAction",
];

/// Time within which the starts are counted.
const SPAN: Duration = Duration::from_secs(60);

/// Allowance for starts within [`SPAN`] without a death before: more than an administrator makes by
/// hand, and half of what the slowest storm makes.
const BY_HAND: u32 = 300;

/// Largest number of times that the count of deaths may begin anew within [`SPAN`]: first with the
/// start by request, then with each full restart of the stack that its members may ask for.
const SERIES: u128 = ENOUGH as u128 + 1;

/// Returns the lines for `[Unit]`.
pub(super) fn lines(recovery: &Recovery) -> String {
    match burst(recovery) {
        // An adopted unit's own StartLimitAction= must not act on our limit.
        Some(burst) => {
            let span = time_span::render(SPAN);
            format!(
                "StartLimitIntervalSec={span}\nStartLimitBurst={burst}\nStartLimitAction=none\n"
            )
        }
        None => "StartLimitIntervalSec=0\n".to_owned(),
    }
}

/// Returns more starts within [`SPAN`] than a ward with a working death limit can reach; `None` if
/// restarts without end are configured.
fn burst(recovery: &Recovery) -> Option<u32> {
    let within = recovery.death_limit_interval.as_nanos();
    if recovery.death_limit == 0 || recovery.on_limit == OnLimit::None || within == 0 {
        return None;
    }
    let tolerated = u128::from(recovery.death_limit) * SPAN.as_nanos().div_ceil(within);
    let starts = tolerated
        .saturating_mul(SERIES)
        .saturating_add(u128::from(BY_HAND));
    Some(u32::try_from(starts).unwrap_or(u32::MAX))
}

/// Returns a warning for each of a ward's own settings of it.
pub(super) fn warnings(ward: &Ward) -> impl Iterator<Item = Problem> {
    let lines = ward.native.unit.iter().chain(&ward.native.service);
    lines
        .filter(|line| KEYS.contains(&line.key.as_str()))
        .map(|line| {
            let text = format!(
                "{}= has no effect in a ward: DeathLimit= in [Recovery] takes its place",
                line.key
            );
            Problem {
                at: line.at.clone(),
                mistake: Mistake::Warning(text),
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check((death_limit, within): (u32, Duration), on_limit: OnLimit, expected: Option<u32>) {
        let recovery = Recovery {
            death_limit,
            death_limit_interval: within,
            on_limit,
            ..Recovery::default()
        };
        assert_eq!(
            burst(&recovery),
            expected,
            "{death_limit} within {within:?}, {on_limit:?}"
        );
    }

    #[test]
    fn the_net_is_wider_than_all_deaths_that_a_minute_may_bring() {
        let seconds = Duration::from_secs;
        check((5, seconds(60)), OnLimit::Exclude, Some(5 * 6 + 300));
        check((5, seconds(3600)), OnLimit::RestartStack, Some(5 * 6 + 300));
        check((5, seconds(25)), OnLimit::Reboot, Some(5 * 3 * 6 + 300));
        check(
            (10_000, Duration::from_nanos(1)),
            OnLimit::Exclude,
            Some(u32::MAX),
        );
    }

    #[test]
    fn there_is_no_net_where_restarts_without_end_were_asked_for() {
        check((0, Duration::from_secs(60)), OnLimit::Exclude, None);
        check((5, Duration::from_secs(60)), OnLimit::None, None);
        check((5, Duration::ZERO), OnLimit::Exclude, None);
        let endless = Recovery {
            death_limit: 0,
            ..Recovery::default()
        };
        assert_eq!(lines(&endless), "StartLimitIntervalSec=0\n");
    }
}
