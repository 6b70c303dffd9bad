//! Explains the steps: before the restart, after it, after a failed step; and at other times.

use super::{Line, Part, Subject, listed, restart};
use crate::core::config::step::{Action, Awaited, RebootGuard, Step, Wait};
use crate::core::config::{Condition, ConditionKind, OnStepFailure, Ward, time_span};
use crate::core::unit::{service_name, stands_alone, unrestarted_conditions};

/// Explains the recovery itself, step by step.
pub(super) fn recovery(subject: Subject<'_>) -> Part {
    let ward = subject.ward;
    let heading = "What is done then, in this order".to_owned();
    if !restart::is_restarted(subject) {
        return Part {
            heading,
            lines: Vec::new(),
        };
    }
    let mut lines = Vec::new();
    let in_line: Vec<&Condition> = ward
        .conditions
        .iter()
        .filter(|condition| !condition.independent)
        .collect();
    let deaths: Vec<&Condition> = in_line
        .iter()
        .copied()
        .filter(|condition| condition.kind.is_death())
        .collect();
    for condition in &deaths {
        lines.extend(
            condition.steps[..split(condition)]
                .iter()
                .flat_map(|step| told(condition, step)),
        );
    }
    let unit = ward.unit();
    lines.push(Line::Numbered(format!("{unit} is started again.")));
    for condition in &deaths {
        let after = condition.steps[split(condition)..]
            .iter()
            .filter(|step| step.action != Action::RestartSelf);
        lines.extend(after.flat_map(|step| told(condition, step)));
    }
    for condition in in_line
        .into_iter()
        .filter(|condition| condition.kind == ConditionKind::Restart)
    {
        lines.push(Line::Numbered(format!(
            "If all that succeeded, [{}] follows.",
            name(condition)
        )));
        lines.extend(
            condition
                .steps
                .iter()
                .flat_map(|step| told(condition, step)),
        );
    }
    lines.push(Line::Numbered(format!(
        "{unit} counts as up again, and the recovery as over."
    )));
    lines.extend(beside_it(ward));
    Part { heading, lines }
}

/// Explains the conditions that fire at a death which no restart follows.
pub(super) fn unrestarted(subject: Subject<'_>) -> Part {
    let is_seen = restart::is_seen(subject);
    let conditions = unrestarted_conditions(subject.ward, subject.adopted).filter(|_| is_seen);
    let lines = conditions.flat_map(|condition| {
        let service = service_name(subject.ward, condition);
        let first = Line::Plain(format!(
            "[{}] runs in a service of its own, {service}:",
            name(condition)
        ));
        std::iter::once(first).chain(all_below(condition))
    });
    Part {
        heading: "What is done where no restart follows".to_owned(),
        lines: lines.collect(),
    }
}

/// Explains the conditions that run beside a recovery.
fn beside_it(ward: &Ward) -> Vec<Line> {
    let mut lines = Vec::new();
    for condition in ward
        .conditions
        .iter()
        .filter(|condition| condition.independent && fires(condition))
    {
        lines.push(Line::Plain(format!(
            "Beside all that, in a service of its own that holds nothing up, [{}] runs once the main process is started:",
            name(condition)
        )));
        lines.extend(all_below(condition));
    }
    lines
}

/// Returns true if it fires after a death.
fn fires(condition: &Condition) -> bool {
    condition.kind.is_death() || condition.kind == ConditionKind::Restart
}

/// Returns the number of its steps before the restart.
fn split(condition: &Condition) -> usize {
    condition
        .steps
        .iter()
        .position(|step| step.action == Action::RestartSelf)
        .unwrap_or(0)
}

/// Returns the condition's id, `OnDeath-mounts`.
fn name(condition: &Condition) -> &str {
    &condition.id
}

fn told(condition: &Condition, step: &Step) -> Vec<Line> {
    let only = match condition.kind {
        ConditionKind::AbnormalDeath => " after a crash only,",
        _ => "",
    };
    let once = if condition.once {
        " once until the next start by hand,"
    } else {
        ""
    };
    let mut lines = vec![Line::Numbered(format!(
        "[{}]{only}{once} {}",
        name(condition),
        sentence(&step.action)
    ))];
    lines.extend(otherwise(step));
    lines
}

/// Renders a step below the line that names its condition.
fn below(condition: &Condition, step: &Step) -> Vec<Line> {
    let failed = step.otherwise.iter().map(|below| {
        let what = sentence_in(condition, &below.action);
        Line::Below(format!("If that fails: {what}"))
    });
    std::iter::once(Line::Below(sentence_in(condition, &step.action)))
        .chain(failed)
        .collect()
}

/// Renders an action of a condition, which may run in a service of its own.
fn sentence_in(condition: &Condition, action: &Action) -> String {
    match action {
        // A service whose commands are all root's has no sandbox.
        Action::Execute(command) if command.privileged && stands_alone(condition) => {
            format!("runs {} as root, and waits for it.", command.text())
        }
        action => sentence(action),
    }
}

fn otherwise(step: &Step) -> impl Iterator<Item = Line> {
    step.otherwise
        .iter()
        .map(|below| Line::Below(format!("If that fails: {}", sentence(&below.action))))
}

