//! Common parts of `list`, `status` and `tree`: the question, the document, and its output on the
//! terminal.

#[cfg(test)]
pub(super) mod fixture;

use super::reports::table::{HEADING, NOTHING, Paint};
use crate::core::config::time_span;
use crate::shell::survey::{Answer, Down, DownBy, Line, Question, State, StepAt, ask};
use anyhow::Context as _;
use comfy_table::{Table, TableStyle};
use serde::de::DeserializeOwned;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

/// Output format of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON, as received.
    Json,
    /// Text for people.
    Text(Sheet),
}

/// Properties of the output that text is laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) paint: Paint,
    /// Number of columns; `None` if the output is not a terminal.
    pub(super) width: Option<usize>,
}

impl Form {
    /// Returns the format that the option `--json` selects.
    pub(super) fn new(json: bool) -> Self {
        if json {
            Self::Json
        } else {
            Self::Text(Sheet::of_stdout())
        }
    }
}

impl Sheet {
    pub(super) fn of_stdout() -> Self {
        let out = io::stdout();
        if !out.is_terminal() {
            return Self {
                paint: Paint::Plain,
                width: None,
            };
        }
        // `NO_COLOR` turns colours off (no-color.org).
        let plain = std::env::var_os("NO_COLOR").is_some_and(|word| !word.is_empty());
        let width = rustix::termios::tcgetwinsize(&out)
            .ok()
            .map(|size| size.ws_col.into())
            .filter(|width| *width > 0);
        Self {
            paint: if plain { Paint::Plain } else { Paint::Ansi },
            width,
        }
    }

    /// Returns one line, cut at the width of the terminal.
    pub(super) fn line(self, text: &str, colour: &str) -> String {
        let text = text.trim_end();
        match self.width {
            Some(width) if text.chars().count() > width => {
                let cut: String = text.chars().take(width.saturating_sub(1)).collect();
                self.paint.line(&format!("{cut}…"), colour)
            }
            _ => self.paint.line(text, colour),
        }
    }

    /// Returns the text with lines that fit on the terminal: a longer line continues below, after
    /// `indent` blanks. A word that is too long for a line stays whole.
    pub(super) fn folded(self, text: &str, indent: usize) -> String {
        let Some(width) = self.width else {
            return text.to_owned();
        };
        text.lines().map(|line| fold(line, width, indent)).collect()
    }
}

