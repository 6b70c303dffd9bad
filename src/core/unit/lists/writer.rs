//! The steps of a ward's conditions, written into lists.

use super::{HELPER, List, NEXT, Site, Steps, Stretch};
use crate::core::config::command_line::quote;
use crate::core::config::step::Action;
use crate::core::config::ward::NativeLine;
use crate::core::config::{Condition, OnStepFailure, Ward};
use crate::core::recovery::list::STEP;
use crate::core::unit::confined::is_confined;
use crate::core::unit::words::{command_of, helper_words};

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
pub(in crate::core::unit) struct Writer<'a> {
    ward: &'a Ward,
    site: Site,
    /// Commands of the service's need lines of their own.
    confined: bool,
}

impl<'a> Writer<'a> {
    /// Writes lists at `site`, in a service with these lines; `None`: they are not known.
    pub(in crate::core::unit) fn new<'l>(
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
    pub(in crate::core::unit) fn write(
        self,
        condition: &Condition,
        before: &mut List,
        after: &mut List,
    ) {
        let split = condition
            .steps
            .iter()
            .position(|step| step.action == Action::RestartSelf);
        for (index, step) in condition.steps.iter().enumerate() {
            if step.action != Action::RestartSelf {
                let is_before = split.is_some_and(|at| index < at);
                let list = if is_before { &mut *before } else { &mut *after };
                self.step(list, condition, index);
            }
        }
    }

    /// Adds one step of the condition, with its `Else…` steps, to the list.
    fn step(self, list: &mut List, condition: &Condition, index: usize) {
        let step = &condition.steps[index];
        let fails = condition.on_step_failure == OnStepFailure::Fail && !is_forgiven(&step.action);
        let has_else = !step.otherwise.is_empty();
        let name = (index + 1).to_string();
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
            let words = helper_words(action, self.ward);
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
            &helper_words(action, self.ward),
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
