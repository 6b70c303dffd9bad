//! From the sections `[OnX]` and `[OnX name]` of a ward to its conditions.
//!
//! Repeated sections without a name are conditions of their own. A name that comes again, in a
//! drop-in for example, continues the condition of that name. An empty step assignment clears the
//! steps given so far under the same header. A mistake in a condition costs the whole condition.

mod draft;
mod whole;

use super::Stacks;
use super::command_line::shell_word;
use super::condition::{Condition, ConditionKind, OnStepFailure};
use super::names::UnitName;
use super::place::Place;
use super::problem::{Cost, Mistake, Problem};
use super::read_step;
use super::step::{Action, Otherwise, Step};
use super::syntax::{Entry, Section};
use super::wrong::{Wrong, nearest, offset_in};
use draft::Draft;

/// Keys of a condition beside its steps.
const KEYS: [&str; 4] = ["DoNow", "Once", "Independent", "OnStepFailure"];

/// Conditions of the vocabulary that need heartbeats, the registry or the routing table.
pub(super) const LATER: [&str; 6] = [
    "OnHeartbeatMissedLow",
    "OnHeartbeatMissedHigh",
    "OnState",
    "OnRaise",
    "OnExclude",
    "OnReadmit",
];

/// Collects a ward's conditions, section by section.
#[derive(Debug)]
pub(super) struct Conditions<'a> {
    own: UnitName,
    stacks: &'a Stacks,
    drafts: Vec<Draft>,
    problems: Vec<Problem>,
}

/// Returns kind and label of the condition that a section's header names, if it names one.
pub(super) fn kind_of(header: &str) -> Option<(ConditionKind, &str)> {
    let (word, label) = header
        .split_once(char::is_whitespace)
        .unwrap_or((header, ""));
    let (_, kind) = ConditionKind::SECTIONS
        .iter()
        .find(|(section, _)| *section == word)?;
    Some((*kind, label.trim()))
}

