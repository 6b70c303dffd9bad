//! From the sections `[OnX]` and `[OnX name]` of a ward to its conditions.
//!
//! Repeated sections without a name are conditions of their own. A name that comes again, in a drop-in for
//! example, continues the condition of that name. An empty step assignment clears the steps given so far
//! under the same header. Anything wrong in a condition costs the whole of it.

use super::Stacks;
use super::condition::{Condition, ConditionKind, OnStepFailure};
use super::names::UnitName;
use super::problem::{Cost, Mistake, Problem, nearest};
use super::read_step;
use super::step::{Action, Step};
use super::syntax::{Entry, Section};
use super::ward::Place;

/// Keys of a condition beside its steps.
const KEYS: [&str; 4] = ["DoNow", "Once", "Independent", "OnStepFailure"];

/// Conditions of the vocabulary that need heartbeats, the registry or the routing table.
pub(super) const LATER: [&str; 6] =
    ["OnHeartbeatMissedLow", "OnHeartbeatMissedHigh", "OnState", "OnRaise", "OnExclude", "OnReadmit"];

/// Collects a ward's conditions, section by section.
#[derive(Debug)]
pub(super) struct Conditions<'a> {
    own: UnitName,
    stacks: &'a Stacks,
    drafts: Vec<Draft>,
    problems: Vec<Problem>,
}

#[derive(Debug)]
struct Draft {
    condition: Condition,
    label: String,
    header: String,
    at: Place,
    /// Cleared by an empty assignment and not filled since: gone without a word.
    cleared: bool,
    broken: bool,
}

/// What the header of a section says, if it is one of a condition.
pub(super) fn kind_of(header: &str) -> Option<(ConditionKind, &str)> {
    let (word, label) = header.split_once(char::is_whitespace).unwrap_or((header, ""));
    let (_, kind) = ConditionKind::SECTIONS.iter().find(|(section, _)| *section == word)?;
    Some((*kind, label.trim()))
}

impl<'a> Conditions<'a> {
    /// For the ward that guards `own`, beside `stacks`.
    pub(super) fn new(own: UnitName, stacks: &'a Stacks) -> Self {
        Self { own, stacks, drafts: Vec::new(), problems: Vec::new() }
    }

