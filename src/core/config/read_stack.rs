//! From the files of one stack, main file first, to a [`Stack`].
//!
//! `RestartScript=` is run not by a unit but by a program of Unitward's own, so no later stage
//! replaces a `%` or a `$` in it. Specifiers that name the stack's unit are replaced here; those
//! that only systemd or a shell could replace are refused.

use super::command_line::CommandLine;
use super::mistake::Applies;
use super::names::{StackName, UnitName};
use super::place::Place;
use super::problem::{Mistake, Problem};
use super::read_keys::{self, Refusal, boolean};
use super::stacks::Places;
use super::syntax::{self, Entry, Section};
use super::ward::{Form, NativeLine};
use super::wrong::{Wrong, nearest};
use super::{SourceFile, Stack, time_span};
use std::path::PathBuf;
use std::time::Duration;

const KEYS: [&str; 6] = [
    "Name",
    "Unit",
    "InhibitFile",
    "RestartScript",
    "TimeoutSec",
    "Report",
];

/// Longest `Name=` in bytes: it stands in each report.
const LONGEST_NAME: usize = 255;

/// The content of the sections, before they are known to make a stack.
struct Draft {
    identifier: Option<String>,
    unit: Option<(String, Place)>,
    inhibit_file: Option<PathBuf>,
    restart_script: Option<NativeLine>,
    timeout: Duration,
    report: bool,
    places: Places,
    problems: Vec<Problem>,
}

/// Reads one stack and the places of its keys. The stack is `None` if a mistake costs the whole of
/// it; the problems say which.
pub(super) fn read(
    name: &StackName,
    files: &[SourceFile],
) -> Option<(Option<Stack>, Places, Vec<Problem>)> {
    let path = files.first()?.path.clone();
    let mut draft = Draft::new(&Place::whole(path.clone()));
    for file in files {
        let (sections, wrong) = syntax::split(file);
        draft.problems.extend(wrong);
        for section in &sections {
            draft.section(section);
        }
    }
    let form = draft.form();
    let unit = match &form {
        Some(Form::Adopted(unit)) => unit.clone(),
        _ => name.target(),
    };
    let restart_script = draft.script(&unit);
    let is_lost = draft
        .problems
        .iter()
        .any(|problem| problem.mistake.cost() == super::Cost::Ward);
    let stack = form.filter(|_| !is_lost).map(|form| Stack {
        name: name.clone(),
        path,
        identifier: draft.identifier.unwrap_or_else(|| name.to_string()),
        form,
        inhibit_file: draft.inhibit_file,
        restart_script,
        timeout: draft.timeout,
        report: draft.report,
    });
    Some((stack, draft.places, draft.problems))
}

impl Draft {
    fn new(whole: &Place) -> Self {
        Self {
            identifier: None,
            unit: None,
            inhibit_file: None,
            restart_script: None,
            timeout: Stack::TIMEOUT,
            report: true,
            places: Places {
                report: whole.clone(),
                unit: whole.clone(),
                script: whole.clone(),
            },
            problems: Vec::new(),
        }
    }

    fn section(&mut self, section: &Section<'_>) {
        match section.name.as_ref() {
            "Stack" => {
                let wrong = read_keys::read(section, &KEYS, |key, value| self.set(key, value));
                self.problems.extend(wrong);
                if self.places.report.line == 0 {
                    self.places.report = section.at.clone();
                }
                for entry @ Entry { key, value, at, .. } in &section.entries {
                    let given = !value.is_empty();
                    match key.as_ref() {
                        "Unit" => {
                            self.unit = given.then(|| (value.to_string(), entry.place_of(0)));
                            self.places.unit = entry.place_of(0);
                        }
                        "RestartScript" => {
                            self.restart_script = given.then(|| NativeLine::from(entry));
                            self.places.script = entry.place_of(0);
                        }
                        "Report" => self.places.report = at.clone(),
                        _ => {}
                    }
                }
            }
            name if name.starts_with("X-") => {}
            name => {
                let mistake = Mistake::UnknownSection {
                    section: name.to_owned(),
                    nearest: nearest(name, ["Stack"]),
                };
                self.problems.push(Problem {
                    at: section.at.clone(),
                    mistake,
                });
            }
        }
    }

    /// Sets one key. Keys that depend on others, or on their own place, are checked after all files
    /// are read.
    fn set(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        match key {
            "Unit" | "RestartScript" => {}
            "Name" if value.len() > LONGEST_NAME => {
                return Err("a name has at most 255 bytes".into());
            }
            "Name" if value.chars().any(char::is_control) => {
                return Err("a name has no control characters".into());
            }
            "Name" => self.identifier = (!value.is_empty()).then(|| value.to_owned()),
            "InhibitFile" if value.is_empty() => self.inhibit_file = None,
            "InhibitFile" if value.starts_with('/') => self.inhibit_file = Some(value.into()),
            "InhibitFile" => {
                return Err("expected an absolute path, as in /run/no-full-restart".into());
            }
            "TimeoutSec" if value.is_empty() => self.timeout = Stack::TIMEOUT,
            "TimeoutSec" => match time_span::parse(value)? {
                Duration::ZERO => {
                    return Err("a full restart takes its time; write a span such as 5min".into());
                }
                span => self.timeout = span,
            },
            "Report" => self.report = value.is_empty() || boolean(value)?,
            _ => return Err(Refusal::Unknown),
        }
        Ok(())
    }

    /// Returns defined or adopted; `None` and a problem if `Unit=` names neither a target nor a
    /// service.
    fn form(&mut self) -> Option<Form> {
        let Some((value, at)) = self.unit.take() else {
            return Some(Form::Defined);
        };
        let wrong = match UnitName::read(&value) {
            Ok(unit) if unit.is_target() || unit.is_service() => return Some(Form::Adopted(unit)),
            Ok(_) => Wrong::from("only a .target or a .service can stand for a stack"),
            Err(wrong) => wrong,
        };
        self.problems.push(Problem {
            at,
            mistake: Mistake::BadStackUnit { value, wrong },
        });
        None
    }

    fn script(&mut self, unit: &UnitName) -> Option<CommandLine> {
        let line = self.restart_script.take()?;
        let script = script(&line.value, unit);
        script
            .map_err(|wrong| {
                let at = line.place_of(wrong.offset);
                let mistake = Mistake::BadValue {
                    key: line.key,
                    value: line.value,
                    wrong,
                    applies: Applies::Default,
                };
                self.problems.push(Problem { at, mistake });
            })
            .ok()
    }
}

/// Parses the command; its words are run literally.
fn script(text: &str, unit: &UnitName) -> Result<CommandLine, Wrong> {
    if text.starts_with(['-', '+', '@', ':', '!', '|']) {
        return Err(
            "no prefix is possible here: it runs as root, and its failure is reported; begin with the path".into()
        );
    }
    let mut command = CommandLine::parse(text)?.for_unit(unit);
    for word in &mut command.words {
        *word = literal(word).ok_or_else(|| {
            let why =
                format!("nothing is there that would replace {word:?}; write the value itself, %% for % and $$ for $");
            Wrong { offset: text.find(word.as_str()).unwrap_or(0), ..Wrong::from(why) }
        })?;
    }
    Ok(command)
}

/// Replaces `%%` and `$$` by one of each; `None` if one of them is single.
fn literal(word: &str) -> Option<String> {
    let mut out = String::with_capacity(word.len());
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        if matches!(c, '%' | '$') && chars.next() != Some(c) {
            return None;
        }
        out.push(c);
    }
    Some(out)
}

#[cfg(test)]
mod tests;
