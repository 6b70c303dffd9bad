//! systemd's own start limit, as a net far below the death limit.
//!
//! The death limit stands in lines of the unit, and there are units for which PID 1 can run no line at all: their user,
//! their environment file or their working directory is not there. Each start of such a unit fails at once, nothing of
//! ours is asked, and only systemd itself can put an end to that.
//!
//! systemd counts every start, those by hand or by a socket too, so the net is so wide that hardly anything but such a storm meets
//! it: 330 starts within a minute by default, where a storm makes from 10 to several hundred in a second. The span is a minute whatever
//! `DeathLimitIntervalSec=` is: over a day a timer that restarts a healthy service would use up as many starts.

use crate::core::config::{Mistake, OnLimit, Problem, Recovery, Ward, time_span};
use crate::core::full_restart::reception::ENOUGH;
use std::time::Duration;

/// Settings of systemd's start limit. systemd still takes those of the first group in `[Service]`, where they would come
/// after, and so undo, what stands in our `[Unit]`.
pub(super) const KEYS: [&str; 4] =
    ["StartLimitInterval", "StartLimitBurst", "StartLimitIntervalSec", "StartLimitAction"];

/// What the starts are counted within.
const SPAN: Duration = Duration::from_secs(60);

/// Starts within [`SPAN`] that nobody died before: more than anybody makes by hand, and a third of what the slowest storm makes.
const BY_HAND: u32 = 300;

/// How often the count of deaths may begin anew within [`SPAN`]: first with the start that was asked for, then with
/// each full restart of the stack that its members may ask for.
const SERIES: u128 = ENOUGH as u128 + 1;

/// The lines for `[Unit]`.
pub(super) fn lines(recovery: &Recovery) -> String {
    match burst(recovery) {
        // Whatever an adopted unit's own StartLimitAction= is, so far nothing could set it off.
        Some(burst) => {
            let span = time_span::render(SPAN);
            format!("StartLimitIntervalSec={span}\nStartLimitBurst={burst}\nStartLimitAction=none\n")
        }
        None => "StartLimitIntervalSec=0\n".to_owned(),
    }
}

/// More starts within [`SPAN`] than a ward can come to whose death limit works; `None` where restarts without end were
/// asked for.
fn burst(recovery: &Recovery) -> Option<u32> {
    let within = recovery.death_limit_interval.as_nanos();
    if recovery.death_limit == 0 || recovery.on_limit == OnLimit::None || within == 0 {
        return None;
    }
    let tolerated = u128::from(recovery.death_limit) * SPAN.as_nanos().div_ceil(within);
    let starts = tolerated.saturating_mul(SERIES).saturating_add(u128::from(BY_HAND));
    Some(u32::try_from(starts).unwrap_or(u32::MAX))
}

/// What is said of a ward's own settings of it.
pub(super) fn warnings(ward: &Ward) -> impl Iterator<Item = Problem> {
    let lines = ward.native.unit.iter().chain(&ward.native.service);
    lines.filter(|line| KEYS.contains(&line.key.as_str())).map(|line| {
        let text = format!("{}= has no effect in a ward: DeathLimit= in [Recovery] takes its place", line.key);
        Problem { at: line.at.clone(), mistake: Mistake::Warning(text) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check((death_limit, within): (u32, Duration), on_limit: OnLimit, expected: Option<u32>) {
        let recovery = Recovery { death_limit, death_limit_interval: within, on_limit, ..Recovery::default() };
        assert_eq!(burst(&recovery), expected, "{death_limit} within {within:?}, {on_limit:?}");
    }

    #[test]
    fn the_net_is_wider_than_all_deaths_that_a_minute_may_bring() {
        let seconds = Duration::from_secs;
        check((5, seconds(60)), OnLimit::Exclude, Some(5 * 6 + 300));
        check((5, seconds(3600)), OnLimit::RestartStack, Some(5 * 6 + 300));
        check((5, seconds(25)), OnLimit::Reboot, Some(5 * 3 * 6 + 300));
        check((10_000, Duration::from_nanos(1)), OnLimit::Exclude, Some(u32::MAX));
    }

    #[test]
    fn there_is_no_net_where_restarts_without_end_were_asked_for() {
        check((0, Duration::from_secs(60)), OnLimit::Exclude, None);
        check((5, Duration::from_secs(60)), OnLimit::None, None);
        check((5, Duration::ZERO), OnLimit::Exclude, None);
        let endless = Recovery { death_limit: 0, ..Recovery::default() };
        assert_eq!(lines(&endless), "StartLimitIntervalSec=0\n");
    }
}
