//! The units that the daemon guards and watches, looked up by unit name.

use super::systemd::UnitAt;
use crate::core::config::{Config, ReportOn, Stack, Ward, template};
use crate::core::watch_list::WatchList;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The wards by unit, and the patterns of watched units without a ward.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// By unit; a template's ward counts for each instance that has none of its own.
    wards: HashMap<String, Guarded>,
    /// The wards' units, by the wards' names.
    units: Arc<BTreeMap<String, String>>,
    /// Aliases that wards name, by the units' own names, which systemd uses: own name → alias.
    aliases: HashMap<String, String>,
    /// The stacks by their unit.
    stacks: HashMap<String, Stacked>,
    patterns: Vec<glob::Pattern>,
    watch: Arc<WatchList>,
}

#[derive(Debug)]
struct Guarded {
    ward: String,
    report: ReportOn,
    /// True if its stack is restarted by a script.
    scripted: bool,
}

/// The settings of a stack that concern reports.
#[derive(Debug)]
pub(super) struct Stacked {
    /// The file's stem.
    pub(super) name: String,
    /// Name of the stack in reports.
    pub(super) identifier: String,
    pub(super) report: bool,
    /// Time limit of a full restart.
    pub(super) timeout: Duration,
    inhibit_file: Option<PathBuf>,
}

impl Guarded {
    /// Returns what this configuration says of a ward.
    fn new(ward: &Ward, config: &Config) -> Self {
        let scripted = config.stacks.iter().any(|stack| {
            stack.restart_script.is_some() && ward.stack.as_ref() == Some(&stack.name)
        });
        Self {
            ward: ward.name.as_str().to_owned(),
            report: ward.report,
            scripted,
        }
    }
}

impl Stacked {
    /// Returns the settings of this stack.
    fn new(stack: &Stack) -> Self {
        Self {
            name: stack.name.as_str().to_owned(),
            identifier: stack.identifier.clone(),
            report: stack.report,
            timeout: stack.timeout,
            inhibit_file: stack.inhibit_file.clone(),
        }
    }
}

impl Guard {
    /// Reads the configuration; returns the invalid patterns beside.
    pub(super) fn new(config: &Config) -> (Self, Vec<String>) {
        let mut bad = Vec::new();
        let mut patterns = Vec::new();
        for text in &config.settings.watch {
            match glob::Pattern::new(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(_) => bad.push(text.clone()),
            }
        }
        let wards = config
            .wards
            .iter()
            .map(|ward| (ward.unit().as_str().to_owned(), Guarded::new(ward, config)))
            .collect();
        let named = config.wards.iter().map(|ward| {
            (
                ward.name.as_str().to_owned(),
                ward.unit().as_str().to_owned(),
            )
        });
        let units = Arc::new(named.collect());
        let stacks = config
            .stacks
            .iter()
            .map(|stack| (stack.unit().as_str().to_owned(), Stacked::new(stack)))
            .collect();
        let mut guard = Self {
            wards,
            units,
            stacks,
            patterns,
            ..Self::default()
        };
        guard.renew_watch_list();
        (guard, bad)
    }

    /// Takes over the known aliases that are still valid.
    pub(super) fn inherit(&mut self, earlier: &Self) {
        let valid = earlier.aliases.iter().filter(|(own, asked)| {
            self.wards.contains_key(*asked) && !self.wards.contains_key(*own)
        });
        self.aliases = valid
            .map(|(own, asked)| (own.clone(), asked.clone()))
            .collect();
        self.renew_watch_list();
    }

    /// Returns the number of wards.
    pub(super) fn wards(&self) -> usize {
        self.wards.len()
    }

    /// The wards' units, by the wards' names.
    pub(super) fn units(&self) -> &Arc<BTreeMap<String, String>> {
        &self.units
    }

    /// Returns the number of patterns of units without a ward.
    pub(super) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Returns the watch list for the bus' reader.
    pub(super) fn watch_list(&self) -> Arc<WatchList> {
        Arc::clone(&self.watch)
    }

    /// Returns true if this unit is guarded or watched.
    pub(super) fn covers(&self, unit: &str) -> bool {
        self.watch.covers(unit)
    }

