//! `unitward check`: everything that is wrong, one line each.
//!
//! The generator finds mistakes within the files too; the command also compares them with the host:
//! its unit files, programs, keys and certificates, and the keys that its systemd understands. All
//! findings of that comparison are warnings: what is missing may be there by the time it is needed.

mod absent;
mod broker;
mod dependants;
mod instances;
pub(super) mod json;
mod keys;
mod loaded;
mod mentions;
mod native;
mod not_stopped;
mod origin;
mod own_ground;
mod root_commands;
mod stacks;
pub(super) mod undone;
mod unread;
mod user_reach;
mod verify;

use super::reports::table::counted;
use crate::core::config::{ConditionKind, Cost, Form, Mistake, Place, Problem, SourceFiles, Ward};
use crate::core::unit::{AdoptedUnit, Output, ServiceLines};
use crate::core::visible::visible;
use crate::edge::dependants::Dependants;
use crate::edge::planner::{Planned, Planner};
use crate::edge::root::Files;
use crate::edge::unit_files;
use anyhow::Context as _;
use mentions::Mentions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Read the configuration and the unit files below this directory.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// End with 1 on warnings too.
    #[arg(long)]
    strict: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What was read and planned below a root, with all that is wrong.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) wards: usize,
    pub(super) stacks: usize,
    pub(super) outputs: Vec<Output>,
    pub(super) problems: Vec<Problem>,
    /// The wards in effect, each with the index of its unit in `outputs`.
    pub(super) guarded: Vec<(Ward, usize)>,
    /// Where the stacks in effect name their units, and where in `outputs` those of each begin.
    stack_units: Vec<(Place, usize)>,
    /// True if units without a file are missing as far as files tell, and systemd, which may have
    /// them from other generators, does not run.
    units_not_known: bool,
}

/// Reads and plans as the generator does, and adds the warnings that need the host's own units.
pub(super) fn read(below: &Path) -> anyhow::Result<Checked> {
    read_with(below, None)
}

/// Does the same with an additional ward that is on no disk yet.
fn read_with(below: &Path, proposed: Option<&SourceFiles>) -> anyhow::Result<Checked> {
    std::fs::read_dir(below)
        .with_context(|| format!("failed to open the root directory {}", below.display()))?;
    let mut files = Files::list(below);
    proposed
        .into_iter()
        .for_each(|ward| files.propose(ward.clone()));
    let stacks = files.stacks();
    let mut checked = Checked::default();
    let mut planner = Planner::new(below, &stacks);
    files.wards(&stacks, &mut |read| {
        let Planned {
            ward,
            adopted,
            outputs,
            problems,
        } = planner.plan(read).on_running_host(below);
        checked.wards += usize::from(ward.is_some());
        checked.problems.extend(problems);
        if let Some(ward) = ward {
            checked
                .problems
                .extend(warnings_of_ward(below, &ward, adopted.as_ref(), &outputs));
            checked.guarded.push((ward, checked.outputs.len()));
        }
        checked.outputs.extend(outputs);
    });
    let (settings, sources, problems) = files.settings_and_files();
    checked.problems.extend(problems);
    checked
        .problems
        .extend(broker::warnings(below, &sources, &settings));
    for stack in planner.stacks() {
        let stack = stack.on_running_host(below);
        checked.stacks += 1;
        checked
            .problems
            .extend(stacks::warnings(below, &stack, &settings));
        checked.problems.extend(stack.problem);
        checked
            .stack_units
            .push((stack.described.places.unit.clone(), checked.outputs.len()));
        checked.outputs.extend(stack.outputs);
    }
    if unit_files::has_system(below) {
        compare(below, &mut checked);
    }
    checked.problems.extend(unread::warnings(below));
    checked.problems.sort_by(|a, b| a.at.cmp(&b.at));
    Ok(checked)
}

/// Compares the names in all wards with the units and programs of the host.
fn compare(below: &Path, checked: &mut Checked) {
    let mentions = Mentions::new(below, &checked.outputs);
    mentions.name_nearest(&mut checked.problems);
    let all = Dependants::read(below, checked.guarded.iter().map(|(ward, _)| ward));
    let wards = checked.guarded.iter().map(|(ward, _)| ward);
    checked
        .problems
        .extend(wards.clone().flat_map(|ward| mentions.warnings(ward)));
    checked
        .problems
        .extend(wards.flat_map(|ward| dependants::warnings(&all, ward)));
    checked.units_not_known = !loaded::settle(
        below,
        &mut checked.problems,
        checked.guarded.iter().map(|(ward, _)| ward),
    );
}

/// Returns the warnings about one ward and its unit; `outputs`: those of the ward.
fn warnings_of_ward(
    below: &Path,
    ward: &Ward,
    adopted: Option<&AdoptedUnit>,
    outputs: &[Output],
) -> Vec<Problem> {
    let mut problems: Vec<Problem> = hidden(below, ward)
        .or_else(|| not_restarted(ward, adopted))
        .into_iter()
        .collect();
    problems.extend(undone::warnings(below, ward, outputs));
    problems.extend(root_commands::warnings(below, ward, adopted));
    problems.extend(user_reach::warnings(ward, adopted));
    problems.extend(instances::warnings(below, ward, adopted));
    problems.extend(own_ground::warning(ward, adopted));
    problems.extend(not_stopped::warning(below, ward));
    if unit_files::has_system(below) {
        problems.extend(absent::warnings(below, ward, adopted));
    }
    problems
}

/// Returns true if no mistake caused anything to be left out; warnings alone leave nothing out.
pub(super) fn is_sound(problems: &[Problem]) -> bool {
    problems
        .iter()
        .all(|problem| problem.mistake.cost() == Cost::Nothing)
}

