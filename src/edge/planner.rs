//! Ward by ward, in the order of their names: what of it stands beside the wards before it, and what to write for it. Then
//! the stacks, for only then all members are known.
//!
//! The generator and `unitward check` both go through here, so what one says the other does.

use super::unit_files;
use crate::core::config::{Assembly, DescribedStack, Problem, ReadWard, Stacks, UnitName, Ward};
use crate::core::unit::{self, AdoptedUnit, Beside, Names, Output, Rank};
use std::collections::BTreeSet;
use std::path::Path;

/// Plans wards and stacks below one root.
#[derive(Debug)]
pub struct Planner<'a> {
    root: &'a Path,
    stacks: Vec<Gathering<'a>>,
    assembly: Assembly,
    names: Names,
}

/// A stack and the members it has so far.
#[derive(Debug)]
struct Gathering<'a> {
    described: &'a DescribedStack,
    unit: UnitName,
    members: BTreeSet<UnitName>,
}

/// What becomes of one ward.
#[derive(Debug)]
pub struct Planned {
    /// The ward, unless a mistake cost it.
    pub ward: Option<Ward>,
    /// What the files of the unit it adopts say.
    pub adopted: Option<AdoptedUnit>,
    /// What to write for it.
    pub outputs: Vec<Output>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// What becomes of one stack.
#[derive(Debug)]
pub struct PlannedStack<'a> {
    /// The stack and where it is described.
    pub described: &'a DescribedStack,
    /// The units of its members, in the order of their names.
    pub members: Vec<UnitName>,
    /// What to write for it.
    pub outputs: Vec<Output>,
    /// What is wrong with it.
    pub problem: Option<Problem>,
}

impl<'a> Planner<'a> {
    /// A planner that has seen no ward yet.
    #[must_use]
    pub fn new(root: &'a Path, stacks: &'a Stacks) -> Self {
        let gathering = |described: &'a DescribedStack| {
            let unit = described.stack.unit();
            Gathering { described, unit, members: BTreeSet::new() }
        };
        Self {
            root,
            stacks: stacks.described().iter().map(gathering).collect(),
            assembly: Assembly::beside(stacks),
            names: Names::default(),
        }
    }

    /// Plans the next ward.
    pub fn plan(&mut self, read: ReadWard) -> Planned {
        let (ward, mut problems) = self.assembly.admit(read);
        let mut planned = Planned { ward: None, adopted: None, outputs: Vec::new(), problems: Vec::new() };
        if let Some(ward) = ward {
            match self.names.admit(&ward) {
                Ok(()) => {
                    let (adopted, missing) = unit_files::adopted(self.root, &ward);
                    let stack = self.join(&ward);
                    let (mut outputs, wrong) = unit::outputs(&ward, Beside { adopted: adopted.as_ref(), stack });
                    problems.extend(missing.into_iter().chain(wrong));
                    outputs.retain(|output| {
                        let taken = output.rank == Rank::Late
                            && self.names.admit_alias(&ward, output).map_err(|twice| problems.push(*twice)).is_err();
                        !taken
                    });
                    planned = Planned { ward: Some(ward), adopted, outputs, problems: Vec::new() };
                }
                Err(collision) => problems.push(*collision),
            }
        }
        Planned { problems, ..planned }
    }

    /// Adds the ward to its stack, and gives the stack's unit.
    fn join(&mut self, ward: &Ward) -> Option<&UnitName> {
        let name = ward.stack.as_ref()?;
        let stack = self.stacks.iter_mut().find(|stack| stack.described.stack.name == *name)?;
        stack.members.insert(ward.unit());
        Some(&stack.unit)
    }

    /// Plans the stacks, once all wards are planned.
    #[must_use]
    pub fn stacks(self) -> Vec<PlannedStack<'a>> {
        let Self { root, stacks, .. } = self;
        let plan = |Gathering { described, members, .. }: Gathering<'a>| {
            let members: Vec<_> = members.into_iter().collect();
            let outputs = unit::stack_outputs(&described.stack, &members);
            PlannedStack { described, members, outputs, problem: unit_files::missing(root, described) }
        };
        stacks.into_iter().map(plan).collect()
    }
}
