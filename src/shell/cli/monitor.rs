//! `unitward monitor`: the daemon's signals as they come, a line each.
//!
//! It outlives the daemon and the bus: it prints that the daemon is gone, and that it is back.
//! Signals that are missed meanwhile are not caught up; `unitward reports` lists the deaths.

mod begin;
mod line;

use super::desk::{Form, Sheet};
use crate::shell::interface::{BUS_NAME, OBJECT_PATH};
use crate::shell::news::News;
use begin::{Begin, begin};
use clap::Args;
use futures_util::StreamExt as _;
use line::{Line, Presence};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;
use zbus::message::{Message, Type};
use zbus::{Connection, MessageStream};

const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
/// Pause before connecting to the bus anew.
const PAUSE: Duration = Duration::from_millis(500);
/// Interval at which the output is checked for a reader.
const LOOK: Duration = Duration::from_secs(1);
/// Time limit of one call to the bus.
const PATIENCE: Duration = Duration::from_secs(10);

/// Columns that a line with its date usually takes.
const WIDE: usize = 110;

/// The command's arguments.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Leave out the states that units go through.
    #[arg(long)]
    brief: bool,
    /// Only what happens to this ward; to a unit without one by its name without suffix.
    #[arg(long, value_name = "NAME")]
    ward: Option<String>,
}

/// Runs the command.
pub(super) fn monitor(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(async {
        let form = Form::new(arguments.json);
        let printer = Printer {
            form,
            states: !arguments.brief,
            ward: arguments.ward.clone(),
        };
        tokio::select! {
            ended = watch(printer) => ended,
            () = nobody_reads() => Ok(ExitCode::SUCCESS),
        }
    })
}

/// Filter and format of what is printed.
struct Printer {
    form: Form,
    /// True if the states that units go through are printed.
    states: bool,
    /// The ward to which the output is limited, by the name that signals have.
    ward: Option<String>,
}

/// Returns when the reader of the output has gone, as in `unitward monitor | head -1`.
async fn nobody_reads() {
    loop {
        tokio::time::sleep(LOOK).await;
        let out = io::stdout();
        let mut asked = [PollFd::new(&out, PollFlags::empty())];
        let found = poll(
            &mut asked,
            Some(&Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            }),
        );
        if found.is_ok() && asked[0].revents().contains(PollFlags::ERR) {
            return;
        }
    }
}

/// Prints until the output cannot be written; refuses if there is no such ward.
async fn watch(mut printer: Printer) -> anyhow::Result<ExitCode> {
    let (mut presence, mut has_begun) = (None, false);
    loop {
        if let Ok(mut ear) = Ear::open().await {
            printer.note(&mut presence, ear.presence())?;
            // From here on no signal is missed.
            if !std::mem::replace(&mut has_begun, true)
                && let Err(why) = printer.begin().await
            {
                return Ok(super::refuse(&why));
            }
            while let Some(Ok(message)) = ear.stream.next().await {
                if let Some(news) = ear.hear(&message) {
                    printer.print(&news)?;
                }
                printer.note(&mut presence, ear.presence())?;
            }
        }
        printer.note(&mut presence, Presence::Gone)?;
        tokio::time::sleep(PAUSE).await;
    }
}

impl Printer {
    /// Prints what it watches, and learns the name by which signals call the ward.
    async fn begin(&mut self) -> Result<(), String> {
        if self.form == Form::Json && self.ward.is_none() {
            return Ok(());
        }
        let Ok(begun) = tokio::time::timeout(PATIENCE, begin(self.ward.as_deref())).await else {
            return Ok(());
        };
        let Begin { ward, words } = begun?;
        self.ward = ward;
        if let Some(words) = words.filter(|_| self.form != Form::Json) {
            super::complain(&words);
        }
        Ok(())
    }

    /// Prints the presence of the daemon when it changes; nothing at the beginning if it is there.
    fn note(&self, before: &mut Option<Presence>, now: Presence) -> io::Result<()> {
        let was = before.replace(now);
        if was == Some(now) || (was.is_none() && now == Presence::Here) {
            return Ok(());
        }
        self.put(&Line::of_presence(now))
    }

    fn print(&self, news: &News) -> io::Result<()> {
        if self.takes(news) {
            self.put(&Line::of(news))
        } else {
            Ok(())
        }
    }

    fn takes(&self, news: &News) -> bool {
        self.ward
            .as_ref()
            .is_none_or(|ward| news.is_of_a_ward() && news.subject() == ward)
            && (self.states || !matches!(news, News::StateChanged(_)))
    }

    fn put(&self, line: &Line<'_>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self.form {
            Form::Json => super::write_json(&mut out, &line.to_json())?,
            Form::Text(sheet) => out.write_all(text(line, sheet).as_bytes())?,
        }
        out.flush()
    }
}