/// Renders a step's action, without a subject.
fn sentence(action: &Action) -> String {
    match action {
        Action::Execute(command) => {
            let who = if command.privileged {
                "as root, without most of the service's sandbox"
            } else {
                "as the service"
            };
            let forgiven = if command.ignore_failure {
                " Its failure does not matter."
            } else {
                ""
            };
            format!("runs {} {who}, and waits for it.{forgiven}", command.text())
        }
        Action::WaitFor(Wait::Pause(span)) => format!("waits {}.", time_span::render(*span)),
        Action::WaitFor(Wait::Until(what, limit)) => {
            format!(
                "waits until {}, at most {}; it fails if that is not enough.",
                awaited(what),
                time_span::render(*limit)
            )
        }
        Action::RestartSelf => "restarts the unit itself.".to_owned(),
        Action::Restart(unit) => format!("restarts {unit}, if it is active."),
        Action::Start(unit) => format!("starts {unit}."),
        Action::Stop(unit) => format!("stops {unit}."),
        Action::Reload(unit) => format!("has {unit} reload its configuration, if it is active."),
        Action::Signal(unit, signal) => format!("sends {signal} to the main process of {unit}."),
        Action::Log(text) => format!("writes \"{text}\" to the journal."),
        Action::RestartStack(stack) => format!("asks for a full restart of stack {stack}."),
        Action::Reboot(RebootGuard::Patient) => {
            "reboots the host, unless it booted less than 10min ago.".to_owned()
        }
        Action::Reboot(RebootGuard::Force) => "reboots the host.".to_owned(),
    }
}

fn awaited(what: &Awaited) -> String {
    match what {
        Awaited::Path(path) => format!("{path} is there"),
        Awaited::Unit(unit) => format!("{unit} is active"),
        Awaited::Bus(name) => format!("{name} is on the system bus"),
        Awaited::Tcp(address) => format!("{address} accepts a connection"),
        Awaited::Unix(path) => format!("{path} accepts a connection"),
    }
}

/// Explains the effect of a failed step.
pub(super) fn failures(subject: Subject<'_>) -> Part {
    let conditions = subject
        .ward
        .conditions
        .iter()
        .filter(|_| restart::is_restarted(subject));
    let acting = conditions.filter(|condition| {
        fires(condition)
            && condition
                .steps
                .iter()
                .any(|step| step.action != Action::RestartSelf)
    });
    let mut lines: Vec<_> = acting
        .map(|condition| {
            let what = after_failure(condition.on_step_failure);
            Line::Plain(format!("[{}]: {what}", name(condition)))
        })
        .collect();
    if !lines.is_empty() {
        let record = "The record of the recovery then says \"step-failed\", if the last restart had such a step.";
        lines.push(Line::Plain(record.to_owned()));
    }
    Part {
        heading: "If a step fails".to_owned(),
        lines,
    }
}

/// Renders what follows a failed step.
fn after_failure(on_step_failure: OnStepFailure) -> &'static str {
    match on_step_failure {
        OnStepFailure::Continue => "the next step runs all the same.",
        OnStepFailure::Break => "the rest of it is skipped, and the unit is started all the same.",
        OnStepFailure::Fail => {
            "the start fails: that counts as one more death, and Restart= decides what follows."
        }
    }
}

/// Explains the conditions that are not part of a restart.
pub(super) fn other_times(ward: &Ward) -> Part {
    let mut lines = Vec::new();
    for condition in &ward.conditions {
        let when = match condition.kind {
            ConditionKind::Start => "at a start that is no automatic restart",
            ConditionKind::Stop => "after a stop that was asked for",
            _ if condition.do_now => "at a first start too, because of DoNow=",
            _ => continue,
        };
        lines.push(Line::Plain(format!("[{}] {when}:", name(condition))));
        lines.extend(all_below(condition));
    }
    Part {
        heading: "At other times".to_owned(),
        lines,
    }
}

/// Renders all steps of a condition, below the line that introduces them.
pub(super) fn all_below(condition: &Condition) -> impl Iterator<Item = Line> {
    condition
        .steps
        .iter()
        .filter(|step| step.action != Action::RestartSelf)
        .flat_map(|step| below(condition, step))
}

/// Explains the effects on other units.
pub(super) fn touched(subject: Subject<'_>) -> Part {
    let own = subject.ward.unit();
    let mut units: Vec<String> = Vec::new();
    let steps = subject
        .ward
        .conditions
        .iter()
        .filter(|condition| fires(condition))
        .flat_map(|condition| &condition.steps);
    for action in steps.flat_map(|step| {
        std::iter::once(&step.action).chain(step.otherwise.iter().map(|below| &below.action))
    }) {
        if let Action::Restart(unit)
        | Action::Start(unit)
        | Action::Stop(unit)
        | Action::Reload(unit)
        | Action::Signal(unit, _) = action
            && *unit != own
            && !units.contains(&unit.to_string())
        {
            units.push(unit.to_string());
        }
    }
    let mut lines = Vec::new();
    if !units.is_empty() {
        lines.push(Line::Plain(format!("Steps touch {}.", listed(&units))));
    }
    let bound: Vec<String> = subject.bound.iter().map(ToString::to_string).collect();
    let what = match bound.as_slice() {
        [] => format!("What is bound to {own} with BindsTo= is"),
        [one] => format!("{one}, which is bound to {own} with BindsTo=, is"),
        all => format!(
            "{}, which are bound to {own} with BindsTo=, are",
            listed(all)
        ),
    };
    let them = if bound.len() > 1 { "them" } else { "it" };
    lines.push(Line::Plain(format!(
        "{what} stopped by its death, and only a step (Restart= or Start=) starts {them} again."
    )));
    if restart::is_restarted(subject) {
        lines.push(Line::Plain(format!(
            "What has Requires= or PartOf= on {own} is restarted together with it."
        )));
    }
    Part {
        heading: "Other units".to_owned(),
        lines,
    }
}
