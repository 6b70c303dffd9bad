//! `unitward check`: everything that is wrong, one line each.

use crate::core::config::{Config, Cost, Form, Mistake, Place, Problem};
use crate::core::unit::{self, AdoptedUnits, Output};
use crate::edge::{root, unit_files};
use anyhow::Context as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// What was read and planned below a root, with all that is wrong.
pub(super) struct Checked {
    pub(super) config: Config,
    pub(super) outputs: Vec<Output>,
    pub(super) problems: Vec<Problem>,
}

/// Reads and plans as the generator does, and looks at what only shows beside the host's own units.
pub(super) fn read(below: &Path) -> anyhow::Result<Checked> {
    std::fs::read_dir(below).with_context(|| format!("failed to open the root directory {}", below.display()))?;
    let (config, mut problems) = root::load(below);
    let (adopted, missing) = unit_files::adopted(below, &config);
    let (wards, twice) = unit::without_collisions(&config);
    problems.extend(missing.into_iter().chain(twice));
    let mut outputs = Vec::new();
    for ward in wards {
        let (of_ward, wrong) = unit::outputs(ward, &adopted);
        outputs.extend(of_ward);
        problems.extend(wrong);
    }
    problems.extend(not_restarted(&config, &adopted));
    problems.extend(overridden(below, &config));
    problems.sort_by(|a, b| (&a.at.path, a.at.line).cmp(&(&b.at.path, b.at.line)));
    Ok(Checked { config, outputs, problems })
}

/// Whether anything was left out because of a mistake; warnings alone leave nothing out.
pub(super) fn is_sound(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| problem.mistake.cost() == Cost::Nothing)
}

/// Runs the command.
pub(super) fn check(below: &Path) -> anyhow::Result<ExitCode> {
    let Checked { config, problems, .. } = read(below)?;
    let mut out = std::io::stdout().lock();
    for problem in &problems {
        let prefix = if problem.mistake.cost() == Cost::Nothing { "warning: " } else { "" };
        writeln!(out, "{}", with_prefix(problem, prefix))?;
    }
    let wards = config.wards.len();
    let (wards, plural) = (wards, if wards == 1 { "" } else { "s" });
    let verdict = match problems.len() {
        0 => "no problem found".to_owned(),
        1 => "1 problem found".to_owned(),
        count => format!("{count} problems found"),
    };
    eprintln!("{wards} ward{plural} in effect, {verdict}.");
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

/// Adopted units that systemd will not restart, so that no recovery ever runs.
fn not_restarted(config: &Config, adopted: &AdoptedUnits) -> Vec<Problem> {
    let mut problems = Vec::new();
    for ward in config.wards.iter().filter(|ward| ward.form != Form::Defined) {
        let own = adopted.get(&ward.unit()).and_then(|unit| unit.restart.as_deref());
        let here = ward.native.service.iter().rfind(|line| line.key == "Restart").map(|line| line.value.as_str());
        if matches!(here.or(own), None | Some("" | "no")) && adopted.contains_key(&ward.unit()) {
            let text = format!(
                "{} has Restart=no, so nothing restarts it; write Restart=on-failure in [Service] of the ward",
                ward.unit()
            );
            problems.push(warning(&ward.path, text));
        }
    }
    problems
}

/// Defined wards whose unit an administrator's file of the same name overrides.
fn overridden(below: &Path, config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    for ward in config.wards.iter().filter(|ward| ward.form == Form::Defined) {
        for directory in ["etc/systemd/system", "run/systemd/system"] {
            let path = below.join(directory).join(ward.unit().as_str());
            if path.symlink_metadata().is_ok() {
                let text = format!(
                    "/{directory}/{} overrides this ward; remove it, or adopt it with Unit= instead of ExecStart=",
                    ward.unit()
                );
                problems.push(warning(&ward.path, text));
            }
        }
    }
    problems
}