/// Folds one line into lines of this width.
fn fold(line: &str, width: usize, indent: usize) -> String {
    let lead = line.len() - line.trim_start().len();
    let (mut text, mut column) = (line[..lead].to_owned(), lead);
    for (place, word) in line[lead..].split_inclusive(' ').enumerate() {
        if place > 0 && column + word.trim_end().chars().count() > width {
            text.truncate(text.trim_end().len());
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            column = indent;
        }
        text.push_str(word);
        column += word.chars().count();
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Asks the question and prints the document: unchanged, or as the text that `render` makes of it.
/// The second text of `render` goes to standard error.
pub(super) fn answer<D: DeserializeOwned>(
    question: &Question,
    form: Form,
    render: impl FnOnce(&D, Sheet) -> (String, String),
) -> anyhow::Result<ExitCode> {
    let document = match super::runtime()?.block_on(ask(question))? {
        Answer::Document(document) => document,
        Answer::Refused(why) => return Ok(super::refuse(&why)),
    };
    let mut out = io::stdout().lock();
    match form {
        Form::Json => super::write_json(&mut out, &document)?,
        Form::Text(sheet) => {
            let read = serde_json::from_str(&document).context("failed to read the answer: the daemon is of another version, \"systemctl restart unitwardd\" mends that")?;
            let (text, beside) = render(&read, sheet);
            out.write_all(text.as_bytes())?;
            out.flush()?;
            eprint!("{}", sheet.folded(&beside, 0));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns a table: columns two blanks apart, the header bold.
pub(super) fn columns<'a>(
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    colours: impl Iterator<Item = &'a str>,
    sheet: Sheet,
) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().zip(std::iter::once(HEADING).chain(colours));
    lines
        .map(|(line, colour)| sheet.line(&line, colour))
        .collect()
}

/// Formats a time as `3min ago`, in one unit; `-` if it is not known.
pub(super) fn ago(at: Option<u64>, now: u64) -> String {
    let Some(at) = at else {
        return NOTHING.to_owned();
    };
    format!("{} ago", coarse(now.saturating_sub(at)))
}

/// Formats a span as `3min`, in one unit.
pub(super) fn coarse(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}min", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Formats a span to the millisecond, as systemd writes one: `1min 400ms`.
pub(super) fn span(ms: u64) -> String {
    if ms == 0 {
        "0ms".to_owned()
    } else {
        time_span::render(Duration::from_millis(ms))
    }
}

/// Returns the colour of a state: red if an administrator has to act, yellow if a change is under
/// way.
pub(super) const fn colour(state: State) -> &'static str {
    match state {
        State::Failed | State::Excluded | State::Missing | State::Broken => "31",
        State::Starting
        | State::Restarting
        | State::Recovering
        | State::Stopping
        | State::Dying
        | State::NotLoaded => "33",
        State::Running | State::Done | State::Stopped | State::Template | State::Masked => "",
    }
}

/// Returns the colour of a ward: yellow also if it is down without a request.
pub(super) fn ward_colour(ward: &Line) -> &'static str {
    match &ward.down {
        Some(Down {
            by: DownBy::Itself | DownBy::Unit,
            ..
        }) => "33",
        _ => colour(ward.state),
    }
}

/// Formats a step as `step 2 of 4: Execute`.
pub(super) fn step(step: &StepAt) -> String {
    format!("step {} of {}: {}", step.step, step.of, step.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_one_unit() {
        let check = |ms: u64, expect: &str| assert_eq!(coarse(ms), expect, "{ms}");
        check(0, "0s");
        check(59_999, "59s");
        check(60_000, "1min");
        check(3_599_000, "59min");
        check(3_600_000, "1h");
        check(47 * 3_600_000, "47h");
        check(48 * 3_600_000, "2d");
        assert_eq!(
            [ago(None, 5), ago(Some(9), 5), ago(Some(0), 5_000)],
            ["-", "0s ago", "5s ago"]
        );
    }

    #[test]
    fn a_terminal_gets_no_more_than_it_has_room_for() {
        let sheet = |width| Sheet {
            paint: Paint::Plain,
            width,
        };
        assert_eq!(sheet(None).line("äbcdef  ", "31"), "äbcdef\n");
        assert_eq!(sheet(Some(6)).line("äbcdef", "31"), "äbcdef\n");
        assert_eq!(sheet(Some(5)).line("äbcdef", "31"), "äbcd…\n");
        let painted = Sheet {
            paint: Paint::Ansi,
            width: Some(3),
        };
        assert_eq!(painted.line("abcdef", "31"), "\u{1b}[31mab…\u{1b}[0m\n");
    }

    #[test]
    fn a_line_that_is_too_long_goes_on_below() {
        let check = |width, text: &str, expect: &str| {
            assert_eq!(
                Sheet {
                    paint: Paint::Plain,
                    width
                }
                .folded(text, 4),
                expect,
                "{width:?}"
            );
        };
        check(None, "  Why: one  two three\n", "  Why: one  two three\n");
        check(
            Some(21),
            "  Why: one  two three\n",
            "  Why: one  two three\n",
        );
        check(
            Some(20),
            "  Why: one  two three\n",
            "  Why: one  two\n    three\n",
        );
        check(
            Some(12),
            "  Why: one  two three\n",
            "  Why: one\n    two\n    three\n",
        );
        check(Some(4), "äöüäöüäöü\n\nb\n", "äöüäöüäöü\n\nb\n");
    }
}
