//! Commands that steps run as root, and the parts of them that users other than root can change:
//! the program, and the files that set their environment.

use crate::core::config::read_native::values;
use crate::core::config::step::{Action, Step};
use crate::core::config::{Mistake, Place, Problem, Ward};
use crate::core::unit::AdoptedUnit;
use crate::edge::root;
use std::path::Path;

/// Returns the warnings about the steps with `+` of one ward.
pub(super) fn warnings(below: &Path, ward: &Ward, adopted: Option<&AdoptedUnit>) -> Vec<Problem> {
    let steps: Vec<_> = ward
        .conditions
        .iter()
        .flat_map(|condition| &condition.steps)
        .collect();
    let mut problems: Vec<_> = steps
        .iter()
        .flat_map(|step| programs(below, step))
        .collect();
    let Some(first) = steps.iter().find_map(|step| commands(step).next()) else {
        return problems;
    };
    let own = values(&ward.native.service, "EnvironmentFile")
        .map(|line| (line.value.as_str(), line.place_of(0)));
    let files = adopted.into_iter().flat_map(|unit| &unit.environment_files);
    let files = files.map(|path| (path.as_str(), first.1.clone()));
    problems.extend(
        own.chain(files)
            .filter_map(|(path, at)| environment_file(below, path, at)),
    );
    problems
}

/// Returns the commands of a step that run as root, with their places.
fn commands(step: &Step) -> impl Iterator<Item = (&str, Place)> {
    let others = step
        .otherwise
        .iter()
        .map(|other| (&other.action, &other.at));
    std::iter::once((&step.action, &step.at))
        .chain(others)
        .filter_map(|(action, at)| match action {
            Action::Execute(command) if command.privileged => {
                Some((command.words.first()?.as_str(), at.clone()))
            }
            _ => None,
        })
}

fn programs(below: &Path, step: &Step) -> Vec<Problem> {
    commands(step)
        .filter_map(|(program, at)| program_of_others(below, program, at))
        .collect()
}

/// Warns of a program that users other than root can replace. A path with variables is not judged.
fn program_of_others(below: &Path, program: &str, at: Place) -> Option<Problem> {
    if !program.starts_with('/') || program.contains(['%', '$']) {
        return None;
    }
    let why = root::in_other_hands(below, Path::new(program))?;
    let text = format!("what runs as root is not root's alone to choose: {why}");
    Some(Problem {
        at,
        mistake: Mistake::Warning(text),
    })
}

fn environment_file(below: &Path, value: &str, at: Place) -> Option<Problem> {
    let path = value.trim_start_matches('-');
    if !path.starts_with('/') || path.contains(['%', '*', '?', '[']) {
        return None;
    }
    let why = root::in_other_hands(below, Path::new(path))?;
    let text = format!(
        "EnvironmentFile={path} sets variables for steps that run as root, and is not root's alone: {why}"
    );
    Some(Problem {
        at,
        mistake: Mistake::Warning(text),
    })
}