impl<'a> Conditions<'a> {
    /// Starts with no condition, for the ward that guards `own`, beside `stacks`.
    pub(super) fn new(own: UnitName, stacks: &'a Stacks) -> Self {
        Self {
            own,
            stacks,
            drafts: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Adds one section of the given kind and label.
    pub(super) fn add(&mut self, section: &Section<'_>, kind: ConditionKind, label: &str) {
        let index = self.draft(section, kind, label);
        for entry in &section.entries {
            self.entry(index, entry);
        }
        for stray in &section.strays {
            let (section, found) = (section.name.to_string(), stray.found.clone());
            self.breaks(
                index,
                stray.at.clone(),
                Mistake::NotAStep { section, found },
            );
        }
        if !label
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        {
            let before = &section.name[..offset_in(&section.name, label)];
            let at = Place {
                column: section.at.column + before.chars().count(),
                ..section.at.clone()
            };
            let why = "only letters, digits, - and _ may stand in a condition's name; write another, or none";
            self.breaks(
                index,
                at,
                Mistake::ConditionName {
                    section: section.name.to_string(),
                    why,
                },
            );
        }
    }

    /// Returns the valid conditions, and the problems of the others.
    pub(super) fn finish(mut self) -> (Vec<Condition>, Vec<Problem>) {
        for index in 0..self.drafts.len() {
            self.check_whole(index);
        }
        let whole = self
            .drafts
            .into_iter()
            .filter(|draft| !draft.broken && !draft.cleared);
        (whole.map(|draft| draft.condition).collect(), self.problems)
    }

    fn draft(&mut self, section: &Section<'_>, kind: ConditionKind, label: &str) -> usize {
        if let Some(index) = self
            .drafts
            .iter()
            .position(|draft| !label.is_empty() && draft.is_under(kind, label))
        {
            return index;
        }
        let before = self
            .drafts
            .iter()
            .filter(|draft| draft.condition.kind == kind && draft.label.is_empty())
            .count();
        let id = match (label, before) {
            ("", 0) => kind.section().to_owned(),
            // A dot, which no name can hold, so that a condition named 2 is another one.
            ("", before) => format!("{}.{}", kind.section(), before + 1),
            (label, _) => format!("{}-{label}", kind.section()),
        };
        let condition = Condition {
            kind,
            id,
            do_now: false,
            once: false,
            independent: false,
            on_step_failure: OnStepFailure::default(),
            steps: Vec::new(),
            line: section.at.line,
        };
        let (header, at) = (section.name.to_string(), section.at.clone());
        self.drafts.push(Draft {
            condition,
            label: label.to_owned(),
            header,
            at,
            keys: Vec::new(),
            cleared: false,
            broken: false,
        });
        self.drafts.len() - 1
    }

    fn entry(&mut self, index: usize, entry: &Entry<'_>) {
        let key = entry.key.as_ref();
        if KEYS.contains(&key) {
            let draft = &mut self.drafts[index];
            draft.keys.push((key.to_owned(), entry.at.clone()));
            if let Err(wrong) = set_key(&mut draft.condition, key, &entry.value) {
                self.bad_step(index, entry, wrong);
            }
        } else if let Some(plain) = step_keyword(key) {
            self.step(index, entry, plain);
        } else if read_step::LATER_STEPS.contains(&key) {
            let section = self.drafts[index].header.clone();
            let left_out = format!("the whole [{section}] is ignored");
            self.breaks(
                index,
                entry.at.clone(),
                Mistake::NotYet {
                    what: format!("{key}="),
                    left_out,
                    cost: Cost::Condition,
                },
            );
        } else {
            let words = read_step::STEPS
                .into_iter()
                .chain(read_step::ELSE_STEPS)
                .chain(KEYS);
            let section = self.drafts[index].header.clone();
            let mistake = Mistake::UnknownStep {
                section,
                key: key.to_owned(),
                nearest: nearest(key, words),
            };
            self.breaks(index, entry.at.clone(), mistake);
        }
    }

    fn step(&mut self, index: usize, entry: &Entry<'_>, keyword: &str) {
        if entry.value.is_empty() {
            return self.clear(index);
        }
        let action = match read_step::read(keyword, &entry.value, &self.own) {
            Ok(Action::RestartStack(name)) if self.stacks.get(&name).is_none() => {
                let wrong = match self.stacks.nearest(name.as_str()) {
                    nearest @ Some(_) => Wrong {
                        nearest,
                        ..Wrong::from("there is no such stack")
                    },
                    None => format!("there is no such stack, write {name}.stack").into(),
                };
                return self.bad_step(index, entry, wrong);
            }
            Ok(action) => action,
            Err(wrong) => return self.bad_step(index, entry, wrong),
        };
        if let Some(wrong) = matches!(action, Action::Execute(_))
            .then(|| shell_word(&entry.value))
            .flatten()
        {
            let mistake = Mistake::Warning(format!("{}: {}", entry.key, wrong.why));
            self.problems.push(Problem {
                at: entry.place_of(wrong.offset),
                mistake,
            });
        }
        let at = entry.place_of(0);
        let is_else = entry.key.starts_with("Else");
        let draft = &mut self.drafts[index];
        draft.cleared = false;
        match (is_else, draft.condition.steps.last_mut()) {
            (false, _) => draft.condition.steps.push(Step {
                action,
                otherwise: Vec::new(),
                at,
            }),
            (true, Some(step)) if step.action != Action::RestartSelf => {
                step.otherwise.push(Otherwise { action, at })
            }
            (true, Some(_)) => {
                let why = "the ward's own restart is systemd's; no Else… step can follow it, move it below another step";
                self.breaks_key(index, entry, why.into());
            }
            (true, None) => self.breaks_key(
                index,
                entry,
                "an Else… step acts when the step above it failed; write that above it".into(),
            ),
        }
    }

    /// Handles an empty assignment: forgets the steps of every draft under the same header.
    fn clear(&mut self, index: usize) {
        let (kind, label) = (
            self.drafts[index].condition.kind,
            self.drafts[index].label.clone(),
        );
        for draft in self
            .drafts
            .iter_mut()
            .filter(|draft| draft.is_under(kind, &label))
        {
            draft.condition.steps.clear();
            draft.cleared = true;
        }
    }

    fn bad_step(&mut self, index: usize, entry: &Entry<'_>, wrong: Wrong) {
        let section = self.drafts[index].header.clone();
        let at = entry.place_of(wrong.offset);
        let mistake = Mistake::BadStep {
            section,
            key: entry.key.to_string(),
            value: entry.value.to_string(),
            wrong,
        };
        self.breaks(index, at, mistake);
    }

    /// Refuses a step that is valid by itself but not in this place.
    fn breaks_key(&mut self, index: usize, entry: &Entry<'_>, wrong: Wrong) {
        let section = self.drafts[index].header.clone();
        let mistake = Mistake::BadStep {
            section,
            key: entry.key.to_string(),
            value: entry.value.to_string(),
            wrong,
        };
        self.breaks(index, entry.at.clone(), mistake);
    }

    fn breaks(&mut self, index: usize, at: Place, mistake: Mistake) {
        self.drafts[index].broken = true;
        self.problems.push(Problem { at, mistake });
    }
}

/// Returns the step that a key stands for: the key itself, or the part after `Else`.
fn step_keyword(key: &str) -> Option<&str> {
    if read_step::ELSE_STEPS.contains(&key) {
        return key.strip_prefix("Else");
    }
    read_step::STEPS.contains(&key).then_some(key)
}

fn set_key(condition: &mut Condition, key: &str, value: &str) -> Result<(), Wrong> {
    match key {
        "DoNow" => condition.do_now = super::read_keys::boolean(value)?,
        "Once" => condition.once = super::read_keys::boolean(value)?,
        "Independent" => condition.independent = super::read_keys::boolean(value)?,
        _ => {
            condition.on_step_failure = match value {
                "continue" | "" => OnStepFailure::Continue,
                "break" => OnStepFailure::Break,
                "fail" => OnStepFailure::Fail,
                _ => return Err(Wrong::none_of(value, ["continue", "break", "fail"])),
            }
        }
    }
    Ok(())
}
