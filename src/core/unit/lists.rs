//! The lists of steps: some steps are run by the helper, the others have a line of their own.
//!
//! A line is a process that PID 1 starts at every start of the service, so one line runs a whole
//! list, and in the unit each step is on a `\` continuation line of it. Only an `Execute=` without
//! `+` of a service that has a user, a sandbox or limits has a line of its own, to which PID 1
//! applies them: its guard becomes the command, and the helper's next line asks PID 1 for the
//! result. A list is divided there into stretches.

mod writer;

pub(super) use writer::Writer;

use crate::core::config::command_line::quote;
use crate::core::config::{Condition, ConditionKind, Ward};
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
