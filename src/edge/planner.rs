//! Ward by ward, in the order of their names: what of it stands beside the wards before it, and what to write for it.
//!
//! The generator and `unitward check` both go through here, so what one says the other does.

use super::unit_files;
use crate::core::config::{Assembly, Problem, ReadWard, Ward};
use crate::core::unit::{self, AdoptedUnit, Names, Output, Rank};
use std::path::Path;

/// Plans wards below one root.
#[derive(Debug)]
pub struct Planner<'a> {
    root: &'a Path,
    assembly: Assembly,
    names: Names,
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

impl<'a> Planner<'a> {
    /// A planner that has seen no ward yet.
    #[must_use]
    pub fn new(root: &'a Path) -> Self {
        Self { root, assembly: Assembly::default(), names: Names::default() }
    }

    /// Plans the next ward.
    pub fn plan(&mut self, read: ReadWard) -> Planned {
        let (ward, mut problems) = self.assembly.admit(read);
        let mut planned = Planned { ward: None, adopted: None, outputs: Vec::new(), problems: Vec::new() };
        if let Some(ward) = ward {
            match self.names.admit(&ward) {
                Ok(()) => {
                    let (adopted, missing) = unit_files::adopted(self.root, &ward);
                    let (mut outputs, wrong) = unit::outputs(&ward, adopted.as_ref());
                    problems.extend(missing.into_iter().chain(wrong));
                    outputs.retain(|output| {
                        let taken = output.rank == Rank::Late
                            && self.names.admit_alias(&ward, output).map_err(|twice| problems.push(twice)).is_err();
                        !taken
                    });
                    planned = Planned { ward: Some(ward), adopted, outputs, problems: Vec::new() };
                }
                Err(collision) => problems.push(collision),
            }
        }
        Planned { problems, ..planned }
    }
}
