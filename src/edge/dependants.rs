//! Units that are bound to another one with `BindsTo=`, or uphold it with `Upholds=`, by what their
//! files say.
//!
//! systemd stops bound units as soon as the other one leaves `active`. Plain systemd may bring them
//! back with it: a unit that runs no command at its end and has `RestartSec=0` is restarted before
//! they are down. A ward's unit runs one at its end, and they stay down.

use super::{paths, unit_files};
use crate::core::config::read_native::values;
use crate::core::config::ward::NativeLine;
use crate::core::config::{Form, UnitName, Ward};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A unit that is bound to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependant {
    /// Name of the unit.
    pub unit: UnitName,
    /// True if another unit is meant to want it (`[Install]`), so that systemd remembers when it
    /// left `active`.
    pub is_wanted: bool,
}

/// All dependants.
#[derive(Debug, Clone, Default)]
pub struct Dependants {
    /// Bound units, by the name of the unit that they are bound to.
    bound: BTreeMap<String, Vec<Dependant>>,
    /// Upholding units, by the name of the unit that they uphold.
    upholding: BTreeMap<String, BTreeSet<UnitName>>,
}

impl Dependants {
    /// Reads the dependants that have files below `root`, and those among `wards`.
    #[must_use]
    pub fn read<'w>(root: &Path, wards: impl IntoIterator<Item = &'w Ward>) -> Self {
        let mut all = Self::default();
        for unit in unit_files::names(root)
            .iter()
            .filter_map(|name| UnitName::new(name).ok())
        {
            let lines = unit_files::lines(root, &unit);
            let of_unit = lines
                .iter()
                .filter(|(section, line)| section == "Unit" && line.key == "BindsTo");
            let is_wanted = lines.iter().any(|(section, _)| section == "Install");
            all.add(
                &unit,
                is_wanted,
                of_unit.map(|(_, line)| line.value.as_str()),
            );
            for (section, line) in &lines {
                match (section.as_str(), line.key.as_str()) {
                    ("Unit", "Upholds") => words(line).for_each(|other| all.uphold(&unit, other)),
                    ("Install", "UpheldBy") => words(line)
                        .filter_map(|other| UnitName::new(other).ok())
                        .filter(|other| is_enabled(root, other, &unit))
                        .for_each(|other| all.uphold(&other, unit.as_str())),
                    _ => {}
                }
            }
        }
        for ward in wards {
            let lines = ward.native.unit.iter().filter(|line| line.key == "BindsTo");
            let is_wanted = ward.form != Form::Defined
                || ward.stack.is_some()
                || !ward.native.install.is_empty();
            all.add(
                &ward.unit(),
                is_wanted,
                lines.map(|line| line.value.as_str()),
            );
            let upholds = ward
                .native
                .unit
                .iter()
                .filter(|line| line.key == "Upholds")
                .flat_map(words);
            upholds.for_each(|other| all.uphold(&ward.unit(), other));
            let by = values(&ward.native.install, "UpheldBy").flat_map(words);
            by.filter_map(|other| UnitName::new(other).ok())
                .for_each(|other| all.uphold(&other, ward.unit().as_str()));
        }
        all
    }

    fn uphold(&mut self, unit: &UnitName, other: &str) {
        self.upholding
            .entry(other.to_owned())
            .or_default()
            .insert(unit.clone());
    }

    fn add<'l>(&mut self, unit: &UnitName, is_wanted: bool, values: impl Iterator<Item = &'l str>) {
        for name in values.flat_map(str::split_whitespace) {
            let dependants = self.bound.entry(name.to_owned()).or_default();
            if dependants.iter().all(|known| known.unit != *unit) {
                dependants.push(Dependant {
                    unit: unit.clone(),
                    is_wanted,
                });
            }
        }
    }

    /// Returns the units that are bound to this unit.
    #[must_use]
    pub fn to(&self, unit: &UnitName) -> &[Dependant] {
        self.bound.get(unit.as_str()).map_or(&[], Vec::as_slice)
    }

    /// Returns the units that uphold this unit.
    pub fn upholding(&self, unit: &UnitName) -> impl Iterator<Item = &UnitName> {
        self.upholding.get(unit.as_str()).into_iter().flatten()
    }
}

/// Iterates over the words of a line's value.
fn words(line: &NativeLine) -> impl Iterator<Item = &str> {
    line.value.split_whitespace()
}

/// Returns true if `systemctl enable` has made the link by which `other` upholds the unit, as
/// systemd 254 and later know it.
fn is_enabled(root: &Path, other: &UnitName, unit: &UnitName) -> bool {
    let link = Path::new("/etc/systemd/system")
        .join([other.as_str(), ".upholds"].concat())
        .join(unit.as_str());
    paths::below(root, &link).symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn dependants_are_found_in_unit_files_and_drop_ins() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "etc/systemd/system/a.service",
            "[Unit]\nBindsTo=web.service dev-x.device\n[Install]\nWantedBy=x.target\n",
        );
        write(
            "usr/lib/systemd/system/b.service",
            "[Unit]\nRequires=web.service\n",
        );
        write(
            "etc/systemd/system/b.service.d/more.conf",
            "[Unit]\nBindsTo=web.service\n",
        );
        write(
            "run/systemd/generator/c.service",
            "[Unit]\nBindsTo=web.service\nBindsTo=web.service\n",
        );
        let bound = Dependants::read(root.path(), []);
        let to = |name: &str| bound.to(&UnitName::new(name).unwrap()).to_vec();
        let found: Vec<_> = to("web.service")
            .into_iter()
            .map(|found| (found.unit.to_string(), found.is_wanted))
            .collect();
        assert_eq!(
            found,
            [
                ("a.service".to_owned(), true),
                ("b.service".to_owned(), false),
                ("c.service".to_owned(), false)
            ]
        );
        assert_eq!(to("a.service"), []);
    }

    #[test]
    fn who_upholds_a_unit_is_found_and_who_only_could_is_not() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join("etc/systemd/system").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a.target", "[Unit]\nUpholds=web.service b.service\n");
        write("web.service", "[Install]\nUpheldBy=c.target d.target\n");
        write("c.target.upholds/web.service", "");
        let all = Dependants::read(root.path(), []);
        let unit = UnitName::new("web.service").unwrap();
        assert_eq!(
            all.upholding(&unit)
                .map(UnitName::as_str)
                .collect::<Vec<_>>(),
            ["a.target", "c.target"]
        );
    }
}
