//! Units that systemd refuses to stop (`RefuseManualStop=`), so that they cannot be kept down.

use crate::core::config::{Mistake, Problem, Ward};
use crate::edge::unit_files;
use std::path::Path;

/// The setting that forbids a manual stop.
const KEY: &str = "RefuseManualStop";

/// Warns of such a unit, at the ward's line or, if the unit itself sets it, at the ward's place.
pub(super) fn warning(below: &Path, ward: &Ward) -> Option<Problem> {
    let own = ward.native.unit.iter().rfind(|line| line.key == KEY);
    let lines = unit_files::lines(below, &ward.unit());
    let theirs = lines
        .iter()
        .rfind(|(section, line)| section == "Unit" && line.key == KEY)
        .map(|(_, line)| line);
    let decides = own.or(theirs)?;
    ["yes", "true", "on", "1"].contains(&decides.value.as_str()).then(|| {
        let at = own.map_or_else(|| ward.unit_at.clone(), |line| line.place_of(0));
        let text = format!(
            "{} has RefuseManualStop=yes, so nothing keeps it down: its restarts go on beyond the death limit, and it cannot \
             be excluded; take that line out",
            ward.unit()
        );
        Problem { at, mistake: Mistake::Warning(text) }
    })
}
