//! `unitward plan --explain`: what will happen when a ward dies.

use crate::core::config::nearest;
use crate::core::config::{UnitName, Ward};
use crate::core::explain::{Subject, explain as parts, text};
use crate::core::unit::AdoptedUnit;
use crate::core::visible::{visible, visible_lines};
use crate::edge::dependants::Dependants;
use crate::edge::planner::Planner;
use crate::edge::root::Files;
use crate::shell::cli::complain;
use anyhow::Context as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Columns of the text.
const WIDTH: usize = 80;

/// Runs the command.
pub(super) fn explain(below: &Path, name: &str) -> anyhow::Result<ExitCode> {
    std::fs::read_dir(below).with_context(|| format!("failed to open the root directory {}", below.display()))?;
    let mut files = Files::list(below);
    let stacks = files.stacks();
    let mut planner = Planner::new(below, &stacks);
    let mut wards: Vec<(Ward, Option<AdoptedUnit>)> = Vec::new();
    let mut problems = Vec::new();
    files.wards(&stacks, &mut |read| {
        let planned = planner.plan(read).on_running_host(below);
        problems.extend(planned.problems);
        wards.extend(planned.ward.map(|ward| (ward, planned.adopted)));
    });
    let (settings, _) = files.settings();
    let is_meant =
        |(ward, _): &&(Ward, Option<AdoptedUnit>)| ward.name.as_str() == name || ward.unit().is_meant_by(name);
    let Some((ward, adopted)) = wards.iter().find(is_meant) else {
        complain(&unknown(name, &wards));
        return Ok(ExitCode::from(crate::shell::cli::PROBLEMS));
    };
    let members: Vec<(_, Vec<UnitName>)> =
        planner.stacks().into_iter().map(|planned| (&planned.described.stack, planned.members)).collect();
    let stack = ward.stack.as_ref().and_then(|name| members.iter().find(|(stack, _)| stack.name == *name));
    let stack = stack.map(|(stack, members)| (*stack, members.as_slice()));
    let bound = Dependants::read(below, wards.iter().map(|(ward, _)| ward));
    let bound: Vec<_> = bound.to(&ward.unit()).iter().map(|dependant| dependant.unit.clone()).collect();
    let said =
        text(&parts(Subject { ward, adopted: adopted.as_ref(), stack, bound: &bound, settings: &settings }), WIDTH);
    let mut out = std::io::stdout().lock();
    out.write_all(visible_lines(&said).as_bytes())?;
    out.flush()?;
    for problem in problems.iter().filter(|problem| problem.at.path == ward.path) {
        complain(&visible(&problem.to_string()));
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str, wards: &[(Ward, Option<AdoptedUnit>)]) -> String {
    let meant = nearest(name, wards.iter().map(|(ward, _)| ward.name.as_str()));
    let advice = "\"unitward check\" says what is wrong with wards that were left out";
    match meant {
        Some(meant) => format!("There is no ward {name:?}, did you mean {meant:?}? {advice}."),
        None => format!("There is no ward {name:?}; {advice}."),
    }
}
