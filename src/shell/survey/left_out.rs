//! Wards and stacks that are not in the configuration any more, or not yet: their file was removed, or a mistake in it costs the whole
//! of it. Until systemd is reloaded it guards their units as an earlier file said; a service that was defined by a file that is gone
//! goes on without a guard.

use super::called;
use super::line::State;
use super::list::unit_state;
use super::pid1::{self, UnitSeen};
use super::scene::Scene;
use crate::core::config::{Config, Cost, Problem, UnitName, problem};
use crate::core::unit::{DROP_IN, HEADING};
use crate::core::visible::visible;
use crate::edge::record::{self, StartKind, WardState};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use zbus::Connection;

/// Directories with what our generator wrote when systemd last read its configuration.
const WRITTEN: [&str; 2] = ["/run/systemd/generator", "/run/systemd/generator.late"];

/// A ward or stack that is left out. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct LeftOut {
    pub(in crate::shell) name: String,
    /// Path of its file, which may be gone; `None`: not known.
    pub(in crate::shell) file: Option<String>,
    pub(in crate::shell) why: Why,
    /// The first mistake that costs it, with its place.
    pub(in crate::shell) problem: Option<String>,
    /// Its unit, as far as it is known.
    pub(in crate::shell) unit: Option<String>,
    /// State of the unit, in the words of a ward's.
    pub(in crate::shell) state: Option<State>,
    /// True while systemd has what was generated from an earlier file.
    pub(in crate::shell) guarded: bool,
}

/// Cause for which one is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::shell) enum Why {
    /// Its file is gone or masked.
    Removed,
    /// A mistake in its file costs the whole of it.
    Mistake,
}

impl LeftOut {
    /// Returns a sentence on what became of it, and what to do.
    pub(in crate::shell) fn sentence(&self) -> String {
        let unit = self.unit.as_deref().unwrap_or("its unit");
        let file = self.file.as_deref().unwrap_or("its file");
        let why = match (self.why, &self.problem) {
            (Why::Removed, _) => format!("{file} is gone"),
            (Why::Mistake, None) => format!("{file} was left out because of a mistake"),
            (Why::Mistake, Some(problem)) => {
                format!("left out because of a mistake: {problem} (\"unitward check\")")
            }
        };
        let stands = if self.guarded {
            format!("systemd still guards {unit} as an earlier file said")
        } else if self.is_up() {
            format!("{unit} runs on and is not guarded")
        } else {
            format!("{unit} is not guarded")
        };
        visible(&format!(
            "{}: {why}; {stands}: {}.",
            self.name,
            self.remedy()
        ))
    }

    /// Returns what to do.
    pub(in crate::shell) fn remedy(&self) -> String {
        let unit = self.unit.as_deref().unwrap_or("its unit");
        match (self.why, self.guarded) {
            (Why::Mistake, true) => {
                "mend the file, or \"systemctl daemon-reload\" ends that".to_owned()
            }
            (Why::Mistake, false) => "mend the file, then systemctl daemon-reload".to_owned(),
            (Why::Removed, true) => "\"systemctl daemon-reload\" ends that".to_owned(),
            (Why::Removed, false) => format!("\"systemctl stop {unit}\" ends it"),
        }
    }

    /// Returns true if its unit is up.
    fn is_up(&self) -> bool {
        matches!(self.state, Some(State::Running | State::Done))
    }

    /// Returns true if the name means it: its own, or its unit's.
    fn is_called(&self, name: &str) -> bool {
        let unit = self.unit.as_deref().unwrap_or_default();
        [self.name.as_str(), unit].contains(&name)
            || unit.strip_suffix(".service") == Some(name)
            || [".service", ".target", ".ward", ".stack"]
                .iter()
                .any(|ending| name.strip_suffix(ending) == Some(&self.name))
    }
}

/// A unit file or drop-in that our generator wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Written {
    unit: String,
    /// The file that it was made of.
    source: PathBuf,
}

