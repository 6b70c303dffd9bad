//! `unitward plan`: what the generator would write.

use super::check;
use crate::core::unit::Content;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Where systemd lets generators write, for the headings.
const GENERATED: &str = "/run/systemd/generator";

/// Runs the command.
pub(super) fn plan(below: &Path) -> anyhow::Result<ExitCode> {
    let checked = check::read(below)?;
    let mut out = std::io::stdout().lock();
    for output in &checked.outputs {
        match &output.content {
            Content::File(text) => writeln!(out, "# {GENERATED}/{}\n{text}", output.path)?,
            Content::Link(target) => writeln!(out, "# {GENERATED}/{} -> {target}\n", output.path)?,
        }
    }
    out.flush()?;
    for problem in &checked.problems {
        eprintln!("{problem}");
    }
    Ok(if check::is_sound(&checked.problems) { ExitCode::SUCCESS } else { ExitCode::from(super::PROBLEMS) })
}
