//! Plans the units to write: ward by ward, in the order of their names, each checked against the
//! wards before it. Then the stacks, for only then all members are known.
//!
//! The generator and `unitward check` both use this module, so that they agree.

use super::drop_ins::DropIns;
use super::manager_conf;
use super::{beside, unit_files};
use crate::core::config::ward::NativeLine;
use crate::core::config::{
    Assembly, DescribedStack, Form, Mistake, Problem, ReadWard, Stacks, UnitName, Ward,
};
use crate::core::unit::{self, AdoptedUnit, Beside, DefaultTimeouts, Names, Output, Rank};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Plans the units of wards and stacks below one root.
#[derive(Debug)]
pub struct Planner<'a> {
    root: &'a Path,
    stacks: Vec<Gathering<'a>>,
    assembly: Assembly,
    names: Names,
    drop_ins: DropIns,
    default_timeouts: DefaultTimeouts,
}

/// A stack with the members planned so far.
#[derive(Debug)]
struct Gathering<'a> {
    described: &'a DescribedStack,
    unit: UnitName,
    members: BTreeSet<UnitName>,
}

/// The plan for one ward.
#[derive(Debug)]
pub struct Planned {
    /// The ward, unless a mistake makes it void.
    pub ward: Option<Ward>,
    /// Settings in the files of its unit that the ward itself does not have.
    pub adopted: Option<AdoptedUnit>,
    /// Units and links to write for it.
    pub outputs: Vec<Output>,
    /// Mistakes in it.
    pub problems: Vec<Problem>,
}

impl Planned {
    /// Returns the same plan for a host that is up, where the output of other generators is known:
    /// with the unit's own lines, without the problems that they solve, and with a warning if
    /// systemd would refuse the unit.
    #[must_use]
    pub fn on_running_host(mut self, root: &Path) -> Self {
        let Some(ward) = self.ward.as_ref().filter(|_| self.adopted.is_none()) else {
            return self;
        };
        let Form::Adopted(unit) = &ward.form else {
            return self;
        };
        let Some(known) = unit_files::elsewhere(root, unit) else {
            return self;
        };
        self.problems
            .retain(|problem| !is_missing(problem, unit) && !is_solved(problem, &known));
        self.problems
            .extend(unit::refused(ward, &known).map(|Problem { at, mistake }| {
                let text = mistake
                    .to_string()
                    .replace("the ward is ignored", "the unit is not loaded");
                Problem {
                    at,
                    mistake: Mistake::Warning(text),
                }
            }));
        self.adopted = Some(known);
        self
    }
}

impl PlannedStack<'_> {
    /// Returns the same plan for a host that is up, where the output of other generators is known.
    #[must_use]
    pub fn on_running_host(mut self, root: &Path) -> Self {
        let unit = self.described.stack.unit();
        if self
            .problem
            .as_ref()
            .is_some_and(|problem| is_missing(problem, &unit))
            && unit_files::elsewhere(root, &unit).is_some()
        {
            self.problem = None;
        }
        self
    }
}

/// Returns true if the problem is a time-out that these lines of the unit make long enough.
fn is_solved(problem: &Problem, known: &AdoptedUnit) -> bool {
    match &problem.mistake {
        Mistake::TimeoutNotKnown(unknown) => known.lets_take(unknown.key, unknown.growth),
        _ => false,
    }
}

/// Returns true if the problem is that this unit has no file.
fn is_missing(problem: &Problem, unit: &UnitName) -> bool {
    matches!(&problem.mistake, Mistake::NoUnit { unit: named, .. } if named == unit.as_str())
}

/// The plan for one stack.
#[derive(Debug)]
pub struct PlannedStack<'a> {
    /// The stack and the places that describe it.
    pub described: &'a DescribedStack,
    /// The units of its members, in the order of their names.
    pub members: Vec<UnitName>,
    /// Units and links to write for it.
    pub outputs: Vec<Output>,
    /// Mistake in it.
    pub problem: Option<Problem>,
}

