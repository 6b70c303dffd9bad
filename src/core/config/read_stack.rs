//! From the files of one stack, main file first, to a [`Stack`].
//!
//! `RestartScript=` is run not by a unit but by a program of Unitward's own, so no later stage
//! replaces a `%` or a `$` in it. Specifiers that name the stack's unit are replaced here; those
//! that only systemd or a shell could replace are refused.

use super::command_line::CommandLine;
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

const KEYS: [&str; 6] = ["Name", "Unit", "InhibitFile", "RestartScript", "TimeoutSec", "Report"];

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
pub(super) fn read(name: &StackName, files: &[SourceFile]) -> Option<(Option<Stack>, Places, Vec<Problem>)> {
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
    let whole = |problem: &Problem| problem.mistake.cost() == super::Cost::Ward;
    let stack = form.filter(|_| !draft.problems.iter().any(whole)).map(|form| Stack {
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
            places: Places { report: whole.clone(), unit: whole.clone(), script: whole.clone() },
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
                let mistake = Mistake::UnknownSection { section: name.to_owned(), nearest: nearest(name, ["Stack"]) };
                self.problems.push(Problem { at: section.at.clone(), mistake });
            }
        }
    }

    /// Sets one key. Keys that depend on others, or on their own place, are checked after all files
    /// are read.
    fn set(&mut self, key: &str, value: &str) -> Result<(), Refusal> {
        match key {
            "Unit" | "RestartScript" => {}
            "Name" if value.len() > LONGEST_NAME => return Err("a name has at most 255 bytes".into()),
            "Name" if value.chars().any(char::is_control) => return Err("a name has no control characters".into()),
            "Name" => self.identifier = (!value.is_empty()).then(|| value.to_owned()),
            "InhibitFile" if value.is_empty() => self.inhibit_file = None,
            "InhibitFile" if value.starts_with('/') => self.inhibit_file = Some(value.into()),
            "InhibitFile" => return Err("expected an absolute path, as in /run/no-full-restart".into()),
            "TimeoutSec" if value.is_empty() => self.timeout = Stack::TIMEOUT,
            "TimeoutSec" => match time_span::parse(value)? {
                Duration::ZERO => return Err("a full restart takes its time; write a span such as 5min".into()),
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
        let Some((value, at)) = self.unit.take() else { return Some(Form::Defined) };
        let wrong = match UnitName::read(&value) {
            Ok(unit) if unit.is_target() || unit.is_service() => return Some(Form::Adopted(unit)),
            Ok(_) => Wrong::from("only a .target or a .service can stand for a stack"),
            Err(wrong) => wrong,
        };
        self.problems.push(Problem { at, mistake: Mistake::BadStackUnit { value, wrong } });
        None
    }

    fn script(&mut self, unit: &UnitName) -> Option<CommandLine> {
        let line = self.restart_script.take()?;
        let script = script(&line.value, unit);
        script
            .map_err(|wrong| {
                let at = line.place_of(wrong.offset);
                let mistake = Mistake::BadValue { key: line.key, value: line.value, wrong };
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
mod tests {
    use super::*;
    use std::path::Path;

    fn read_texts(texts: &[&str]) -> (Option<Stack>, Place, Vec<String>) {
        let paths = ["opensync.stack", "opensync.stack.d/1.conf", "opensync.stack.d/2.conf"];
        let file = |(path, text): (&&str, &&str)| SourceFile { path: Path::new(path).into(), text: (*text).to_owned() };
        let files: Vec<_> = paths.iter().zip(texts).map(file).collect();
        let name = StackName::new("opensync").unwrap();
        let (stack, places, problems) = read(&name, &files).unwrap();
        (stack, places.report, problems.iter().map(ToString::to_string).collect())
    }

    fn good(texts: &[&str]) -> Stack {
        let (stack, _, problems) = read_texts(texts);
        assert_eq!(problems, [""; 0], "{texts:?}");
        stack.unwrap()
    }

    fn words(value: &str) -> Vec<String> {
        good(&[&format!("[Stack]\nUnit=sync@1.service\nRestartScript={value}\n")]).restart_script.unwrap().words
    }

    #[test]
    fn a_stack_needs_nothing_but_a_name() {
        for text in [
            "[Stack]\n",
            "# all as usual\n",
            "[Stack]\nName=\nUnit=\nInhibitFile=\nRestartScript=\nReport=\nTimeoutSec=\n",
        ] {
            let stack = good(&[text]);
            assert_eq!((stack.identifier.as_str(), stack.unit().as_str()), ("opensync", "opensync.target"), "{text}");
            assert_eq!((stack.inhibit_file, stack.restart_script), (None, None));
            assert_eq!((stack.timeout, stack.report), (Duration::from_secs(300), true));
        }
    }

    #[test]
    fn every_key_is_read_and_drop_ins_override_and_reset() {
        let main = "[Stack]\nName=OpenSync\nUnit=opensync.service\nInhibitFile=/opt/tb/cm-disable-fatal\n\
                    RestartScript=/usr/bin/restart.sh %n\nTimeoutSec=1min 30s\nReport=no\n[X-Vendor]\nwhatever=1\n";
        let stack = good(&[main]);
        assert_eq!((stack.identifier.as_str(), stack.unit().as_str()), ("OpenSync", "opensync.service"));
        assert_eq!(stack.inhibit_file, Some("/opt/tb/cm-disable-fatal".into()));
        assert_eq!(stack.restart_script.unwrap().words, ["/usr/bin/restart.sh", "opensync.service"]);
        assert_eq!((stack.timeout, stack.report), (Duration::from_secs(90), false));
        let stack = good(&[main, "[Stack]\nUnit=sync.target\nRestartScript=\nTimeoutSec=7\n", "[Stack]\nReport=yes\n"]);
        assert_eq!((stack.identifier.as_str(), stack.unit().as_str()), ("OpenSync", "sync.target"));
        assert_eq!((stack.restart_script, stack.timeout, stack.report), (None, Duration::from_secs(7), true));
    }

    #[test]
    fn the_words_of_a_script_are_those_that_are_run() {
        assert_eq!(
            words("/bin/x %n %N %p %i 100%% $$HOME 'a b'"),
            ["/bin/x", "sync@1.service", "sync@1", "sync", "1", "100%", "$HOME", "a b"]
        );
    }

    #[test]
    fn the_line_of_its_reports_is_that_of_report_or_of_the_section() {
        let place = |texts: &[&str]| {
            let (_, at, _) = read_texts(texts);
            (at.path.display().to_string(), at.line)
        };
        assert_eq!(place(&["\n[Stack]\nName=x\n"]), ("opensync.stack".into(), 2));
        assert_eq!(
            place(&["[Stack]\nReport=no\n", "[Stack]\nName=x\nReport=yes\n"]),
            ("opensync.stack.d/1.conf".into(), 3)
        );
        assert_eq!(place(&["# nothing\n"]), ("opensync.stack".into(), 0));
    }

    /// Reads a stack with a mistake in the third line: the words that the message must name, and
    /// true if a stack remains.
    fn check(line: &str, words: &[&str], left: bool) {
        let (stack, _, problems) = read_texts(&[&format!("[Stack]\nName=OpenSync\n{line}\n")]);
        assert_eq!(problems.len(), 1, "{line}: {problems:?}");
        assert!(problems[0].starts_with("opensync.stack:3:"), "{line}: {problems:?}");
        for word in words {
            assert!(problems[0].contains(word), "{line}: {word} in {problems:?}");
        }
        assert_eq!(stack.is_some(), left, "{line}");
        let name = stack.map(|stack| (stack.identifier, stack.restart_script, stack.inhibit_file, stack.timeout));
        assert!(name.is_none_or(|left| left == ("OpenSync".into(), None, None, Stack::TIMEOUT)), "{line}");
    }

    #[test]
    fn a_bad_key_costs_its_key() {
        for (line, words) in [
            ("Nmae=x", &["did you mean \"Name\"?"][..]),
            ("InhibitFile=fatal", &["absolute path"]),
            ("TimeoutSec=0", &["TimeoutSec", "5min"]),
            ("TimeoutSec=infinity", &["for ever"]),
            ("Report=maybe", &["yes or no"]),
            ("RestartScript=-/bin/x", &["no prefix", "runs as root"]),
            ("RestartScript=+/bin/x", &["no prefix"]),
            ("RestartScript=@/bin/x y", &["no prefix"]),
            ("RestartScript=restart.sh", &["absolute path"]),
            ("RestartScript=/bin/a ; /bin/b", &["second command"]),
            ("RestartScript=/bin/a %H", &["%H", "%%"]),
            ("RestartScript=/bin/a $HOME", &["$HOME", "$$"]),
            ("RestartScript=/bin/a 5$", &["$$"]),
            ("what is this", &["Key=Value"]),
            ("[Stak]", &["did you mean \"Stack\"?"]),
        ] {
            check(line, words, true);
        }
        check(&format!("Name={}", "n".repeat(256)), &["255 bytes"], true);
    }

    #[test]
    fn a_unit_that_cannot_stand_for_it_costs_the_stack() {
        for (line, word) in [
            ("Unit=opensync", "suffix"),
            ("Unit=opensync.socket", "only a .target or a .service"),
            ("Unit=opensync@.service", "template"),
        ] {
            check(line, &[word, "the stack is ignored"], false);
        }
    }
}
