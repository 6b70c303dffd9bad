//! `unitward reports`: deaths, their reports, and the recoveries from them.
//!
//! Root reads the history directly, whether the daemon runs or not; for other users the daemon
//! reads it. A list is read completely before any of it is printed, so that an open pager does not
//! block the history.

mod detail;
pub(super) mod since;
mod summary;
pub(super) mod table;

pub(super) use table::time;

use super::desk::Form;
use crate::core::crash::backtrace::Addresses;
use crate::edge::history::Tallies;
use crate::edge::history::read::{Reader, Wanted};
use crate::edge::{clock, root};
use crate::shell::survey::called::in_reports;
use crate::shell::survey::reports::document::Document;
use crate::shell::survey::reports::{documents, open, pick, whole};
use crate::shell::survey::{Answer, Question, ask};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use summary::{Summary, Window};
use table::Table;

/// Interval at which `--follow` checks the history.
const TICK: Duration = Duration::from_millis(250);
/// Interval at which `--follow` asks the daemon.
const TICK_OF_DAEMON: Duration = Duration::from_secs(1);
/// Time after which `--follow` gives up if every attempt fails, as while a damaged history is
/// replaced or the daemon is restarted.
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
    /// Only the last N of them.
    #[arg(long, short = 'n', value_name = "N")]
    lines: Option<usize>,
    /// Only what happened since then: "yesterday", "-1h", "2025-02-06 11:42", as in systemd.time(7).
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only what happened until then.
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        conflicts_with = "follow"
    )]
    until: Option<String>,
    /// Only those from which there was no full recovery: a step failed, or the service was given up.
    #[arg(long, conflicts_with_all = ["follow", "summary"])]
    failed: bool,
    /// Print one line a ward: deaths, downtime, availability, mean time between deaths.
    #[arg(long, conflicts_with_all = ["follow", "lines"])]
    summary: bool,
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

/// Source of the deaths.
enum Source {
    /// The history itself, its version at the last reading, and the root directory below which it
    /// lies.
    History(Box<Reader>, i64, PathBuf),
    /// The daemon.
    Daemon(tokio::runtime::Runtime),
}

impl Source {
    /// Chooses the source: the history for root and with `--root=`, else the daemon. Or returns the
    /// sentence that says why there is none.
    fn of(common: &Common) -> anyhow::Result<Result<Self, String>> {
        if common.root.is_none() && !rustix::process::geteuid().is_root() {
            return Ok(Ok(Self::Daemon(super::runtime()?)));
        }
        let root = common.root();
        Ok(open(root, Addresses::Shown)?
            .map(|reader| Self::History(Box::new(reader), -1, root.to_owned())))
    }

    /// Returns the deaths that are wanted, or the reason why there are none.
    fn deaths(&mut self, wanted: &Wanted) -> anyhow::Result<Result<Vec<Document>, String>> {
        match self {
            Self::History(reader, seen, root) => {
                *seen = reader.version()?;
                documents(reader, wanted, root)
            }
            Self::Daemon(runtime) => {
                match runtime.block_on(ask(&Question::Reports(wanted.clone())))? {
                    Answer::Document(lines) => {
                        let documents = lines
                            .lines()
                            .map(serde_json::from_str)
                            .collect::<Result<_, _>>();
                        documents
                            .context("failed to read unitwardd's answer")
                            .map(Ok)
                    }
                    Answer::Refused(why) => Ok(Err(why)),
                }
            }
        }
    }

