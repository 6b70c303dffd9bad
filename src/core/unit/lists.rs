//! The lists of steps: some steps are run by the helper, the others have a line of their own.
//!
//! A line is a process that PID 1 starts at every start of the service, so one line runs a whole
//! list, and in the unit each step is on a `\` continuation line of it. Only an `Execute=` without
//! `+` of a service that has a user, a sandbox or limits has a line of its own, to which PID 1
//! applies them: its guard becomes the command, and the helper's next line asks PID 1 for the
//! result. A list is divided there into stretches.

use super::confined::is_confined;
use super::words::{command_of, helper_words};
use crate::core::config::command_line::quote;
use crate::core::config::step::{Action, Step};
use crate::core::config::ward::NativeLine;
use crate::core::config::{Condition, ConditionKind, OnStepFailure, Ward};
use crate::core::recovery::list::STEP;
use std::time::Duration;

/// Path of the helper on every host.
pub const HELPER: &str = "/usr/lib/unitward/unitward-step";

/// Longest time of one command beyond the waiting of a list, if several commands share a time-out.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(90);

/// Separator before each step of a list.
const NEXT: &str = " \\\n    ";

/// Location of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    /// In the ward's own unit.
    Ward,
    /// In the condition's own service.
    OwnService,
}

/// A part of a list.
#[derive(Debug)]
enum Stretch {
    /// Steps that the helper runs.
    Helper(Steps),
    /// The line of a command that PID 1 runs as the service.
    Own(String),
}

/// Steps that one line of the helper's runs.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Their text, each with its leading separator, after an option about the line before.
    text: String,
    /// True if the start fails when one of them fails.
    required: bool,
}

/// One list.
#[derive(Debug, Default)]
pub(super) struct List {
    stretches: Vec<Stretch>,
    waits: Duration,
    commands: u32,
}

impl List {
    /// Returns true if there are no steps.
    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// Returns the longest time it may take beyond systemd's own time-out for one line.
    pub(super) fn growth(&self) -> Duration {
        self.waits + COMMAND_TIMEOUT * self.commands.saturating_sub(1)
    }

    /// Returns true if the start depends on a step that the helper runs.
    pub(super) fn is_required(&self) -> bool {
        self.stretches
            .iter()
            .any(|stretch| matches!(stretch, Stretch::Helper(steps) if steps.required))
    }

    /// Takes the steps that the helper runs first.
    pub(super) fn take_first(&mut self) -> Steps {
        let Some(Stretch::Helper(steps)) = self.stretches.first_mut() else {
            return Steps::default();
        };
        let steps = std::mem::take(steps);
        self.stretches.remove(0);
        steps
    }

    /// Takes the steps that the helper runs last.
    pub(super) fn take_last(&mut self) -> Steps {
        match self.stretches.pop() {
            Some(Stretch::Helper(steps)) => steps,
            Some(own) => {
                self.stretches.push(own);
                Steps::after_own()
            }
            None => Steps::default(),
        }
    }

    /// Returns the remaining stretches as lines; those of the helper begin with `helper`.
    pub(super) fn into_lines(self, helper: &HelperLine) -> impl Iterator<Item = String> {
        self.stretches
            .into_iter()
            .map(move |stretch| match stretch {
                Stretch::Own(line) => line,
                Stretch::Helper(steps) => helper.clone().steps(&steps),
            })
    }

    /// Adds a line of the helper after a final command of the service, so that its result is
    /// recorded.
    pub(super) fn closed(mut self) -> Self {
        let steps = self.take_last();
        if !steps.text.is_empty() {
            self.stretches.push(Stretch::Helper(steps));
        }
        self
    }

    /// Adds the step that starts the service of a condition which does not hold up the start.
    pub(super) fn launch(&mut self, ward: &Ward, condition: &Condition) {
        let do_now = if condition.do_now { " --do-now" } else { "" };
        let service = service_name(ward, condition);
        let entry = [
            NEXT,
            STEP,
            &condition.id,
            ":0",
            do_now,
            " --no-wait Start ",
            &quote(&service),
        ];
        self.helper().text.extend(entry);
    }

