//! The units that the daemon guards and watches, looked up by unit name.

use super::systemd::{UnitAt, WatchList};
use crate::core::config::{Config, ReportOn};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The wards by unit, and the patterns of watched units without a ward.
#[derive(Debug, Default)]
pub(super) struct Guard {
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

impl Guard {
    /// Reads the configuration; returns the invalid patterns beside.
    pub(super) fn new(config: &Config) -> (Self, Vec<String>) {
        let stacks = config.stacks.iter().filter(|stack| stack.restart_script.is_some());
        let scripted: Vec<_> = stacks.map(|stack| &stack.name).collect();
        let ward = |ward: &crate::core::config::Ward| {
            let name = ward.name.as_str().to_owned();
            let scripted = ward.stack.as_ref().is_some_and(|stack| scripted.contains(&stack));
            (ward.unit().as_str().to_owned(), Guarded { ward: name, report: ward.report, scripted })
        };
        let mut bad = Vec::new();
        let mut patterns = Vec::new();
        for text in &config.settings.watch {
            match glob::Pattern::new(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(_) => bad.push(text.clone()),
            }
        }
        let wards = config.wards.iter().map(ward).collect();
        let named = config.wards.iter().map(|ward| (ward.name.as_str().to_owned(), ward.unit().as_str().to_owned()));
        let units = Arc::new(named.collect());
        let stacked = |stack: &crate::core::config::Stack| Stacked {
            name: stack.name.as_str().to_owned(),
            identifier: stack.identifier.clone(),
            report: stack.report,
            timeout: stack.timeout,
            inhibit_file: stack.inhibit_file.clone(),
        };
        let stacks = config.stacks.iter().map(|stack| (stack.unit().as_str().to_owned(), stacked(stack))).collect();
        let mut guard = Self { wards, units, stacks, patterns, ..Self::default() };
        guard.renew_watch_list();
        (guard, bad)
    }

    /// Takes over the known aliases that are still valid.
    pub(super) fn inherit(&mut self, earlier: &Self) {
        let holds = |own: &str, asked: &str| self.wards.contains_key(asked) && !self.wards.contains_key(own);
        let known = earlier.aliases.iter().filter(|(own, asked)| holds(own, asked));
        self.aliases = known.map(|(own, asked)| (own.clone(), asked.clone())).collect();
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

    /// Returns the name of the ward that guards this unit.
    pub(super) fn ward(&self, unit: &str) -> Option<&str> {
        self.guarded(unit).map(|guarded| guarded.ward.as_str())
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
        let file = |(unit, stack): (&String, &Stacked)| Some((unit.clone(), stack.inhibit_file.clone()?));
        self.stacks.iter().filter_map(file).collect()
    }

    /// Returns the units that represent stacks.
    pub(super) fn stacks(&self) -> impl Iterator<Item = &str> {
        self.stacks.keys().map(String::as_str)
    }

    /// Returns the kind of ends of this unit that are reported.
    pub(super) fn reports_on(&self, unit: &str) -> ReportOn {
        self.guarded(unit).map_or(ReportOn::Abnormal, |guarded| guarded.report)
    }

    /// Returns the name of this unit in reports: its ward, or its name without the suffix.
    pub(super) fn report_name<'n>(&'n self, unit: &'n str) -> &'n str {
        self.ward(unit).unwrap_or(unit.strip_suffix(".service").unwrap_or(unit))
    }

    /// Returns the wards' units that are not listed: not loaded, or listed under another name.
    pub(super) fn not_among(&self, listed: &[UnitAt]) -> Vec<String> {
        let names: std::collections::HashSet<_> = listed.iter().map(|at| at.unit.as_str()).collect();
        self.wards.keys().filter(|unit| !names.contains(unit.as_str())).cloned().collect()
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
        self.wards.get(self.aliases.get(unit).map_or(unit, String::as_str))
    }

    fn renew_watch_list(&mut self) {
        let units = self.wards.keys().chain(self.aliases.keys()).cloned();
        let stacks = self.stacks.keys().cloned();
        self.watch = Arc::new(WatchList::new(units, stacks, self.patterns.clone()));
    }
}
