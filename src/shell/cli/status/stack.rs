//! Status of a stack as text.

use super::page::Page;
use crate::shell::cli::desk::{Sheet, colour};
use crate::shell::cli::list::Wards;
use crate::shell::survey::status::{RestartTold, StackStatus};
use jiff::tz::TimeZone;

/// Returns the text of a stack.
pub(super) fn of_stack(stack: &StackStatus, sheet: Sheet, zone: &TimeZone) -> String {
    let mut page = Page::new(sheet, zone, stack.timestamp);
    let line = &stack.line;
    let description = stack
        .description
        .as_ref()
        .map_or_else(String::new, |text| format!(" - {text}"));
    page.painted("Stack", &format!("{}{description}", line.name), "1");
    page.line("Unit", &line.unit);
    page.line("File", &stack.file);
    if line.identifier != line.name {
        page.line("Reported as", &line.identifier);
    }
    let since = page.since(line.since);
    let state = format!("{}{since}", line.state.word());
    page.painted("State", &state, colour(line.state));
    if line.needs_reload {
        page.line(
            "",
            "systemd has not read what has changed: run systemctl daemon-reload",
        );
    }
    page.line(
        "Members",
        &format!("{} of {} up", line.up, line.members.len()),
    );
    let mut key = "Restarted";
    for restart in &stack.full_restarts {
        let text = restarted(&page, restart);
        page.line(key, &text);
        key = "";
    }
    if stack.full_restarts.is_empty() && stack.history_problem.is_none() {
        page.line(key, "never as a whole, as far as the history goes");
    }
    if let Some(problem) = &stack.history_problem {
        page.line("History", problem);
    }
    page.lines("Problems", stack.problems.iter().cloned());
    let members = Wards {
        lines: &stack.wards,
        now: stack.timestamp,
        with_stack: false,
    };
    let members = members.table(sheet);
    if !members.is_empty() {
        page.text.push('\n');
        page.text.push_str(&members);
    }
    page.text
}

fn restarted(page: &Page<'_>, restart: &RestartTold) -> String {
    let outcome = restart.outcome.as_deref().unwrap_or("outcome not known");
    let trouble = restart
        .trouble
        .as_ref()
        .map_or_else(String::new, |trouble| format!(" ({trouble})"));
    format!(
        "{}: by {}, {outcome}{trouble}",
        page.at(restart.timestamp),
        restart.caller
    )
}
