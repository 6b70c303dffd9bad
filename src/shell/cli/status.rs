//! `unitward status`: everything about one ward, or one stack.

mod page;
mod stack;

use super::desk::{self, Form, Sheet, span, step};
use super::list::{counting, stands};
use super::reports::table::counted;
use super::tree::{condition, counters, draw};
use crate::core::visible::visible;
use crate::shell::survey::status::{Status, WardStatus};
use crate::shell::survey::{CrashTold, Question, State};
use clap::Args;
use jiff::tz::TimeZone;
use page::{INDENT, Page};
use stack::of_stack;
use std::process::ExitCode;

/// The command's arguments.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The ward, or its unit, or a stack.
    #[arg(value_name = "NAME")]
    name: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn status(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let question = Question::Status(arguments.name.clone());
    let zone = TimeZone::system();
    desk::answer(
        &question,
        Form::new(arguments.json),
        |status: &Status, sheet| match status {
            Status::Ward(ward) => (of_ward(ward, sheet, &zone), hint(ward)),
            Status::Stack(stack) => (of_stack(stack, sheet, &zone), String::new()),
        },
    )
}

fn hint(ward: &WardStatus) -> String {
    let Some(unit) = &ward.stack_of_same_name else {
        return String::new();
    };
    format!(
        "There is also a stack {}: \"unitward status {}\" tells of it.\n",
        visible(&ward.line.name),
        visible(unit)
    )
}

fn of_ward(ward: &WardStatus, sheet: Sheet, zone: &TimeZone) -> String {
    let mut page = Page::new(sheet, zone, ward.timestamp);
    let description = ward
        .description
        .as_ref()
        .map_or_else(String::new, |text| format!(" - {text}"));
    page.painted("Ward", &format!("{}{description}", ward.line.name), "1");
    place(&mut page, ward);
    standing(&mut page, ward);
    outlook(&mut page, ward);
    for (key, told) in ward
        .conditions
        .iter()
        .enumerate()
        .map(|(n, told)| (if n == 0 { "Conditions" } else { "" }, told))
    {
        let plain = Sheet {
            width: None,
            ..sheet
        };
        let tree = draw(&condition(told, ward.timestamp), plain);
        let mut key = key;
        for line in tree.lines() {
            let colon = if key.is_empty() { ' ' } else { ':' };
            page.text
                .push_str(&sheet.folded(&format!("{key:>INDENT$}{colon} {line}\n"), INDENT + 8));
            key = "";
        }
    }
    past(&mut page, ward);
    page.lines("Problems", ward.problems.iter().cloned());
    page.text
}

/// Adds the ward's unit, files and stack.
fn place(page: &mut Page<'_>, ward: &WardStatus) {
    let mut unit = ward.line.unit.clone();
    let known: Vec<&str> = ward
        .unit_files
        .first()
        .into_iter()
        .chain(&ward.unit_file_state)
        .map(String::as_str)
        .collect();
    if !known.is_empty() {
        unit.push_str(&format!(" ({})", known.join("; ")));
    }
    page.line("Unit", &unit);
    page.lines(
        "",
        ward.unit_files
            .iter()
            .skip(1)
            .map(|file| format!("with {file}")),
    );
    page.line("File", &ward.file);
    let drop_ins = ward.drop_ins.iter();
    page.lines("", drop_ins.map(|file| format!("with {file}")));
    if let Some(stack) = &ward.line.stack {
        page.line("Stack", stack);
    }
    if let Some(error) = &ward.load_error {
        page.painted("Not loaded", error, "31");
    }
}

/// Adds the state, and the remedy.
fn standing(page: &mut Page<'_>, ward: &WardStatus) {
    let line = &ward.line;
    let since = page.since(line.since);
    page.painted(
        "State",
        &format!("{}{since}", stands(line, ward.timestamp)),
        desk::ward_colour(line),
    );
    if let Some(at) = &line.step {
        let so_far = span(ward.timestamp.saturating_sub(at.since));
        page.line(
            "Step",
            &format!(
                "[{}] {}={}, for {so_far} so far",
                at.condition,
                step(at),
                at.argument
            ),
        );
    }
    if let Some(advice) = advice(ward) {
        page.line("", &advice);
    }
    if line.needs_reload && line.state != State::NotLoaded {
        page.line(
            "",
            "systemd has not read what has changed: run systemctl daemon-reload",
        );
    }
    if let Some(pid) = ward.pid {
        page.line("Main PID", &pid.to_string());
    }
    if let Some(status) = &ward.status {
        page.line("Status", status);
    }
}

/// Returns the remedy for a state, if there is one.
fn advice(ward: &WardStatus) -> Option<String> {
    let (name, unit) = (&ward.line.name, &ward.line.unit);
    let by = ward.line.exclusion.as_ref();
    Some(match ward.line.state {
        State::Excluded => {
            let why = by
                .filter(|by| by.by != "unknown")
                .and_then(|by| by.why.as_deref())
                .map_or_else(String::new, |why| format!("{why}; "));
            format!("{why}\"unitward readmit {name}\" takes it back")
        }
        State::Masked => format!("\"systemctl unmask {unit}\" lets it be started"),
        State::Missing => {
            format!("no unit file for {unit}: install what has one, or correct Unit= in the ward")
        }
        State::NotLoaded => "run systemctl daemon-reload".to_owned(),
        State::Failed => format!(
            "\"systemctl start {unit}\" starts it; \"journalctl -u {unit}\" shows what it said"
        ),
        _ => return None,
    })
}

