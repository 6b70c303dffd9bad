//! From the files of one ward, main file first, to a [`Ward`].

use super::condition::ConditionKind;
use super::mistake::Applies;
use super::names::{StackName, UnitName, WardName};
use super::place::Place;
use super::problem::{Cost, Mistake, Problem};
use super::read_condition::{self, Conditions};
use super::read_keys::{self, Refusal, span_or};
use super::syntax::{self, Entry, Section};
use super::time_span;
use super::ward::{Form, Native, NativeLine, OnLimit, Recovery, ReportOn, Ward};
use super::wrong::{Wrong, nearest};
use super::{SourceFile, Stacks, read_native, template};

pub(super) const WARD: [&str; 3] = ["Unit", "Stack", "Report"];
const WARD_LATER: [&str; 1] = ["Group"];
pub(super) const RECOVERY: [&str; 6] = [
    "DelaySec",
    "MaxDelaySec",
    "ResetAfterSec",
    "DeathLimit",
    "DeathLimitIntervalSec",
    "OnLimit",
];
const NATIVE: [&str; 3] = ["Unit", "Service", "Install"];
const SECTIONS: [&str; 2] = ["Ward", "Recovery"];

/// The content of the plain sections of a ward's files, before they are known to make a ward.
#[derive(Debug, Default)]
struct Draft {
    native: Native,
    unit: Option<(String, Place)>,
    stack: Option<(String, Place)>,
    report: ReportOn,
    recovery: Recovery,
    /// Place of the value of `OnLimit=`.
    on_limit: Option<Place>,
    /// Place of the value of `DelaySec=`.
    delay: Option<Place>,
    problems: Vec<Problem>,
}

/// Reads one ward. `None` if a mistake costs the whole of it; the problems say which.
///
/// `files` holds the main file first, then the drop-ins in their order; `stacks` are the valid
/// ones.
#[must_use]
pub(super) fn read(
    name: &WardName,
    files: &[SourceFile],
    stacks: &Stacks,
) -> (Option<Ward>, Vec<Problem>) {
    let Some(main) = files.first() else {
        return (None, Vec::new());
    };
    let mut draft = Draft::default();
    let mut sections = Vec::new();
    for file in files {
        let (split, wrong) = syntax::split(file);
        draft.problems.extend(wrong);
        sections.extend(split);
    }
    for section in &sections {
        draft.plain_section(section);
    }
    draft.back_off();
    let unit_at = draft
        .unit
        .as_ref()
        .map_or_else(|| Place::whole(main.path.clone()), |(_, at)| at.clone());
    let form = draft.form(name, main);
    let stack = draft.stack(name, stacks);
    let own = match &form {
        Some(Form::Adopted(unit)) => unit.clone(),
        _ => name.service(),
    };
    let mut conditions = Conditions::new(own.specified(), stacks);
    for section in &sections {
        if let Some((kind, label)) = read_condition::kind_of(&section.name) {
            conditions.add(section, kind, label);
        }
    }
    let (conditions, wrong) = conditions.finish();
    draft.problems.extend(wrong);
    draft
        .problems
        .extend(read_native::check(&draft.native, form.as_ref()));
    let lost = draft
        .problems
        .iter()
        .any(|p| p.mistake.cost() == Cost::Ward);
    let ward = form.filter(|_| !lost).map(|form| Ward {
        name: name.clone(),
        path: main.path.clone(),
        drop_ins: files.iter().skip(1).map(|file| file.path.clone()).collect(),
        form,
        native: draft.native,
        unit_at,
        stack,
        report: draft.report,
        recovery: draft.recovery,
        conditions,
    });
    (ward, draft.problems)
}