impl<'a> Planner<'a> {
    /// Returns a planner that has seen no ward yet.
    #[must_use]
    pub fn new(root: &'a Path, stacks: &'a Stacks) -> Self {
        Self {
            root,
            stacks: stacks.described().iter().map(Gathering::new).collect(),
            assembly: Assembly::beside(stacks),
            names: Names::default(),
            drop_ins: DropIns::below(root),
            default_timeouts: DefaultTimeouts::of(&manager_conf::lines(root)),
        }
    }

    /// Plans the next ward.
    pub fn plan(&mut self, read: ReadWard) -> Planned {
        let (ward, mut problems) = self.assembly.admit(read);
        let mut planned = Planned {
            ward: None,
            adopted: None,
            outputs: Vec::new(),
            problems: Vec::new(),
        };
        if let Some(ward) = ward {
            match self.names.admit(&ward) {
                Ok(()) => {
                    let (adopted, missing) = beside::beside(self.root, &self.drop_ins, &ward);
                    if let Some(refused) = adopted
                        .as_ref()
                        .and_then(|adopted| unit::refused(&ward, adopted))
                    {
                        problems.push(refused);
                        return Planned {
                            problems,
                            ..planned
                        };
                    }
                    let joined = self.join(&ward);
                    let stack = joined.as_ref();
                    let of_conditions = self.of_conditions(&ward, adopted.as_ref());
                    let beside = Beside {
                        adopted: adopted.as_ref(),
                        stack,
                        default_timeouts: self.default_timeouts,
                        of_conditions: &of_conditions,
                    };
                    let (mut outputs, wrong) = unit::outputs(&ward, beside);
                    problems.extend(missing.into_iter().chain(wrong));
                    outputs.retain(|output| {
                        let taken = output.rank == Rank::Late
                            && self
                                .names
                                .admit_alias(&ward, output)
                                .map_err(|twice| problems.push(*twice))
                                .is_err();
                        !taken
                    });
                    planned = Planned {
                        ward: Some(ward),
                        adopted,
                        outputs,
                        problems: Vec::new(),
                    };
                }
                Err(collision) => problems.push(*collision),
            }
        }
        Planned {
            problems,
            ..planned
        }
    }

    /// Returns the lines in drop-ins for the services of the ward's conditions, by their names.
    fn of_conditions(
        &self,
        ward: &Ward,
        adopted: Option<&AdoptedUnit>,
    ) -> BTreeMap<String, Vec<NativeLine>> {
        let names = unit::condition_services(ward, adopted);
        let with_lines = names.map(|name| {
            let lines = UnitName::new_or_template(&name)
                .map(|unit| self.drop_ins.service_lines(&unit))
                .unwrap_or_default();
            (name, lines)
        });
        with_lines.filter(|(_, lines)| !lines.is_empty()).collect()
    }

    /// Adds the ward to its stack and returns the stack's unit.
    fn join(&mut self, ward: &Ward) -> Option<UnitName> {
        let name = ward.stack.as_ref()?;
        let stack = self
            .stacks
            .iter_mut()
            .find(|stack| stack.described.stack.name == *name)?;
        stack.members.insert(ward.unit());
        Some(stack.unit.clone())
    }

    /// Plans the stacks, once all wards are planned.
    #[must_use]
    pub fn stacks(self) -> Vec<PlannedStack<'a>> {
        self.stacks
            .into_iter()
            .map(|stack| stack.plan(self.root))
            .collect()
    }
}

impl<'a> Gathering<'a> {
    fn new(described: &'a DescribedStack) -> Self {
        Self {
            described,
            unit: described.stack.unit(),
            members: BTreeSet::new(),
        }
    }

    fn plan(self, root: &Path) -> PlannedStack<'a> {
        let described = self.described;
        let members: Vec<_> = self.members.into_iter().collect();
        PlannedStack {
            described,
            outputs: unit::stack_outputs(&described.stack, &members),
            members,
            problem: unit_files::missing(root, described),
        }
    }
}