    /// Joins two lists.
    pub(super) fn then(mut self, mut next: Self) -> Self {
        self.waits += next.waits;
        self.commands += next.commands;
        if let (Some(Stretch::Helper(last)), Some(Stretch::Helper(_))) =
            (self.stretches.last_mut(), next.stretches.first())
        {
            let first = next.take_first();
            last.required |= first.required;
            last.text.push_str(&first.text);
        }
        self.stretches.extend(next.stretches);
        self
    }

    fn helper(&mut self) -> &mut Steps {
        if !matches!(self.stretches.last(), Some(Stretch::Helper(_))) {
            let follows_own = !self.stretches.is_empty();
            let steps = if follows_own {
                Steps::after_own()
            } else {
                Steps::default()
            };
            self.stretches.push(Stretch::Helper(steps));
        }
        let Some(Stretch::Helper(steps)) = self.stretches.last_mut() else {
            unreachable!("one was pushed")
        };
        steps
    }
}

impl Steps {
    /// Returns true if there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Starts the steps after a line of PID 1's, whose result the helper has to fetch.
    fn after_own() -> Self {
        Self {
            text: " --fetch".to_owned(),
            required: false,
        }
    }
}

/// A line of ours that runs as root, composed word by word.
///
/// The boot waits while thousands of these are written, hence no formatting machinery.
#[derive(Debug, Clone, Default)]
pub(super) struct HelperLine(String);

impl HelperLine {
    /// Begins `+HELPER COMMAND WARD WORD`.
    pub(super) fn new(command: &str, ward: &Ward, word: &str) -> Self {
        let mut line = String::with_capacity(192);
        line.extend([
            "+",
            HELPER,
            " ",
            command,
            " ",
            &quote(ward.name.as_str()),
            " ",
            &quote(word),
        ]);
        Self(line)
    }

    /// Adds `--NAME=VALUE`.
    pub(super) fn option(mut self, name: &str, value: &str) -> Self {
        let word = ["--", name, "=", value].concat();
        self.0.extend([" ", &*quote(&word)]);
        self
    }

    /// Adds text that is part of several lines.
    pub(super) fn part(mut self, part: &str) -> Self {
        self.0.push_str(part);
        self
    }

    /// Returns the options alone, for [`Self::part`].
    pub(super) fn options(self) -> String {
        self.0
    }

    /// Returns the whole line with the steps that it runs.
    pub(super) fn steps(self, steps: &Steps) -> String {
        let forgiven = if steps.required { "" } else { "-" };
        [forgiven, &self.0, &steps.text].concat()
    }
}

/// Returns true if a condition runs in a service of its own.
#[must_use]
pub fn stands_alone(condition: &Condition) -> bool {
    condition.independent || condition.kind == ConditionKind::Limit
}

/// Returns the name of the service of a condition that stands alone.
#[must_use]
pub fn service_name(ward: &Ward, condition: &Condition) -> String {
    condition_service_name(ward.name.as_str(), &condition.id)
}

/// The same by names. Of a template's ward it is a template, and of an instance's that instance of it.
#[must_use]
pub fn condition_service_name(ward: &str, condition: &str) -> String {
    match ward.split_once('@') {
        None => ["unitward-", ward, "-", condition, ".service"].concat(),
        Some((prefix, instance)) => [
            "unitward-",
            prefix,
            "-",
            condition,
            "@",
            instance,
            ".service",
        ]
        .concat(),
    }
}

/// A step, or an `Else…` step below it.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    /// `3`, or `3.1`.
    name: &'a str,
    action: &'a Action,
    /// True if its failure fails the start …
    fails: bool,
    /// … after its `Else…` steps have run.
    has_else: bool,
}

/// Writes the steps of a ward's conditions into lists.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer<'a> {
    ward: &'a Ward,
    site: Site,
    /// Commands of the service's need lines of their own.
    confined: bool,
}

