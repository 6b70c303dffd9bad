//! Conversion of the unit's start limit into the ward's death limit, which replaces it.
//!
//! `StartLimitBurst=5` is five starts, the first one included; so the fifth death is the last, and
//! four are tolerated.

use super::{Found, Section, StartLimit};
use crate::core::config::Recovery;
use crate::core::config::time_span::render;
use crate::core::recovery::backoff::Backoff;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Returns the section, if the unit's own settings need one, and sentences on settings that are not
/// taken over.
pub(super) fn section(found: &Found) -> (Option<Section>, Vec<String>) {
    let own = &found.start_limit;
    let default = &found.default_start_limit;
    let is_default = (own.burst, own.interval) == (default.burst, default.interval);
    let (mut why, mut lines) = if is_default {
        slow(found).into_iter().unzip()
    } else {
        taken_over(found)
    };
    let mut lost: Vec<_> = if is_default && lines.is_empty() {
        now_limited(found)
    } else {
        None
    }
    .into_iter()
    .collect();
    let action = own.action.as_str();
    if action.starts_with("reboot") {
        why.push(format!(
            "StartLimitAction={action}: the host reboots at the limit, but not within ten minutes of its boot."
        ));
        lines.push("OnLimit=reboot".to_owned());
    } else if !matches!(action, "" | "none") {
        lost.push(format!(
            "StartLimitAction={action} has no effect under a ward, which replaces the start limit: steps of [OnLimit] run \
             instead."
        ));
    }
    (
        (!lines.is_empty()).then_some(Section {
            heading: "Recovery",
            why,
            lines,
        }),
        lost,
    )
}

/// Converts the unit's own limit into a death limit: reasons and lines.
fn taken_over(found: &Found) -> (Vec<String>, Vec<String>) {
    let StartLimit {
        burst, interval, ..
    } = &found.start_limit;
    if interval.is_zero() || *burst == 0 {
        let why = "The unit has no start limit (StartLimitIntervalSec=0): it is restarted without end, as before. A DeathLimit= \
                   above 0 would end that.";
        return (vec![why.to_owned()], vec!["DeathLimit=0".to_owned()]);
    }
    let deaths = (burst - 1).max(1);
    let within = (*interval).min(DAY);
    let mut why = vec![format!(
        "From StartLimitBurst={burst} and StartLimitIntervalSec={}, which the death limit replaces: systemd counts the first \
         start too, a ward only deaths.",
        if *interval > DAY {
            "infinity".to_owned()
        } else {
            render(*interval)
        }
    )];
    let mut lines = vec![
        format!("DeathLimit={deaths}"),
        format!("DeathLimitIntervalSec={}", render(within)),
    ];
    let own_waits = found.restart_delay.saturating_mul(deaths);
    if own_waits >= within {
        why.push(format!(
            "With RestartSec={} so many deaths never fall within that time, so it is restarted without end, as before.",
            render(found.restart_delay)
        ));
    } else if own_waits.saturating_add(back_off(deaths)) >= within / 2 {
        // The runs between the deaths take time too.
        why.push(
            "MaxDelaySec=0: with a back-off that doubles so many deaths would hardly fall within that time.".to_owned(),
        );
        lines.push("MaxDelaySec=0".to_owned());
    }
    (why, lines)
}

/// Widens the ward's default limit if the unit's wait keeps it from ever being reached.
fn slow(found: &Found) -> Option<(String, String)> {
    let Recovery {
        death_limit,
        death_limit_interval,
        ..
    } = Recovery::default();
    let delay = found.restart_delay;
    let waits = delay.saturating_mul(death_limit);
    (waits.saturating_add(back_off(death_limit)) >= death_limit_interval).then(|| {
        let minutes = (waits.saturating_mul(2).as_secs().div_ceil(MINUTE.as_secs())).min(24 * 60);
        let within = MINUTE.saturating_mul(u32::try_from(minutes).unwrap_or(1));
        let why = format!(
            "With RestartSec={} more than {death_limit} deaths never fall within a minute, the default. DeathLimit=0 would have \
             it restarted without end.",
            render(delay)
        );
        (why, format!("DeathLimitIntervalSec={}", render(within)))
    })
}

/// That the limit is new where the host has none, or where the unit's wait has kept systemd's from being reached.
fn now_limited(found: &Found) -> Option<String> {
    let StartLimit {
        burst, interval, ..
    } = &found.start_limit;
    let why = if interval.is_zero() {
        "Start limits are off on this host (DefaultStartLimitIntervalSec=0)".to_owned()
    } else if *burst == 0 {
        "Start limits are off on this host (DefaultStartLimitBurst=0)".to_owned()
    } else if found.restart_delay.saturating_mul(*burst) >= *interval {
        format!(
            "RestartSec={} kept it below systemd's start limit",
            render(found.restart_delay)
        )
    } else {
        return None;
    };
    (!matches!(found.restart.as_str(), "" | "no")).then(|| {
        format!(
            "{why}, so it was restarted without end. Under the ward more than {} deaths within a minute end it; DeathLimit=0 in \
             [Recovery] leaves it as it was.",
            Recovery::default().death_limit
        )
    })
}

/// Returns the total back-off of a ward for so many restarts in a row.
fn back_off(restarts: u32) -> Duration {
    let Recovery {
        delay, max_delay, ..
    } = Recovery::default();
    let backoff = Backoff { delay, max_delay };
    // After a thousand restarts any interval is over.
    (1..=restarts.min(1_000))
        .map(|restart| backoff.wait(restart))
        .sum()
}
