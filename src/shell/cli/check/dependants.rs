//! Units that stay down after a death of the ward, because they are bound to its unit, and units
//! that make systemd start it again while it is excluded.

use crate::core::config::step::Action;
use crate::core::config::{ConditionKind, Mistake, Problem, UnitName, Ward};
use crate::edge::dependants::{Dependant, Dependants};

/// The warnings about one ward.
pub(super) fn warnings(all: &Dependants, ward: &Ward) -> Vec<Problem> {
    let unit = ward.unit();
    let left_down = all
        .to(&unit)
        .iter()
        .filter(|dependant| !is_started(ward, &dependant.unit));
    left_down
        .map(|dependant| left_stopped(ward, dependant))
        .chain(all.upholding(&unit).map(|other| upheld(ward, other)))
        .collect()
}

/// Warns of a unit that a death of the ward stops, and that the restart does not start again.
fn left_stopped(ward: &Ward, dependant: &Dependant) -> Problem {
    let unit = ward.unit();
    // systemd forgets at once that a unit was up if nothing wants it.
    let step = if dependant.is_wanted {
        "Restart"
    } else {
        "Start"
    };
    let dependant = &dependant.unit;
    let text = format!(
        "{dependant} is bound to {unit} (BindsTo=), so a death stops it and the restart does not start it again; write \
         {step}={dependant} in [OnDeath], below Restart=%n if that is there"
    );
    Problem {
        at: ward.unit_at.clone(),
        mistake: Mistake::Warning(text),
    }
}

/// Warns that systemd keeps starting the unit while the ward is excluded.
fn upheld(ward: &Ward, other: &UnitName) -> Problem {
    let unit = ward.unit();
    let text = format!(
        "{other} upholds {unit} (Upholds=, UpheldBy=), so while the ward is excluded systemd tries to start it again and again, sixteen \
         times in ten seconds; write Wants=, or WantedBy= in [Install], instead"
    );
    Problem {
        at: ward.unit_at.clone(),
        mistake: Mistake::Warning(text),
    }
}

/// Returns true if a step of a recovery starts or restarts the unit.
fn is_started(ward: &Ward, dependant: &UnitName) -> bool {
    let conditions = ward
        .conditions
        .iter()
        .filter(|condition| condition.kind.is_death() || condition.kind == ConditionKind::Restart);
    let mut actions = conditions
        .flat_map(|condition| &condition.steps)
        .map(|step| &step.action);
    actions.any(
        |action| matches!(action, Action::Restart(unit) | Action::Start(unit) if unit == dependant),
    )
}
