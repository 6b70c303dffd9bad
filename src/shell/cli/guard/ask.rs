//! Properties of the unit from PID 1, as the proposal needs them; or the reason why no ward can
//! guard it.

use super::refusal;
use crate::core::config::UnitName;
use crate::core::config::names::BadName;
use crate::core::proposal::{Found, Main, StartLimit};
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::{systemctl, up};
use anyhow::Context as _;
use std::time::Duration;

/// Properties that are requested of every unit.
const OF_UNIT: [&str; 16] = [
    "Id",
    "LoadState",
    "FragmentPath",
    "SourcePath",
    "DropInPaths",
    "Transient",
    "ActiveState",
    "Triggers",
    "TriggeredBy",
    "BoundBy",
    "RequiredBy",
    "RequisiteOf",
    "ConsistsOf",
    "StartLimitIntervalUSec",
    "StartLimitBurst",
    "StartLimitAction",
];

/// Properties that are requested of a service in addition.
const OF_SERVICE: [&str; 8] = [
    "Type",
    "Restart",
    "RestartUSec",
    "WatchdogUSec",
    "PIDFile",
    "RemainAfterExit",
    "User",
    "MainPID",
];

/// The instance that is asked about where none is loaded.
const ANY: &str = "unitward";

/// A unit that could be guarded.
pub(super) struct Asked {
    pub(super) found: Found,
    /// The unit that PID 1 was asked about: of a template an instance.
    pub(super) one: UnitName,
    /// The name that was asked for, where it is an alias.
    pub(super) alias: Option<String>,
    /// Path of its unit file.
    pub(super) file: String,
    /// Path of the source that a generator made the unit file from.
    pub(super) source: String,
    /// Paths of the drop-ins that systemd has loaded for it.
    pub(super) drop_ins: Vec<String>,
}

/// Asks about the unit that is meant by `name`; or returns the reason why it cannot be guarded.
pub(super) fn ask(name: &str) -> anyhow::Result<Result<Asked, String>> {
    let meant = match meant(name) {
        Ok(unit) => unit,
        Err(why) => return Ok(Err(why)),
    };
    let unit = if meant.is_template() {
        one_of(&meant)
    } else {
        meant.clone()
    };
    let own = if unit.is_service() {
        &OF_SERVICE[..]
    } else {
        &[]
    };
    let known = pid1::ask(
        unit.as_str(),
        Wanted {
            unit: &OF_UNIT,
            own,
        },
    )
    .with_context(|| format!("failed to ask systemd about {unit}"))?;
    if let Some(why) =
        refusal::by_kind(&meant, &known).or_else(|| refusal::by_state(&meant, &known))
    {
        return Ok(Err(why));
    }
    let id = known.text("Id");
    let one = UnitName::new(id).with_context(|| format!("failed to read the name of {unit}"))?;
    let own_name = one
        .template()
        .filter(|_| meant.is_template())
        .unwrap_or_else(|| one.clone());
    let alias = (own_name != meant).then(|| meant.to_string());
    let mut found = found(own_name, &known);
    if meant.is_template() {
        // That is one instance's.
        found.main = Main::Down;
    }
    Ok(Ok(Asked {
        found,
        one,
        alias,
        file: known.text("FragmentPath").to_owned(),
        source: known.text("SourcePath").to_owned(),
        drop_ins: known.texts("DropInPaths").map(str::to_owned).collect(),
    }))
}

/// Returns the unit's name; the suffix of a service may be left out.
fn meant(name: &str) -> Result<UnitName, String> {
    let unit = match UnitName::new_or_template(name) {
        Err(BadName::Suffix) => UnitName::new_or_template(&[name, ".service"].concat()),
        unit => unit,
    };
    unit.map_err(|why| format!("{name:?} is not a unit: {why}."))
}

