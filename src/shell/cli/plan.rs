//! `unitward plan`: the units that the generator would write, their difference from those it wrote,
//! and the events after a ward's death.

mod difference;
pub(super) mod explain;

use super::check;
use crate::core::unit::{Content, Rank};
use crate::core::visible::{visible, visible_lines};
use clap::Args;
use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The command's arguments.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print only how that differs from what the generator wrote at the last daemon-reload. Ends with 1 where it does.
    #[arg(long, conflicts_with = "explain")]
    diff: bool,
    /// Tell in words what will happen when this ward dies: its name, or its unit's.
    #[arg(long, value_name = "NAME")]
    explain: Option<String>,
    /// Read the configuration and the unit files below this directory.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Returns the output directory of generators, for the headings.
fn directory(rank: Rank) -> &'static str {
    match rank {
        Rank::Normal => "/run/systemd/generator",
        Rank::Late => "/run/systemd/generator.late",
    }
}

/// Runs the command.
pub(super) fn plan(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.explain {
        Some(name) => explain::explain(&arguments.root, name),
        None if arguments.diff => difference::difference(&arguments.root),
        None => whole(&arguments.root),
    }
}

/// Returns the text of units: unchanged for a file or a pipe, made safe to show for a terminal.
fn shown(text: &str) -> Cow<'_, str> {
    if std::io::stdout().is_terminal() {
        Cow::Owned(visible_lines(text))
    } else {
        Cow::Borrowed(text)
    }
}

fn whole(below: &Path) -> anyhow::Result<ExitCode> {
    let checked = check::read(below)?;
    let mut out = std::io::stdout().lock();
    for output in &checked.outputs {
        let directory = directory(output.rank);
        match &output.content {
            Content::File(text) => writeln!(out, "# {directory}/{}\n{}", output.path, shown(text))?,
            Content::Link(target) => {
                writeln!(out, "# {directory}/{} -> {}\n", output.path, shown(target))?
            }
        }
    }
    out.flush()?;
    for problem in &checked.problems {
        super::complain(&visible(&problem.sentence()));
    }
    Ok(if check::is_sound(&checked.problems) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(super::PROBLEMS)
    })
}