    /// Adds one section of the given kind and label.
    pub(super) fn add(&mut self, section: &Section<'_>, kind: ConditionKind, label: &str) {
        let index = self.draft(section, kind, label);
        for entry in &section.entries {
            self.entry(index, entry);
        }
        for (line, found) in &section.strays {
            let at = Place { path: section.at.path.clone(), line: *line };
            self.breaks(index, at, Mistake::NotAStep { section: section.name.to_string(), found: found.clone() });
        }
        if !label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
            let mistake = Mistake::BadStep {
                section: section.name.to_string(),
                key: kind.section().into(),
                value: label.into(),
                why: "only letters, digits, - and _ may stand in a condition's name".into(),
            };
            self.breaks(index, section.at.clone(), mistake);
        }
    }

    /// The whole conditions, and what was wrong with the others.
    pub(super) fn finish(mut self) -> (Vec<Condition>, Vec<Problem>) {
        for index in 0..self.drafts.len() {
            self.check_whole(index);
        }
        let whole = self.drafts.into_iter().filter(|draft| !draft.broken && !draft.cleared);
        (whole.map(|draft| draft.condition).collect(), self.problems)
    }

    fn draft(&mut self, section: &Section<'_>, kind: ConditionKind, label: &str) -> usize {
        let named = |draft: &Draft| draft.condition.kind == kind && !label.is_empty() && draft.label == label;
        if let Some(index) = self.drafts.iter().position(named) {
            return index;
        }
        let before = self.drafts.iter().filter(|draft| draft.condition.kind == kind && draft.label.is_empty()).count();
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
        self.drafts.push(Draft { condition, label: label.to_owned(), header, at, cleared: false, broken: false });
        self.drafts.len() - 1
    }

    fn entry(&mut self, index: usize, entry: &Entry<'_>) {
        let key = entry.key.as_ref();
        if KEYS.contains(&key) {
            let condition = &mut self.drafts[index].condition;
            if let Err(why) = set_key(condition, key, &entry.value) {
                self.bad_step(index, entry, why);
            }
        } else if let Some(plain) = step_keyword(key) {
            self.step(index, entry, plain);
        } else if read_step::LATER_STEPS.contains(&key) {
            let section = self.drafts[index].header.clone();
            let left_out = format!("the whole [{section}] is ignored");
            self.breaks(
                index,
                entry.at.clone(),
                Mistake::NotYet { what: format!("{key}="), left_out, cost: Cost::Condition },
            );
        } else {
            let words = read_step::STEPS.into_iter().chain(read_step::ELSE_STEPS).chain(KEYS);
            let section = self.drafts[index].header.clone();
            let mistake = Mistake::UnknownStep { section, key: key.to_owned(), nearest: nearest(key, words) };
            self.breaks(index, entry.at.clone(), mistake);
        }
    }

    fn step(&mut self, index: usize, entry: &Entry<'_>, keyword: &str) {
        if entry.value.is_empty() {
            return self.clear(index);
        }
        let action = match read_step::read(keyword, &entry.value, &self.own) {
            Ok(Action::RestartStack(name)) if self.stacks.get(&name).is_none() => {
                let advice = match self.stacks.nearest(name.as_str()) {
                    Some(nearest) => format!("did you mean {nearest:?}?"),
                    None => format!("write {name}.stack"),
                };
                return self.bad_step(index, entry, format!("there is no such stack, {advice}"));
            }
            Ok(action) => action,
            Err(why) => return self.bad_step(index, entry, why),
        };
        let is_else = entry.key.starts_with("Else");
        let draft = &mut self.drafts[index];
        draft.cleared = false;
        match (is_else, draft.condition.steps.last_mut()) {
            (false, _) => draft.condition.steps.push(Step { action, otherwise: Vec::new(), line: entry.at.line }),
            (true, Some(step)) if step.action != Action::RestartSelf => step.otherwise.push(action),
            (true, Some(_)) => {
                self.bad_step(index, entry, "the ward's own restart is systemd's; no Else… step can follow it".into())
            }
            (true, None) => self.bad_step(index, entry, "an Else… step needs a step above it".into()),
        }
    }

    /// An empty assignment: forgets the steps of every draft under the same header.
    fn clear(&mut self, index: usize) {
        let (kind, label) = (self.drafts[index].condition.kind, self.drafts[index].label.clone());
        for draft in self.drafts.iter_mut().filter(|d| d.condition.kind == kind && d.label == label) {
            draft.condition.steps.clear();
            draft.cleared = true;
        }
    }

    fn check_whole(&mut self, index: usize) {
        let Draft { condition, header, at, cleared, broken, .. } = &self.drafts[index];
        if *cleared || *broken {
            return;
        }
        let restarts = condition.steps.iter().filter(|s| s.action == Action::RestartSelf).count();
        let start = !matches!(condition.kind, ConditionKind::Stop | ConditionKind::Limit);
        let (key, value, why) = if condition.steps.is_empty() {
            return self.breaks(index, at.clone(), Mistake::NoSteps { section: header.clone() });
        } else if restarts > 0 && !condition.kind.is_death() {
            ("Restart", "%n", "the ward's own restart has its place in [OnDeath] and [OnAbnormalDeath] only")
        } else if restarts > 1 {
            ("Restart", "%n", "the ward restarts once; keep one of these lines")
        } else if restarts > 0 && condition.independent {
            ("Independent", "yes", "an independent condition runs beside the restart; take Restart=%n out of it")
        } else if condition.do_now && !condition.kind.is_death() {
            ("DoNow", "yes", "it belongs in [OnDeath] and [OnAbnormalDeath]; other conditions need no such exception")
        } else if condition.independent && !start && condition.kind == ConditionKind::Stop {
            ("Independent", "yes", "a stop does not wait for a start; leave it out")
        } else {
            return;
        };
        let mistake =
            Mistake::BadStep { section: header.clone(), key: key.into(), value: value.into(), why: why.into() };
        self.breaks(index, at.clone(), mistake);
    }

    fn bad_step(&mut self, index: usize, entry: &Entry<'_>, why: String) {
        let section = self.drafts[index].header.clone();
        let mistake = Mistake::BadStep { section, key: entry.key.to_string(), value: entry.value.to_string(), why };
        self.breaks(index, entry.at.clone(), mistake);
    }

    fn breaks(&mut self, index: usize, at: Place, mistake: Mistake) {
        self.drafts[index].broken = true;
        self.problems.push(Problem { at, mistake });
    }
}

/// The step a key stands for: itself, or what follows `Else`.
fn step_keyword(key: &str) -> Option<&str> {
    if read_step::ELSE_STEPS.contains(&key) {
        return key.strip_prefix("Else");
    }
    read_step::STEPS.contains(&key).then_some(key)
}

fn set_key(condition: &mut Condition, key: &str, value: &str) -> Result<(), String> {
    match key {
        "DoNow" => condition.do_now = super::read_keys::boolean(value)?,
        "Once" => condition.once = super::read_keys::boolean(value)?,
        "Independent" => condition.independent = super::read_keys::boolean(value)?,
        _ => {
            condition.on_step_failure = match value {
                "continue" | "" => OnStepFailure::Continue,
                "break" => OnStepFailure::Break,
                "fail" => OnStepFailure::Fail,
                _ => return Err("expected continue, break or fail".into()),
            }
        }
    }
    Ok(())
}
