//! From the text of the configuration files to a [`Config`] and the list of what is wrong in them.
//!
//! Reading is total: any text gives a configuration, possibly an empty one, plus problems. The cost
//! of a mistake is decided here and nowhere else (see [`problem::Cost`]).

pub mod names;
pub mod settings;
pub mod stack;
pub mod stacks;
pub mod template;
pub mod ward;

pub mod condition;
pub mod step;

pub mod command_line;
pub mod mistake;
pub mod place;
pub mod problem;
pub mod syntax;
pub mod time_span;
pub mod timeout_not_known;
pub mod wrong;

mod called;
mod circles;
mod read_condition;
mod read_keys;
mod read_mqtt;
pub(crate) mod read_native;
mod read_settings;
mod read_stack;
pub(crate) mod read_step;
mod read_ward;

pub use called::{Called, find_called};
pub use condition::{Condition, ConditionKind, OnStepFailure};
pub use names::{StackName, UnitName, WardName};
pub use place::Place;
pub use problem::{Cost, Mistake, Problem, left_out};
pub use read_settings::read as read_settings;
pub use settings::Settings;
pub use stack::Stack;
pub use stacks::{DescribedStack, ReadStack, Stacks, read_stack};
pub use timeout_not_known::TimeoutNotKnown;
pub use ward::{Form, OnLimit, Recovery, ReportOn, Ward};
pub use wrong::{Wrong, most_like, nearest};

use circles::Circles;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The settings of `unitward.conf`, the usable wards and the usable stacks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// `unitward.conf`, defaults filled in.
    pub settings: Settings,
    /// The wards, sorted by name, at most one for each unit.
    pub wards: Vec<Ward>,
    /// The stacks, sorted by name, at most one for each unit.
    pub stacks: Vec<Stack>,
}

/// One file of a configuration, as text: the main file or a drop-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path on the host, for messages and `SourcePath=`.
    pub path: Arc<Path>,
    /// The whole text.
    pub text: String,
}

impl SourceFile {
    /// Makes the file that holds `bytes`. Bytes that are not UTF-8 cost their line, not the file:
    /// see [`syntax::NO_TEXT`].
    #[must_use]
    pub fn decode(path: Arc<Path>, bytes: Vec<u8>) -> Self {
        let text = String::from_utf8(bytes).unwrap_or_else(|error| {
            let mut text = String::with_capacity(error.as_bytes().len());
            for chunk in error.as_bytes().utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend((!chunk.invalid().is_empty()).then_some(syntax::NO_TEXT));
            }
            text
        });
        Self { path, text }
    }

    /// Returns a place in the file.
    fn place(&self, line: usize, column: usize) -> Place {
        Place {
            path: self.path.clone(),
            line,
            column,
        }
    }
}

/// The files of one ward or stack: its name, its main file and its drop-ins, in the order they
/// apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFiles {
    /// The stem of the main file.
    pub name: String,
    /// The files, main file first.
    pub files: Vec<SourceFile>,
}

/// One ward as read: the ward unless a mistake cost it, and the mistakes.
#[derive(Debug)]
pub struct ReadWard {
    ward: Option<Ward>,
    problems: Vec<Problem>,
}

impl ReadWard {
    /// Replaces an alias (`sshd.service`), which PID 1 does not call the unit by, by the unit's own
    /// name.
    pub fn adopt_by_own_name(&mut self, own_name: impl FnOnce(&UnitName) -> Option<UnitName>) {
        if let Some(ward) = &mut self.ward {
            ward.form.adopt_by_own_name(own_name);
        }
    }

    /// Returns the unit that the ward adopts, if it adopts one.
    #[must_use]
    pub fn adopts(&self) -> Option<&UnitName> {
        match &self.ward.as_ref()?.form {
            Form::Adopted(unit) => Some(unit),
            Form::Defined => None,
        }
    }
}

/// Reads one ward by itself, which may name any of `stacks`. Total: every mistake is in the list.
#[must_use]
pub fn read_ward(SourceFiles { name, files }: &SourceFiles, stacks: &Stacks) -> Option<ReadWard> {
    let path = files.first()?.path.clone();
    let (ward, problems) = match WardName::new(name) {
        Ok(name) => read_ward::read(&name, files, stacks),
        Err(why) => {
            let at = Place::whole(path.clone());
            (
                None,
                vec![Problem {
                    at,
                    mistake: Mistake::WardName {
                        name: name.clone(),
                        why,
                    },
                }],
            )
        }
    };
    Some(ReadWard { ward, problems })
}

/// Admits wards one by one: one for each unit, none for a stack's unit, no restart circles.
///
/// Of two wards that claim the same thing the first one keeps it, so a ward is settled as soon as
/// it is admitted.
#[derive(Debug, Default)]
pub struct Assembly {
    guarded: HashMap<UnitName, Arc<Path>>,
    stacks: HashMap<UnitName, Arc<Path>>,
    templates: template::Neighbours,
    circles: Circles,
}

impl Assembly {
    /// Starts an assembly of wards beside these stacks.
    #[must_use]
    pub fn beside(stacks: &Stacks) -> Self {
        Self {
            guarded: HashMap::new(),
            templates: template::Neighbours::default(),
            stacks: stacks
                .iter()
                .map(|stack| (stack.unit(), stack.path.clone()))
                .collect(),
            circles: Circles::beside(stacks),
        }
    }

    /// Admits the next ward. Returns what remains of it and everything that is wrong with it.
    pub fn admit(
        &mut self,
        ReadWard { ward, mut problems }: ReadWard,
    ) -> (Option<Ward>, Vec<Problem>) {
        let Some(mut ward) = ward else {
            return (None, problems);
        };
        let unit = ward.unit();
        let guarded = self.guarded.get(&unit).map(|other| Mistake::Twice {
            unit: unit.to_string(),
            other: other.display().to_string(),
        });
        if let Some(mistake) = guarded
            .or_else(|| self.of_stack(&unit))
            .or_else(|| self.templates.refuse(&ward))
        {
            problems.push(Problem {
                at: ward.unit_at,
                mistake,
            });
            return (None, problems);
        }
        self.guarded.insert(unit, ward.path.clone());
        self.templates.admit(&ward);
        problems.extend(self.circles.admit(&mut ward));
        (Some(ward), problems)
    }

    /// Returns the mistake of a ward for this unit if it is the unit of a stack.
    fn of_stack(&self, unit: &UnitName) -> Option<Mistake> {
        let stack = self.stacks.get(unit)?.display().to_string();
        Some(Mistake::WardOfStack {
            unit: unit.to_string(),
            stack,
        })
    }
}

#[cfg(test)]
mod tests;
