//! Consequences of a ward's next crash: back-off and death limit are computed in advance, by the
//! code that decides.

use crate::core::config::time_span::millis;
use crate::core::config::{OnLimit, Recovery, Ward};
use crate::core::recovery::Series;
use crate::core::recovery::backoff::Backoff;
use crate::core::recovery::series::{DeathLimit, LastEnd, Verdict};
use crate::shell::survey::pid1::Details;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Consequences of a crash that happens now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Outlook {
    /// True if systemd restarts it.
    pub(in crate::shell) restarts: bool,
    /// Time until the restart, in milliseconds: `RestartSec=` and the back-off.
    pub(in crate::shell) after_ms: Option<u64>,
    /// Number of deaths from now on that reach the death limit; `None`: there is no limit.
    pub(in crate::shell) deaths_left: Option<u64>,
    /// Action at the limit: `exclude`, `restart-stack`, `reboot` or `none`.
    pub(in crate::shell) then: String,
}

/// Returns the death limit in the terms of a series.
pub(super) fn limit(recovery: &Recovery) -> DeathLimit {
    DeathLimit {
        deaths: recovery.death_limit,
        within: recovery.death_limit_interval,
        reset_after: recovery.reset_after,
    }
}

/// Returns the back-off of a ward.
pub(super) fn backoff(recovery: &Recovery) -> Backoff {
    Backoff {
        delay: recovery.delay,
        max_delay: recovery.max_delay,
    }
}

/// Returns the word for the action at the death limit.
pub(super) const fn on_limit(on_limit: OnLimit) -> &'static str {
    match on_limit {
        OnLimit::Exclude => "exclude",
        OnLimit::RestartStack => "restart-stack",
        OnLimit::Reboot => "reboot",
        OnLimit::None => "none",
    }
}

/// Computes the consequences; `now` is boot time in milliseconds.
pub(super) fn outlook(ward: &Ward, series: &Series, now: u64, details: &Details) -> Outlook {
    let recovery = &ward.recovery;
    let limit = limit(recovery);
    let mut next = series.clone();
    let verdict = next.death(now, LastEnd::AbnormalDeath, limit);
    let given_up = verdict == Verdict::LimitReached && recovery.on_limit != OnLimit::None;
    let restarts = !given_up && !matches!(details.restart.as_str(), "" | "no" | "on-success");
    let started = next
        .start(Some(next.nrestarts.wrapping_add(1).max(1)), false)
        .is_restart();
    let wait = backoff(recovery).wait_below(next.restarts, details.start_timeout);
    let after = if started { wait } else { Duration::ZERO };
    Outlook {
        restarts,
        after_ms: restarts.then(|| millis(details.restart_delay + after)),
        deaths_left: series.deaths_left(now, limit).map(|left| left as u64),
        then: on_limit(recovery.on_limit).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::survey::sample;

    fn check(
        deaths: &[u64],
        change: impl FnOnce(&mut Ward, &mut Details),
        expect: (bool, Option<u64>, Option<u64>),
    ) {
        let mut ward = sample::ward("web", "");
        let mut details = Details {
            restart: "on-failure".into(),
            ..Details::default()
        };
        change(&mut ward, &mut details);
        let mut series = Series::default();
        let _ = series.start(Some(0), false);
        for (count, at) in deaths.iter().enumerate() {
            let _ = series.death(*at, LastEnd::AbnormalDeath, limit(&ward.recovery));
            series.ended(Some(u32::try_from(count).unwrap()));
            let _ = series.start(Some(u32::try_from(count).unwrap() + 1), false);
            series.up(*at + 1);
        }
        let told = outlook(&ward, &series, 100_000, &details);
        assert_eq!((told.restarts, told.after_ms, told.deaths_left), expect);
    }

    #[test]
    fn the_wait_grows_with_the_restarts_and_the_limit_comes_nearer() {
        check(&[], |_, _| {}, (true, Some(0), Some(6)));
        check(&[99_000], |_, _| {}, (true, Some(100), Some(5)));
        check(
            &[97_000, 98_000, 99_000],
            |_, _| {},
            (true, Some(400), Some(3)),
        );
        check(
            &[10_000, 98_000, 99_000],
            |_, _| {},
            (true, Some(400), Some(4)),
        );
        check(
            &[95_000, 96_000, 97_000, 98_000, 99_000],
            |_, _| {},
            (false, None, Some(1)),
        );
    }

    #[test]
    fn what_the_unit_and_the_ward_say_counts() {
        check(
            &[],
            |_, unit| unit.restart = "no".into(),
            (false, None, Some(6)),
        );
        check(
            &[],
            |_, unit| unit.restart_delay = Duration::from_secs(2),
            (true, Some(2_000), Some(6)),
        );
        check(
            &[],
            |ward, _| ward.recovery.death_limit = 0,
            (true, Some(0), None),
        );
        check(
            &[99_000],
            |ward, _| ward.recovery.delay = Duration::from_secs(1),
            (true, Some(2_000), Some(5)),
        );
        let none = |ward: &mut Ward, _: &mut Details| ward.recovery.on_limit = OnLimit::None;
        check(
            &[95_000, 96_000, 97_000, 98_000, 99_000],
            none,
            (true, Some(1_600), Some(1)),
        );
        let short = |ward: &mut Ward, unit: &mut Details| {
            ward.recovery.delay = Duration::from_secs(10);
            unit.start_timeout = Some(Duration::from_secs(5));
        };
        check(&[], short, (true, Some(4_000), Some(6)));
        // Healthy for longer than ResetAfterSec=.
        check(
            &[1_000, 2_000],
            |ward, _| ward.recovery.reset_after = Duration::from_secs(90),
            (true, Some(0), Some(6)),
        );
    }
}
