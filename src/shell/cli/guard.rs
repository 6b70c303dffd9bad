//! `unitward guard`: the ward for a unit that has none, shown or installed.
//!
//! PID 1 is asked about the unit; `core::proposal` decides the content of the ward. The ward is
//! planned together with the existing configuration, so its explanation describes what will happen.
//! unitwardd is not needed.

mod ask;
mod install;
mod json;
mod refusal;

use super::{check, complain, plan, refuse};
use crate::core::config::{Problem, SourceFile, SourceFiles, UnitName};
use crate::core::proposal::{self, Proposal};
use crate::core::visible::{visible, visible_lines};
use ask::Asked;
pub(super) use refusal::unguarded;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Directory of this host's own wards.
const DIRECTORY: &str = "/etc/unitward";

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The service to guard; its suffix may be left out.
    #[arg(value_name = "UNIT")]
    unit: String,
    /// Install the ward in /etc/unitward and have systemd read it.
    #[arg(long)]
    write: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// A ward that fits, and its effects beside the others.
struct Fitting {
    unit: UnitName,
    /// The unit itself, or an instance of a template.
    one: UnitName,
    /// Where it would stand.
    path: PathBuf,
    proposal: Proposal,
    /// Description of the events after a death of the unit.
    explanation: String,
    /// Problems that `unitward check` would report for it.
    problems: Vec<Problem>,
}

/// Runs the command.
pub(super) fn guard(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let asked = match ask::ask(&arguments.unit)? {
        Ok(asked) => asked,
        Err(why) => return Ok(refuse(&why)),
    };
    if let Some(why) = refusal::taken(&asked) {
        return Ok(refuse(&why));
    }
    let fitting = match fit(&asked)? {
        Ok(fitting) => fitting,
        Err(why) => return Ok(refuse(&why)),
    };
    if let Some(alias) = &asked.alias {
        complain(&format!("{alias} is another name of {}.", fitting.unit));
    }
    if let Some(template) = fitting.unit.template() {
        complain(&format!(
            "This is for one instance: \"unitward guard {template}\" guards each of them."
        ));
    }
    if !arguments.write {
        show(&fitting, arguments)?;
        return Ok(ExitCode::SUCCESS);
    }
    let in_force = match install::install(&fitting)? {
        Ok(in_force) => in_force,
        Err(why) => return Ok(refuse(&why)),
    };
    if arguments.json {
        json::print(&fitting, Some(&in_force))?;
    } else {
        fitting
            .problems
            .iter()
            .for_each(|problem| complain(&visible(&problem.sentence())));
        in_force.iter().for_each(|sentence| super::say(sentence));
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the ward and plans it beside the others; or returns the reason why it would not take
/// effect.
fn fit(asked: &Asked) -> anyhow::Result<Result<Fitting, String>> {
    let unit = asked.found.unit.clone();
    let name = unit.stem().to_owned();
    let proposal = proposal::propose(&asked.found);
    let path = Path::new(DIRECTORY).join([&name, ".ward"].concat());
    let file = SourceFile {
        path: path.as_path().into(),
        text: proposal.text.clone(),
    };
    let ward = SourceFiles {
        name: name.clone(),
        files: vec![file],
    };
    let (checked, _) = check::whole(Path::new("/"), Some(&ward))?;
    let own = checked.guarded.iter().find(|(ward, _)| *ward.path == *path);
    let is_in_effect = own.is_some();
    let undone = own.map(|(ward, first)| {
        check::undone::warnings(Path::new("/"), ward, &checked.outputs[*first..])
    });
    let mut problems: Vec<_> = checked
        .problems
        .into_iter()
        .filter(|problem| *problem.at.path == *path)
        .collect();
    problems.extend(undone.into_iter().flatten());
    if !is_in_effect {
        let why: Vec<_> = problems.iter().map(Problem::sentence).collect();
        return Ok(Err(format!(
            "A ward {name} for {unit} would not take effect:\n{}",
            why.join("\n")
        )));
    }
    let told = plan::explain::told(Path::new("/"), &name, Some(&ward))?;
    Ok(told.map(|told| Fitting {
        unit,
        one: asked.one.clone(),
        path,
        proposal,
        explanation: told.text,
        problems,
    }))
}

/// Prints the ward on standard output, so that it can be redirected into a file, and everything
/// else on standard error.
fn show(fitting: &Fitting, arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.json {
        return json::print(fitting, None);
    }
    let mut out = std::io::stdout().lock();
    out.write_all(fitting.proposal.text.as_bytes())?;
    out.flush()?;
    let line = if std::io::stdout().is_terminal() {
        "\n"
    } else {
        ""
    };
    eprint!("{line}{}", visible_lines(&fitting.explanation));
    eprintln!();
    fitting
        .problems
        .iter()
        .for_each(|problem| complain(&visible(&problem.sentence())));
    let path = fitting.path.display();
    complain(&format!(
        "\"unitward guard {} --write\" installs it as {path} and has systemd read it.",
        arguments.unit
    ));
    Ok(())
}
