//! From wards to the files the generator writes.
//!
//! Same input, same bytes. Everything that a recovery needs is in these files as ordinary unit
//! settings, so that `systemctl cat` shows it and PID 1 runs it:
//!
//! * `begin` as `ExecCondition=`, which comes before all else: the reason for the start, the wait,
//!   and the steps above the ward's restart;
//! * `end` as the last `ExecStartPost=`: the steps below it, and the run is up; absent if there are
//!   no such steps;
//! * `stopped` as the first `ExecStopPost=`: the end of the run, the death limit, and the steps of
//!   a stop;
//! * a service of its own for each condition that is not part of a start.
//!
//! Each of them runs its list of steps itself ([`lists`]). Ours come first and depend on nothing of
//! the unit's.
//!
//! A stack is its unit, which wants the members; each member is `PartOf=` it, so that a restart of
//! the unit restarts all members.

mod adopted;
mod condition_service;
mod confined;
mod excluded;
mod hidden;
mod install;
mod lists;
mod no_exec;
mod pid_file;
mod refused;
mod sight;
mod stack_unit;
mod start_limit;
mod timeouts;
mod ward_unit;
mod words;

pub use adopted::{AdoptedUnit, ServiceLines};
pub use condition_service::names as condition_services;
pub use excluded::mark_of;
pub use lists::{HELPER, condition_service_name, service_name, stands_alone};
pub use refused::refused;
pub use sight::Sight;
pub use stack_unit::outputs as stack_outputs;
pub use timeouts::{DefaultTimeouts, Timeout};
pub use words::words;

use super::config::ward::NativeLine;
use super::config::{Mistake, Place, Problem, UnitName, Ward};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// One thing to write, its path relative to the generator's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The generator's directory that it belongs in.
    pub rank: Rank,
    /// `fs-nfs2.service`, `multi-user.target.wants/fs-nfs2.service` …
    pub path: String,
    /// File or link.
    pub content: Content,
}

/// Directory of the generator for an [`Output`] (systemd.generator(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Overrides units of packages; units of the administrator override it.
    Normal,
    /// Overridden by every other unit of that name: for aliases, which must not replace another
    /// ward or package.
    Late,
}

/// Content of an [`Output`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file with this text.
    File(String),
    /// A symbolic link to this target.
    Link(String),
}

/// The names of everything written so far.
#[derive(Debug, Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// Takes the names of the next ward's units.
    ///
    /// # Errors
    /// The problem, if one of them is taken; nothing of that ward may then be written.
    pub fn admit(&mut self, ward: &Ward) -> Result<(), Box<Problem>> {
        let names: Vec<_> = std::iter::once(ward_unit::path(ward)).chain(condition_service::names(ward)).collect();
        if let Some(twice) = names.iter().find(|name| self.0.contains(*name)) {
            let at = Place::whole(ward.path.clone());
            return Err(Box::new(Problem { at, mistake: Mistake::Collision { unit: twice.clone() } }));
        }
        self.0.extend(names);
        Ok(())
    }
}

impl Names {
    /// Takes the name of an alias.
    ///
    /// # Errors
    /// A warning, if an earlier ward has it; the link may then not be written.
    pub fn admit_alias(&mut self, ward: &Ward, alias: &Output) -> Result<(), Box<Problem>> {
        if self.0.insert(["late/", &alias.path].concat()) {
            return Ok(());
        }
        let text = format!("the alias {} belongs to another ward already and is left out here", alias.path);
        Err(Box::new(Problem { at: Place::whole(ward.path.clone()), mistake: Mistake::Warning(text) }))
    }
}

/// Facts about a ward's unit that the ward itself does not contain.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// Settings in the files of the unit it adopts, or in the drop-ins of the one it defines.
    pub adopted: Option<&'a AdoptedUnit>,
    /// The unit of the stack it belongs to.
    pub stack: Option<&'a UnitName>,
    /// The time-outs of units that give none.
    pub default_timeouts: DefaultTimeouts,
    /// `[Service]` lines of drop-ins for the services of its conditions, by the services' names.
    pub of_conditions: &'a BTreeMap<String, Vec<NativeLine>>,
}

/// Returns everything to write for one ward, and problems: parts that cannot be written or have no
/// effect.
#[must_use]
pub fn outputs(ward: &Ward, beside: Beside<'_>) -> (Vec<Output>, Vec<Problem>) {
    let (text, mut problems) = ward_unit::render(ward, beside);
    let path = ward_unit::path(ward);
    let mut outputs = vec![Output { rank: Rank::Normal, path, content: Content::File(text) }];
    outputs.extend(condition_service::render(ward, beside));
    let (links, wrong) = install::links(ward);
    outputs.extend(links);
    problems.extend(wrong);
    (outputs, problems)
}

/// The name of the drop-in for an adopted unit: an administrator's own `override.conf` comes after
/// it and so wins.
pub const DROP_IN: &str = "50-unitward.conf";

/// Beginning of every generated file.
pub const HEADING: &str = "# Generated by unitward-generator from ";

/// Returns the first lines of every generated file.
fn header(source: &Path) -> String {
    let advice = ".\n# Change that file and run \"systemctl daemon-reload\".\n\n";
    [HEADING, &source.to_string_lossy(), advice].concat()
}

#[cfg(test)]
mod tests;