    /// Returns the new deaths after a pause; none if nothing can have changed.
    fn news(&mut self, wanted: &Wanted) -> anyhow::Result<Result<Vec<Document>, String>> {
        match self {
            Self::History(reader, seen, _) => {
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
            Self::History(reader, ..) => Ok(Some(reader.tallies()?)),
            Self::Daemon(_) => Ok(None),
        }
    }
}

/// Parses the value of an option, if it is given, into milliseconds since the epoch.
fn time_given(option: &str, text: Option<&str>) -> anyhow::Result<Option<u64>> {
    text.map(|text| since::time(option, text)).transpose()
}

fn list(arguments: &List) -> anyhow::Result<ExitCode> {
    let since = time_given("--since", arguments.since.as_deref())?;
    let until = time_given("--until", arguments.until.as_deref())?;
    let mut source = match Source::of(&arguments.common)? {
        Ok(source) => source,
        Err(why) => return Ok(super::refuse(&why)),
    };
    // A recovery that was under way at that time belongs to the summary, so all deaths are read for
    // it.
    let from = since.filter(|_| !arguments.summary).unwrap_or(0);
    let mut wanted = Wanted {
        after: 0,
        since: from,
        name: arguments.named(),
    };
    let mut found = match source.deaths(&wanted)? {
        Ok(found) => found,
        Err(why) => return Ok(super::refuse(&why)),
    };
    if arguments.summary {
        let window = Window {
            since,
            until,
            now: clock::since_epoch(),
        };
        return summary::print(
            &Summary::of(&found, &window),
            Form::new(arguments.common.json),
        );
    }
    wanted.after = last(&found, 0);
    found.retain(|told| {
        let is_wanted = !arguments.failed || told.has_failed();
        is_wanted && until.is_none_or(|until| told.timestamp <= until)
    });
    found.drain(
        ..found
            .len()
            .saturating_sub(arguments.lines.unwrap_or(usize::MAX)),
    );
    let mut view = View::new(&arguments.common);
    view.print(&found, &mut io::stdout().lock())?;
    if arguments.follow {
        return follow(source, wanted, view);
    }
    if let Shape::Table(_) = view.shape {
        super::complain(&table::sum(&found, source.tallies()?));
    }
    Ok(ExitCode::SUCCESS)
}

impl List {
    /// Returns the ward's name in reports, as far as the configuration can be read.
    fn named(&self) -> Option<String> {
        let name = self.ward.as_ref()?;
        let root = self.common.root();
        Some(in_reports(&root::load(root).0, name, root).unwrap_or_else(|| name.clone()))
    }
}

impl Common {
    fn root(&self) -> &Path {
        self.root.as_deref().unwrap_or(Path::new("/"))
    }
}

/// Returns the last deaths since `since`, oldest first, for completion; `None`: there is no answer.
pub(super) fn latest(since: u64, count: usize) -> Option<Vec<Document>> {
    let common = Common {
        json: false,
        root: None,
    };
    let mut source = Source::of(&common).ok()?.ok()?;
    let mut found = source
        .deaths(&Wanted {
            since,
            ..Wanted::default()
        })
        .ok()?
        .ok()?;
    found.drain(..found.len().saturating_sub(count));
    Some(found)
}

/// Returns the ID that the list shows.
pub(super) fn id(told: &Document) -> String {
    table::id(told)
}

fn last(found: &[Document], before: i64) -> i64 {
    found
        .iter()
        .map(|told| told.sequence)
        .max()
        .unwrap_or(before)
}

/// Prints new deaths until the reader of the output has gone.
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
        Ok(Source::History(reader, _, root)) => {
            pick(reader.find(id)?, id).map(|told| whole(&told, &root, Addresses::Shown))
        }
        Ok(Source::Daemon(runtime)) => {
            match runtime.block_on(ask(&Question::Report(id.to_owned())))? {
                Answer::Document(text) => {
                    Ok(serde_json::from_str(&text).context("failed to read unitwardd's answer")?)
                }
                Answer::Refused(why) => Err(why),
            }
        }
        Err(why) => Err(why),
    };
    match told {
        Ok(told) => {
            let mut out = io::stdout().lock();
            match Form::new(common.json) {
                Form::Json => super::write_json(&mut out, &told.to_json())?,
                Form::Text(sheet) => {
                    let text = detail::detail(&told, &TimeZone::system());
                    out.write_all(sheet.folded(&text, detail::INDENT + 2).as_bytes())?;
                }
            }
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => Ok(super::refuse(&why)),
    }
}

/// Output format of deaths.
struct View {
    shape: Shape,
    zone: TimeZone,
}

enum Shape {
    Json,
    Table(Table),
}

impl View {
    fn new(common: &Common) -> Self {
        let shape = match Form::new(common.json) {
            Form::Json => Shape::Json,
            Form::Text(sheet) => Shape::Table(Table::new(sheet)),
        };
        Self {
            shape,
            zone: TimeZone::system(),
        }
    }

    fn print(&mut self, found: &[Document], out: &mut impl Write) -> io::Result<()> {
        match &mut self.shape {
            Shape::Json => {
                for told in found {
                    super::write_json(out, &told.to_json())?;
                }
            }
            Shape::Table(table) => out.write_all(table.lines(found, &self.zone).as_bytes())?,
        }
        out.flush()
    }
}

#[cfg(test)]
mod tests;