impl Draft {
    fn plain_section(&mut self, section: &Section<'_>) {
        let word = section.name.split_whitespace().next().unwrap_or_default();
        match section.name.as_ref() {
            "Unit" => Self::pass_through(&mut self.native.unit, section, &mut self.problems),
            "Service" => Self::pass_through(&mut self.native.service, section, &mut self.problems),
            "Install" => Self::pass_through(&mut self.native.install, section, &mut self.problems),
            "Ward" => {
                let wrong = read_keys::read(section, &WARD, |key, value| {
                    set_ward(&mut self.report, key, value)
                });
                self.problems
                    .extend(read_keys::sent_home(wrong, read_native::home_of));
                for entry in &section.entries {
                    match entry.key.as_ref() {
                        "Unit" => self.unit = given(entry),
                        "Stack" => self.stack = given(entry),
                        _ => {}
                    }
                }
            }
            "Recovery" => {
                let wrong = read_keys::read(section, &RECOVERY, |key, value| {
                    set_recovery(&mut self.recovery, key, value)
                });
                self.problems
                    .extend(read_keys::sent_home(wrong, read_native::home_of));
                self.on_limit = last_place(section, "OnLimit").or(self.on_limit.take());
                self.delay = last_place(section, "DelaySec").or(self.delay.take());
            }
            name if name.starts_with("X-") || read_condition::kind_of(name).is_some() => {}
            name if read_condition::LATER.contains(&word) => {
                let what = format!("[{name}]");
                let left_out = format!("the whole {what} is ignored");
                self.say(
                    &section.at,
                    Mistake::NotYet {
                        what,
                        left_out,
                        cost: Cost::Condition,
                    },
                );
            }
            name => {
                let kinds = ConditionKind::SECTIONS
                    .into_iter()
                    .map(|(section, _)| section);
                let known = NATIVE
                    .into_iter()
                    .chain(SECTIONS)
                    .chain(kinds)
                    .chain(read_condition::LATER);
                let mistake = Mistake::UnknownSection {
                    section: name.to_owned(),
                    nearest: nearest(word, known),
                };
                self.say(&section.at, mistake);
            }
        }
    }

    fn pass_through(
        lines: &mut Vec<NativeLine>,
        section: &Section<'_>,
        problems: &mut Vec<Problem>,
    ) {
        lines.extend(section.entries.iter().map(NativeLine::from));
        problems.extend(section.strays.iter().map(|stray| {
            let (section, found) = (section.name.to_string(), stray.found.clone());
            Problem {
                at: stray.at.clone(),
                mistake: Mistake::NotANativeLine { section, found },
            }
        }));
    }

    /// Returns defined or adopted; `None` and a problem if it is neither or both.
    fn form(&mut self, name: &WardName, main: &SourceFile) -> Option<Form> {
        let whole = Place::whole(main.path.clone());
        let defines = read_native::values(&self.native.service, "ExecStart")
            .next()
            .is_some();
        match (defines, self.unit.take()) {
            (true, None) => Some(Form::Defined),
            (false, Some((value, at))) => {
                let value = if value == "%n" {
                    name.service().to_string()
                } else {
                    value
                };
                let wrong = match UnitName::read_or_template(&value) {
                    Ok(unit) if unit.is_template() != name.is_template() => {
                        template::both_or_neither(name, &unit)
                    }
                    Ok(unit) if unit.is_service() => return Some(Form::Adopted(unit)),
                    Ok(unit) => {
                        let nearest = Some(format!("{}.service", unit.stem()));
                        Wrong {
                            nearest,
                            ..Wrong::from("only a .service can be guarded")
                        }
                    }
                    Err(wrong) => wrong,
                };
                self.say(&at, Mistake::BadUnit { value, wrong });
                None
            }
            (true, Some((_, at))) => {
                self.say(&at, Mistake::TwoForms);
                None
            }
            (false, None) => {
                // A ward that a worse mistake costs needs no second message.
                if !self.problems.iter().any(|p| p.mistake.cost() == Cost::Ward) {
                    match read_native::misspelt_start(&self.native.service) {
                        Some(line) => self.say(
                            &line.at.clone(),
                            Mistake::NoStart {
                                key: line.key.clone(),
                            },
                        ),
                        None => self.say(&whole, Mistake::NoForm),
                    }
                }
                None
            }
        }
    }

    /// The stack it belongs to. What takes one is taken back where there is none.
    fn stack(&mut self, name: &WardName, stacks: &Stacks) -> Option<StackName> {
        let stack = self.stack.take().and_then(|(value, at)| {
            if let Some(wrong) = template::in_stack(name, &value, stacks) {
                self.say(
                    &at,
                    Mistake::BadValue {
                        key: "Stack".to_owned(),
                        value,
                        wrong,
                        applies: Applies::Default,
                    },
                );
                return None;
            }
            let found = StackName::new(&value)
                .ok()
                .filter(|name| stacks.get(name).is_some());
            if found.is_none() {
                self.say(
                    &at,
                    Mistake::NoStack {
                        nearest: stacks.nearest(&value),
                        name: value,
                    },
                );
            }
            found
        });
        if let (None, OnLimit::RestartStack, Some(at)) =
            (&stack, self.recovery.on_limit, self.on_limit.take())
        {
            self.recovery.on_limit = OnLimit::default();
            let (key, value) = ("OnLimit".to_owned(), "restart-stack".to_owned());
            let wrong = Wrong::from("the ward belongs to no stack; name one with Stack= in [Ward]");
            let applies = Applies::Default;
            self.say(
                &at,
                Mistake::BadValue {
                    key,
                    value,
                    wrong,
                    applies,
                },
            );
        }
        stack
    }