/// Returns all problems of the configuration, with a ward that is on no disk yet, and the reason
/// why systemd itself was not asked, if so.
pub(super) fn whole(
    below: &Path,
    proposed: Option<&SourceFiles>,
) -> anyhow::Result<(Checked, Option<String>)> {
    let mut checked = read_with(below, proposed)?;
    let warnings = match native::warnings(below, &checked) {
        Ok(warnings) => warnings,
        Err(why) => return Ok((checked, Some(why))),
    };
    checked.problems.extend(warnings);
    checked.problems.sort_by(|a, b| a.at.cmp(&b.at));
    Ok((checked, None))
}

/// Runs the command.
pub(super) fn check(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let below = arguments.root.as_path();
    let (checked, not_shown) = whole(below, None)?;
    if !unit_files::has_system(below) {
        super::complain(&format!(
            "No system is installed below {}: units and programs were not looked for.",
            below.display()
        ));
    }
    let is_missing = checked
        .problems
        .iter()
        .any(|problem| loaded::missing(problem).is_some());
    if checked.units_not_known && is_missing {
        super::complain(&format!(
            "systemd does not run below {}: units that other generators make at boot, of /etc/fstab or /etc/init.d, are not known.",
            below.display()
        ));
    }
    if let Some(why) = not_shown {
        super::complain(&format!("Units were not shown to systemd: {why}."));
    }
    let sound = is_sound(&checked.problems);
    if arguments.json {
        json::print(&checked)?;
    } else {
        print(&checked)?;
    }
    let passes = if arguments.strict {
        checked.problems.is_empty()
    } else {
        sound
    };
    Ok(if passes {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(super::PROBLEMS)
    })
}

fn print(
    Checked {
        wards,
        stacks,
        problems,
        ..
    }: &Checked,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for problem in problems {
        writeln!(out, "{}", visible(&problem.sentence()))?;
    }
    let stacks = if *stacks == 0 {
        String::new()
    } else {
        [" and ", &counted(*stacks, "stack")].concat()
    };
    let verdict = match problems.len() {
        0 => "no problem found".to_owned(),
        1 => "1 problem found".to_owned(),
        count => format!("{count} problems found"),
    };
    eprintln!("{}{stacks} in effect, {verdict}.", counted(*wards, "ward"));
    Ok(())
}

fn warning(at: &Path, text: String) -> Problem {
    Problem {
        at: Place::whole(at.into()),
        mistake: Mistake::Warning(text),
    }
}

/// Warns of a unit that systemd does not restart, so that no recovery ever runs. A ward that sets
/// `Restart=no` itself gets no warning, unless it has steps that only a restart runs.
fn not_restarted(ward: &Ward, adopted: Option<&AdoptedUnit>) -> Option<Problem> {
    let here = ward
        .native
        .service
        .iter()
        .rfind(|line| line.key == "Restart");
    let service = ServiceLines::of(ward, adopted);
    let last = service.last("Restart");
    if last.is_some_and(|last| {
        service.is_later(last) && here.is_none_or(|here| here.value != last.value)
    }) {
        // The drop-in decides, and is told of by itself.
        return None;
    }
    let default = match &ward.form {
        Form::Defined => Some("on-failure"),
        Form::Adopted(_) => adopted?.restart.as_deref(),
    };
    let vain = ward
        .conditions
        .iter()
        .find(|condition| condition.kind == ConditionKind::Restart);
    let is_meant = here.is_some_and(|line| line.value == "no") && vain.is_none();
    let is_down = matches!(
        here.map(|line| line.value.as_str()).or(default),
        None | Some("" | "no")
    );
    (is_down && !is_meant).then(|| {
        let unit = ward.unit();
        let steps = vain.map_or_else(String::new, |vain| format!(" and the steps of [{}] never run", vain.id));
        let meant = if here.is_none() { ", or Restart=no if that is meant" } else { "" };
        let text = format!(
            "{unit} has Restart=no, so nothing restarts it{steps}; write Restart=on-failure in [Service] of the ward{meant}"
        );
        let at = here.map_or_else(|| ward.unit_at.clone(), |line| line.place_of(0));
        Problem { at, mistake: Mistake::Warning(text) }
    })
}

/// Returns true if the file is in one of these directories.
fn is_in(directories: &[&str], file: &Path) -> bool {
    directories
        .iter()
        .any(|directory| file.starts_with(directory))
}

/// Warns of a unit that is masked, and of a defined ward beside which another file of the same unit
/// exists.
fn hidden(below: &Path, ward: &Ward) -> Option<Problem> {
    let unit = ward.unit();
    if let Some(mask) = unit_files::mask_of(below, &unit) {
        let mask = mask.display();
        let text = format!("{mask} masks {unit}; the ward works after systemctl unmask {unit}");
        return Some(Problem {
            at: ward.unit_at.clone(),
            mistake: Mistake::Warning(text),
        });
    }
    let file = unit_files::file_of(below, &unit).filter(|_| ward.form == Form::Defined)?;
    // Only these directories precede those of generators (systemd.generator(7)).
    let text = if is_in(&["/etc/systemd/system", "/run/systemd/system"], &file) {
        format!(
            "{} overrides this ward; remove it, or adopt it with Unit= instead of ExecStart=",
            file.display()
        )
    } else if is_in(&["/usr", "/lib"], &file) {
        let file = file.display();
        format!(
            "this ward replaces {file}; to guard that service write Unit={unit} in [Ward] instead of ExecStart=, else rename the ward"
        )
    } else {
        return None;
    };
    Some(warning(&ward.path, text))
}