/// An instance of a template: one that is loaded, or any. PID 1 knows a template by its instances alone.
fn one_of(template: &UnitName) -> UnitName {
    let pattern = [template.prefix(), "@*.", template.suffix()].concat();
    let loaded = systemctl::loaded_services(&[&pattern])
        .unwrap_or_default()
        .into_iter();
    let one = loaded
        .filter_map(|name| UnitName::new(&name).ok())
        .find(|unit| unit.template().as_ref() == Some(template));
    one.or_else(|| template.of_instance(ANY))
        .unwrap_or_else(|| template.clone())
}

fn list(known: &Properties, property: &str) -> Vec<String> {
    known.texts(property).map(str::to_owned).collect()
}

fn found(unit: UnitName, known: &Properties) -> Found {
    let mut restarted_with: Vec<String> = ["RequiredBy", "RequisiteOf", "ConsistsOf"]
        .into_iter()
        .flat_map(|property| list(known, property))
        .collect();
    restarted_with.sort_unstable();
    restarted_with.dedup();
    let bound = list(known, "BoundBy");
    let triggers = list(known, "TriggeredBy");
    restarted_with.retain(|unit| !bound.contains(unit) && !triggers.contains(unit));
    let main = match known.number("MainPID").unwrap_or(0) {
        _ if !up::is_up(known.text("ActiveState")) => Main::Down,
        0 => Main::Unknown,
        pid => Main::Process(pid),
    };
    let start_limit = StartLimit {
        burst: known.number("StartLimitBurst").unwrap_or(0),
        interval: known
            .span("StartLimitIntervalUSec")
            .unwrap_or(Duration::MAX),
        action: known.text("StartLimitAction").to_owned(),
    };
    let default_start_limit = pid1::default_start_limit().map_or_else(
        || start_limit.clone(),
        |(burst, interval)| StartLimit {
            burst,
            interval,
            action: String::new(),
        },
    );
    Found {
        unit,
        kind: known.text("Type").to_owned(),
        restart: known.text("Restart").to_owned(),
        restart_delay: known.span("RestartUSec").unwrap_or(Duration::MAX),
        watchdog: known.span("WatchdogUSec").filter(|span| !span.is_zero()),
        pid_file: known.text("PIDFile").to_owned(),
        remains: known.flag("RemainAfterExit") == Some(true),
        user: known.text("User").to_owned(),
        main,
        triggers,
        bound,
        restarted_with,
        start_limit,
        default_start_limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_may_lack_its_suffix() {
        for (name, unit) in [
            ("nginx", "nginx.service"),
            ("nginx.service", "nginx.service"),
            ("cups.socket", "cups.socket"),
            ("org.example", "org.example.service"),
            ("getty@tty1", "getty@tty1.service"),
            ("getty@", "getty@.service"),
        ] {
            assert_eq!(
                meant(name).map(|unit| unit.to_string()),
                Ok(unit.to_owned())
            );
        }
        assert_eq!(
            meant("a b"),
            Err(
                "\"a b\" is not a unit: only letters, digits and \":-_.\\@\" may stand in it."
                    .to_owned()
            )
        );
    }

    #[test]
    fn what_systemd_says_is_taken_apart() {
        let known = Properties::from([
            ("Type", "notify".into()),
            ("ActiveState", "active".into()),
            ("MainPID", 7_u32.into()),
            (
                "RequiredBy",
                vec!["a.target", "b.socket", "c.service"].into(),
            ),
            ("ConsistsOf", vec!["b.socket", "a.target"].into()),
            ("TriggeredBy", vec!["b.socket"].into()),
            ("BoundBy", vec!["c.service"].into()),
            ("WatchdogUSec", 0_u64.into()),
            ("StartLimitIntervalUSec", u64::MAX.into()),
            ("StartLimitBurst", 3_u32.into()),
        ]);
        let found = found(UnitName::new("web.service").unwrap(), &known);
        assert_eq!((found.main, found.watchdog), (Main::Process(7), None));
        assert_eq!(
            (found.restarted_with, found.bound),
            (vec!["a.target".to_owned()], vec!["c.service".to_owned()])
        );
        assert_eq!(
            (found.start_limit.burst, found.start_limit.interval),
            (3, Duration::MAX)
        );
    }
}
