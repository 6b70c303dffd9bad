//! The settings in files beside a ward: of the unit that it adopts, or in drop-ins of the one it
//! defines.

use super::drop_ins::DropIns;
use super::unit_files;
use crate::core::config::{Form, Problem, Ward};
use crate::core::unit::AdoptedUnit;
use std::path::Path;

/// Returns the settings that the files of the ward's unit have and the ward does not. For an
/// adopted unit: those of its files, or a warning if it has none; for a defined one: those of its
/// drop-ins.
#[must_use]
pub(super) fn beside(
    root: &Path,
    drop_ins: &DropIns,
    ward: &Ward,
) -> (Option<AdoptedUnit>, Option<Problem>) {
    let of_instances = if ward.is_template() {
        drop_ins.lines_of_instances(&ward.unit())
    } else {
        Vec::new()
    };
    let Form::Adopted(unit) = &ward.form else {
        let lines = drop_ins.service_lines(&ward.unit());
        let has_any = !lines.is_empty() || !of_instances.is_empty();
        return (
            has_any.then(|| AdoptedUnit {
                of_instances,
                ..AdoptedUnit::new(Vec::new(), lines)
            }),
            None,
        );
    };
    let found = unit_files::read(root, unit).map(|found| AdoptedUnit {
        of_instances,
        ..found
    });
    let missing = found.is_none().then(|| {
        let advice = "the ward takes effect when there is one; check the name";
        Problem {
            at: ward.unit_at.clone(),
            mistake: unit_files::no_unit(unit, advice),
        }
    });
    (found, missing)
}
