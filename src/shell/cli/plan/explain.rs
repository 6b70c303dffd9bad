//! `unitward plan --explain`: the events after a ward's death.

use crate::core::config::{Config, Problem, SourceFiles, UnitName, Ward, nearest};
use crate::core::explain::{Subject, explain as parts, text};
use crate::core::unit::AdoptedUnit;
use crate::core::visible::{visible, visible_lines};
use crate::edge::dependants::Dependants;
use crate::edge::planner::Planner;
use crate::edge::root::Files;
use crate::shell::cli::check::undone;
use crate::shell::cli::complain;
use anyhow::Context as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Columns of the text.
const WIDTH: usize = 80;

/// Explanation of a ward, and the problems in its file.
pub(in crate::shell::cli) struct Told {
    pub(in crate::shell::cli) text: String,
    problems: Vec<Problem>,
}

/// A ward, and what the files of its unit say.
#[derive(Debug, Clone)]
struct Explained {
    ward: Ward,
    adopted: Option<AdoptedUnit>,
    /// Problems of what is planned for it: what later drop-ins undo.
    undone: Vec<Problem>,
}

/// Runs the command.
pub(super) fn explain(below: &Path, name: &str) -> anyhow::Result<ExitCode> {
    let Told { text, problems } = match told(below, name, None)? {
        Ok(told) => told,
        Err(unknown) => {
            complain(&unknown);
            return Ok(ExitCode::from(crate::shell::cli::PROBLEMS));
        }
    };
    let mut out = std::io::stdout().lock();
    out.write_all(visible_lines(&text).as_bytes())?;
    out.flush()?;
    for problem in problems {
        complain(&visible(&problem.to_string()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the explanation of a ward, with an additional one that is on no disk yet; or the reason
/// why there is none.
pub(in crate::shell::cli) fn told(
    below: &Path,
    name: &str,
    proposed: Option<&SourceFiles>,
) -> anyhow::Result<Result<Told, String>> {
    std::fs::read_dir(below)
        .with_context(|| format!("failed to open the root directory {}", below.display()))?;
    let mut files = Files::list(below);
    proposed
        .into_iter()
        .for_each(|ward| files.propose(ward.clone()));
    let stacks = files.stacks();
    let mut planner = Planner::new(below, &stacks);
    let mut wards: Vec<Explained> = Vec::new();
    let mut problems = Vec::new();
    files.wards(&stacks, &mut |read| {
        let planned = planner.plan(read).on_running_host(below);
        problems.extend(planned.problems);
        wards.extend(planned.ward.map(|ward| Explained {
            undone: undone::warnings(below, &ward, &planned.outputs),
            ward,
            adopted: planned.adopted,
        }));
    });
    let (settings, _) = files.settings();
    let Some(Explained {
        ward,
        adopted,
        undone,
    }) = meant(&wards, name)
    else {
        return Ok(Err(unknown(name, &wards)));
    };
    let members: Vec<(_, Vec<UnitName>)> = planner
        .stacks()
        .into_iter()
        .map(|planned| (&planned.described.stack, planned.members))
        .collect();
    let stack = ward
        .stack
        .as_ref()
        .and_then(|name| members.iter().find(|(stack, _)| stack.name == *name));
    let stack = stack.map(|(stack, members)| (*stack, members.as_slice()));
    let bound = Dependants::read(below, wards.iter().map(|known| &known.ward));
    let bound: Vec<_> = bound
        .to(&ward.unit())
        .iter()
        .map(|dependant| dependant.unit.clone())
        .collect();
    let text = text(
        &parts(Subject {
            ward: &ward,
            adopted: adopted.as_ref(),
            stack,
            bound: &bound,
            settings: &settings,
        }),
        WIDTH,
    );
    problems.retain(|problem| problem.at.path == ward.path);
    problems.extend(undone);
    Ok(Ok(Told { text, problems }))
}

/// The ward of this name or unit, be it that of an instance of a template.
fn meant(wards: &[Explained], name: &str) -> Option<Explained> {
    let config = Config {
        wards: wards.iter().map(|known| known.ward.clone()).collect(),
        ..Config::default()
    };
    let meant = config.ward_meant_by(name)?;
    // A template and its instances have one file.
    let known = wards.iter().find(|known| known.ward.path == meant.path)?;
    // What happens to a template happens to each of its instances.
    let ward = meant
        .instance("INSTANCE")
        .unwrap_or_else(|| meant.into_owned());
    Some(Explained {
        ward,
        ..known.clone()
    })
}

fn unknown(name: &str, wards: &[Explained]) -> String {
    let meant = nearest(name, wards.iter().map(|known| known.ward.name.as_str()));
    let advice = "\"unitward check\" says what is wrong with wards that were left out";
    match meant {
        Some(meant) => format!("There is no ward {name:?}, did you mean {meant:?}? {advice}."),
        None => format!("There is no ward {name:?}; {advice}."),
    }
}
