//! The death limit: its numbers in a line's options, and what follows when it is reached.

use super::arguments::Arguments;
use crate::core::config::time_span;
use crate::core::recovery::Series;
use crate::core::recovery::series::{DeathLimit, LastEnd, Verdict};
use crate::edge::clock;
use crate::edge::systemctl::{self, Wait};
use std::io;

/// A reboot as a last resort is refused this soon after boot, in milliseconds: a host that dies at every boot must stay
/// up long enough to be mended.
pub(super) const REBOOT_PAUSE: u64 = 10 * 60 * 1_000;

/// Notes a death now and says whether it was one too many.
pub(super) fn death(series: &mut Series, end: LastEnd, arguments: &Arguments) -> io::Result<Verdict> {
    let limit = DeathLimit {
        deaths: tolerated(arguments),
        within: arguments.span("within")?,
        reset_after: arguments.span("reset-after")?,
    };
    Ok(series.death(clock::since_boot(), end, limit))
}

/// The same without any memory, where none could be written: systemd's own counter stands in for it.
pub(super) fn death_by_counter(nrestarts: Option<u32>, arguments: &Arguments) -> Verdict {
    let tolerated = tolerated(arguments);
    if tolerated > 0 && nrestarts.is_some_and(|count| count >= tolerated) {
        Verdict::LimitReached
    } else {
        Verdict::Restart
    }
}

fn tolerated(arguments: &Arguments) -> u32 {
    arguments.all("death-limit").next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The services of the `[OnLimit]` conditions that fire now; those with `Once=` are marked in `series`, to be saved first.
pub(super) fn services<'a>(series: &mut Series, arguments: &'a Arguments) -> Vec<&'a str> {
    let once = arguments.all("run-once").filter(|service| series.spent.insert((*service).to_owned()));
    arguments.all("run").chain(once).collect()
}

/// Starts what `[OnLimit]` has to do and ends the restarts, or the host; the one happens whatever becomes of the other.
///
/// The end comes last: called while the unit starts it ends this very process.
pub(super) fn give_up(services: &[&str], arguments: &Arguments) -> io::Result<()> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let started: Vec<_> = services.iter().map(|service| systemctl::job("start", service, Wait::ForQueue)).collect();
    started.into_iter().fold(end_restarts(ward, unit, arguments), io::Result::and)
}

fn end_restarts(ward: &str, unit: &str, arguments: &Arguments) -> io::Result<()> {
    let why = format!(
        "{unit} died more than {} times within {}",
        tolerated(arguments),
        time_span::render(arguments.span("within")?)
    );
    let mut action = arguments.all("on-limit").next().unwrap_or_default();
    if action == "reboot" && systemctl::since_boot() < REBOOT_PAUSE {
        tracing::warn!(
            UNITWARD_WARD = ward,
            OBJECT_SYSTEMD_UNIT = unit,
            "Not rebooting for {unit}: the host booted less than 10 minutes ago. Excluding it instead."
        );
        action = "exclude";
    }
    match action {
        "none" => {
            tracing::warn!(UNITWARD_WARD = ward, OBJECT_SYSTEMD_UNIT = unit, "{why}; restarting it all the same.")
        }
        "reboot" => {
            tracing::error!(UNITWARD_WARD = ward, OBJECT_SYSTEMD_UNIT = unit, "{why}; rebooting the host.");
            systemctl::output(&["--no-block", "reboot"])?;
        }
        _ => {
            tracing::error!(
                UNITWARD_WARD = ward,
                OBJECT_SYSTEMD_UNIT = unit,
                "{why}; leaving it down until \"systemctl start {unit}\"."
            );
            // Whatever requires the unit is left alone, as systemd's own start limit leaves it.
            systemctl::output(&["stop", "--no-block", "--job-mode=ignore-dependencies", "--", unit])?;
        }
    }
    Ok(())
}
