//! The units without a ward whose crashes are reported, because `[Watch] Units=` names them.

use super::line::State;
use super::list::unit_state;
use super::pid1::{self, UnitSeen};
use crate::core::config::Config;
use crate::core::watch_list::WatchList;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use zbus::Connection;

/// A watched unit. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct Watched {
    /// Its name in reports.
    pub(in crate::shell) name: String,
    pub(in crate::shell) unit: String,
    /// State of the unit, in the words of a ward's.
    pub(in crate::shell) state: State,
    pub(in crate::shell) description: Option<String>,
}

/// Requests the watched units from PID 1: those that are loaded, and those that are named in full.
pub(super) async fn look(bus: &Connection, config: &Config) -> anyhow::Result<Vec<Watched>> {
    let patterns = &config.settings.watch;
    let named: Vec<String> = patterns
        .iter()
        .filter(|text| !text.contains(['*', '?', '[']))
        .cloned()
        .collect();
    let mut units = BTreeMap::new();
    if named.len() < patterns.len() {
        units.extend(
            pid1::services(bus, &["*.service"])
                .await?
                .into_iter()
                .filter(|(_, unit)| unit.load != "not-found"),
        );
    }
    if !named.is_empty() {
        let seen = pid1::list(bus, &named).await?;
        units.extend(named.into_iter().zip(seen));
    }
    Ok(watched(config, units))
}

/// Returns those of the units that are watched and have no ward.
fn watched(config: &Config, units: BTreeMap<String, UnitSeen>) -> Vec<Watched> {
    let patterns = config
        .settings
        .watch
        .iter()
        .filter_map(|text| glob::Pattern::new(text).ok());
    let list = WatchList::new([], [], patterns.collect());
    let guarded: BTreeSet<String> = config
        .wards
        .iter()
        .map(|ward| ward.unit().to_string())
        .collect();
    let others = units
        .into_iter()
        .filter(|(unit, _)| list.covers(unit) && !guarded.contains(unit));
    others
        .map(|(unit, seen)| Watched {
            name: unit.trim_end_matches(".service").to_owned(),
            state: unit_state(&seen, false),
            description: Some(seen.description).filter(|text| !text.is_empty() && *text != unit),
            unit,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::survey::sample;

    #[test]
    fn what_has_a_ward_or_is_ours_or_is_no_service_is_not_watched_only() {
        let mut config = sample::scene().config;
        config.settings.watch = ["*.service", "[", "gone"].map(str::to_owned).into();
        let guarded = config.wards[0].unit().to_string();
        let unit = |name: &str, load: &str, active: &str| {
            (name.to_owned(), sample::unit(load, active, "running"))
        };
        let units = BTreeMap::from([
            unit("cron.service", "loaded", "active"),
            unit(&guarded, "loaded", "active"),
            unit("unitward-web-OnLimit.service", "loaded", "inactive"),
            unit("dbus.socket", "loaded", "active"),
            unit("gone.service", "not-found", "inactive"),
        ]);
        let found: Vec<_> = watched(&config, units)
            .into_iter()
            .map(|one| (one.name, one.state))
            .collect();
        assert_eq!(
            found,
            [
                ("cron".to_owned(), State::Running),
                ("gone".to_owned(), State::Missing)
            ]
        );
    }
}
