//! `unitward list`: the state of every ward and stack, one line each.

use super::desk::{self, Form, Sheet, ago, coarse, colour, columns};
use super::reports::table::{NOTHING, Paint, counted};
use crate::core::visible::visible;
use crate::shell::survey::left_out::{LeftOut, Why};
use crate::shell::survey::list::{Daemon, List, StackLine};
use crate::shell::survey::watched::Watched;
use crate::shell::survey::{DeathTold, Down, Line, Question, State};
use clap::Args;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Number of units without a ward up to which all of them are shown; above it, only those in
/// trouble.
const MANY: usize = 20;

/// The command's arguments.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn list(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    desk::answer(
        &Question::List,
        Form::new(arguments.json),
        |list: &List, sheet| (text(list, sheet), sum(list)),
    )
}

fn text(list: &List, sheet: Sheet) -> String {
    let now = list.timestamp;
    let wards = Wards {
        lines: &list.wards,
        now,
        with_stack: list.wards.iter().any(|ward| ward.stack.is_some()),
    };
    let mut text = wards.table(sheet);
    if !list.stacks.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        let cells = list.stacks.iter().map(|stack| stack_cells(stack, now));
        let colours = list.stacks.iter().map(|stack| colour(stack.state));
        let header = ["STACK", "STATE", "SINCE", "UP", "MEMBERS"].map(str::to_owned);
        text.push_str(&columns(header.into(), cells.collect(), colours, sheet));
    }
    let watched = shown(&list.watched);
    if !watched.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        let cells = watched.iter().map(|one| {
            vec![
                visible(&one.unit),
                one.state.word().to_owned(),
                visible(one.description.as_deref().unwrap_or(NOTHING)),
            ]
        });
        let header = ["WATCHED ONLY", "STATE", "DESCRIPTION"].map(str::to_owned);
        let colours = watched.iter().map(|one| colour(one.state));
        text.push_str(&columns(header.into(), cells.collect(), colours, sheet));
    }
    if !list.left_out.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&left_out(&list.left_out, sheet));
    }
    text
}

/// Returns the table of wards and stacks that are left out.
fn left_out(left_out: &[LeftOut], sheet: Sheet) -> String {
    let cells = left_out.iter().map(|one| {
        let why = match one.why {
            Why::Removed => "file removed",
            Why::Mistake => "mistake",
        };
        let state = one.state.map_or(NOTHING, State::word).to_owned();
        let guarded = if one.guarded { "as before" } else { "no" }.to_owned();
        let unit = visible(one.unit.as_deref().unwrap_or(NOTHING));
        vec![visible(&one.name), why.to_owned(), unit, state, guarded]
    });
    let header = ["LEFT OUT", "WHY", "UNIT", "STATE", "GUARDED"].map(str::to_owned);
    let colours = left_out.iter().map(|_| "31");
    columns(header.into(), cells.collect(), colours, sheet)
}

/// Returns the units without a ward that have a line: all, or, if there are many, those that need
/// attention.
fn shown(watched: &[Watched]) -> Vec<&Watched> {
    watched
        .iter()
        .filter(|one| watched.len() <= MANY || !colour(one.state).is_empty())
        .collect()
}

/// Level of detail of a ward's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Full,
    /// Without its unit and the details of its state, for a terminal that is too narrow for them.
    Brief,
}

/// The table of wards.
pub(super) struct Wards<'a> {
    pub(super) lines: &'a [Line],
    /// The present, in milliseconds since the epoch.
    pub(super) now: u64,
    /// True if it has a column with the stacks.
    pub(super) with_stack: bool,
}

impl Wards<'_> {
    /// Returns the lines of the wards, below a header; brief if they do not fit.
    pub(super) fn table(&self, sheet: Sheet) -> String {
        if self.lines.is_empty() {
            return String::new();
        }
        let plain = Sheet {
            paint: Paint::Plain,
            width: None,
        };
        let whole = self.in_detail(Detail::Full, plain);
        let fits = sheet
            .width
            .is_none_or(|width| whole.lines().all(|line| line.chars().count() <= width));
        self.in_detail(if fits { Detail::Full } else { Detail::Brief }, sheet)
    }

    fn in_detail(&self, detail: Detail, sheet: Sheet) -> String {
        let stack: &[&str] = if self.with_stack { &["STACK"] } else { &[] };
        let header = [
            &["WARD", "STATE", "SINCE", "DEATHS"],
            stack,
            &["LAST DEATH"],
        ]
        .concat();
        let header = header.iter().map(ToString::to_string).collect();
        let cells = self.lines.iter().map(|ward| self.cells(ward, detail));
        let colours = self.lines.iter().map(|ward| match desk::ward_colour(ward) {
            "" if ward.needs_reload => "33",
            colour => colour,
        });
        columns(header, cells.collect(), colours, sheet)
    }

    fn cells(&self, ward: &Line, detail: Detail) -> Vec<String> {
        let now = self.now;
        let (name, state) = match detail {
            Detail::Full => (name(ward), state(ward, now)),
            Detail::Brief => (visible(&ward.name), changed(ward, ward.word().to_owned())),
        };
        let mut cells = vec![name, state, ago(ward.since, now), deaths(ward)];
        if self.with_stack {
            cells.push(
                ward.stack
                    .as_deref()
                    .map_or_else(|| NOTHING.to_owned(), visible),
            );
        }
        cells.push(
            ward.last_death
                .as_ref()
                .map_or_else(|| NOTHING.to_owned(), |death| last(death, now)),
        );
        cells
    }
}

/// Formats the name as `web` or `telldus (telldusd.service)`.
pub(super) fn name(ward: &Line) -> String {
    if ward.unit.strip_suffix(".service") == Some(ward.name.as_str()) {
        return visible(&ward.name);
    }
    visible(&format!("{} ({})", ward.name, ward.unit))
}

