//! Drop-ins for units that our generator writes: an administrator's, below
//! `/etc/systemd/system/web.service.d`, or one for all services, may give a defined ward's unit, or
//! a condition's own service, a user or a sandbox.
//!
//! Thousands of wards are planned in one go, and hardly one has a drop-in. So each directory is
//! listed once, and only units that have drop-ins are looked up.

use super::drop_in_files::drop_in_names;
use super::paths::below;
use super::unit_files::{DIRECTORIES, drop_in_lines};
use crate::core::config::UnitName;
use crate::core::config::ward::NativeLine;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Suffix of the directory of a service's drop-ins.
const SUFFIX: &str = ".service.d";

/// The directories of services' drop-ins below one root.
#[derive(Debug)]
pub struct DropIns {
    root: PathBuf,
    /// Names of the directories, without `.d`.
    of: BTreeSet<String>,
}

impl DropIns {
    /// Lists the directories.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        let listings = DIRECTORIES
            .iter()
            .map(|directory| fs::read_dir(below(root, &Path::new("/").join(directory))));
        let names = listings
            .flatten()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let of = names
            .filter(|name| name.ends_with(SUFFIX) || *name == SUFFIX[1..])
            .map(|name| name.trim_end_matches(".d").to_owned())
            .collect();
        Self {
            root: root.to_owned(),
            of,
        }
    }

    /// Returns the `[Service]` lines in the drop-ins of a service that our generator writes, in the
    /// order in which they apply.
    #[must_use]
    pub fn service_lines(&self, unit: &UnitName) -> Vec<NativeLine> {
        if !self.of.contains(unit.suffix())
            && !drop_in_names(unit)
                .iter()
                .any(|name| self.of.contains(name))
        {
            return Vec::new();
        }
        let lines = drop_in_lines(&self.root, unit, None);
        lines
            .into_iter()
            .filter(|(section, _)| section == "Service")
            .map(|(_, line)| line)
            .collect()
    }
}

impl DropIns {
    /// The `[Service]` lines in the drop-ins of single instances of a template.
    #[must_use]
    pub fn lines_of_instances(&self, template: &UnitName) -> Vec<NativeLine> {
        let names = self.of.iter().filter_map(|name| UnitName::new(name).ok());
        let instances = names.filter(|unit| unit.template().as_ref() == Some(template));
        instances
            .flat_map(|unit| self.service_lines(&unit))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_of_a_unit_of_its_prefix_and_of_all_services_are_found() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, nice: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("[Unit]\nAfter=x\n[Service]\nNice={nice}\n")).unwrap();
        };
        let values = |unit: &str| {
            let lines = DropIns::below(root.path()).service_lines(&UnitName::new(unit).unwrap());
            lines.into_iter().map(|line| line.value).collect::<Vec<_>>()
        };
        assert!(values("web.service").is_empty());
        write("etc/systemd/system/web.service.d/b.conf", "1");
        write("usr/lib/systemd/system/unitward-.service.d/a.conf", "2");
        assert_eq!(values("web.service"), ["1"]);
        assert_eq!(values("unitward-web-OnLimit.service"), ["2"]);
        assert!(values("other.service").is_empty());
        write("etc/systemd/system/many@one.service.d/a.conf", "4");
        let template = UnitName::new_or_template("many@.service").unwrap();
        let of_one = DropIns::below(root.path()).lines_of_instances(&template);
        assert_eq!(
            of_one
                .iter()
                .map(|line| line.value.as_str())
                .collect::<Vec<_>>(),
            ["4"]
        );
        assert!(values("many@two.service").is_empty());
        write("run/systemd/system/service.d/a.conf", "3");
        assert_eq!(values("other.service"), ["3"]);
        assert_eq!(values("web.service"), ["3", "1"]);
    }
}
