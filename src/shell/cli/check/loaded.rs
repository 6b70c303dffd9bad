//! Units that have no file in the usual places, as the running systemd knows them.
//!
//! Other generators make units, of scripts in `/etc/init.d` for example, and a unit may stand in a
//! directory that only systemd knows. Where systemd runs it is asked, and its word counts; where it
//! does not run (`--root=`, a chroot) the files alone do, and what is made only at boot is not known.

use crate::core::config::{Form, Mistake, Problem, UnitName, Ward};
use crate::edge::pid1::{self, Wanted};
use crate::edge::unit_files;
use std::collections::BTreeMap;
use std::path::Path;

/// Load states by the names of units (systemd's `LoadState`).
type States = BTreeMap<String, String>;

/// Removes the problems about units that systemd has loaded all the same, and adds those about
/// units that it does not have. Returns false if systemd does not run there.
pub(super) fn settle<'w>(
    below: &Path,
    problems: &mut Vec<Problem>,
    wards: impl Iterator<Item = &'w Ward>,
) -> bool {
    let predicted: Vec<_> = wards.filter(|ward| is_predicted(below, ward)).collect();
    let missing = problems.iter().filter_map(missing).map(str::to_owned);
    let names: Vec<_> = missing
        .chain(predicted.iter().map(|ward| ward.unit().to_string()))
        .collect();
    if names.is_empty() {
        return true;
    }
    let Some(states) = states(below, &names) else {
        return false;
    };
    apply(&states, problems);
    let gone = predicted
        .into_iter()
        .filter(|ward| is(&states, ward.unit().as_str(), &["not-found"]));
    problems.extend(gone.map(not_made));
    true
}

/// Asks systemd for the load states; `None`: it does not run below this root.
fn states(below: &Path, names: &[String]) -> Option<States> {
    if below != Path::new("/") || !Path::new("/run/systemd/system").exists() {
        return None;
    }
    let wanted = Wanted {
        unit: &["LoadState"],
        own: &[],
    };
    // Of a unit about which systemd cannot be asked nothing is known.
    let states = names.iter().filter_map(|name| {
        let known = pid1::ask(name, wanted).ok()?;
        Some((name.clone(), known.text("LoadState").to_owned()))
    });
    Some(states.collect())
}

/// Returns the name of the unit that a problem says is missing. Templates cannot be asked about.
pub(super) fn missing(problem: &Problem) -> Option<&str> {
    match &problem.mistake {
        Mistake::NoUnit { unit, .. } if UnitName::new(unit).is_ok() => Some(unit),
        _ => None,
    }
}

fn apply(states: &States, problems: &mut Vec<Problem>) {
    problems.retain(|problem| {
        missing(problem).is_none_or(|unit| !is(states, unit, &["loaded", "merged", "masked"]))
    });
}

fn is(states: &States, unit: &str, expected: &[&str]) -> bool {
    states
        .get(unit)
        .is_some_and(|state| expected.contains(&state.as_str()))
}

/// Returns true if the ward adopts a unit that has no file, and of which only a script says that a
/// generator will make one.
fn is_predicted(below: &Path, ward: &Ward) -> bool {
    let Form::Adopted(unit) = &ward.form else {
        return false;
    };
    !ward.is_template()
        && unit_files::read(below, unit).is_some()
        && unit_files::file_of(below, unit).is_none()
        && unit_files::mask_of(below, unit).is_none()
        && unit.template().is_none()
}

fn not_made(ward: &Ward) -> Problem {
    let unit = ward.unit();
    let text = format!(
        "Unit= names {unit}, of which there is a script in /etc/init.d and systemd has no unit: systemctl daemon-reload makes one, unless \
         this systemd has no systemd-sysv-generator(8); the ward takes effect when there is one"
    );
    Problem {
        at: ward.unit_at.clone(),
        mistake: Mistake::Warning(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::Place;

    #[test]
    fn what_systemd_has_loaded_is_not_missing() {
        let problem = |unit: &str| Problem {
            at: Place::whole(Path::new("/etc/unitward/a.ward").into()),
            mistake: Mistake::NoUnit {
                key: "Unit".to_owned(),
                unit: unit.to_owned(),
                nearest: None,
                advice: "check the name",
            },
        };
        let mut problems: Vec<_> = ["here.service", "gone.service", "of@.service", "other.timer"]
            .map(problem)
            .into();
        let states = [("here.service", "loaded"), ("gone.service", "not-found")]
            .map(|(unit, state)| (unit.to_owned(), state.to_owned()));
        apply(&States::from(states), &mut problems);
        let left: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(left.len(), 3, "{left:?}");
        assert!(!left.iter().any(|line| line.contains("here.service")));
    }
}