/// Formats the state, and the note that the ward's configuration has changed: `running, changed`.
fn state(ward: &Line, now: u64) -> String {
    changed(ward, stands(ward, now))
}

/// Formats the state in words: `recovering (step 2 of 4: Execute)`.
pub(super) fn stands(ward: &Line, now: u64) -> String {
    let more = match ward.state {
        State::Restarting | State::Dying if ward.cleaning_up && ward.step.is_none() => {
            Some("cleaning up".to_owned())
        }
        State::Restarting => ward
            .until
            .map(|until| format!("in {}", wait(until.saturating_sub(now)))),
        State::Excluded => ward
            .exclusion
            .as_ref()
            .map(|exclusion| match &exclusion.why {
                Some(why) if exclusion.by == "unknown" => visible(why),
                _ => format!("by {}", exclusion.by),
            }),
        State::Stopped => ward.down.as_ref().and_then(down),
        _ => ward.step.as_ref().map(desk::step),
    };
    more.map_or_else(
        || ward.word().to_owned(),
        |more| format!("{} ({more})", ward.word()),
    )
}

fn changed(ward: &Line, word: String) -> String {
    if ward.needs_reload && ward.state != State::NotLoaded {
        format!("{word}, changed")
    } else {
        word
    }
}

/// Returns the unit that took it down, or the reason why it ended.
fn down(down: &Down) -> Option<String> {
    down.unit
        .as_ref()
        .map(|unit| format!("by {}", visible(unit)))
        .or_else(|| down.reason.as_deref().map(visible))
}

/// Formats the rest of a wait, which shortens while it is read.
fn wait(ms: u64) -> String {
    if ms < 1_000 {
        "less than 1s".to_owned()
    } else {
        coarse(ms)
    }
}

/// Formats the deaths that count now and the limit.
fn deaths(ward: &Line) -> String {
    match ward.death_limit {
        None => NOTHING.to_owned(),
        Some(limit) => format!("{}/{limit}", counting(ward)),
    }
}

/// Returns the number of deaths that count now. At the limit the count is reset: there it is one
/// more than the limit.
pub(super) fn counting(ward: &Line) -> u64 {
    let by_limit = ward
        .exclusion
        .as_ref()
        .is_some_and(|mark| mark.by == "limit");
    match ward.death_limit {
        Some(limit) if by_limit && ward.state == State::Excluded => u64::from(limit) + 1,
        _ => ward.deaths,
    }
}

fn last(death: &DeathTold, now: u64) -> String {
    let reason = death
        .reason
        .as_deref()
        .map_or_else(|| "unknown".to_owned(), visible);
    format!("{reason}, {}", ago(Some(death.timestamp), now))
}

fn stack_cells(stack: &StackLine, now: u64) -> Vec<String> {
    let word = stack.state.word();
    let state = if stack.needs_reload && stack.state != State::NotLoaded {
        format!("{word}, changed")
    } else {
        word.into()
    };
    let up = format!("{}/{}", stack.up, stack.members.len());
    vec![
        visible(&stack.name),
        state,
        ago(stack.since, now),
        up,
        visible(&stack.members.join(", ")),
    ]
}

/// Returns the lines below the tables: the number of wards in each state, what is to be done, and
/// the state of the daemon.
fn sum(list: &List) -> String {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for ward in &list.wards {
        *states.entry(ward.word()).or_default() += 1;
    }
    let mut text = if list.wards.is_empty() {
        if list.left_out.is_empty() {
            "There are no wards: unitward.ward(5) says how one is written.".to_owned()
        } else {
            "There are no wards that count.".to_owned()
        }
    } else {
        let each: Vec<_> = states
            .iter()
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        format!(
            "{}: {}.",
            counted(list.wards.len(), "ward"),
            each.join(", ")
        )
    };
    if !list.stacks.is_empty() {
        text.push_str(&format!(" {}.", counted(list.stacks.len(), "stack")));
    }
    if !list.watched.is_empty() {
        let units = counted(list.watched.len(), "unit");
        let more = if list.watched.len() > MANY {
            ", --json names them"
        } else {
            ""
        };
        text.push_str(&format!(" Without a ward, watched only: {units}{more}."));
    }
    text.push('\n');
    let changed = list.wards.iter().filter(|ward| ward.needs_reload).count();
    if changed
        + list
            .stacks
            .iter()
            .filter(|stack| stack.needs_reload)
            .count()
        > 0
    {
        text.push_str("systemd has not read what has changed in the configuration: run systemctl daemon-reload.\n");
    }
    for one in &list.left_out {
        text.push_str(&format!("{}\n", one.sentence()));
    }
    text.push_str(&daemon(&list.daemon));
    text
}

/// Returns a line about the daemon. The number of waiting messages is added unless the daemon's
/// status text has it.
fn daemon(daemon: &Daemon) -> String {
    let mut text = match (daemon.state, &daemon.status) {
        (State::Running, Some(status)) => {
            format!("unitwardd: {}", visible(status.trim_end_matches('.')))
        }
        (State::Running, None) => "unitwardd runs".to_owned(),
        (state, _) => format!(
            "unitwardd does not run ({}), crashes are reported when it does again",
            state.word()
        ),
    };
    text.push('.');
    let says_so = daemon.state == State::Running && daemon.status.is_some();
    if let Some(waiting) = daemon
        .reports_waiting
        .filter(|waiting| *waiting > 0 && !says_so)
    {
        text.push_str(&format!(" {} waiting.", counted(waiting, "message")));
    }
    if let Some(problem) = &daemon.history_problem {
        text.push_str(&format!(" No history: {}.", visible(problem)));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