/// Returns those that are left out, by their names.
///
/// # Errors
/// PID 1 does not answer.
pub(super) async fn look(bus: &Connection, scene: &Scene) -> anyhow::Result<Vec<LeftOut>> {
    let written: Vec<Written> = WRITTEN
        .iter()
        .flat_map(|place| written(Path::new(place)))
        .collect();
    let mut found = found(&scene.config, &scene.problems, &written);
    let recorded = recorded();
    let named: BTreeSet<String> = found.iter().map(|one| one.name.clone()).collect();
    for (name, unit) in &recorded {
        if let Some(one) = found
            .iter_mut()
            .find(|one| one.name == *name && one.unit.is_none())
        {
            one.unit = Some(unit.clone());
        }
    }
    let gone = recorded.into_iter().filter(|(name, unit)| {
        !named.contains(name) && !is_present(&scene.config, name) && !has_unit(&scene.config, unit)
    });
    let gone: Vec<LeftOut> = gone
        .map(|(name, unit)| LeftOut::of_record(name, unit))
        .collect();
    found.extend(gone);
    for one in &mut found {
        let defined = || UnitName::new(&[&one.name, ".service"].concat()).ok();
        one.unit = one.unit.take().or_else(|| Some(defined()?.to_string()));
    }
    // A template is no unit that PID 1 could be asked about.
    let units: BTreeSet<&String> = found.iter().filter_map(|one| one.unit.as_ref()).collect();
    let units: Vec<String> = units
        .into_iter()
        .filter(|unit| !unit.contains("@."))
        .cloned()
        .collect();
    let seen = if units.is_empty() {
        Vec::new()
    } else {
        pid1::list(bus, &units).await?
    };
    let seen: BTreeMap<String, UnitSeen> = units.into_iter().zip(seen).collect();
    found.iter_mut().for_each(|one| one.stand(&seen));
    found.retain(|one| one.why == Why::Mistake || one.guarded || one.is_up());
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Returns the sentence for a name that no ward or stack has: what became of the one that had it.
///
/// # Errors
/// PID 1 does not answer.
pub(super) async fn unknown(bus: &Connection, scene: &Scene, name: &str) -> anyhow::Result<String> {
    let left_out = look(bus, scene).await?;
    let meant = left_out.iter().find(|one| one.is_called(name));
    Ok(meant.map_or_else(
        || called::unknown(&scene.config, &scene.problems, name),
        LeftOut::sentence,
    ))
}

impl LeftOut {
    /// Makes one that has left records of its runs and has no file.
    fn of_record(name: String, unit: String) -> Self {
        Self {
            name,
            file: None,
            why: Why::Removed,
            problem: None,
            unit: Some(unit),
            state: None,
            guarded: false,
        }
    }

    /// Sets the state of its unit. One that PID 1 has a file of, and we none, has nothing to do with us.
    fn stand(&mut self, seen: &BTreeMap<String, UnitSeen>) {
        let unit = self.unit.as_ref().and_then(|unit| seen.get(unit));
        let is_its_own = self.why == Why::Mistake || self.guarded;
        let unit = unit.filter(|unit| is_its_own || unit.load == "not-found");
        self.state = unit
            .map(|unit| unit_state(unit, false))
            .filter(|state| *state != State::Missing);
        if self.state.is_none() && !self.guarded {
            self.unit = None;
        }
    }
}

/// Returns those that have an output of the generator or a mistake, and are not in the configuration.
fn found(config: &Config, problems: &[Problem], written: &[Written]) -> Vec<LeftOut> {
    let mut found: BTreeMap<String, LeftOut> = BTreeMap::new();
    for problem in problems
        .iter()
        .filter(|problem| problem.mistake.cost() == Cost::Ward)
    {
        let Some(main) = problem::main_file(&problem.at.path) else {
            continue;
        };
        if is_planned(config, &main) {
            continue;
        }
        found.entry(main.clone()).or_insert_with(|| LeftOut {
            file: Some(problem.at.path.display().to_string()),
            why: Why::Mistake,
            problem: Some(problem.sentence()),
            ..LeftOut::of(&main)
        });
    }
    for Written { unit, source } in written {
        let Some(main) = problem::main_file(source) else {
            continue;
        };
        if is_planned(config, &main) || has_unit(config, unit) {
            continue;
        }
        let one = found.entry(main.clone()).or_insert_with(|| LeftOut {
            file: Some(source.display().to_string()),
            ..LeftOut::of(&main)
        });
        one.unit = Some(unit.clone());
        one.guarded = true;
    }
    found.into_values().collect()
}

impl LeftOut {
    /// Makes one that was removed, by the name of its main file.
    fn of(main: &str) -> Self {
        let stem = main.rsplit_once('.').map_or(main, |(stem, _)| stem);
        Self {
            unit: None,
            ..Self::of_record(stem.to_owned(), String::new())
        }
    }
}

/// Returns true if the ward or stack of this main file is in the configuration.
fn is_planned(config: &Config, main: &str) -> bool {
    match main.rsplit_once('.') {
        Some((stem, "stack")) => config
            .stacks
            .iter()
            .any(|stack| stack.name.as_str() == stem),
        Some((stem, _)) => config.wards.iter().any(|ward| ward.name.as_str() == stem),
        None => true,
    }
}

/// Returns true if a ward or stack has this name, or is the template of it.
fn is_present(config: &Config, name: &str) -> bool {
    config.ward_meant_by(name).is_some()
        || config
            .stacks
            .iter()
            .any(|stack| stack.name.as_str() == name)
}

/// Returns true if a ward or stack of the configuration guards this unit.
fn has_unit(config: &Config, unit: &str) -> bool {
    config.wards.iter().any(|ward| ward.unit().as_str() == unit)
        || config
            .stacks
            .iter()
            .any(|stack| stack.unit().as_str() == unit)
        || config.ward_meant_by(unit).is_some()
}

/// Returns the wards that have records of runs in this boot, with their units.
fn recorded() -> Vec<(String, String)> {
    let units = record::wards().into_iter().filter_map(|name| {
        let mut runs = WardState::of(&name).newest_runs();
        let unit = runs.find(|run| run.start != StartKind::Condition)?.unit;
        Some((name, unit))
    });
    units.collect()
}

/// Returns the units and drop-ins of wards and stacks below one of the generator's directories. The services of conditions are not
/// among them.
fn written(directory: &Path) -> Vec<Written> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        if let Some(unit) = name.strip_suffix(".d") {
            return of_file(unit, &entry.path().join(DROP_IN));
        }
        let own = of_file(&name, &entry.path())?;
        let main = problem::main_file(&own.source)?;
        let (stem, _) = main.rsplit_once('.')?;
        let (of_unit, _) = name.rsplit_once('.')?;
        (stem == of_unit).then_some(own)
    });
    files.collect()
}

/// Reads which file this one was made of; `None`: it is not ours.
fn of_file(unit: &str, path: &Path) -> Option<Written> {
    if !path.symlink_metadata().ok()?.is_file() {
        return None;
    }
    let mut first = String::new();
    BufReader::new(fs::File::open(path).ok()?)
        .read_line(&mut first)
        .ok()?;
    let source = first.strip_prefix(HEADING)?.trim_end().strip_suffix('.')?;
    Some(Written {
        unit: unit.to_owned(),
        source: source.into(),
    })
}

#[cfg(test)]
mod tests;
