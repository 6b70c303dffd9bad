//! From the text of the configuration files to a [`Config`] and the list of what is wrong in them.
//!
//! Reading is total: any text gives a configuration, possibly an empty one, plus problems. What a
//! mistake costs is decided here and nowhere else (see [`problem::Cost`]).

pub mod names;
pub mod settings;
pub mod ward;

pub mod condition;
pub mod step;

pub mod command_line;
pub mod problem;
pub mod syntax;
pub mod time_span;

mod circles;
mod read_condition;
mod read_keys;
pub(crate) mod read_native;
mod read_settings;
pub(crate) mod read_step;
mod read_ward;

pub use condition::{Condition, ConditionKind, OnStepFailure};
pub use names::{UnitName, WardName};
pub use problem::{Cost, Mistake, Problem};
pub use read_settings::read as read_settings;
pub use settings::Settings;
pub use ward::{Form, OnLimit, Place, Recovery, ReportOn, Ward};

use circles::Circles;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Everything that was read: the settings of `unitward.conf` and the usable wards, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// `unitward.conf`, defaults filled in.
    pub settings: Settings,
    /// The wards, sorted by name, at most one for each unit.
    pub wards: Vec<Ward>,
}

/// One file of a configuration, as text: the main file or a drop-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it stands on the host, for messages and `SourcePath=`.
    pub path: Arc<Path>,
    /// Its whole text.
    pub text: String,
}

/// The files of one ward: its name and its main file and drop-ins, in the order they apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WardFiles {
    /// The stem of the main file.
    pub name: String,
    /// Main file first.
    pub files: Vec<SourceFile>,
}

/// One ward as read: its main file, itself unless a mistake cost it, and the mistakes.
#[derive(Debug)]
pub struct ReadWard {
    path: Arc<Path>,
    ward: Option<Ward>,
    problems: Vec<Problem>,
}

impl ReadWard {
    /// Puts the unit's own name in the place of an alias (`sshd.service`), which PID 1 does not call it by.
    pub fn adopt_by_own_name(&mut self, own_name: impl FnOnce(&UnitName) -> Option<UnitName>) {
        if let Some(Form::Adopted(unit)) = self.ward.as_mut().map(|ward| &mut ward.form)
            && let Some(own) = own_name(unit)
        {
            *unit = own;
        }
    }
}

/// Reads one ward by itself. Total; every mistake is in the list.
#[must_use]
pub fn read_ward(WardFiles { name, files }: &WardFiles) -> Option<ReadWard> {
    let path = files.first()?.path.clone();
    let (ward, problems) = match WardName::new(name) {
        Ok(name) => read_ward::read(&name, files),
        Err(why) => {
            let at = Place { path: path.clone(), line: 0 };
            (None, vec![Problem { at, mistake: Mistake::WardName { name: name.clone(), why } }])
        }
    };
    Some(ReadWard { path, ward, problems })
}

/// Puts wards together, one after the other in the order of their names: one for each unit, no circles.
///
/// Whatever two wards cannot have both the first one keeps, so a ward is settled as soon as it is admitted.
#[derive(Debug, Default)]
pub struct Assembly {
    guarded: HashMap<UnitName, Arc<Path>>,
    circles: Circles,
}

impl Assembly {
    /// Takes the next ward; gives what stands of it and everything that is wrong with it.
    pub fn admit(&mut self, ReadWard { path, ward, mut problems }: ReadWard) -> (Option<Ward>, Vec<Problem>) {
        let Some(mut ward) = ward else { return (None, problems) };
        if let Some(other) = self.guarded.get(&ward.unit()) {
            let mistake = Mistake::Twice { unit: ward.unit().to_string(), other: other.display().to_string() };
            problems.push(Problem { at: Place { path, line: 0 }, mistake });
            return (None, problems);
        }
        self.guarded.insert(ward.unit(), path);
        problems.extend(self.circles.admit(&mut ward));
        (Some(ward), problems)
    }
}

#[cfg(test)]
mod tests;