impl<'a> Writer<'a> {
    /// Writes lists at `site`, in a service with these lines; `None`: they are not known.
    pub(super) fn new<'l>(
        ward: &'a Ward,
        site: Site,
        service: Option<impl Iterator<Item = &'l NativeLine>>,
    ) -> Self {
        Self {
            ward,
            site,
            confined: service.is_none_or(is_confined),
        }
    }

    /// Adds the steps of `condition` above the ward's own restart to `before`, the others to
    /// `after`.
    pub(super) fn write(self, condition: &Condition, before: &mut List, after: &mut List) {
        let split = condition
            .steps
            .iter()
            .position(|step| step.action == Action::RestartSelf);
        for (index, step) in condition.steps.iter().enumerate() {
            if step.action != Action::RestartSelf {
                let is_before = split.is_some_and(|at| index < at);
                let list = if is_before { &mut *before } else { &mut *after };
                self.step(list, condition, (index + 1, step));
            }
        }
    }

    fn step(self, list: &mut List, condition: &Condition, (number, step): (usize, &Step)) {
        let fails = condition.on_step_failure == OnStepFailure::Fail && !is_forgiven(&step.action);
        let has_else = !step.otherwise.is_empty();
        let name = number.to_string();
        self.action(
            list,
            condition,
            Part {
                name: &name,
                action: &step.action,
                fails,
                has_else,
            },
        );
        for (index, otherwise) in step.otherwise.iter().enumerate() {
            let name = [&name, ".", &(index + 1).to_string()].concat();
            self.action(
                list,
                condition,
                Part {
                    name: &name,
                    action: &otherwise.action,
                    fails: false,
                    has_else: false,
                },
            );
        }
        // The verdict comes after the Else… steps.
        if fails && has_else {
            let steps = list.helper();
            steps.required = true;
            steps
                .text
                .extend([NEXT, STEP, &condition.id, ":", &name, " Verdict"]);
        }
    }

    fn action(self, list: &mut List, condition: &Condition, part: Part<'_>) {
        let Part {
            name: step,
            action,
            fails,
            has_else,
        } = part;
        let required = fails && !has_else;
        list.waits += action.longest_wait();
        let is_else = step.contains('.');
        let keyword = if is_else { "Else" } else { "" };
        let command = command_of(action);
        let mut flags = self.flags(condition, action, required);
        if self.confined && command.is_some_and(|command| !command.privileged) {
            let depends = is_else || condition.on_step_failure == OnStepFailure::Break;
            if depends && matches!(list.stretches.last(), Some(Stretch::Own(_))) {
                // Its guard reads the record, which the helper must write first.
                list.stretches.push(Stretch::Helper(Steps::after_own()));
            }
            if self.site == Site::OwnService {
                let unit = ["--unit=", self.ward.unit().as_str()].concat();
                flags.insert_str(0, &[" --own-service ", &*quote(&unit)].concat());
            }
            if fails && has_else {
                // Without a record the command must not run, and that must not fail the start.
                flags.push_str(" --required");
            }
            let forgiven = if required { "" } else { "-" };
            let ward = quote(self.ward.name.as_str());
            let words = helper_words(action);
            let place = [" own ", &ward, " ", &condition.id, " ", step];
            list.stretches.push(Stretch::Own(
                [
                    &[forgiven, HELPER],
                    &place[..],
                    &[&flags, " ", keyword, &words],
                ]
                .concat()
                .concat(),
            ));
            return;
        }
        list.commands += u32::from(command.is_some());
        let steps = list.helper();
        steps.required |= required;
        steps.text.extend([
            NEXT,
            STEP,
            &condition.id,
            ":",
            step,
            &flags,
            " ",
            keyword,
            &helper_words(action),
        ]);
    }

    fn flags(self, condition: &Condition, action: &Action, required: bool) -> String {
        let command = command_of(action);
        [
            (" --do-now", condition.do_now && self.site == Site::Ward),
            (
                " --break",
                condition.on_step_failure == OnStepFailure::Break,
            ),
            (" --ignore-failure", is_forgiven(action)),
            (" --required", required),
            (
                " --as-root",
                command.is_some_and(|command| command.privileged),
            ),
        ]
        .iter()
        .filter_map(|(flag, given)| given.then_some(*flag))
        .collect()
    }
}

fn is_forgiven(action: &Action) -> bool {
    command_of(action).is_some_and(|command| command.ignore_failure)
}
