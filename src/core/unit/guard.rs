//! The guarded lines: one `Exec…=` value for each step.
//!
//! A line reads almost as the ward does: `-+/usr/lib/unitward/unitward-step step WARD CONDITION N WaitFor 2s`.
//! `-` stands before every line whose failure must not fail the start. `+` (root, outside the sandbox but for its mounts
//! and its network) stands before every step of ours; an `Execute=` without `+` runs as the service does, and replaces the
//! guard's process, so PID 1 itself notes its status. Where a later line depends on that status, a `collect` line fetches it from PID 1.

use crate::core::config::command_line::{is_plain, literal, quote};
use crate::core::config::step::{Action, Awaited, RebootGuard, Step, Wait};
use crate::core::config::{Condition, ConditionKind, OnStepFailure, Ward, time_span};
use std::time::Duration;

/// The helper's path on every host.
pub const HELPER: &str = "/usr/lib/unitward/unitward-step";

/// Where a condition's lines stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    /// In the ward's own unit.
    Ward,
    /// In a service of the condition's own.
    OwnService,
}

/// The lines of one condition, split where the ward's own restart stands.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Before the restart.
    pub(super) before: Vec<String>,
    /// After it.
    pub(super) after: Vec<String>,
    /// The longest the waiting steps can take together.
    pub(super) waits: Duration,
}

/// Whether a condition runs in a service of its own.
#[must_use]
pub fn stands_alone(condition: &Condition) -> bool {
    condition.independent || condition.kind == ConditionKind::Limit
}

/// The service of a condition that stands alone.
#[must_use]
pub fn service_name(ward: &Ward, condition: &Condition) -> String {
    condition_service_name(ward.name.as_str(), &condition.id)
}

/// The same by names.
#[must_use]
pub fn condition_service_name(ward: &str, condition: &str) -> String {
    ["unitward-", ward, "-", condition, ".service"].concat()
}

/// A line of ours that runs as root and whose failure is only shown, put together word by word.
///
/// The boot waits while thousands of these are written, hence no formatting machinery.
#[derive(Default)]
pub(super) struct HelperLine(String);

impl HelperLine {
    /// `COMMAND WARD WORD`.
    pub(super) fn new(command: &str, ward: &Ward, word: &str) -> Self {
        let mut line = String::with_capacity(192);
        line.extend(["-+", HELPER, " ", command, " ", &quote(ward.name.as_str()), " ", &quote(word)]);
        Self(line)
    }

    /// Adds `--NAME=VALUE`.
    pub(super) fn option(mut self, name: &str, value: &str) -> Self {
        if is_plain(value) {
            self.0.extend([" --", name, "=", value]);
        } else {
            let word = ["--", name, "=", value].concat();
            self.0.extend([" ", &quote(&word)]);
        }
        self
    }

    /// Adds what is a part of several lines.
    pub(super) fn part(mut self, part: &str) -> Self {
        self.0.push_str(part);
        self
    }

    /// Adds words that need no quotes.
    pub(super) fn words(mut self, words: &[&str]) -> Self {
        for word in words {
            self.0.extend([" ", word]);
        }
        self
    }

    /// The whole line.
    pub(super) fn done(self) -> String {
        self.0
    }
}

/// The line that starts an independent condition's service and does not wait for it.
pub(super) fn launch(ward: &Ward, condition: &Condition) -> String {
    let flags: &[&str] = if condition.do_now { &["--do-now"] } else { &[] };
    let service = service_name(ward, condition);
    let line = HelperLine::new("step", ward, &condition.id).words(&["0"]).words(flags);
    line.words(&["--no-wait", "Start", &quote(&service)]).done()
}

/// All lines of `condition`.
pub(super) fn lines(ward: &Ward, condition: &Condition, site: Site) -> Lines {
    let mut lines = Lines::default();
    let split = condition.steps.iter().position(|step| step.action == Action::RestartSelf);
    for (index, step) in condition.steps.iter().enumerate() {
        let target = if split.is_some_and(|at| index < at) { &mut lines.before } else { &mut lines.after };
        if step.action != Action::RestartSelf {
            target.extend(Writer { ward, condition, site }.step(index + 1, step));
            lines.waits += wait_of(&step.action)
                + step.otherwise.iter().map(|otherwise| wait_of(&otherwise.action)).sum::<Duration>();
        }
    }
    lines
}

struct Writer<'a> {
    ward: &'a Ward,
    condition: &'a Condition,
    site: Site,
}

