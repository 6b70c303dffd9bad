//! The stacks of a configuration beside each other: at most one for each unit, and found by name.
//!
//! They are settled before the first ward is read, so that a ward that names a stack can be told whether there is one.

use super::names::{StackName, UnitName};
use super::place::Place;
use super::problem::{Mistake, Problem};
use super::ward::Form;
use super::wrong::nearest;
use super::{SourceFiles, Stack};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One stack as read: its main file, itself unless a mistake cost it, and the mistakes.
#[derive(Debug)]
pub struct ReadStack {
    path: Arc<Path>,
    stack: Option<Stack>,
    places: Places,
    problems: Vec<Problem>,
}

impl ReadStack {
    /// Puts the unit's own name in the place of an alias, which PID 1 does not call it by.
    pub fn adopt_by_own_name(&mut self, own_name: impl FnOnce(&UnitName) -> Option<UnitName>) {
        if let Some(stack) = &mut self.stack {
            stack.form.adopt_by_own_name(own_name);
        }
    }

    /// Refuses to define a target where there is a unit file for it: that one would be hidden, or hide ours.
    pub fn spare_existing(&mut self, file_of: impl FnOnce(&UnitName) -> Option<PathBuf>) {
        let Some(stack) = self.stack.take_if(|stack| stack.form == Form::Defined) else { return };
        let target = stack.unit();
        let Some(file) = file_of(&target) else {
            self.stack = Some(stack);
            return;
        };
        let mistake = Mistake::TargetExists { target: target.to_string(), file: file.display().to_string() };
        self.problems.push(Problem { at: Place::whole(self.path.clone()), mistake });
    }
}

/// Reads one stack by itself. Total; every mistake is in the list.
#[must_use]
pub fn read_stack(SourceFiles { name, files }: &SourceFiles) -> Option<ReadStack> {
    let path = files.first()?.path.clone();
    match StackName::new(name) {
        Ok(name) => {
            let (stack, places, problems) = super::read_stack::read(&name, files)?;
            Some(ReadStack { path, stack, places, problems })
        }
        Err(why) => {
            let at = Place::whole(path.clone());
            let mistake = Mistake::StackName { name: name.clone(), why };
            let places = Places { report: at.clone(), unit: at.clone(), script: at.clone() };
            Some(ReadStack { path, stack: None, places, problems: vec![Problem { at, mistake }] })
        }
    }
}

/// The stacks that stand, sorted by name.
#[derive(Debug, Clone, Default)]
pub struct Stacks(Vec<DescribedStack>);

/// A stack and where it is described.
#[derive(Debug, Clone)]
pub struct DescribedStack {
    /// The stack.
    pub stack: Stack,
    /// Where its keys stand.
    pub places: Places,
}

/// Where the keys of a stack stand that messages name.
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
    /// Takes the stacks in the order of their names; the first of two that want one unit keeps it.
    pub fn settle(read: impl IntoIterator<Item = ReadStack>) -> (Self, Vec<Problem>) {
        let mut settled = Self::default();
        let mut problems = Vec::new();
        for ReadStack { stack, places, problems: wrong, .. } in read {
            problems.extend(wrong);
            let Some(stack) = stack else { continue };
            let unit = stack.unit();
            match settled.0.iter().find(|other| other.stack.unit() == unit) {
                Some(other) => {
                    let other = other.stack.path.display().to_string();
                    let mistake = Mistake::StackTwice { unit: unit.to_string(), other };
                    problems.push(Problem { at: places.unit, mistake });
                }
                None => settled.0.push(DescribedStack { stack, places }),
            }
        }
        (settled, problems)
    }

    /// The stack of this name.
    #[must_use]
    pub fn get(&self, name: &StackName) -> Option<&Stack> {
        self.iter().find(|stack| stack.name == *name)
    }

    /// The name most like `word`, if any is like it at all.
    #[must_use]
    pub fn nearest(&self, word: &str) -> Option<String> {
        nearest(word, self.iter().map(|stack| stack.name.as_str()))
    }

    /// The stacks.
    pub fn iter(&self) -> impl Iterator<Item = &Stack> {
        self.0.iter().map(|described| &described.stack)
    }

    /// The stacks and where they are described.
    #[must_use]
    pub fn described(&self) -> &[DescribedStack] {
        &self.0
    }

    /// The stacks themselves.
    #[must_use]
    pub fn into_vec(self) -> Vec<Stack> {
        self.0.into_iter().map(|described| described.stack).collect()
    }
}
