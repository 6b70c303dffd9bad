//! `unitward timeline`: the course of a recovery as text or as a picture, or of all recoveries
//! since a time.

mod chart;
mod scale;
mod svg;
mod text;

use super::reports::since::since;
use crate::shell::survey::timeline::{Document, Which};
use crate::shell::survey::{Answer, Question, ask};
use anyhow::Context as _;
use chart::Chart;
use clap::Args;
use jiff::tz::TimeZone;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The command's arguments.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A ward, its unit or a stack, for the latest of it; or the ID of a death or full restart. Without it, the latest of all.
    #[arg(value_name = "NAME|ID")]
    name: Option<String>,
    /// All since then, of NAME where one is given: "yesterday", "-1h", "2025-02-06 11:42", as in systemd.time(7).
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Draw a picture, into FILE or to standard output.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-", conflicts_with = "json")]
    svg: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn timeline(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let question = Question::Timeline(which(arguments)?);
    let told = match super::runtime()?.block_on(ask(&question))? {
        Answer::Document(told) => told,
        Answer::Refused(why) => return Ok(super::refuse(&why)),
    };
    if arguments.json {
        super::write_json(&mut std::io::stdout().lock(), &told)?;
        return Ok(ExitCode::SUCCESS);
    }
    let document: Document = serde_json::from_str(&told)
        .context("failed to read the answer, is unitwardd another version?")?;
    let zone = TimeZone::system();
    match &arguments.svg {
        Some(file) if file != Path::new("-") => {
            let picture = svg::svg(&Chart::of(&document, &zone), &zone);
            std::fs::write(file, picture)
                .with_context(|| format!("failed to write {}", file.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(_) => print(&svg::svg(&Chart::of(&document, &zone), &zone)),
        None if document.since.is_some() => {
            print(&text::list(&document, &zone))?;
            let Chart { title, summary, .. } = Chart::of(&document, &zone);
            super::complain(&format!(
                "{title}{}{summary}.",
                if summary.is_empty() { "" } else { ": " }
            ));
            Ok(ExitCode::SUCCESS)
        }
        None => print(&text::text(&Chart::of(&document, &zone))),
    }
}

fn which(arguments: &Arguments) -> anyhow::Result<Which> {
    let name = arguments.name.clone().unwrap_or_default();
    Ok(Which(match &arguments.since {
        None => name,
        Some(time) => format!("@{} {name}", since(time)?).trim_end().to_owned(),
    }))
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests;