impl Writer<'_> {
    /// The lines of one step: itself, its `Else…` steps, and where needed the fetching of its status.
    fn step(&self, number: usize, step: &Step) -> Vec<String> {
        let fails = self.condition.on_step_failure == OnStepFailure::Fail;
        let has_else = !step.otherwise.is_empty();
        let mut lines = vec![self.line(&number.to_string(), &step.action, fails && !has_else)];
        if !runs_as_root(&step.action) && self.status_matters(has_else) {
            lines.push(self.collect());
        }
        for (index, otherwise) in step.otherwise.iter().enumerate() {
            lines.push(self.line(&format!("{number}.{}", index + 1), &otherwise.action, false));
        }
        if fails && has_else && !forgiven(&step.action) {
            let ward = quote(self.ward.name.as_str());
            lines.push(format!("+{HELPER} verdict {ward} {} {number}", self.condition.id));
        }
        lines
    }

    fn line(&self, step: &str, action: &Action, fails: bool) -> String {
        let mut line = String::with_capacity(160);
        if !fails || forgiven(action) {
            line.push('-');
        }
        if runs_as_root(action) {
            line.push('+');
        }
        line.extend([HELPER, " step ", &quote(self.ward.name.as_str()), " ", &self.condition.id, " ", step]);
        if self.condition.do_now && self.site == Site::Ward {
            line.push_str(" --do-now");
        }
        if self.condition.on_step_failure == OnStepFailure::Break {
            line.push_str(" --break");
        }
        if self.site == Site::OwnService {
            line.push_str(" --own-service");
        }
        if forgiven(action) {
            line.push_str(" --ignore-failure");
        }
        // With it, or with the verdict on it after its Else… steps, the start fails.
        if self.condition.on_step_failure == OnStepFailure::Fail && !forgiven(action) && !step.contains('.') {
            line.push_str(" --required");
        }
        if matches!(action, Action::Execute(command) if command.privileged) {
            line.push_str(" --as-root");
        }
        line.push(' ');
        if step.contains('.') {
            line.push_str("Else");
        }
        line.push_str(&words(action));
        line
    }

    fn collect(&self) -> String {
        let unit = match self.site {
            Site::Ward => self.ward.unit().to_string(),
            Site::OwnService => service_name(self.ward, self.condition),
        };
        HelperLine::new("collect", self.ward, &unit).done()
    }

    /// Whether a later line asks how an `Execute=` that PID 1 watches has ended.
    fn status_matters(&self, has_else: bool) -> bool {
        let on_restart =
            self.condition.kind.is_death() && self.ward.conditions.iter().any(|c| c.kind == ConditionKind::Restart);
        has_else || self.condition.on_step_failure == OnStepFailure::Break || on_restart
    }
}

fn runs_as_root(action: &Action) -> bool {
    !matches!(action, Action::Execute(command) if !command.privileged)
}

fn forgiven(action: &Action) -> bool {
    matches!(action, Action::Execute(command) if command.ignore_failure)
}

/// A step as the helper reads it: its keyword and argument.
#[must_use]
pub fn words(action: &Action) -> String {
    match action {
        Action::Execute(command) => ["Execute ", &command.text()].concat(),
        Action::WaitFor(wait) => ["WaitFor ", &wait_words(wait)].concat(),
        // Never a line of its own; the arm keeps the match whole.
        Action::RestartSelf => "Restart %n".to_owned(),
        Action::Restart(unit) => ["Restart ", &*quote(unit.as_str())].concat(),
        Action::Start(unit) => ["Start ", &*quote(unit.as_str())].concat(),
        Action::Stop(unit) => ["Stop ", &*quote(unit.as_str())].concat(),
        Action::Reload(unit) => ["Reload ", &*quote(unit.as_str())].concat(),
        Action::Signal(unit, signal) => format!("Signal {} {signal}", quote(unit.as_str())),
        Action::Log(text) => format!("Log {}", quote(&literal(text))),
        Action::RestartStack(stack) => ["RestartStack ", &*quote(stack.as_str())].concat(),
        Action::Reboot(RebootGuard::Patient) => "Reboot yes".to_owned(),
        Action::Reboot(RebootGuard::Force) => "Reboot force".to_owned(),
    }
}

fn wait_words(wait: &Wait) -> String {
    let (what, limit) = match wait {
        Wait::Pause(span) => return time_span::render(*span),
        Wait::Until(what, limit) => (what, limit),
    };
    let what = match what {
        Awaited::Path(path) => format!("path:{path}"),
        Awaited::Unit(unit) => format!("unit:{unit}"),
        Awaited::Bus(name) => format!("bus:{name}"),
        Awaited::Tcp(address) => format!("tcp:{address}"),
        Awaited::Unix(path) => format!("unix:{path}"),
    };
    format!("{} {}", quote(&literal(&what)), time_span::render(*limit))
}

fn wait_of(action: &Action) -> Duration {
    match action {
        Action::WaitFor(Wait::Pause(span) | Wait::Until(_, span)) => *span,
        _ => Duration::ZERO,
    }
}
