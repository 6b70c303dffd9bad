//! The death limit of a ward and its consequence, in words.

use super::{Line, Part, Subject, restart, steps};
use crate::core::config::{ConditionKind, OnLimit, Stack, UnitName, time_span};

/// Explains the death limit.
pub(super) fn too_often(subject: Subject<'_>) -> Part {
    let (ward, recovery) = (subject.ward, &subject.ward.recovery);
    let heading = "If it dies too often".to_owned();
    if !restart::is_seen(subject) {
        return Part {
            heading,
            lines: Vec::new(),
        };
    }
    if recovery.death_limit == 0 {
        let lines = vec![Line::Plain(match restart::is_restarted(subject) {
            true => "There is no limit: it is restarted for ever.".to_owned(),
            false => "There is no limit.".to_owned(),
        })];
        return Part { heading, lines };
    }
    let (deaths, within) = (
        recovery.death_limit,
        time_span::render(recovery.death_limit_interval),
    );
    let (times, borne) = if deaths == 1 {
        ("1 death".to_owned(), "is tolerated")
    } else {
        (format!("{deaths} deaths"), "are tolerated")
    };
    let unit = ward.unit();
    let what = match recovery.on_limit {
        OnLimit::Exclude => {
            let ward = &ward.name;
            format!(
                "it is excluded: {unit} stays failed, and the sockets, timers and paths that trigger it are stopped, \
                 until \"unitward readmit {ward}\"."
            )
        }
        OnLimit::RestartStack => match subject.stack {
            Some((stack, members)) => full_restart(stack, members),
            None => "its stack is restarted.".to_owned(),
        },
        OnLimit::Reboot => {
            "the host reboots, unless it booted less than 10min ago: then it is excluded instead."
                .to_owned()
        }
        OnLimit::None => "everything goes on as before.".to_owned(),
    };
    let mut lines = vec![Line::Plain(format!(
        "{times} within {within} {borne}. At the next one within {within} {what}"
    ))];
    for condition in ward
        .conditions
        .iter()
        .filter(|condition| condition.kind == ConditionKind::Limit)
    {
        lines.push(Line::Plain(format!(
            "[{}] then runs in a service of its own:",
            condition.id
        )));
        lines.extend(steps::all_below(condition));
    }
    Part { heading, lines }
}

fn full_restart(stack: &Stack, members: &[UnitName]) -> String {
    let names: Vec<_> = members.iter().map(ToString::to_string).collect();
    let how = match &stack.restart_script {
        Some(script) => format!("{} does it", script.text()),
        None => format!("with {} that is {}", stack.unit(), super::listed(&names)),
    };
    let inhibited = match &stack.inhibit_file {
        Some(file) => format!(" Not while {} exists.", file.display()),
        None => String::new(),
    };
    format!(
        "stack {} is restarted as a whole: {how}, within {}.{inhibited}",
        stack.name,
        time_span::render(stack.timeout)
    )
}