/// Formats the line; on a narrow terminal without its date, and folded if it is too long.
fn text(line: &Line<'_>, sheet: Sheet) -> String {
    let whole = line.to_string();
    let is_narrow = sheet.width.is_some_and(|width| width < WIDE);
    let (text, indent) = match whole.split_once(' ').filter(|_| is_narrow) {
        Some((_, without_day)) => (without_day, line::INDENT - "2025-02-06 ".len()),
        None => (whole.as_str(), line::INDENT),
    };
    sheet.folded(&format!("{text}\n"), indent)
}

/// A connection that receives the daemon's signals and notices its coming and going.
struct Ear {
    stream: MessageStream,
    /// The unique name of the daemon's connection; any program may send us a signal.
    daemon: Option<String>,
}

impl Ear {
    async fn open() -> zbus::Result<Self> {
        tokio::time::timeout(PATIENCE, Self::listen())
            .await
            .map_err(|_| zbus::Error::Failure("the bus did not answer in time".to_owned()))?
    }

    async fn listen() -> zbus::Result<Self> {
        let bus = Connection::system().await?;
        let stream = MessageStream::from(&bus);
        for rule in [
            format!("type='signal',sender='{BUS_NAME}',path='{OBJECT_PATH}'"),
            format!(
                "type='signal',sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',arg0='{BUS_NAME}'"
            ),
        ] {
            bus.call_method(Some(BUS), BUS_PATH, Some(BUS), "AddMatch", &rule)
                .await?;
        }
        let owner = bus
            .call_method(Some(BUS), BUS_PATH, Some(BUS), "GetNameOwner", &BUS_NAME)
            .await;
        let daemon = owner
            .ok()
            .and_then(|reply| reply.body().deserialize::<String>().ok());
        Ok(Self { stream, daemon })
    }

    fn presence(&self) -> Presence {
        if self.daemon.is_some() {
            Presence::Here
        } else {
            Presence::Gone
        }
    }

    /// Returns the content of a message, if it is the daemon's; updates the daemon's unique name.
    fn hear(&mut self, message: &Message) -> Option<News> {
        if message.message_type() != Type::Signal {
            return None;
        }
        let header = message.header();
        let sender = header.sender()?.as_str();
        if sender == BUS {
            let body = message.body();
            if let Ok((name, _, owner)) = body.deserialize::<(&str, &str, &str)>()
                && name == BUS_NAME
            {
                self.daemon = Some(owner.to_owned()).filter(|owner| !owner.is_empty());
            }
            return None;
        }
        (self.daemon.as_deref() == Some(sender)).then(|| News::read(message))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::cli::reports::table::Paint;
    use crate::shell::news::{Death, Readmitted, StateChanged};

    fn state(ward: &str) -> News {
        let word = |word: &str| word.to_owned();
        let (state, substate) = (word("active"), word("running"));
        News::StateChanged(StateChanged {
            ward: word(ward),
            unit: format!("{ward}.service"),
            state,
            substate,
        })
    }

    #[test]
    fn brief_leaves_out_the_states_and_a_ward_all_others() {
        let back = |ward: &str| {
            News::Readmitted(Readmitted {
                ward: ward.to_owned(),
                by: "hand".to_owned(),
            })
        };
        let takes = |states, ward: Option<&str>| {
            let printer = Printer {
                form: Form::Json,
                states,
                ward: ward.map(str::to_owned),
            };
            [state("web"), back("web"), back("db")].map(|news| printer.takes(&news))
        };
        assert_eq!(takes(true, None), [true, true, true]);
        assert_eq!(takes(false, None), [false, true, true]);
        assert_eq!(takes(false, Some("web")), [false, true, false]);
    }

    #[test]
    fn a_line_fits_on_a_terminal_of_80_columns() {
        let news = News::Death(Death {
            ward: "web".into(),
            unit: "web.service".into(),
            invocation: String::new(),
            reason: "SIG 11 (Segmentation fault) at a place that is told at length".into(),
            pid: 1234,
            at: 1_738_838_543_963,
            crash: true,
        });
        let line = Line::of(&news);
        let narrow = text(
            &line,
            Sheet {
                paint: Paint::Plain,
                width: Some(80),
            },
        );
        assert!(
            narrow.lines().count() == 2 && narrow.lines().all(|line| line.chars().count() <= 80),
            "{narrow}"
        );
        assert!(!narrow.starts_with("2025"), "{narrow}");
        assert!(
            text(
                &line,
                Sheet {
                    paint: Paint::Plain,
                    width: None
                }
            )
            .starts_with("2025")
        );
    }
}