/// Adds the recovery settings, and the consequence of the next crash.
fn outlook(page: &mut Page<'_>, ward: &WardStatus) {
    page.line(
        "Recovery",
        &format!(
            "{}, afresh after {} without a death",
            restarts(ward),
            span(ward.recovery.reset_after_ms)
        ),
    );
    let within = ward
        .line
        .death_limit_interval_ms
        .map(span)
        .unwrap_or_default();
    let limit = ward.line.death_limit.map_or_else(
        || "no limit".to_owned(),
        |limit| format!("{} of {limit} within {within}", counting(&ward.line)),
    );
    page.line(
        "Deaths",
        &format!("{limit}; since boot {}", counters(&ward.since_boot)),
    );
    let Some(next) = &ward.next else { return };
    let mut text = match (next.restarts, next.after_ms) {
        (true, Some(0) | None) => "a crash restarts it at once".to_owned(),
        (true, Some(ms)) => format!("a crash restarts it after {}", span(ms)),
        (false, _) if next.deaths_left == Some(1) => {
            format!("the next death {}", consequence(&next.then))
        }
        (false, _) => "systemd does not restart it".to_owned(),
    };
    match next.deaths_left {
        Some(left) if left > 1 || next.restarts => {
            let deaths = if left == 1 {
                "1 more death".to_owned()
            } else {
                format!("{left} more deaths")
            };
            let verb = if left == 1 {
                consequence(&next.then).to_owned()
            } else {
                plural(&next.then).to_owned()
            };
            text.push_str(&format!("; {deaths} within {within} {verb}"));
        }
        _ => {}
    }
    page.line("Next", &text);
}

/// Describes the unit's own settings for restarts, and the back-off.
fn restarts(ward: &WardStatus) -> String {
    let set = &ward.recovery;
    let mut restart = set
        .restart
        .as_deref()
        .map_or_else(String::new, |word| format!("Restart={word}, "));
    let waits = set.restart_ms.is_some_and(|ms| ms > 0);
    if let Some(ms) = set.restart_ms.filter(|_| waits) {
        restart.push_str(&format!("RestartSec={}, ", span(ms)));
    }
    let backoff = match (set.delay_ms, set.max_delay_ms) {
        (0, 0) => "no back-off".to_owned(),
        (delay, max) if max <= delay => format!("each after {}", span(delay)),
        (0, max) if waits => format!(
            "from the second restart on also back-off from 100ms to {}",
            span(max)
        ),
        (0, max) => format!("first at once, then back-off from 100ms to {}", span(max)),
        (delay, max) => format!("back-off from {} to {}", span(delay), span(max)),
    };
    format!("{restart}{backoff}")
}

/// Returns the action of the death limit, as it continues "the next death".
fn consequence(then: &str) -> &'static str {
    match then {
        "exclude" => "excludes it",
        "restart-stack" => "restarts its stack",
        "reboot" => "reboots the host",
        _ => "reaches its limit, which changes nothing",
    }
}

/// Returns the same as it continues "3 more deaths".
fn plural(then: &str) -> &'static str {
    match then {
        "exclude" => "exclude it",
        "restart-stack" => "restart its stack",
        "reboot" => "reboot the host",
        _ => "reach its limit, which changes nothing",
    }
}

/// Adds the deaths, the last recovery, and the waiting reports.
fn past(page: &mut Page<'_>, ward: &WardStatus) {
    let mut key = "Last deaths";
    for crash in &ward.crashes {
        death(page, key, crash);
        key = "";
    }
    if let Some(recovery) = &ward.last_recovery {
        let mut text = format!("{} {}", recovery.outcome, page.at(recovery.timestamp));
        if let Some(restarts) = recovery.restarts {
            text.push_str(&format!("; {}", counted(restarts, "restart")));
        }
        if let Some(ms) = recovery.downtime_ms {
            text.push_str(&format!(", {} down", span(ms)));
        }
        if let Some(ms) = recovery.recovery_ms {
            text.push_str(&format!(", {} to the last step", span(ms)));
        }
        page.line("Last recovery", &text);
    }
    if let Some(waiting) = ward.reports_waiting.filter(|waiting| *waiting > 0) {
        page.line("Reports", &format!("{waiting} waiting for the broker"));
    }
    if let Some(problem) = &ward.history_problem {
        page.line("History", problem);
    }
}

fn death(page: &mut Page<'_>, key: &str, crash: &CrashTold) {
    let reason = crash.death.reason.as_deref().unwrap_or("unknown");
    let pid = crash
        .pid
        .map_or_else(String::new, |pid| format!(", PID {pid}"));
    let report = crash.report.as_ref().map_or_else(String::new, |report| {
        format!(", report {}", report.replace('-', " "))
    });
    let digits: String = crash.death.invocation.chars().take(8).collect();
    let at = page.at(crash.death.timestamp);
    page.line(key, &format!("{at}: {reason}{pid}{report}, ID {digits}"));
    page.lines("", crash.frames.iter().map(|frame| format!("    {frame}")));
    if crash.more_frames > 0 {
        page.line(
            "",
            &format!(
                "    and {}: unitward reports show {digits}",
                counted(crash.more_frames, "frame").replace(' ', " more ")
            ),
        );
    }
}

#[cfg(test)]
mod tests;