    /// The ward that guards this unit.
    pub(super) fn ward(&self, unit: &str) -> Option<Cow<'_, str>> {
        if let Some(guarded) = self.of_its_own(unit) {
            return Some(Cow::Borrowed(&guarded.ward));
        }
        let (template, instance) = template::split(unit)?;
        Some(Cow::Owned(
            [&self.wards.get(&template)?.ward, instance].concat(),
        ))
    }

    /// Whether there is a ward of this name, be it an instance's.
    pub(super) fn has_ward(&self, name: &str) -> bool {
        self.units.contains_key(name)
            || name.split_once('@').is_some_and(|(prefix, instance)| {
                !instance.is_empty() && self.units.contains_key(&[prefix, "@"].concat())
            })
    }

    /// Returns true if only the run record tells an asked end of this unit from a crash: a restart
    /// script may kill processes itself.
    pub(super) fn needs_record(&self, unit: &str) -> bool {
        self.guarded(unit).is_some_and(|guarded| guarded.scripted)
    }

    /// Returns the stack that this unit represents.
    pub(super) fn stack(&self, unit: &str) -> Option<&Stacked> {
        self.stacks.get(unit)
    }

    /// Returns the files that inhibit full restarts, each with the stack's unit.
    pub(super) fn inhibit_files(&self) -> Vec<(String, PathBuf)> {
        self.stacks
            .iter()
            .filter_map(|(unit, stack)| Some((unit.clone(), stack.inhibit_file.clone()?)))
            .collect()
    }

    /// Returns the units that represent stacks.
    pub(super) fn stacks(&self) -> impl Iterator<Item = &str> {
        self.stacks.keys().map(String::as_str)
    }

    /// Returns the kind of ends of this unit that are reported.
    pub(super) fn reports_on(&self, unit: &str) -> ReportOn {
        self.guarded(unit)
            .map_or(ReportOn::Abnormal, |guarded| guarded.report)
    }

    /// What a report calls this unit: its ward, or its name without the suffix.
    pub(super) fn report_name<'n>(&'n self, unit: &'n str) -> Cow<'n, str> {
        self.ward(unit)
            .unwrap_or(Cow::Borrowed(unit.strip_suffix(".service").unwrap_or(unit)))
    }

    /// The wards' units that are not listed: not loaded, or listed under another name. Templates
    /// are left out, because PID 1 has no answer about them.
    pub(super) fn not_among(&self, listed: &[UnitAt]) -> Vec<String> {
        let names: std::collections::HashSet<_> =
            listed.iter().map(|at| at.unit.as_str()).collect();
        let missing = self
            .wards
            .keys()
            .filter(|unit| !names.contains(unit.as_str()) && !unit.contains("@."));
        missing.cloned().collect()
    }

    /// Learns that `asked` is an alias of `own`; `true`: the watch list changed.
    pub(super) fn learn_alias(&mut self, asked: &str, own: &str) -> bool {
        let news = asked != own && !self.wards.contains_key(own) && !self.aliases.contains_key(own);
        if news {
            self.aliases.insert(own.to_owned(), asked.to_owned());
            self.renew_watch_list();
        }
        news
    }

    fn guarded(&self, unit: &str) -> Option<&Guarded> {
        self.of_its_own(unit)
            .or_else(|| self.wards.get(&template::split(unit)?.0))
    }

    fn of_its_own(&self, unit: &str) -> Option<&Guarded> {
        self.wards
            .get(self.aliases.get(unit).map_or(unit, String::as_str))
    }

    fn renew_watch_list(&mut self) {
        let units = self.wards.keys().chain(self.aliases.keys()).cloned();
        let stacks = self.stacks.keys().cloned();
        self.watch = Arc::new(WatchList::new(units, stacks, self.patterns.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::root;

    #[test]
    fn an_instance_is_its_templates_unless_it_has_a_ward_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(root.path().join("etc/unitward")).unwrap();
            std::fs::write(root.path().join("etc/unitward").join(name), text).unwrap();
        };
        write("work@.ward", "[Ward]\nUnit=job@.service\nReport=death\n");
        write("own.ward", "[Ward]\nUnit=job@own.service\nReport=no\n");
        let (config, _) = root::load(root.path());
        let (guard, _) = Guard::new(&config);
        let check = |unit: &str, ward: Option<&str>, report: ReportOn| {
            assert_eq!(
                (guard.ward(unit).as_deref(), guard.reports_on(unit)),
                (ward, report),
                "{unit}"
            );
            assert_eq!(guard.covers(unit), ward.is_some(), "{unit}");
            assert!(ward.is_none_or(|ward| guard.has_ward(ward)), "{unit}");
        };
        check("job@a.service", Some("work@a"), ReportOn::Death);
        check(
            "job@a@b\\x2d.service",
            Some("work@a@b\\x2d"),
            ReportOn::Death,
        );
        check("job@own.service", Some("own"), ReportOn::No);
        check("work@a.service", None, ReportOn::Abnormal);
        check("job@a.timer", None, ReportOn::Abnormal);
        check("job.service", None, ReportOn::Abnormal);
        assert_eq!(guard.report_name("job@a.service"), "work@a");
        assert_eq!(
            guard.not_among(&[]),
            ["job@own.service"],
            "a template cannot be asked about"
        );
    }
}