    /// Warns if `DelaySec=` is above a non-zero `MaxDelaySec=`, so that the back-off cannot grow.
    fn back_off(&mut self) {
        let Recovery {
            delay, max_delay, ..
        } = self.recovery;
        let Some(at) = self
            .delay
            .take()
            .filter(|_| delay > max_delay && !max_delay.is_zero())
        else {
            return;
        };
        let (delay, most) = (time_span::render(delay), time_span::render(max_delay));
        let text = format!(
            "DelaySec={delay} is above MaxDelaySec={most}, so no wait is longer than the first; write a longer MaxDelaySec=, or 0 for \
             no back-off"
        );
        self.say(&at, Mistake::Warning(text));
    }

    fn say(&mut self, at: &Place, mistake: Mistake) {
        self.problems.push(Problem {
            at: at.clone(),
            mistake,
        });
    }
}

/// Returns the value and its place, unless it is empty.
fn given(entry: &Entry<'_>) -> Option<(String, Place)> {
    (!entry.value.is_empty()).then(|| (entry.value.to_string(), entry.place_of(0)))
}

/// Returns the place of the last value of a key.
fn last_place(section: &Section<'_>, key: &str) -> Option<Place> {
    let entry = section.entries.iter().rfind(|entry| entry.key == key)?;
    Some(entry.place_of(0))
}

fn set_ward(report: &mut ReportOn, key: &str, value: &str) -> Result<(), Refusal> {
    match key {
        "Unit" | "Stack" => Ok(()),
        "Report" => {
            *report = match value {
                "abnormal" | "" => ReportOn::Abnormal,
                "death" => ReportOn::Death,
                "no" => ReportOn::No,
                _ => return Err(Wrong::none_of(value, ["abnormal", "death", "no"]).into()),
            };
            Ok(())
        }
        later if WARD_LATER.contains(&later) => Err(Refusal::NotYet(format!("{later}="))),
        _ => Err(Refusal::Unknown),
    }
}

fn set_recovery(recovery: &mut Recovery, key: &str, value: &str) -> Result<(), Refusal> {
    let default = Recovery::default();
    match key {
        "DelaySec" => recovery.delay = span_or(default.delay, value)?,
        "MaxDelaySec" => recovery.max_delay = span_or(default.max_delay, value)?,
        "ResetAfterSec" => recovery.reset_after = span_or(default.reset_after, value)?,
        "DeathLimit" if value.is_empty() => recovery.death_limit = default.death_limit,
        "DeathLimit" => recovery.death_limit = death_limit(value)?,
        "DeathLimitIntervalSec" => {
            recovery.death_limit_interval = span_or(default.death_limit_interval, value)?
        }
        "OnLimit" => {
            recovery.on_limit = match value {
                "exclude" | "" => OnLimit::Exclude,
                "reboot" => OnLimit::Reboot,
                "none" => OnLimit::None,
                "restart-stack" => OnLimit::RestartStack,
                _ => {
                    return Err(Wrong::none_of(
                        value,
                        ["exclude", "restart-stack", "reboot", "none"],
                    )
                    .into());
                }
            }
        }
        "ReadmitAfterSec" if value == "0" => {}
        "ReadmitAfterSec" => return Err(Refusal::NotYet("ReadmitAfterSec=".into())),
        _ => return Err(Refusal::Unknown),
    }
    Ok(())
}

/// Upper bound of `DeathLimit=`, since every death is remembered.
const MOST_DEATHS: u32 = 10_000;

fn death_limit(value: &str) -> Result<u32, String> {
    let limit = value.parse().ok().filter(|limit| *limit <= MOST_DEATHS);
    limit.ok_or(format!(
        "expected a number of deaths from 0 (no limit) to {MOST_DEATHS}"
    ))
}
