//! `unitward plan`: what the generator would write.

use super::check;
use crate::core::unit::{Content, Rank};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Where systemd lets generators write, for the headings.
fn directory(rank: Rank) -> &'static str {
    match rank {
        Rank::Normal => "/run/systemd/generator",
        Rank::Late => "/run/systemd/generator.late",
    }
}

/// Runs the command.
pub(super) fn plan(below: &Path) -> anyhow::Result<ExitCode> {
    let checked = check::read(below)?;
    let mut out = std::io::stdout().lock();
    for output in &checked.outputs {
        let directory = directory(output.rank);
        match &output.content {
            Content::File(text) => writeln!(out, "# {directory}/{}\n{text}", output.path)?,
            Content::Link(target) => writeln!(out, "# {directory}/{} -> {target}\n", output.path)?,
        }
    }
    out.flush()?;
    for problem in &checked.problems {
        eprintln!("{problem}");
    }
    Ok(if check::is_sound(&checked.problems) { ExitCode::SUCCESS } else { ExitCode::from(super::PROBLEMS) })
}
