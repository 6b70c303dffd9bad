//! `unitward reports`: what happened, what was reported of it, and how it was recovered from.
//!
//! Root reads the history beside the daemon, which need not run; for everybody else the daemon reads it. A list is read as a
//! whole before any of it is printed, so that a pager left open holds nothing up.

mod detail;
pub(super) mod since;
pub(super) mod table;

pub(super) use table::time;

use crate::core::crash::backtrace::Addresses;
use crate::edge::history::Tallies;
use crate::edge::history::read::{Reader, Wanted};
use crate::shell::survey::reports::document::Document;
use crate::shell::survey::reports::{open, pick};
use crate::shell::survey::{Answer, Question, ask};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use table::{Paint, Table};

/// How often a follower looks into the history.
const TICK: Duration = Duration::from_millis(250);
/// How often it asks the daemon.
const TICK_OF_DAEMON: Duration = Duration::from_secs(1);
/// For how long a follower may look in vain, as while a damaged history is replaced or the daemon is restarted, before it
/// gives up.
const IN_VAIN: Duration = Duration::from_secs(30);

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
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
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

/// Where deaths are learned from.
enum Source {
    /// The history itself; with its version when it was read last.
    History(Box<Reader>, i64),
    /// The daemon.
    Daemon(tokio::runtime::Runtime),
}

impl Source {
    /// Whoever names a directory reads what is there; else root reads, and others ask. Or the sentence that says why not.
    fn of(common: &Common) -> anyhow::Result<Result<Self, String>> {
        if common.root.is_none() && !rustix::process::geteuid().is_root() {
            return Ok(Ok(Self::Daemon(super::runtime()?)));
        }
        let root = common.root.as_deref().unwrap_or(Path::new("/"));
        Ok(open(root, Addresses::Shown)?.map(|reader| Self::History(Box::new(reader), -1)))
    }

    /// The deaths that are wanted, or why there are none.
    fn deaths(&mut self, wanted: &Wanted) -> anyhow::Result<Result<Vec<Document>, String>> {
        match self {
            Self::History(reader, seen) => {
                *seen = reader.version()?;
                Ok(Ok(reader.deaths(wanted)?.iter().map(Document::new).collect()))
            }
            Self::Daemon(runtime) => match runtime.block_on(ask(&Question::Reports(wanted.clone())))? {
                Answer::Document(lines) => {
                    let documents = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>();
                    documents.context("failed to read unitwardd's answer").map(Ok)
                }
                Answer::Refused(why) => Ok(Err(why)),
            },
        }
    }

    /// The same after a while, none where nothing can have changed.
    fn news(&mut self, wanted: &Wanted) -> anyhow::Result<Result<Vec<Document>, String>> {
        match self {
            Self::History(reader, seen) => {
                std::thread::sleep(TICK);
                if reader.version()? == *seen {
                    return Ok(Ok(Vec::new()));
                }
            }
            Self::Daemon(_) => std::thread::sleep(TICK_OF_DAEMON),
        }
        self.deaths(wanted)
    }

    fn tallies(&self) -> anyhow::Result<Option<Tallies>> {
        match self {
            Self::History(reader, _) => Ok(Some(reader.tallies()?)),
            Self::Daemon(_) => Ok(None),
        }
    }
}

fn list(arguments: &List) -> anyhow::Result<ExitCode> {
    let since = arguments.since.as_deref().map(since::since).transpose()?.unwrap_or(0);
    let mut source = match Source::of(&arguments.common)? {
        Ok(source) => source,
        Err(why) => return Ok(super::refuse(&why)),
    };
    let mut wanted = Wanted { after: 0, since, name: arguments.ward.clone() };
    let mut view = View::new(&arguments.common);
    let found = match source.deaths(&wanted)? {
        Ok(found) => found,
        Err(why) => return Ok(super::refuse(&why)),
    };
    view.print(&found, &mut io::stdout().lock())?;
    if arguments.follow {
        wanted.after = last(&found, 0);
        return follow(source, wanted, view);
    }
    if let Form::Table(_) = view.form {
        super::complain(&table::sum(&found, source.tallies()?));
    }
    Ok(ExitCode::SUCCESS)
}

fn last(found: &[Document], before: i64) -> i64 {
    found.iter().map(|told| told.sequence).max().unwrap_or(before)
}

/// Prints what comes, until the reader of the output has gone.
fn follow(mut source: Source, mut wanted: Wanted, mut view: View) -> anyhow::Result<ExitCode> {
    let mut heard = Instant::now();
    loop {
        match source.news(&wanted) {
            Ok(Ok(news)) => {
                heard = Instant::now();
                wanted.after = last(&news, wanted.after);
                view.print(&news, &mut io::stdout().lock())?;
            }
            Ok(Err(_)) | Err(_) if heard.elapsed() < IN_VAIN => {}
            Ok(Err(why)) => return Ok(super::refuse(&why)),
            Err(error) => return Err(error),
        }
    }
}

fn show(id: &str, common: &Common) -> anyhow::Result<ExitCode> {
    let told = match Source::of(common)? {
        Ok(Source::History(reader, _)) => pick(reader.find(id)?, id).map(|told| Document::new(&told)),
        Ok(Source::Daemon(runtime)) => match runtime.block_on(ask(&Question::Report(id.to_owned())))? {
            Answer::Document(text) => Ok(serde_json::from_str(&text).context("failed to read unitwardd's answer")?),
            Answer::Refused(why) => Err(why),
        },
        Err(why) => Err(why),
    };
    match told {
        Ok(told) => {
            let mut out = io::stdout().lock();
            match View::new(common).form {
                Form::Json => super::write_json(&mut out, &told.to_json())?,
                Form::Table(_) => out.write_all(detail::detail(&told, &TimeZone::system()).as_bytes())?,
            }
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => Ok(super::refuse(&why)),
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

    fn print(&mut self, found: &[Document], out: &mut impl Write) -> io::Result<()> {
        match &mut self.form {
            Form::Json => {
                for told in found {
                    super::write_json(out, &told.to_json())?;
                }
            }
            Form::Table(table) => out.write_all(table.lines(found, &self.zone).as_bytes())?,
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests;
