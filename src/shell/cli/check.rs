//! `unitward check`: everything that is wrong, one line each.

mod stacks;

use crate::core::config::{Cost, Form, Mistake, Place, Problem, Ward};
use crate::core::unit::{AdoptedUnit, Output};
use crate::edge::planner::{Planned, Planner};
use crate::edge::root::Files;
use anyhow::Context as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// What was read and planned below a root, with all that is wrong.
pub(super) struct Checked {
    pub(super) wards: usize,
    pub(super) stacks: usize,
    pub(super) outputs: Vec<Output>,
    pub(super) problems: Vec<Problem>,
}

/// Reads and plans as the generator does, and looks at what only shows beside the host's own units.
pub(super) fn read(below: &Path) -> anyhow::Result<Checked> {
    std::fs::read_dir(below).with_context(|| format!("failed to open the root directory {}", below.display()))?;
    let mut files = Files::list(below);
    let stacks = files.stacks();
    let mut checked = Checked { wards: 0, stacks: 0, outputs: Vec::new(), problems: Vec::new() };
    let mut planner = Planner::new(below, &stacks);
    files.wards(&stacks, &mut |read| {
        let Planned { ward, adopted, outputs, problems } = planner.plan(read);
        checked.wards += usize::from(ward.is_some());
        checked.outputs.extend(outputs);
        checked.problems.extend(problems);
        if let Some(ward) = ward {
            checked.problems.extend(not_restarted(&ward, adopted.as_ref()));
            checked.problems.extend(overridden(below, &ward));
        }
    });
    let (settings, problems) = files.settings();
    checked.problems.extend(problems);
    for stack in planner.stacks() {
        checked.stacks += 1;
        checked.problems.extend(stacks::warnings(below, &stack, &settings));
        checked.problems.extend(stack.problem);
        checked.outputs.extend(stack.outputs);
    }
    checked.problems.sort_by(|a, b| (&a.at.path, a.at.line).cmp(&(&b.at.path, b.at.line)));
    Ok(checked)
}

/// Whether anything was left out because of a mistake; warnings alone leave nothing out.
pub(super) fn is_sound(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| problem.mistake.cost() == Cost::Nothing)
}

/// Runs the command.
pub(super) fn check(below: &Path) -> anyhow::Result<ExitCode> {
    let Checked { wards, stacks, problems, .. } = read(below)?;
    let mut out = std::io::stdout().lock();
    for problem in &problems {
        let prefix = if problem.mistake.cost() == Cost::Nothing { "warning: " } else { "" };
        writeln!(out, "{}", with_prefix(problem, prefix))?;
    }
    let count = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let stacks = if stacks == 0 { String::new() } else { [" and ", &count(stacks, "stack")].concat() };
    let verdict = match problems.len() {
        0 => "no problem found".to_owned(),
        1 => "1 problem found".to_owned(),
        count => format!("{count} problems found"),
    };
    eprintln!("{}{stacks} in effect, {verdict}.", count(wards, "ward"));
    Ok(if is_sound(&problems) { ExitCode::SUCCESS } else { ExitCode::from(super::PROBLEMS) })
}

/// `path:line: PREFIXmessage`.
fn with_prefix(problem: &Problem, prefix: &str) -> String {
    let line = problem.to_string();
    let message = problem.mistake.to_string();
    let place = line.strip_suffix(&message).unwrap_or_default();
    format!("{place}{prefix}{message}")
}

fn warning(at: &Path, text: String) -> Problem {
    Problem { at: Place { path: at.into(), line: 0 }, mistake: Mistake::Warning(text) }
}

/// A unit that systemd will not restart, so that no recovery ever runs.
fn not_restarted(ward: &Ward, adopted: Option<&AdoptedUnit>) -> Option<Problem> {
    let here = ward.native.service.iter().rfind(|line| line.key == "Restart").map(|line| line.value.as_str());
    let default = match &ward.form {
        Form::Defined => Some("on-failure"),
        Form::Adopted(_) => adopted?.restart.as_deref(),
    };
    matches!(here.or(default), None | Some("" | "no")).then(|| {
        let text = format!(
            "{} has Restart=no, so nothing restarts it; write Restart=on-failure in [Service] of the ward",
            ward.unit()
        );
        warning(&ward.path, text)
    })
}

/// A defined ward whose unit an administrator's file of the same name overrides.
fn overridden(below: &Path, ward: &Ward) -> Option<Problem> {
    let unit = ward.unit();
    let stands = |directory: &&str| below.join(directory).join(unit.as_str()).symlink_metadata().is_ok();
    let directory = ["etc/systemd/system", "run/systemd/system"].into_iter().find(stands)?;
    (ward.form == Form::Defined).then(|| {
        let text =
            format!("/{directory}/{unit} overrides this ward; remove it, or adopt it with Unit= instead of ExecStart=");
        warning(&ward.path, text)
    })
}
