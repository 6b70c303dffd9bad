//! `unitward reports`: what happened, what was reported of it, and how it was recovered from.
//!
//! It reads the history beside the daemon, which need not run. A list is read as a whole before any of it is printed, so
//! that a pager left open holds nothing up.

mod account;
mod detail;
pub(super) mod since;
pub(super) mod table;

pub(super) use account::visible;
pub(super) use table::time;

use crate::edge::history::read::{Reader, Told, Wanted};
use crate::edge::history::{Cause, HistoryError};
use account::Account;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use table::{Paint, Table};

/// How often a follower looks.
const TICK: Duration = Duration::from_millis(250);
/// Ticks for which the history may be unreadable, as while a damaged one is replaced, before a follower gives up.
const TICKS_IN_VAIN: u32 = 40;
/// Digits of an ID that are taken for one.
const FEWEST_DIGITS: usize = 4;

/// The command's arguments.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    one: Option<One>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Args)]
struct List {
    /// Go on printing deaths as they happen.
    #[arg(long, short)]
    follow: bool,
    /// Only what happened since then: "yesterday", "-1h", "2025-02-06 11:42", as in systemd.time(7).
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only deaths of this ward; of a unit without one, its name without suffix.
    #[arg(long, value_name = "NAME")]
    ward: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Read the history below this directory.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

#[derive(Debug, Subcommand)]
enum One {
    /// Print everything about one death.
    Show {
        /// The ID in the list, the InvocationID or its first digits, or a report-id.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        common: Common,
    },
}

/// Runs the command.
pub(super) fn reports(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.one {
        Some(One::Show { id, common }) => show(id, common),
        None => list(&arguments.list),
    }
}

/// The history, or why there is nothing to read.
fn open(root: &Path) -> anyhow::Result<Result<Reader, String>> {
    let path = root.join("var/lib/unitward/reports.db");
    let shown = path.display();
    Ok(match Reader::open(&path) {
        Ok(Some(reader)) => Ok(reader),
        Ok(None) => Err(format!("There is no history yet: unitwardd begins {shown} when it starts.")),
        Err(HistoryError::Damaged(_)) => {
            Err(format!("{shown} is damaged. unitwardd saves what can be read of it when it starts."))
        }
        Err(HistoryError::Other(Cause::File { source, .. })) if source.kind() == ErrorKind::PermissionDenied => {
            Err(format!("Only root may read {shown}."))
        }
        Err(HistoryError::Other(why @ Cause::Newer { .. })) => Err(format!("{why}.")),
        Err(error) => return Err(error).with_context(|| format!("failed to read {shown}")),
    })
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::from(super::PROBLEMS)
}

fn list(arguments: &List) -> anyhow::Result<ExitCode> {
    let since = arguments.since.as_deref().map(since::since).transpose()?.unwrap_or(0);
    let mut reader = match open(&arguments.common.root)? {
        Ok(reader) => reader,
        Err(why) => return Ok(refuse(&why)),
    };
    let mut wanted = Wanted { after: 0, since, name: arguments.ward.clone() };
    let mut view = View::new(&arguments.common);
    let version = reader.version()?;
    let found = reader.deaths(&wanted)?;
    view.print(&found, &mut io::stdout().lock())?;
    if arguments.follow {
        wanted.after = last(&found, 0);
        return follow(reader, (wanted, version), view);
    }
    if let Form::Table(_) = view.form {
        eprintln!("{}", table::sum(&found, reader.tallies()?));
    }
    Ok(ExitCode::SUCCESS)
}

fn last(found: &[Told], before: i64) -> i64 {
    found.iter().map(|told| told.id).max().unwrap_or(before)
}

/// Prints what comes, until the reader of the output has gone.
fn follow(mut reader: Reader, from: (Wanted, i64), mut view: View) -> anyhow::Result<ExitCode> {
    let (mut wanted, mut seen) = from;
    let mut in_vain = 0;
    loop {
        std::thread::sleep(TICK);
        let news = reader.version().and_then(|version| {
            let news = if version == seen { Vec::new() } else { reader.deaths(&wanted)? };
            seen = version;
            Ok(news)
        });
        match news {
            Ok(news) => {
                in_vain = 0;
                wanted.after = last(&news, wanted.after);
                view.print(&news, &mut io::stdout().lock())?;
            }
            Err(_) if in_vain < TICKS_IN_VAIN => in_vain += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

fn show(id: &str, common: &Common) -> anyhow::Result<ExitCode> {
    let reader = match open(&common.root)? {
        Ok(reader) => reader,
        Err(why) => return Ok(refuse(&why)),
    };
    match pick(reader.find(id)?, id) {
        Ok(told) => {
            let mut out = io::stdout().lock();
            match View::new(common).form {
                Form::Json => writeln!(out, "{}", Account::new(&told).to_json())?,
                Form::Table(_) => out.write_all(detail::detail(&told, &TimeZone::system()).as_bytes())?,
            }
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => Ok(refuse(&why)),
    }
}

/// The one death that is meant, or what to do.
fn pick(mut found: Vec<Told>, id: &str) -> Result<Told, String> {
    let advice = "\"unitward reports\" lists what is known";
    let digits = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits && id.len() < FEWEST_DIGITS {
        return Err(format!("\"{id}\" is too short: give at least {FEWEST_DIGITS} digits; {advice}."));
    }
    match (found.pop(), found.len()) {
        (None, _) => Err(format!("Nothing is known of \"{}\"; {advice}.", account::visible(id))),
        (Some(told), 0) => Ok(told),
        (Some(_), others) => Err(format!("{} deaths begin with \"{id}\": give more digits; {advice}.", others + 1)),
    }
}

/// How deaths are printed.
struct View {
    form: Form,
    zone: TimeZone,
}

enum Form {
    Json,
    Table(Table),
}

impl View {
    fn new(common: &Common) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || !io::stdout().is_terminal();
        let paint = if plain { Paint::Plain } else { Paint::Ansi };
        let form = if common.json { Form::Json } else { Form::Table(Table::new(paint)) };
        Self { form, zone: TimeZone::system() }
    }

    fn print(&mut self, found: &[Told], out: &mut impl Write) -> io::Result<()> {
        match &mut self.form {
            Form::Json => {
                for told in found {
                    writeln!(out, "{}", Account::new(told).to_json())?;
                }
            }
            Form::Table(table) => out.write_all(table.lines(found, &self.zone).as_bytes())?,
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests;
