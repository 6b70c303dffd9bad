//! The stacks of a configuration: at most one for each unit, looked up by name.
//!
//! They are settled before the first ward is read, so that the `Stack=` of a ward can be checked.

use super::names::{StackName, UnitName};
use super::place::Place;
use super::problem::{Mistake, Problem};
use super::ward::Form;
use super::wrong::nearest;
use super::{SourceFiles, Stack};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One stack as read: its main file, the stack unless a mistake cost it, and the mistakes.
#[derive(Debug)]
pub struct ReadStack {
    path: Arc<Path>,
    stack: Option<Stack>,
    places: Places,
    problems: Vec<Problem>,
}

impl ReadStack {
    /// Replaces an alias, which PID 1 does not call the unit by, by the unit's own name.
    pub fn adopt_by_own_name(&mut self, own_name: impl FnOnce(&UnitName) -> Option<UnitName>) {
        if let Some(stack) = &mut self.stack {
            stack.form.adopt_by_own_name(own_name);
        }
    }

    /// Refuses to define a target that has a unit file already: one of the two would hide the
    /// other.
    pub fn spare_existing(&mut self, file_of: impl FnOnce(&UnitName) -> Option<PathBuf>) {
        let Some(stack) = self.stack.take_if(|stack| stack.form == Form::Defined) else {
            return;
        };
        let target = stack.unit();
        let Some(file) = file_of(&target) else {
            self.stack = Some(stack);
            return;
        };
        let mistake = Mistake::TargetExists {
            target: target.to_string(),
            file: file.display().to_string(),
        };
        self.problems.push(Problem {
            at: Place::whole(self.path.clone()),
            mistake,
        });
    }
}

/// Reads one stack by itself. Total: every mistake is in the list.
#[must_use]
pub fn read_stack(SourceFiles { name, files }: &SourceFiles) -> Option<ReadStack> {
    let path = files.first()?.path.clone();
    match StackName::new(name) {
        Ok(name) => {
            let (stack, places, problems) = super::read_stack::read(&name, files)?;
            Some(ReadStack {
                path,
                stack,
                places,
                problems,
            })
        }
        Err(why) => {
            let at = Place::whole(path.clone());
            let mistake = Mistake::StackName {
                name: name.clone(),
                why,
            };
            let places = Places {
                report: at.clone(),
                unit: at.clone(),
                script: at.clone(),
            };
            Some(ReadStack {
                path,
                stack: None,
                places,
                problems: vec![Problem { at, mistake }],
            })
        }
    }
}

/// The valid stacks, sorted by name.
#[derive(Debug, Clone, Default)]
pub struct Stacks(Vec<DescribedStack>);

/// A stack and the places of its keys.
#[derive(Debug, Clone)]
pub struct DescribedStack {
    /// The stack.
    pub stack: Stack,
    /// Places of its keys.
    pub places: Places,
}

/// Places of the keys of a stack that messages name.
#[derive(Debug, Clone)]
pub struct Places {
    /// The line of `Report=`, else the section's.
    pub report: Place,
    /// The value of `Unit=`, else the file.
    pub unit: Place,
    /// The value of `RestartScript=`, else the file.
    pub script: Place,
}

impl Stacks {
    /// Takes the stacks in the order of their names; of two that claim one unit the first keeps it.
    pub fn settle(read: impl IntoIterator<Item = ReadStack>) -> (Self, Vec<Problem>) {
        let mut settled = Self::default();
        let mut problems = Vec::new();
        for ReadStack {
            stack,
            places,
            problems: wrong,
            ..
        } in read
        {
            problems.extend(wrong);
            let Some(stack) = stack else { continue };
            let unit = stack.unit();
            match settled.0.iter().find(|other| other.stack.unit() == unit) {
                Some(other) => {
                    let other = other.stack.path.display().to_string();
                    let mistake = Mistake::StackTwice {
                        unit: unit.to_string(),
                        other,
                    };
                    problems.push(Problem {
                        at: places.unit,
                        mistake,
                    });
                }
                None => settled.0.push(DescribedStack { stack, places }),
            }
        }
        (settled, problems)
    }

    /// Returns the stack of this name.
    #[must_use]
    pub fn get(&self, name: &StackName) -> Option<&Stack> {
        self.iter().find(|stack| stack.name == *name)
    }

    /// Returns the name most like `word`, if any is like it at all.
    #[must_use]
    pub fn nearest(&self, word: &str) -> Option<String> {
        nearest(word, self.iter().map(|stack| stack.name.as_str()))
    }

    /// Iterates over the stacks.
    pub fn iter(&self) -> impl Iterator<Item = &Stack> {
        self.0.iter().map(|described| &described.stack)
    }

    /// Returns the stacks with the places of their keys.
    #[must_use]
    pub fn described(&self) -> &[DescribedStack] {
        &self.0
    }

    /// Returns the stacks without the places.
    #[must_use]
    pub fn into_vec(self) -> Vec<Stack> {
        self.0
            .into_iter()
            .map(|described| described.stack)
            .collect()
    }
}
